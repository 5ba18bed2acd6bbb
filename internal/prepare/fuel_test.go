package prepare_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/prepare"
)

// TestFuelStopsEverything checks that no way of running on and on gets past a budget, soon, and at the same point on
// both engines.
func TestFuelStopsEverything(t *testing.T) {
	var dag strings.Builder // f0 calls f1 twice, f1 calls f2 twice, ...: 2^40 calls and no recursion
	for i := range 40 {
		fmt.Fprintf(&dag, "(func $f%d (call $f%d) (call $f%d))", i, i+1, i+1)
	}
	fmt.Fprintf(&dag, `(func $f40) (func (export "t") (call $f0))`)
	tests := []struct{ name, text string }{
		{"infinite loop", `(func (export "t") (loop (br 0)))`},
		{"loop that carries a value", `(func (export "t") (i32.const 1) (loop (param i32) (br 0)))`},
		{"loop by conditions", `(func (export "t") (loop $a (loop $b (br_if $b (i32.const 1)) (br_if $a (i32.const 1)))))`},
		{"loop by br_table", `(func (export "t") (loop (br_table 0 0 (i32.const 1))))`},
		{"loop in a loop", `(func (export "t") (loop $a (loop (br $a))))`},
		{"tail recursion", `(func $r (export "t") (return_call $r))`},
		{"mutual tail recursion", `(func $a (export "t") (return_call $b)) (func $b (return_call $a))`},
		{"indirect tail recursion", `(type $v (func)) (table funcref (elem $r)) (func $r (export "t") (return_call_indirect (type $v) (i32.const 0)))`},
		{"exponential call graph", dag.String()},
		{"exponential recursion", `(func $r (param i32) (if (local.get 0) (then (call $r (i32.sub (local.get 0) (i32.const 1))) (call $r (i32.sub (local.get 0) (i32.const 1))))))
			(func (export "t") (call $r (i32.const 60)))`},
		{"indirect recursion", `(type $v (func (param i32))) (table funcref (elem $r))
			(func $r (param i32) (if (local.get 0) (then
				(call_indirect (type $v) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))
				(call_indirect (type $v) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))))
			(func (export "t") (call $r (i32.const 60)))`},
		{"start function", `(func $s (loop (br 0))) (start $s) (func (export "t"))`},
		{"throw and catch", `(tag $e) (func (export "t") (loop (try (do (throw $e)) (catch_all)) (br 0)))`},
		{"large fills", `(memory 4096) (func (export "t") (loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x10000000)) (br 0)))`},
		{"large copies", `(memory 4096) (func (export "t") (loop (memory.copy (i32.const 0) (i32.const 0x8000000) (i32.const 0x8000000)) (br 0)))`},
		{"table growth", `(table 0 funcref) (func (export "t") (loop (drop (table.grow 0 (ref.null func) (i32.const 1000))) (br 0)))`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bin := prepared(t, wat(t, "(module "+tt.text+")"), all)
			var yields []int
			for _, engine := range []string{"interpreter", "compiler"} {
				start := time.Now()
				got := run(t, engine, bin, 300_000, call{name: "t"})
				if len(got.results) != 1 || got.results[0] != errBudget.Error() {
					t.Errorf("%s: got %v, want the budget to stop it", engine, got.results)
				}
				if d := time.Since(start); d > time.Minute {
					t.Errorf("%s: stopped after %s", engine, d)
				}
				yields = append(yields, got.yields)
			}
			if yields[0] != yields[1] {
				t.Errorf("%d yields on the interpreter, %d on the compiler", yields[0], yields[1])
			}
		})
	}
}

// TestFuelIsExact checks what small functions are charged.
func TestFuelIsExact(t *testing.T) {
	bin := prepared(t, wat(t, `(module
		(func $leaf (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
		(func (export "loop") (param i32) (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
		(func (export "calls") (param i32) (loop (drop (call $leaf (i32.const 1))) (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))`), all)
	for _, engine := range []string{"interpreter", "compiler"} {
		for _, tt := range []struct {
			name string
			per  int64
		}{
			{"loop", 6},   // loop, local.get, i32.const, i32.sub, local.tee, br_if
			{"calls", 15}, // the same and i32.const, call (4), drop, and the callee's three
		} {
			ten := run(t, engine, bin, 0, call{tt.name, []uint64{10}}).spent
			more := run(t, engine, bin, 0, call{tt.name, []uint64{1010}}).spent
			if got := (more - ten) / 1000; got != tt.per {
				t.Errorf("%s %s: %d units for a pass, want %d", engine, tt.name, got, tt.per)
			}
		}
	}
}

// TestBulk checks bulk instructions at the borders of pieces and of memory, overlapping both ways, against the
// unprepared module.
func TestBulk(t *testing.T) {
	text := `(module (memory (export "memory") 40) (table $t 100000 funcref) (table $u 100000 funcref) (func $f) (func $g)
		(data $small "abcdefgh") (data $large "` + strings.Repeat("0123456789abcdef", 20000) + `")
		(elem $e func ` + strings.Repeat("$f $g ", 20000) + `)
		(func $mark (export "mark") (local i32) (loop
			(i32.store8 (local.get 0) (i32.mul (local.get 0) (i32.const 31)))
			(i32.store16 offset=1 (local.get 0) (i32.mul (local.get 0) (i32.const 12345)))
			(br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 501))) (i32.const 2621000)))))
		(func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
		(func (export "copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
		(func (export "small") (param i32 i32 i32) (memory.init $small (local.get 0) (local.get 1) (local.get 2)))
		(func (export "large") (param i32 i32 i32) (memory.init $large (local.get 0) (local.get 1) (local.get 2)))
		(func (export "drop") (data.drop $large) (elem.drop $e))
		(func (export "tfill") (param i32 i32 i32) (table.fill $t (local.get 0) (ref.func $f) (local.get 2)))
		(func (export "tinit") (param i32 i32 i32) (table.init $t $e (local.get 0) (local.get 1) (local.get 2)))
		(func (export "tcopy") (param i32 i32 i32) (table.copy $t $t (local.get 0) (local.get 1) (local.get 2)))
		(func (export "ucopy") (param i32 i32 i32) (table.copy $u $t (local.get 0) (local.get 1) (local.get 2)))
		(func (export "tgrow") (param i32) (result i32) (table.grow $t (ref.null func) (local.get 0)))
		(func (export "sum") (result i32) (local i32 i32) (loop
			(local.set 1 (i32.add (i32.mul (local.get 1) (i32.const 31)) (i32.add (ref.is_null (table.get $t (local.get 0)))
				(i32.shl (ref.is_null (table.get $u (local.get 0))) (i32.const 1)))))
			(br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 37))) (i32.const 100000))))
			(local.get 1)))`
	bin := wat(t, strings.Replace(text, `(func $g)`, `(func $g) (elem declare func $f $g)`, 1))
	const size, piece = 40 << 16, 256 << 10
	triples := [][3]uint64{
		{0, 0, 0}, {size, 7, 0}, {size + 1, 0, 0}, {0, 5, 10}, {0, 5, size}, {1, 5, size}, {size - 1, 0, 2}, {1 << 31, 1 << 31, 1 << 31},
		{0xffffffff, 0xffffffff, 0xffffffff}, {100, 200, piece}, {200, 100, piece + 1}, {0, 1, 3 * piece}, {1, 0, 3 * piece},
		{piece, 0, 3*piece + 17}, {0, piece, 3*piece + 17}, {5, 5, 2 * piece}, {1000, 0, 320000}, {1000, 1, 320000}, {0, 8, 0}, {0, 9, 0}, {0, 3, 5}, {0, 3, 6},
		{0, size - 3*piece, 3 * piece}, {0, size - 3*piece, 3*piece + 1},
	}
	for _, name := range []string{"fill", "copy", "small", "large"} {
		calls := []call{{name: "mark"}}
		for _, x := range triples {
			calls = append(calls, call{name, x[:]})
		}
		calls = append(calls, call{name: "drop"}, call{name, []uint64{0, 0, 0}}, call{name, []uint64{0, 0, 300000}}, call{name, []uint64{0, 0, 1}})
		compare(t, bin, calls, "interpreter", "compiler")
		for _, c := range calls[1:] { // one at a time, so that the memory of each is seen
			compare(t, bin, []call{{name: "mark"}, c}, "compiler")
		}
	}
	elems := [][3]uint64{{0, 0, 0}, {0, 0, 40000}, {10, 5, 39995}, {10, 5, 39996}, {60001, 0, 40000}, {100, 90, 70000}, {90, 100, 70000}, {0, 50000, 50000}, {0, 50000, 50001}, {1, 0, 33000}}
	var calls []call
	for _, x := range elems {
		for _, name := range []string{"tinit", "tcopy", "ucopy", "tfill"} {
			calls = append(calls, call{name, x[:]}, call{name: "sum"})
		}
	}
	calls = append(calls, call{"tgrow", []uint64{70000}}, call{"tgrow", []uint64{0xffffffff}}, call{name: "drop"}, call{"tinit", []uint64{0, 0, 40000}}, call{"tinit", []uint64{0, 0, 0}})
	compare(t, bin, calls, "interpreter", "compiler")
}

// compare runs calls before and after on the engines.
func compare(t *testing.T, bin []byte, calls []call, on ...string) {
	t.Helper()
	out := prepared(t, bin, all)
	var spent []int64
	for _, engine := range on {
		want, got := run(t, engine, bin, 0, calls...), run(t, engine, out, 0, calls...)
		if got.String() != want.String() {
			t.Errorf("%s %v:\n got %v\nwant %v", engine, calls, got, want)
		}
		spent = append(spent, got.spent)
	}
	if spent[0] != spent[len(spent)-1] {
		t.Errorf("%v: spent %d on the interpreter, %d on the compiler", calls, spent[0], spent[1])
	}
}

// TestMiscompiled checks that the smallest programs known to go wrong on wazero's amd64 compiler come out right.
func TestMiscompiled(t *testing.T) {
	bin := wat(t, `(module (memory (export "memory") 1)
		(func $f32 (param f32)) (func $f64 (param f64)) (func $ff (param f32 f32)) (func $v (param v128))
		(func (export "select32") (param i32) (result f32) (local f32)
			(local.set 1 (f32.load (i32.const 0))) (call $f32 (local.get 1)) (select (local.get 1) (f32.const 0) (local.get 0)))
		(func (export "select32t") (param i32) (result f32) (local f32)
			(local.set 1 (f32.load (i32.const 0))) (call $f32 (local.get 1)) (select (result f32) (local.get 1) (f32.load (i32.const 4)) (local.get 0)))
		(func (export "select64") (param i32) (result f64) (local f64)
			(local.set 1 (f64.load (i32.const 8))) (call $f64 (local.get 1)) (select (local.get 1) (f64.const 0) (local.get 0)))
		(func (export "selectv") (param i32) (result i32) (local v128)
			(local.set 1 (v128.load (i32.const 16))) (call $v (local.get 1))
			(i32x4.extract_lane 0 (select (local.get 1) (v128.const i32x4 7 7 7 7) (local.get 0))))
		(func (export "copysign") (param i32) (result f32) (local f32 f32)
			(local.set 1 (f32.load (i32.const 0))) (local.set 2 (f32.load (i32.const 4))) (call $ff (local.get 1) (local.get 2))
			(f32.copysign (local.get 1) (local.get 2)))
		(func (export "lane") (param i32) (result i64) (local f64 v128)
			(local.set 1 (f64.load (i32.const 8))) (local.set 2 (v128.load (i32.const 16))) (call $f64 (local.get 1))
			(i64x2.extract_lane 1 (f64x2.replace_lane 0 (local.get 2) (local.get 1))))
		(data (i32.const 0) "\00\00\a0\40\00\00\c0\40\00\00\00\00\00\00\14\40\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00"))`)
	var calls []call
	for _, name := range []string{"select32", "select32t", "select64", "selectv", "copysign", "lane"} {
		calls = append(calls, call{name, []uint64{0}}, call{name, []uint64{1}})
	}
	want := run(t, "interpreter", bin, 0, calls...)
	for engine := range engines {
		if got := run(t, engine, prepared(t, bin, prepare.Options{EngineFixes: true}), 0, calls...); got.String() != want.String() {
			t.Errorf("%s:\n got %v\nwant %v", engine, got, want)
		}
	}
}
