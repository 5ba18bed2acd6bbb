package engine

import (
	"context"
	"fmt"
	"testing"
)

// BenchmarkHostCall is one call from guest to host; the loop around it costs a nanosecond or two.
func BenchmarkHostCall(b *testing.B) {
	e := newEngine(b, Config{})
	m := load(b, e, wat(b, `(module
	  (import "env" "f" (func $f (param i32 i32) (result i32)))
	  (func (export "run") (param i64)
	    (loop
	      (drop (call $f (i32.const 1) (i32.const 2)))
	      (local.set 0 (i64.sub (local.get 0) (i64.const 1)))
	      (br_if 0 (i64.gt_s (local.get 0) (i64.const 0))))))`))
	f := HostFunc{Name: "f", Params: []ValueType{I32, I32}, Results: []ValueType{I32},
		Call: func(_ context.Context, _ *Guest, stack []uint64) { stack[0] += stack[1] }}
	i := instance(b, e, m, InstanceConfig{Imports: env(f)})
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := i.Call(b.Context(), "run", uint64(b.N)); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCall is one call from host to guest.
func BenchmarkCall(b *testing.B) {
	e := newEngine(b, Config{})
	i := instance(b, e, load(b, e, wat(b, `(module (func (export "run") (param i32) (result i32) (local.get 0)))`)), InstanceConfig{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Call(b.Context(), "run", 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNestedCall is one call back into the guest from a host function.
func BenchmarkNestedCall(b *testing.B) {
	e := newEngine(b, Config{})
	m := load(b, e, wat(b, `(module (import "env" "f" (func $f))
	  (func (export "inner"))
	  (func (export "run") (call $f)))`))
	i := instance(b, e, m, InstanceConfig{Imports: env(HostFunc{Name: "f", Call: func(ctx context.Context, g *Guest, _ []uint64) {
		for b.Loop() {
			if _, err := g.Call(ctx, "inner"); err != nil {
				g.Fail(err)
			}
		}
	}})})
	if _, err := i.Call(b.Context(), "run"); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkYield is one yield of a metered guest.
func BenchmarkYield(b *testing.B) {
	e := newEngine(b, Config{})
	i := instance(b, e, load(b, e, wat(b, spinning)), InstanceConfig{Meter: &budget{left: 1 << 62, grants: 1}})
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := i.Call(b.Context(), "run", uint64(b.N)); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkInstantiate makes an instance with 40 imports and 16 pages of memory, and closes it.
func BenchmarkInstantiate(b *testing.B) {
	e := newEngine(b, Config{})
	text, funcs := `(module `, []HostFunc{}
	for n := range 40 {
		name := fmt.Sprint("f", n)
		text += `(import "env" "` + name + `" (func (param i32 i32) (result i32)))`
		funcs = append(funcs, HostFunc{Name: name, Params: []ValueType{I32, I32}, Results: []ValueType{I32},
			Call: func(context.Context, *Guest, []uint64) {}})
	}
	m := load(b, e, wat(b, text+`(memory (export "memory") 16) (data (i32.const 100) "some data") (func (export "run")))`))
	b.ReportAllocs()
	for b.Loop() {
		i, err := e.Instantiate(b.Context(), m, InstanceConfig{Imports: env(funcs...)})
		if err != nil {
			b.Fatal(err)
		}
		i.Close(b.Context())
	}
}

// BenchmarkLoad loads a module of some 2 MB of code that is in the cache.
func BenchmarkLoad(b *testing.B) {
	e := newEngine(b, Config{CacheDir: tempDir(b)})
	a := Artifact{Wasm: bulky(2000, 200)}
	make := func(context.Context) (Artifact, error) { return a, nil }
	b.SetBytes(int64(len(a.Wasm)))
	m, err := e.Load(b.Context(), keyOf(a.Wasm), make, nil)
	for b.Loop() {
		if err != nil {
			b.Fatal(err)
		}
		m.Close(b.Context())
		m, err = e.Load(b.Context(), keyOf(a.Wasm), make, nil)
	}
	m.Close(b.Context())
}
