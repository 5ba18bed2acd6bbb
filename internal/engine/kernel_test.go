package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/wasm"
)

// kernelText has functions of several signatures that are asked for, behind direct and indirect calls, calls between
// parts, a tail call, a throwing function and an export of their own.
const kernelText = `(module
  (import "env" "host" (func $host (param i32) (result i32)))
  (memory (export "memory") 1) (table 3 funcref) (elem (i32.const 1) $sum $half)
  (type $ii (func (param i32 i32) (result i32)))
  (func $sum (param i32 i32) (result i32) (i32.add (call $host (local.get 0)) (local.get 1)))
  (func $half (param f64) (result f64) (f64.mul (local.get 0) (f64.const 0.5)))
  (func $wide (param i64 i32) (result i64) (local i64) (loop (local.set 2 (i64.add (local.get 2) (local.get 0)))
    (br_if 0 (local.tee 1 (i32.sub (local.get 1) (i32.const 1))))) (local.get 2))
  (func $single (param f32) (result f32) (f32.neg (local.get 0)))
  (func $note (param i32) (i32.store (i32.const 64) (local.get 0)))
  (func $loaded (param i32) (result i32) (i32.load (local.get 0)))
  (func $bare (result i32) (i32.const 9))
  (func (export "sum") (param i32 i32) (result i32) (call_indirect (type $ii) (local.get 0) (local.get 1) (i32.const 1)))
  (func (export "half") (param f64) (result f64) (call $half (local.get 0)))
  (func (export "wide") (param i64 i32) (result i64) (return_call $wide (local.get 0) (local.get 1)))
  (func (export "single") (param f32) (result f32) (call $single (local.get 0)))
  (func (export "note") (param i32) (result i32) (call $note (local.get 0)) (i32.load (i32.const 64)))
  (func (export "loaded") (param i32) (result i32) (i32.store (i32.const 128) (i32.const 700)) (call $loaded (local.get 0)))
  (export "bare" (func $bare)))`

// kernelModule is the module and how its functions ask: by their work from 500 on.
func kernelModule(t *testing.T) (bin []byte, list []prepare.Accelerated) {
	t.Helper()
	bin = wat(t, kernelText)
	m, err := wasm.Decode(bin, wasm.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	for n, work := range [][]prepare.Factor{{{Param: 0}, {Param: 1}}, nil, {{Param: 1}}, nil, {{Param: 0}}, {{Param: 0, Load: true, Offset: 28}}, nil} {
		list = append(list, prepare.Accelerated{Function: uint32(n) + 1, Type: m.Types[m.Funcs[n]], Body: sha256.Sum256(m.Bytes(m.Code[n])), Work: work, Least: 500})
	}
	return bin, list
}

// kernelGuests are instances of the module, whole and in parts.
func kernelGuests(t *testing.T, config func(way string) InstanceConfig, list func([]prepare.Accelerated) []prepare.Accelerated, test func(t *testing.T, i *Instance)) {
	bin, all := kernelModule(t)
	host := HostModule{Name: "env", Funcs: []HostFunc{{Name: "host", Params: []ValueType{I32}, Results: []ValueType{I32},
		Call: func(context.Context, *Guest, []uint64) {}}}}
	for _, way := range []string{"whole", "parts", "recorded", "whole interpreted", "parts interpreted"} {
		t.Run(way, func(t *testing.T) {
			e := newEngine(t, Config{Interpreter: way == "whole interpreted" || way == "parts interpreted"})
			o := prepare.Options{Fuel: true, EngineFixes: true, GroupBytes: 1, Accelerate: list(all)}
			var m *Module
			if way[:5] == "whole" {
				p, err := prepare.Prepare(t.Context(), bin, o)
				if err != nil {
					t.Fatal(err)
				}
				m = load(t, e, p.Wasm)
			} else {
				facts, err := prepare.Survey(t.Context(), bin, o)
				if err != nil {
					t.Fatal(err)
				}
				s, err := prepare.NewSplit(bin, facts, o)
				if err != nil {
					t.Fatal(err)
				}
				m = loadParts(t, e, bin, &splitParts{Split: s}, prepare.PrimaryOptions{Record: way == "recorded"})
			}
			for _, i := range m.Imports() {
				if i.Module != "env" {
					t.Errorf("the module asks its host for %s.%s", i.Module, i.Name)
				}
			}
			c := config(way)
			c.Imports = []HostModule{host}
			test(t, instance(t, e, m, c))
		})
	}
}

func everyFunction(list []prepare.Accelerated) []prepare.Accelerated { return list }

// kernelCalls are calls, what the functions themselves give and what our kernels do.
var kernelCalls = []struct {
	name           string
	args           []uint64
	own, ours      uint64
	function, asks uint32
}{
	{"sum", []uint64{3, 4}, 7, 7, 1, 0},
	{"sum", []uint64{25, 20}, 45, 1001, 1, 1},
	{"half", []uint64{math.Float64bits(3)}, math.Float64bits(1.5), 1002, 2, 1},
	{"wide", []uint64{1 << 40, 499}, 499 << 40, 499 << 40, 3, 0},
	{"wide", []uint64{1 << 40, 500}, 500 << 40, 1003, 3, 1},
	{"single", []uint64{uint64(math.Float32bits(2))}, uint64(math.Float32bits(-2)), 1004, 4, 1},
	{"note", []uint64{600}, 600, 1005, 5, 1},
	{"note", []uint64{6}, 6, 6, 5, 0},
	{"loaded", []uint64{100}, 0, 1006, 6, 1},
	{"loaded", []uint64{128}, 700, 700, 6, 0},
	{"bare", nil, 9, 1007, 7, 1},
}

// TestKernels checks where the host is asked, what it is given and what becomes of its answer.
func TestKernels(t *testing.T) {
	asked := map[uint32]uint32{}
	does := false
	config := func(way string) InstanceConfig {
		clear(asked)
		return InstanceConfig{Kernels: func(f uint32) Kernel {
			return func(_ context.Context, g *Guest, stack []uint64) (bool, error) {
				asked[f]++
				if f == 5 && does {
					g.Memory().WriteUint32Le(64, 1005)
				} else if does {
					stack[0] = 1000 + uint64(f)
				}
				return does, nil
			}
		}}
	}
	kernelGuests(t, config, everyFunction, func(t *testing.T, i *Instance) {
		for _, does = range []bool{false, true, false} {
			for _, c := range kernelCalls {
				before := asked[c.function]
				got, err := i.Call(t.Context(), c.name, c.args...)
				want := c.own
				if does {
					want = c.ours
				}
				if err != nil || got[0] != want {
					t.Errorf("%s%v, done %t: %v, %v, want %d", c.name, c.args, does, got, err, want)
				}
				if n := asked[c.function] - before; n != c.asks {
					t.Errorf("%s%v: the host was asked %d times, want %d", c.name, c.args, n, c.asks)
				}
			}
		}
		// A work that lies outside of the memory traps as the function would.
		var trap *Trap
		if _, err := i.Call(t.Context(), "loaded", 1<<20); !errors.As(err, &trap) || trap.Kind != TrapMemory {
			t.Errorf("loaded(1<<20): %v", err)
		}
	})
}

// TestNoKernels checks that a module which asks runs where nobody answers, and that functions which are not those that
// were meant do not ask.
func TestNoKernels(t *testing.T) {
	other := func(list []prepare.Accelerated) []prepare.Accelerated {
		list = slices.Clone(list)
		list[0].Body[0]++
		list[1].Function++
		list[2].Type.Results = []wasm.ValueType{wasm.I32}
		list[3].Function = 1 << 30
		list[4].Work = []prepare.Factor{{Param: 9}}
		return append(list[:5], prepare.Accelerated{Function: 0})
	}
	always := InstanceConfig{Kernels: func(f uint32) Kernel {
		return func(context.Context, *Guest, []uint64) (bool, error) {
			return false, fmt.Errorf("function %d asked", f)
		}
	}}
	for name, c := range map[string]struct {
		config InstanceConfig
		list   func([]prepare.Accelerated) []prepare.Accelerated
	}{
		"nobody": {InstanceConfig{}, everyFunction},
		"nil":    {InstanceConfig{Kernels: func(uint32) Kernel { return nil }}, everyFunction},
		"others": {always, other},
		"none":   {always, func([]prepare.Accelerated) []prepare.Accelerated { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			kernelGuests(t, func(string) InstanceConfig { return c.config }, c.list, func(t *testing.T, i *Instance) {
				for _, c := range kernelCalls {
					if got, err := i.Call(t.Context(), c.name, c.args...); err != nil || got[0] != c.own {
						t.Errorf("%s%v = %v, %v, want %d", c.name, c.args, got, err, c.own)
					}
				}
			})
		})
	}
}

// TestKernelHits checks that a function is seen to run when the host does it.
func TestKernelHits(t *testing.T) {
	config := func(string) InstanceConfig {
		return InstanceConfig{Kernels: func(uint32) Kernel {
			return func(context.Context, *Guest, []uint64) (bool, error) { return true, nil }
		}}
	}
	kernelGuests(t, config, everyFunction, func(t *testing.T, i *Instance) {
		if _, err := i.Call(t.Context(), "half", 0); err != nil {
			t.Fatal(err)
		}
		// $half lies in a group, which always notes what runs; the export that calls it is noted when all is recorded.
		if hits := i.Hits(); i.code.part != nil && !slices.Contains(hits, 2) {
			t.Errorf("hits %v", hits)
		}
	})
}

// TestKernelSpends checks that what a kernel spends is the guest's fuel, that its end is the call's, and that of a
// cancelled call too.
func TestKernelSpends(t *testing.T) {
	failed := errors.New("failed")
	var spends []uint64
	var end error
	config := func(string) InstanceConfig {
		return InstanceConfig{Kernels: func(uint32) Kernel {
			return func(ctx context.Context, g *Guest, stack []uint64) (bool, error) {
				for _, n := range spends {
					if err := g.Spend(ctx, n); err != nil {
						return true, err
					}
				}
				return true, end
			}
		}}
	}
	kernelGuests(t, config, everyFunction, func(t *testing.T, i *Instance) {
		spends, end = []uint64{10, 20, firstSlice, 3 * longSlice, 5}, nil
		before := i.Fuel()
		if _, err := i.Call(t.Context(), "bare"); err != nil {
			t.Fatal(err)
		}
		if used := i.Fuel() - before; used < 35+firstSlice+3*longSlice || used > 500+firstSlice+3*longSlice {
			t.Errorf("%d units were spent", used)
		}
		end = failed
		if _, err := i.Call(t.Context(), "bare"); !errors.Is(err, failed) {
			t.Errorf("a kernel that fails: %v", err)
		}
		end = nil
		if _, err := i.Call(t.Context(), "bare"); err != nil {
			t.Errorf("after that: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		spends = []uint64{math.MaxUint64, math.MaxUint64}
		i.meter.hook = yields(cancel)
		if _, err := i.Call(ctx, "bare"); !errors.Is(err, context.Canceled) {
			t.Errorf("a kernel in a cancelled call: %v", err)
		}
		i.meter.hook = nil
	})
}

// yields is a Meter that grants everything.
type yields func()

func (y yields) Yield(context.Context, uint64) (uint64, error) {
	y()
	return math.MaxUint64, nil
}
