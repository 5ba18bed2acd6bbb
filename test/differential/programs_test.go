package differential

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/prepare/generate"
	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/test/dock"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/preview1"
)

// program is one row of the table.
type program struct {
	name   string
	bin    []byte
	args   []string
	stdin  string
	exit   uint32
	chance bool // prints clocks, randomness and NaNs: only deterministic ways can agree
}

const verse = "Row, row, row your boat\ngently down the stream:\nmerrily, merrily, merrily, merrily\n"

// programs builds the table from the repository's sources, and the official suite's modules when they are there.
func programs(t *testing.T) []program {
	root := dock.Root(t)
	dir := t.TempDir()
	guest := func(source string) []byte {
		out := filepath.Join(dir, strings.ReplaceAll(source, "/", "-")+".wasm")
		dock.Guest(t, filepath.Join(root, source), out)
		return read(t, out)
	}
	wordcount, files := guest("examples/wordcount"), guest("wasi/preview1/testdata/guest")
	matmul := clang(t, filepath.Join(root, "examples/matmul/matmul.c"), "-O3", "-msimd128", "-ffast-math")
	vary := clang(t, filepath.Join(root, "runtime/testdata/vary.c"), "-O1", "-msimd128")
	probe := clang(t, filepath.Join(root, "runtime/testdata/probe.c"), "-O1")
	list := []program{
		{name: "wordcount", bin: wordcount, stdin: strings.Repeat(verse, 100)},
		{name: "files of a Go program", bin: files, args: []string{"files"}},
		{name: "matmul", bin: matmul, args: []string{"96"}},
		{name: "write", bin: probe, args: []string{"write", "/file", "text"}},
		{name: "stdin", bin: probe, args: []string{"stdin"}, stdin: verse},
		{name: "chance", bin: vary, stdin: verse, exit: 3, chance: true},
	}
	checkout := os.Getenv("WASI_TESTSUITE")
	modules, _ := filepath.Glob(filepath.Join(checkout, "tests", "*", "testsuite", "wasm32-wasip1", "*.wasm"))
	if len(modules) == 0 {
		t.Log("SKIPPED: the modules of the official suite: set WASI_TESTSUITE to a checkout of its branch with built modules")
	}
	for _, m := range modules {
		list = append(list, program{name: "suite/" + filepath.Base(m), bin: read(t, m), args: []string{"/"}, exit: anyExit})
	}
	return list
}

// anyExit is any exit code: those of the suite's modules that are run without their folders are their own business.
const anyExit = 1 << 31

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func clang(t *testing.T, source string, flags ...string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.wasm")
	args := append([]string{"--target=wasm32-wasi", "-o", out, source}, flags...)
	if text, err := exec.CommandContext(t.Context(), dock.Find(t, "clang"), args...).CombinedOutput(); err != nil {
		t.Fatalf("compile %s: %v\n%s", source, err, text)
	}
	return read(t, out)
}

// TestPrograms runs the table in every way. All that a program prints and writes, and how it ends, is compared.
func TestPrograms(t *testing.T) {
	compiler, interpreter := engines(t)
	fixes := prepare.Options{EngineFixes: compiler.NeedsFixes()}
	fuel, canonical, all := fixes, fixes, fixes
	fuel.Fuel, canonical.Deterministic = true, true
	all.Fuel, all.Deterministic = true, true
	compiled, err := runtime.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = compiled.Close(context.Background()) })
	ways := []way{
		{name: "interpreter, deterministic", engine: interpreter, passes: all},
		{name: "compiler, deterministic", engine: compiler, passes: all},
		{name: "compiler, deterministic, unmetered", engine: compiler, passes: canonical},
		{name: "compiler", engine: compiler, passes: fixes},
		{name: "compiler, metered", engine: compiler, passes: fuel},
		{name: "compiler, metered, small slices", engine: compiler, passes: fuel, grant: 2000},
		{name: "interpreter, metered", engine: interpreter, passes: fuel},
	}
	for _, p := range programs(t) {
		t.Run(p.name, func(t *testing.T) {
			var want string
			for i, w := range ways {
				if p.chance && !w.passes.Deterministic {
					continue
				}
				got, err := w.program(t.Context(), p)
				if err != nil {
					t.Fatalf("%s: %v", w.name, err)
				}
				if i == 0 {
					want = got
				} else if got != want {
					t.Errorf("%s:\n%s\nwant, as on %s:\n%s", w.name, got, ways[0].name, want)
				}
			}
			// A container has devices and variables of its own, which the program of chance shows.
			if !p.chance {
				if got := container(t, compiled, p); got != want {
					t.Errorf("in a container:\n%s\nwant\n%s", got, want)
				}
			}
			if p.exit != anyExit && !strings.HasPrefix(want, fmt.Sprintf("exit %d\n", p.exit)) {
				t.Errorf("ends by itself with\n%s", want)
			}
		})
	}
}

// epoch is when the time of all programs begins.
var epoch = time.Unix(1_000_000_000, 0)

const seed = "differential"

// program runs a program over an empty file system and tells all that it did.
func (w way) program(ctx context.Context, p program) (string, error) {
	passes := w.passes
	hash := sha256.New()
	fmt.Fprintf(hash, "%x\n%s\n%s\n", sha256.Sum256(p.bin), passes.Key(), w.engine.Identity())
	loaded, err := w.engine.Load(ctx, hex.EncodeToString(hash.Sum(nil)), func(ctx context.Context) (engine.Artifact, error) {
		out, err := prepare.Prepare(ctx, p.bin, passes)
		if err != nil {
			return engine.Artifact{}, err
		}
		return engine.Artifact{Wasm: out.Wasm, Names: out.Names}, nil
	}, nil)
	if err != nil {
		return "", err
	}
	defer loaded.Close(ctx)
	clock, random := wasi.NewFixedClock(epoch), wasi.SeededRandom([]byte(seed))
	tree, err := rootfs.New(rootfs.Options{Now: clock.Now, Random: random})
	if err != nil {
		return "", err
	}
	defer tree.Close()
	var stdout, stderr bytes.Buffer
	h, err := preview1.New(preview1.Config{
		Args: append([]string{"/program"}, p.args...), Env: []string{"PWD=/"},
		Stdin: wasi.NewInput(strings.NewReader(p.stdin)), Stdout: wasi.NewOutput(&stdout), Stderr: wasi.NewOutput(&stderr),
		Clock: clock, Random: random, Patient: true,
		Tree: tree, Preopens: []preview1.Preopen{{GuestPath: "/", Node: tree.Root()}},
	})
	if err != nil {
		return "", err
	}
	defer h.Close()
	config := engine.InstanceConfig{Imports: []engine.HostModule{h.Module()}, MemoryLimit: 1 << 30}
	if w.grant > 0 {
		config.Meter = &meter{grant: w.grant}
	}
	i, err := w.engine.Instantiate(ctx, loaded, config)
	if err != nil {
		return "", err
	}
	defer i.Close(ctx)
	_, err = i.Call(ctx, "_start")
	var exit *engine.ExitError
	var trap *engine.Trap
	ending := "exit 0"
	switch {
	case errors.As(err, &exit):
		ending = fmt.Sprintf("exit %d", exit.Code)
	case errors.As(err, &trap):
		ending = "trap " + string(trap.Kind)
	case err != nil:
		return "", err
	}
	files, err := written(tree.Diff(ctx))
	return fmt.Sprintf("%s\n%s%s%s", ending, stdout.String(), stderr.String(), files), err
}

// written lists what a program left behind, with the hashes of contents. Times are the tree's own matter.
func written(index *layer.Index, _ layer.Content, err error) (string, error) {
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, e := range index.Entries {
		if e.Path == "" || e.Path == "program" {
			continue
		}
		fmt.Fprintf(&out, "%s %v %o %d %s %s %s\n", e.Path, e.Kind, e.Mode, e.Size, e.Target, e.Link, e.Content.Digest)
	}
	return out.String(), nil
}

// container runs a program as package runtime does, with the same inputs.
func container(t *testing.T, rt *runtime.Runtime, p program) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	image := runtime.Program("program", p.bin)
	c, err := rt.Create(t.Context(), image, runtime.Spec{
		Args: p.args, Stdin: strings.NewReader(p.stdin), Stdout: &stdout, Stderr: &stderr,
		Clock: wasi.NewFixedClock(epoch), Random: wasi.SeededRandom([]byte(seed)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	ending := "exit 0"
	err = c.Run(t.Context())
	var exit *runtime.ExitError
	var trap *runtime.TrapError
	switch {
	case errors.As(err, &exit):
		ending = fmt.Sprintf("exit %d", exit.Code)
	case errors.As(err, &trap):
		ending = "trap " + trap.Trap
	case err != nil:
		t.Fatal(err)
	}
	files, err := written(c.Changes(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s\n%s%s%s", ending, stdout.String(), stderr.String(), files)
}

// TestKernels runs the kernels of the benchmarks, whose loops are what metering is hardest on.
func TestKernels(t *testing.T) {
	source := filepath.Join(dock.Root(t), "test/bench/testdata/kernels.c")
	for _, flags := range [][]string{{"-O2"}, {"-O3", "-msimd128"}} {
		m := generate.Module{Wasm: clang(t, source, append(flags, "-nostdlib", "-Wl,--no-entry")...)}
		for _, name := range strings.Fields("matmul sha256 nbody quicksort calls") {
			for _, rounds := range []uint64{0, 2} {
				m.Calls = append(m.Calls, generate.Call{Name: name, Args: []uint64{rounds}})
			}
		}
		compiler, interpreter := engines(t)
		want, err := asItIs(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		spent := map[bool]uint64{}
		for _, o := range []prepare.Options{{EngineFixes: true}, {EngineFixes: true, Fuel: true}, {EngineFixes: true, Fuel: true, Deterministic: true}} {
			for _, w := range []way{{name: "compiler", engine: compiler}, {name: "compiler, small slices", engine: compiler, grant: 777}, {name: "interpreter", engine: interpreter}} {
				w.passes = o
				got, err := w.run(t.Context(), m)
				if err != nil {
					t.Fatal(err)
				}
				if got.String() != want.String() {
					t.Errorf("%v, %s, %+v: %s", flags, w.name, o, got.differs(want))
				}
				if n := spent[o.Deterministic]; o.Fuel && n > 0 && n != got.fuel {
					t.Errorf("%v, %s: spent %d units of fuel, before %d", flags, w.name, got.fuel, n)
				}
				if o.Fuel {
					spent[o.Deterministic] = got.fuel
				}
			}
		}
	}
}
