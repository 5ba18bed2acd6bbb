package engine

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func TestHostCall(t *testing.T) {
	add := HostFunc{Name: "add", Params: []ValueType{I32, I64}, Results: []ValueType{I64, F32},
		Call: func(_ context.Context, _ *Guest, stack []uint64) { stack[0], stack[1] = stack[0]+stack[1], 0x3f800000 }}
	got, err := run(t, `(module
	  (import "env" "add" (func $add (param i32 i64) (result i64 f32)))
	  (func (export "run") (param i32) (result i64 f32) (call $add (local.get 0) (i64.const 2))))`,
		InstanceConfig{Imports: env(add)}, 40)
	if err != nil || len(got) != 2 || got[0] != 42 || got[1] != 0x3f800000 {
		t.Fatal(got, err)
	}
}

// TestHostModules gives each instance of one module functions of its own.
func TestHostModules(t *testing.T) {
	e := newEngine(t, Config{})
	m := load(t, e, wat(t, `(module
	  (import "env" "who" (func $who (result i32)))
	  (import "e n v\n" "" (func $empty (result i32)))
	  (func (export "run") (result i32) (i32.add (call $who) (call $empty))))`))
	var wg sync.WaitGroup
	for n := range 16 {
		number := func(v uint64) func(context.Context, *Guest, []uint64) {
			return func(_ context.Context, _ *Guest, stack []uint64) { stack[0] = v }
		}
		i := instance(t, e, m, InstanceConfig{Imports: []HostModule{
			{Name: "e n v\n", Funcs: []HostFunc{{Name: "", Results: []ValueType{I32}, Call: number(1000)}}},
			{Name: "env", Funcs: []HostFunc{{Name: "other", Call: number(7)}}},
			{Name: "env", Funcs: []HostFunc{{Name: "who", Results: []ValueType{I32}, Call: number(uint64(n))}}},
		}})
		wg.Go(func() {
			for range 1000 {
				if got, err := i.Call(context.Background(), "run"); err != nil || got[0] != uint64(1000+n) {
					t.Errorf("instance %d: got %v, %v", n, got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestImports(t *testing.T) {
	e := newEngine(t, Config{})
	m := load(t, e, wat(t, `(module
	  (import "env" "known" (func $known (param i32)))
	  (import "env" "unknown" (func $unknown (param i64) (result f64)))
	  (import "gone" "f" (func))
	  (import "wherry" "yield" (func))
	  (func (export "run") (param i64) (result f64) (call $unknown (local.get 0))))`))
	if n := len(m.Imports()); n != 3 {
		t.Errorf("%d imports, want 3 without the engine's own", n)
	}
	known := func(params ...ValueType) []HostModule {
		return env(HostFunc{Name: "known", Params: params, Call: func(context.Context, *Guest, []uint64) {}})
	}
	for _, c := range []struct {
		name   string
		config InstanceConfig
		want   string
	}{
		{"nothing offered", InstanceConfig{}, "env.known (i32) -> (); env.unknown (i64) -> (f64); gone.f () -> ()"},
		{"one offered", InstanceConfig{Imports: known(I32)}, "env.unknown (i64) -> (f64); gone.f () -> ()"},
		{"other signature", InstanceConfig{Imports: known(I64), UnknownImports: TrapCalls},
			"env.known wanted as (i32) -> (), offered as (i64) -> ()"},
		{"twice", InstanceConfig{Imports: append(known(I32), known(I32)...)}, "host function env.known is given twice"},
	} {
		_, err := e.Instantiate(t.Context(), m, c.config)
		if err == nil || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
		var unknown *UnknownImportError
		if c.name != "twice" && !errors.As(err, &unknown) {
			t.Errorf("%s: %T is not an UnknownImportError", c.name, err)
		}
	}

	i := instance(t, e, m, InstanceConfig{Imports: known(I32), UnknownImports: TrapCalls})
	_, err := i.Call(t.Context(), "run", 1)
	var trap *Trap
	if !errors.As(err, &trap) || trap.Kind != TrapUnknownImport || !strings.Contains(trap.Message, "env.unknown") {
		t.Errorf("call of an unknown import: %v", err)
	}
}

func TestImportsOtherThanFunctions(t *testing.T) {
	for kind, text := range map[string]string{
		"memory": `(import "env" "it" (memory 1))`,
		"table":  `(import "env" "it" (table 1 funcref))`,
		"global": `(import "env" "it" (global i32))`,
	} {
		_, err := run(t, "(module "+text+")", InstanceConfig{UnknownImports: TrapCalls})
		if err == nil || !strings.Contains(err.Error(), "env.it (a "+kind+")") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestUnwinding(t *testing.T) {
	const text = `(module
	  (import "env" "f" (func $f))
	  (func (export "inner") (call $f))
	  (func (export "trap") (unreachable))
	  (func (export "run") (result i32) (call $f) (i32.const 1)))`
	errOurs := errors.New("ours")
	isExit := func(code uint32) func(error) bool {
		return func(err error) bool { var e *ExitError; return errors.As(err, &e) && e.Code == code }
	}
	depth := 0
	for _, c := range []struct {
		name string
		f    func(context.Context, *Guest, []uint64)
		want func(error) bool
	}{
		{"exit 0", func(_ context.Context, g *Guest, _ []uint64) { g.Exit(0) }, isExit(0)},
		{"exit 256", func(_ context.Context, g *Guest, _ []uint64) { g.Exit(256) }, isExit(256)},
		{"fail", func(_ context.Context, g *Guest, _ []uint64) { g.Fail(errOurs) },
			func(err error) bool { return err == errOurs }},
		{"panic", func(context.Context, *Guest, []uint64) { panic("lost") },
			func(err error) bool {
				var p *HostPanicError
				return errors.As(err, &p) && p.Value == "lost" && strings.HasSuffix(p.Func, ".f")
			}},
		{"panic with an error", func(context.Context, *Guest, []uint64) { panic(errOurs) },
			func(err error) bool { var p *HostPanicError; return errors.As(err, &p) && errors.Is(err, errOurs) }},
		{"nil pointer", func(context.Context, *Guest, []uint64) { var p *Instance; p.closed = true },
			func(err error) bool {
				var p *HostPanicError
				return errors.As(err, &p) && strings.Contains(p.Stack, "instance_test.go") && !strings.Contains(err.Error(), ".go")
			}},
		{"exit in a nested call that the host ignores", func(ctx context.Context, g *Guest, _ []uint64) {
			if depth++; depth == 2 {
				g.Exit(7)
			}
			_, _ = g.Call(ctx, "inner")
		}, isExit(7)},
		{"trap in a nested call that the host ignores", func(ctx context.Context, g *Guest, _ []uint64) {
			_, _ = g.Call(ctx, "trap")
		}, func(err error) bool { var trap *Trap; return errors.As(err, &trap) && trap.Kind == TrapUnreachable }},
		{"trap in a nested call that the host makes a failure of", func(ctx context.Context, g *Guest, _ []uint64) {
			if _, err := g.Call(ctx, "trap"); err != nil {
				g.Fail(errOurs)
			}
		}, func(err error) bool { return err == errOurs }},
		{"panic in a nested call that the host ignores", func(ctx context.Context, g *Guest, _ []uint64) {
			if depth++; depth == 2 {
				panic("inner")
			}
			_, _ = g.Call(ctx, "inner")
		}, func(err error) bool { return err == nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			depth = 0
			_, err := run(t, text, InstanceConfig{Imports: env(HostFunc{Name: "f", Call: c.f})})
			if !c.want(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestNestedCalls re-enters one function many times, each with a stack of its own.
func TestNestedCalls(t *testing.T) {
	fib := HostFunc{Name: "sum", Params: []ValueType{I32}, Results: []ValueType{I32},
		Call: func(ctx context.Context, g *Guest, stack []uint64) {
			if stack[0] == 0 {
				return
			}
			n := stack[0]
			derived, cancel := context.WithCancel(ctx)
			defer cancel()
			got, err := g.Call(derived, "run", n-1)
			if err != nil {
				g.Fail(err)
			}
			stack[0] = got[0] + n
		}}
	got, err := run(t, `(module
	  (import "env" "sum" (func $sum (param i32) (result i32)))
	  (func (export "run") (param i32) (result i32) (call $sum (local.get 0))))`,
		InstanceConfig{Imports: env(fib)}, 100)
	if err != nil || got[0] != 5050 {
		t.Fatal(got, err)
	}
}

// TestNestedTooDeep has guest and host call each other without end. Go would end the process for it.
func TestNestedTooDeep(t *testing.T) {
	again := HostFunc{Name: "again", Call: func(ctx context.Context, g *Guest, _ []uint64) {
		if _, err := g.Call(ctx, "run"); err != nil {
			g.Fail(err)
		}
	}}
	through := HostFunc{Name: "again", Call: func(ctx context.Context, g *Guest, _ []uint64) {
		if _, err := g.CallTable(ctx, 0, nil, nil); err != nil {
			g.Fail(err)
		}
	}}
	for _, f := range []HostFunc{again, through} {
		_, err := run(t, `(module
		  (import "env" "again" (func $again))
		  (table funcref (elem $run))
		  (func $run (export "run") (call $again)))`, InstanceConfig{Imports: env(f)})
		var trap *Trap
		if !errors.As(err, &trap) || trap.Kind != TrapStack {
			t.Error(err)
		}
	}
}

func TestCallErrors(t *testing.T) {
	e := newEngine(t, Config{})
	i := instance(t, e, load(t, e, wat(t, `(module (memory (export "memory") 1) (func (export "run") (param i32)))`)), InstanceConfig{})
	var missing *NoFunctionError
	for _, name := range []string{"nothing", "memory", ""} {
		if _, err := i.Call(t.Context(), name); !errors.As(err, &missing) || i.HasFunc(name) {
			t.Errorf("call %q: %v", name, err)
		}
	}
	if _, err := i.Call(t.Context(), "run"); err == nil {
		t.Error("called without an argument")
	}
	if _, err := i.Call(t.Context(), "run", 1); err != nil || !i.HasFunc("run") {
		t.Error(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := i.Call(cancelled, "run", 1); !errors.Is(err, context.Canceled) {
		t.Error("cancelled before:", err)
	}
	if err := i.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := i.Call(t.Context(), "run", 1); !errors.Is(err, ErrClosed) {
		t.Error("called after Close:", err)
	}
	if err := i.Close(t.Context()); err != nil {
		t.Error("second Close:", err)
	}
}

func TestStartFunction(t *testing.T) {
	const text = `(module ` + metered + `
	  (import "env" "f" (func $f))
	  (memory (export "memory") 1)
	  (func $start (call $work (i64.const 12345)) (i32.store (i32.const 8) (i32.const 99)) (call $f))
	  (func (export "run") (result i32) (i32.load (i32.const 8)))
	  (start $start))`
	text2 := strings.Replace(text, metered, "", 1)
	text2 = strings.Replace(text2, `(import "env"`, metered[:strings.Index(metered, "\n  (global")]+`(import "env"`, 1)
	text2 = strings.Replace(text2, "(memory", metered[strings.Index(metered, "\n  (global"):]+"(memory", 1)
	e := newEngine(t, Config{})
	m := load(t, e, wat(t, text2))
	with := func(f func(context.Context, *Guest, []uint64)) InstanceConfig {
		return InstanceConfig{Imports: env(HostFunc{Name: "f", Call: f})}
	}
	seen := uint32(0)
	i := instance(t, e, m, with(func(_ context.Context, g *Guest, _ []uint64) { seen, _ = g.Memory().ReadUint32Le(8) }))
	if seen != 99 || i.Fuel() != 12345 {
		t.Errorf("the host saw %d in memory, fuel %d", seen, i.Fuel())
	}
	var exit *ExitError
	if _, err := e.Instantiate(t.Context(), m, with(func(_ context.Context, g *Guest, _ []uint64) { g.Exit(3) })); !errors.As(err, &exit) || exit.Code != 3 {
		t.Error("exit in the start function:", err)
	}
	trapping := load(t, e, wat(t, `(module (func $start unreachable) (start $start))`))
	var trap *Trap
	if _, err := e.Instantiate(t.Context(), trapping, InstanceConfig{}); !errors.As(err, &trap) || trap.Kind != TrapUnreachable {
		t.Error("trap in the start function:", err)
	}
	data := load(t, e, wat(t, `(module (memory 1) (data (i32.const 65535) "ab"))`))
	if _, err := e.Instantiate(t.Context(), data, InstanceConfig{}); !errors.As(err, &trap) || trap.Kind != TrapMemory {
		t.Error("data outside of memory:", err)
	}
}

// TestC runs a guest built by clang.
func TestC(t *testing.T) {
	clang := need(t, "clang", "clang, lld")
	dir := tempDir(t)
	src := filepath.Join(dir, "m.c")
	if err := os.WriteFile(src, []byte(`
__attribute__((import_module("env"), import_name("print"))) void print(const char *p, int n);
static char text[] = "hello from C";
__attribute__((export_name("run"))) int run(int n) {
	int sum = 0;
	for (int i = 1; i <= n; i++) sum += i * i;
	print(text, sizeof text - 1);
	return sum;
}`), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "m.wasm")
	if b, err := exec.Command(clang, "--target=wasm32", "-nostdlib", "-O2", "-Wl,--no-entry", "-o", out, src).CombinedOutput(); err != nil {
		t.Fatalf("clang: %v\n%s", err, b)
	}
	bin, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, interpreter := range []bool{false, true} {
		e := newEngine(t, Config{Interpreter: interpreter})
		printed := ""
		i := instance(t, e, load(t, e, bin), InstanceConfig{Imports: env(HostFunc{Name: "print", Params: []ValueType{I32, I32},
			Call: func(_ context.Context, g *Guest, stack []uint64) {
				b, ok := g.Memory().Read(uint32(stack[0]), uint32(stack[1]))
				if !ok {
					g.Fail(errors.New("out of bounds"))
				}
				printed = string(b)
			}})})
		got, err := i.Call(t.Context(), "run", 10)
		if err != nil || got[0] != 385 || printed != "hello from C" {
			t.Errorf("interpreter %v: got %v, %v, printed %q", interpreter, got, err, printed)
		}
	}
}

func TestSelfTest(t *testing.T) {
	compiled, interpreted := newEngine(t, Config{}), newEngine(t, Config{Interpreter: true})
	if interpreted.NeedsFixes() || interpreted.Compiles() {
		t.Error("the interpreter is exact, and not a compiler")
	}
	if runtime.GOARCH != "amd64" && compiled.NeedsFixes() {
		t.Error("the faults that are known are those of amd64")
	}
	if compiled.Identity() == interpreted.Identity() {
		t.Error("compiler and interpreter have one identity")
	}
	t.Log(compiled.Identity())
	wrong := 0
	for name, want := range selfTestResults {
		a := Artifact{Wasm: selfTestModule()}
		m, err := compiled.Load(t.Context(), keyOf(a.Wasm), func(context.Context) (Artifact, error) { return a, nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		i := instance(t, compiled, m, InstanceConfig{})
		got, err := i.Call(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: got %x, right is %x", name, got[0], want)
		if got[0] != want {
			wrong++
		}
		i.Close(t.Context())
		m.Close(t.Context())
	}
	if (wrong > 0) != compiled.NeedsFixes() {
		t.Errorf("%d wrong results, NeedsFixes %v", wrong, compiled.NeedsFixes())
	}
}
