package prepare_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/wasm"
)

func TestKey(t *testing.T) {
	limits := wasm.DefaultLimits()
	same := prepare.Options{Limits: limits, Workers: 7}
	if a, b := (prepare.Options{}).Key(), same.Key(); a != b {
		t.Errorf("equal options have keys %q and %q", a, b)
	}
	limits.Nesting++
	seen := map[string]bool{}
	for _, o := range []prepare.Options{{}, {Fuel: true}, {EngineFixes: true}, {Deterministic: true}, all, {Limits: limits}} {
		if seen[o.Key()] {
			t.Errorf("%+v shares its key", o)
		}
		seen[o.Key()] = true
	}
}

// TestOutput checks what a prepared module has for the engine, and what it has lost.
func TestOutput(t *testing.T) {
	bin := wat(t, `(module (import "env" "host" (func $host (param i32) (result i32)))
		(memory (export "mem") 1) (tag $e) (export "tag" (tag $e)) (global $f funcref (ref.func $one))
		(func $one (export "one") (result i32) (call $host (i32.const 1)))
		(func $thrower (export "thrower") (throw $e))
		(table (export "tab") 2 funcref) (elem (i32.const 0) $one $host))`)
	bin = wasm.AppendCustom(bin, "secret", []byte("x"))
	p, err := prepare.Prepare(context.Background(), bin, all)
	if err != nil {
		t.Fatal(err)
	}
	valid(t, p.Wasm)
	m, err := wasm.Decode(p.Wasm, wasm.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if last := m.Imports[len(m.Imports)-1]; last.Module != prepare.ReservedModule || last.Name != prepare.YieldImport {
		t.Errorf("last import is %q.%q", last.Module, last.Name)
	}
	for name, kind := range map[string]wasm.ExternKind{prepare.FuelExport: wasm.ExternGlobal, prepare.PendingExport: wasm.ExternGlobal,
		prepare.MemoryExport: wasm.ExternMemory, "mem": wasm.ExternMemory, "one": wasm.ExternFunc} {
		if e, ok := m.Export(name); !ok || e.Kind != kind {
			t.Errorf("export %q: %v %v", name, e, ok)
		}
	}
	if _, ok := m.Export("tag"); ok || m.NumTags() > 0 || len(m.Customs) > 0 {
		t.Error("tags or custom sections were left in")
	}
	one, _ := m.Export("one")
	if name := wasm.NameOf(p.Names, one.Index); !strings.Contains(name, "one") {
		t.Errorf("the function at the index of %q has the name %q", "one", name)
	}
	if name := wasm.NameOf(p.Names, uint32(m.NumFuncs())-1); name != "wherry.yield" {
		t.Errorf("the function that was added has the name %q", name)
	}
	if !p.Report.Exceptions || p.Report.Throwing != 1 || p.Report.Functions != 2 {
		t.Errorf("report %+v", p.Report)
	}
}

// TestNothingToDo checks that a module without work keeps its code byte for byte.
func TestNothingToDo(t *testing.T) {
	bin, _ := program(3, false, false)
	p, err := prepare.Prepare(context.Background(), bin, prepare.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(p.Wasm, bin) {
		t.Error("a module that needs no pass was changed")
	}
	q, err := prepare.Prepare(context.Background(), p.Wasm, prepare.Options{})
	if err != nil || !bytes.Equal(q.Wasm, p.Wasm) {
		t.Errorf("prepared twice it differs: %v", err)
	}
}

func TestInvalid(t *testing.T) {
	ctx := context.Background()
	bad := wasm.AppendHeader(nil)
	bad = wasm.AppendSection(bad, wasm.SectionType, []byte{1, 0x60, 0, 1, 0x7f})
	bad = wasm.AppendSection(bad, wasm.SectionFunction, []byte{1, 0})
	bad = wasm.AppendCodeSection(bad, [][]byte{{0, 0x0b}})
	for _, b := range [][]byte{nil, []byte("\x00asm"), bad, bad[:len(bad)-2]} {
		_, err := prepare.Prepare(ctx, b, all)
		var w *wasm.Error
		if !errors.As(err, &w) {
			t.Errorf("%x: got %v", b, err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	bin, _ := program(1, true, true)
	if _, err := prepare.Prepare(ctx, bin, all); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

// TestLimitsAfter checks that what the passes add counts.
func TestLimitsAfter(t *testing.T) {
	bin := wat(t, `(module (tag $e) (func (try (do (try (do (throw $e)) (catch_all))) (catch_all))))`)
	limits := wasm.DefaultLimits()
	limits.Nesting = 4
	_, err := prepare.Prepare(context.Background(), bin, prepare.Options{Limits: limits})
	var w *wasm.Error
	if !errors.As(err, &w) || w.Limit != "Nesting" {
		t.Errorf("got %v, want the nesting limit", err)
	}
}

// TestManyChunks prepares a module that is divided between cores, with calls across the whole of it.
func TestManyChunks(t *testing.T) {
	const n = 30_000
	var funcs []uint32
	var bodies [][]byte
	for i := range uint32(n) {
		g := &assembler{b: []byte{0}}
		switch {
		case i == n-1:
			g.idx(wasm.OpThrow, 0)
		case i%3 == 0:
			g.open(wasm.OpTry, wasm.EmptyBlock())
			g.idx(wasm.OpCall, i+1)
			g.idx(wasm.OpCatch, 0)
			g.idx(wasm.OpRethrow, 0)
			g.end()
		default:
			g.idx(wasm.OpCall, i+1)
			for range 5 {
				g.open(wasm.OpLoop, wasm.EmptyBlock())
				g.end()
			}
		}
		for len(g.b) < 50 {
			g.op(wasm.OpNop)
		}
		g.op(wasm.OpEnd)
		funcs, bodies = append(funcs, 0), append(bodies, g.b)
	}
	bin := wasm.AppendHeader(nil)
	bin = wasm.AppendSection(bin, wasm.SectionType, []byte{1, 0x60, 0, 0})
	bin = wasm.AppendSection(bin, wasm.SectionFunction, wasm.AppendVector(nil, funcs, wasm.AppendU32))
	bin = wasm.AppendSection(bin, wasm.SectionTag, []byte{1, 0, 0})
	bin = wasm.AppendCodeSection(bin, bodies)
	var outs [2]*prepare.Prepared
	for i, workers := range []int{1, 5} {
		o := all
		o.Workers = workers
		p, err := prepare.Prepare(context.Background(), bin, o)
		if err != nil {
			t.Fatal(err)
		}
		outs[i] = p
	}
	valid(t, outs[0].Wasm)
	if !bytes.Equal(outs[0].Wasm, outs[1].Wasm) {
		t.Error("the number of cores shows in the output")
	}
	if r := outs[0].Report; r.Throwing != n || r.Loops != 5*(n*2/3-1) {
		t.Errorf("report %+v", r)
	}
}
