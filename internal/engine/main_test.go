package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/wasm"
)

// childEnv makes the test binary a process of its own that loads a module; see child.
const childEnv = "WHERRY_ENGINE_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child(os.Args[1], os.Args[2]))
	}
	os.Exit(m.Run())
}

// child loads the module in a file through the cache in dir and says whether it had to be made.
func child(dir, file string) int {
	ctx := context.Background()
	bin, err := os.ReadFile(file)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	e, err := New(ctx, Config{CacheDir: dir})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("ready")
	made := false
	m, err := e.Load(ctx, keyOf(bin), func(context.Context) (Artifact, error) {
		made = true
		fmt.Println("making")
		return Artifact{Wasm: bin}, nil
	}, nil)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	i, err := e.Instantiate(ctx, m, InstanceConfig{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	got, err := i.Call(ctx, "run", 1)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("made", made, "got", got[0])
	return 0
}

// tempDir is TempDir with our own way to remove it, which works in Wine too.
func tempDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "engine")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { removeAll(dir) })
	return dir
}

func removeNow(path string) error {
	removeAll(path)
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s is still there", path)
	}
	return nil
}

// need finds a tool of the build machine; without it the test is skipped, but not in CI.
func need(tb testing.TB, tool, of string) string {
	tb.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		if os.Getenv("CI") == "true" {
			tb.Fatalf("%s (%s) is not installed, and CI must not skip this test", tool, of)
		}
		tb.Skipf("SKIPPED: %s (%s) is not installed", tool, of)
	}
	return path
}

// wat compiles the text format with wabt.
func wat(tb testing.TB, text string) []byte {
	tb.Helper()
	tool := need(tb, "wat2wasm", "wabt")
	dir := tempDir(tb)
	in, out := filepath.Join(dir, "m.wat"), filepath.Join(dir, "m.wasm")
	if err := os.WriteFile(in, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	args := []string{"--enable-threads", "--enable-tail-call", "--debug-names", "-o", out, in}
	if b, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
		tb.Fatalf("wat2wasm: %v\n%s", err, b)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// strip takes the custom sections off, as preparing does, and gives the names apart.
func strip(tb testing.TB, bin []byte) Artifact {
	tb.Helper()
	m, err := wasm.Decode(bin, wasm.DefaultLimits())
	if err != nil {
		tb.Fatal(err)
	}
	out := wasm.AppendHeader(nil)
	for _, s := range m.Sections {
		if s.ID != wasm.SectionCustom {
			out = wasm.AppendSection(out, s.ID, m.Bytes(s.Span))
		}
	}
	names := wasm.Names(m, func(i uint32) (uint32, bool) { return i, true })
	return Artifact{Wasm: out, Names: names}
}

func newEngine(tb testing.TB, c Config) *Engine {
	tb.Helper()
	e, err := New(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := e.Close(ctx); err != nil {
			tb.Error("close engine:", err)
		}
	})
	return e
}

func keyOf(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func load(tb testing.TB, e *Engine, bin []byte) *Module {
	tb.Helper()
	a := strip(tb, bin)
	m, err := e.Load(tb.Context(), keyOf(bin), func(context.Context) (Artifact, error) { return a, nil }, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { m.Close(context.Background()) })
	return m
}

func instance(tb testing.TB, e *Engine, m *Module, c InstanceConfig) *Instance {
	tb.Helper()
	i, err := e.Instantiate(tb.Context(), m, c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { i.Close(context.Background()) })
	return i
}

// run makes an instance of a module in the text format and calls its "run".
func run(tb testing.TB, text string, c InstanceConfig, args ...uint64) ([]uint64, error) {
	tb.Helper()
	e := newEngine(tb, Config{})
	i, err := e.Instantiate(tb.Context(), load(tb, e, wat(tb, text)), c)
	if err != nil {
		return nil, err
	}
	defer i.Close(context.Background())
	return i.Call(tb.Context(), "run", args...)
}

// env is a host module "env" of the given functions.
func env(funcs ...HostFunc) []HostModule { return []HostModule{{Name: "env", Funcs: funcs}} }

// metered is the head of a module that counts fuel as prepared modules do: tick costs one unit.
const metered = `
  (import "wherry" "yield" (func $yield))
  (global $fuel (export "wherry.fuel") (mut i64) (i64.const 0))
  (func $tick
    (global.set $fuel (i64.sub (global.get $fuel) (i64.const 1)))
    (if (i64.lt_s (global.get $fuel) (i64.const 0)) (then (call $yield))))
  (func $spin (loop (call $tick) (br 0)))
  (func $work (param i64)
    (loop
      (call $tick)
      (local.set 0 (i64.sub (local.get 0) (i64.const 1)))
      (br_if 0 (i64.gt_s (local.get 0) (i64.const 0)))))
`

// sized is how many functions a module needs that shall take a while: under the race detector, which -short is for,
// compiling takes ten times as long.
func sized(funcs int) int {
	if testing.Short() {
		return funcs / 4
	}
	return funcs
}

// bulky is a module whose compilation takes a while: funcs functions of ops instructions, and run(x) = x + 1.
func bulky(funcs, ops int) []byte {
	bodies := make([][]byte, 0, funcs+1)
	code := []byte{0}
	code = append(code, 0x20, 0)
	for n := range ops {
		code = wasm.AppendI32Const(code, int32(n*7919))
		code = append(code, []byte{0x6a, 0x73, 0x6c, 0x6b}[n%4], 0x22, 0) // add, xor, mul, sub; local.tee 0
	}
	code = append(code, 0x0b)
	types := make([]uint32, 0, funcs+1)
	for range funcs {
		bodies = append(bodies, code)
		types = append(types, 0)
	}
	bodies = append(bodies, []byte{0, 0x20, 0, 0x41, 1, 0x6a, 0x0b})
	types = append(types, 0)
	t := wasm.FuncType{Params: []wasm.ValueType{wasm.I32}, Results: []wasm.ValueType{wasm.I32}}
	b := wasm.AppendHeader(nil)
	b = wasm.AppendSection(b, wasm.SectionType, wasm.AppendVector(nil, []wasm.FuncType{t}, wasm.AppendFuncType))
	b = wasm.AppendSection(b, wasm.SectionFunction, wasm.AppendVector(nil, types, wasm.AppendU32))
	exports := []wasm.Export{{Name: "run", Kind: wasm.ExternFunc, Index: uint32(funcs)}}
	b = wasm.AppendSection(b, wasm.SectionExport, wasm.AppendVector(nil, exports, wasm.AppendExport))
	return wasm.AppendCodeSection(b, bodies)
}
