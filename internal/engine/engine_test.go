package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// wat compiles the text format with wabt.
func wat(tb testing.TB, text string) []byte {
	tb.Helper()
	tool, err := exec.LookPath("wat2wasm")
	if err != nil {
		if os.Getenv("CI") == "true" {
			tb.Fatal("wat2wasm (wabt) is not installed, and CI must not skip this test")
		}
		tb.Skip("SKIPPED: wat2wasm (wabt) is not installed")
	}
	dir := tb.TempDir()
	in, out := filepath.Join(dir, "m.wat"), filepath.Join(dir, "m.wasm")
	if err := os.WriteFile(in, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	if b, err := exec.Command(tool, "--enable-threads", "--enable-tail-call", "-o", out, in).CombinedOutput(); err != nil {
		tb.Fatalf("wat2wasm: %v\n%s", err, b)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func newEngine(tb testing.TB, c Config) *Engine {
	tb.Helper()
	e, err := New(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
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
	m, err := e.Load(tb.Context(), keyOf(bin), func(context.Context) (Artifact, error) { return Artifact{Wasm: bin}, nil }, nil)
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

func TestIdentity(t *testing.T) {
	e := newEngine(t, Config{})
	t.Log(e.Identity(), e.NeedsFixes())
}

func TestHostCall(t *testing.T) {
	e := newEngine(t, Config{CacheDir: t.TempDir()})
	m := load(t, e, wat(t, `(module
	  (import "env" "add" (func $add (param i32 i32) (result i32)))
	  (memory (export "memory") 1)
	  (func (export "run") (param i32) (result i32) (call $add (local.get 0) (i32.const 2))))`))
	i := instance(t, e, m, InstanceConfig{Imports: []HostModule{{Name: "env", Funcs: []HostFunc{{
		Name: "add", Params: []ValueType{I32, I32}, Results: []ValueType{I32},
		Call: func(ctx context.Context, g *Guest, stack []uint64) { stack[0] += stack[1] },
	}}}}})
	got, err := i.Call(t.Context(), "run", 40)
	if err != nil || len(got) != 1 || got[0] != 42 {
		t.Fatal(got, err)
	}
}
