package prepare_test

import (
	"context"
	"encoding"
	"fmt"
	"hash/crc32"
	"reflect"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/wherry-run/wherry/internal/prepare"
)

var (
	_ encoding.BinaryMarshaler   = (*prepare.Facts)(nil)
	_ encoding.BinaryUnmarshaler = (*prepare.Facts)(nil)
)

// split surveys a module, sends its facts through their encoding and opens it in parts of a few functions.
func split(t testing.TB, bin []byte, o prepare.Options) *prepare.Split {
	t.Helper()
	found, err := prepare.Survey(context.Background(), bin, o)
	if err != nil {
		t.Fatal(err)
	}
	data, err := found.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var f prepare.Facts
	if err := f.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	if len(f.Pinned) == 0 {
		f.Pinned = nil
	}
	if len(f.Bodies) == 0 {
		f.Bodies = found.Bodies
	}
	if !reflect.DeepEqual(*found, f) {
		t.Fatalf("facts came back as %+v, were %+v", f, *found)
	}
	o.GroupBytes = 40
	s, err := prepare.NewSplit(bin, &f, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// runSplit is run for a module in parts.
func runSplit(t testing.TB, engine string, s *prepare.Split, p prepare.PrimaryOptions, budget int64, calls ...call) (out outcome, loaded int) {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, engines[engine]().WithCoreFeatures(features).WithMemoryLimitPages(4096))
	defer r.Close(ctx)
	primary, err := s.Primary(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	valid(t, primary.Wasm)
	var state api.Module
	granted := int64(0)
	resolve := func(name string) api.Module {
		if name == prepare.StateModule {
			return state
		}
		return nil
	}
	if _, err := r.NewHostModuleBuilder(prepare.ReservedModule).NewFunctionBuilder().
		WithFunc(func(_ context.Context, m api.Module) {
			if state == nil {
				state = m
			}
			g := state.ExportedGlobal(prepare.FuelExport).(api.MutableGlobal)
			left := int64(g.Get())
			out.yields++
			if budget > 0 && granted-left > budget {
				panic(errBudget)
			}
			granted += slice
			g.Set(uint64(left + slice))
		}).Export(prepare.YieldImport).NewFunctionBuilder().
		WithFunc(func(ctx context.Context, m api.Module, slot uint32) {
			g, ok := s.GroupOf(slot)
			if !ok {
				panic(fmt.Sprint("load of slot ", slot))
			}
			part, err := s.Group(ctx, g)
			if err != nil {
				panic(err)
			}
			valid(t, part.Wasm)
			loaded++
			compiled, err := r.CompileModule(ctx, part.Wasm)
			if err != nil {
				panic(err)
			}
			if _, err := r.InstantiateModule(experimental.WithImportResolver(ctx, resolve), compiled, wazero.NewModuleConfig().WithName("")); err != nil {
				panic(err)
			}
		}).Export(prepare.LoadImport).Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := r.NewHostModuleBuilder("env").NewFunctionBuilder().
		WithFunc(func(x uint32) uint32 { return x*2654435761 + 1 }).Export("host").Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	compiled, err := r.CompileModule(ctx, primary.Wasm)
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.InstantiateModule(experimental.WithImportResolver(ctx, resolve), compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		out.results = append(out.results, firstLine(err))
		return out, loaded
	}
	state = m
	fill := m.ExportedFunction(prepare.FillExport)
	for _, f := range primary.Fills {
		if _, err := fill.Call(ctx, uint64(f.Slot), uint64(f.Stub), uint64(f.Count)); err != nil {
			t.Fatalf("fill %+v: %v", f, err)
		}
	}
	pending := m.ExportedGlobal(prepare.PendingExport)
	one := func(c call) {
		res, err := m.ExportedFunction(c.name).Call(ctx, c.args...)
		switch {
		case err != nil:
			out.results = append(out.results, firstLine(err))
		case pending != nil && pending.Get() != 0:
			out.results = append(out.results, "uncaught")
			pending.(api.MutableGlobal).Set(0)
		default:
			out.results = append(out.results, fmt.Sprintf("%#x", res))
		}
	}
	if m.ExportedFunction(prepare.StartExport) != nil {
		one(call{name: prepare.StartExport})
		if out.results[0] != "[]" {
			return out, loaded
		}
		out.results = nil
	}
	for _, c := range calls {
		one(c)
	}
	if mem := m.Memory(); len(m.ExportedMemoryDefinitions()) > 0 {
		b, _ := mem.Read(0, mem.Size())
		out.memory = crc32.ChecksumIEEE(b)
	}
	return out, loaded
}

// TestSplit checks that a module in parts does what it does whole, whatever is hot, and that its groups do not depend
// on that.
func TestSplit(t *testing.T) {
	bin := wat(t, `(module (import "env" "host" (func $host (param i32) (result i32)))
		(memory (export "memory") 1) (table 6 funcref) (elem (i32.const 1) $double $square $host $deep)
		(type $u (func (param i32) (result i32))) (tag $e (param i32))
		(global $calls (mut i32) (i32.const 5)) (global $fix i32 (i32.const 3))
		(data $late "passive") (data (i32.const 64) "active")
		(func $double (param i32) (result i32) (global.set $calls (i32.add (global.get $calls) (i32.const 1))) (i32.mul (local.get 0) (i32.const 2)))
		(func $square (param i32) (result i32) (i32.store (i32.const 0) (local.get 0)) (i32.mul (local.get 0) (call $double (local.get 0))))
		(func $thrower (param i32) (if (local.get 0) (then (throw $e (local.get 0)))))
		(func $deep (param i32) (result i32) (call $thrower (local.get 0)) (i32.const 77))
		(func $fib (param i32) (result i32) (if (result i32) (i32.lt_s (local.get 0) (i32.const 2)) (then (local.get 0))
			(else (i32.add (call $fib2 (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
		(func $fib2 (param i32) (result i32) (call $fib (local.get 0)))
		(func $tail (param i32) (result i32) (if (i32.eqz (local.get 0)) (then (return (i32.const 9)))) (return_call $tail2 (i32.sub (local.get 0) (i32.const 1))))
		(func $tail2 (param i32) (result i32) (return_call_indirect (type $u) (local.get 0) (i32.const 1)))
		(func $init (memory.init $late (i32.const 32) (i32.const 0) (i32.const 7)) (data.drop $late))
		(func $many (param f64 i64 f32 i32) (result i32 f64) (i32.add (local.get 3) (global.get $fix)) (local.get 0))
		(func (export "sum") (param i32) (result i32) (local i32) (loop $l
			(local.set 1 (i32.add (local.get 1) (call_indirect (type $u) (local.get 0) (i32.add (i32.const 1) (i32.and (local.get 0) (i32.const 1))))))
			(br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 1))
		(func (export "indirect") (param i32 i32) (result i32) (call_indirect (type $u) (local.get 0) (local.get 1)))
		(func (export "fib") (param i32) (result i32) (call $fib (local.get 0)))
		(func (export "tail") (param i32) (result i32) (call $tail (local.get 0)))
		(func (export "catch") (param i32) (result i32) (try (result i32) (do (call $deep (local.get 0))) (catch $e)))
		(func (export "catchi") (param i32) (result i32) (try (result i32) (do (call_indirect (type $u) (local.get 0) (i32.const 4))) (catch $e)))
		(func (export "escape") (param i32) (result i32) (call $deep (local.get 0)))
		(func (export "init") (call $init))
		(func (export "many") (result i32 f64) (call $many (f64.const 1.5) (i64.const 2) (f32.const 3) (i32.const 4)))
		(func (export "calls") (result i32) (global.get $calls))
		(func (export "spin") (loop (drop (call $double (i32.const 1))) (br 0)))
		(func $start (i32.store8 (i32.const 100) (i32.const 42)) (drop (call $double (i32.const 1)))) (start $start))`)
	calls := []call{
		{"sum", []uint64{10}}, {"indirect", []uint64{7, 1}}, {"indirect", []uint64{7, 2}}, {"indirect", []uint64{7, 3}}, {"indirect", []uint64{7, 0}},
		{"indirect", []uint64{7, 5}}, {"indirect", []uint64{7, 6}}, {"indirect", []uint64{7, 1 << 20}}, {"fib", []uint64{15}}, {"tail", []uint64{30}},
		{"catch", []uint64{0}}, {"catch", []uint64{3}}, {"catchi", []uint64{4}}, {"catchi", []uint64{0}}, {"escape", []uint64{8}}, {"escape", []uint64{0}},
		{name: "init"}, {name: "many"}, {name: "calls"}, {"sum", []uint64{1000}},
	}
	want := run(t, "interpreter", prepared(t, bin, all), 0, calls...)
	s := split(t, bin, all)
	if s.Groups() < 5 {
		t.Fatalf("%d groups", s.Groups())
	}
	var everything []uint32
	for i := range uint32(40) {
		everything = append(everything, i)
	}
	sets := map[string][]uint32{"nothing": nil, "all": everything, "some": {1, 4, 5, 9}, "nonsense": {7, 7, 0, 1 << 31, 99, 3}}
	for name, hot := range sets {
		for _, engine := range []string{"interpreter", "compiler"} {
			for _, record := range []bool{false, true} {
				got, loaded := runSplit(t, engine, s, prepare.PrimaryOptions{Hot: hot, Record: record}, 0, calls...)
				if got.String() != want.String() {
					t.Errorf("%s on the %s, recording %v:\n got %v\nwant %v", name, engine, record, got, want)
				}
				if (loaded == 0) != (name == "all") {
					t.Errorf("%s: %d groups were loaded", name, loaded)
				}
			}
		}
	}
	for name, later := range sets { // together, when one of them is called
		got, loaded := runSplit(t, "compiler", s.Later(later), prepare.PrimaryOptions{Hot: []uint32{4}}, 0, calls...)
		if got.String() != want.String() || loaded == 0 || name == "all" && loaded != 1 {
			t.Errorf("%s later, %d groups:\n got %v\nwant %v", name, loaded, got, want)
		}
	}
	spin, _ := runSplit(t, "compiler", s, prepare.PrimaryOptions{}, 100_000, call{name: "spin"})
	if len(spin.results) != 1 || spin.results[0] != errBudget.Error() {
		t.Errorf("an endless loop over two parts: %v", spin)
	}
}
