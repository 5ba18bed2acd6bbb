package prepare_test

import (
	"testing"

	"github.com/wherry-run/wherry/internal/prepare"
)

// stripped are loops in which nothing is called, in every form that has labels to get wrong.
var stripped = map[string]string{
	"count": `(func (export "t") (param i32) (result i32) (local i32)
		(loop (local.set 1 (i32.add (local.get 1) (local.get 0))) (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
		(local.get 1))`,
	"carries values": `(func (export "t") (param i32) (result i32) (local i32 i64)
		(i32.const 1000) (i64.const 7) (i32.const 3)
		(loop $l (param i64 i32) (result i32 i64)
			(i32.mul (i32.const 31)) (local.set 1) (i64.mul (i64.const 5)) (local.get 1)
			(br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))
			(local.set 1) (local.set 2) (local.get 1) (local.get 2))
		(i32.wrap_i64) (i32.add) (i32.sub))`,
	"leaves from within": `(func (export "t") (param i32) (result i32) (local i32)
		(block $out (result i32) (i32.const 5)
			(loop $l (br_if $out (local.get 1) (i32.gt_u (local.get 1) (local.get 0))) (drop)
				(local.set 1 (i32.add (local.get 1) (i32.const 3)))
				(if (i32.eq (local.get 1) (i32.const 2997)) (then (return (i32.const 77))))
				(br $l))
			))`,
	"tables of labels": `(func (export "t") (param i32) (result i32) (local i32)
		(block $done
			(loop $a
				(local.set 1 (i32.add (local.get 1) (i32.const 1)))
				(loop $b
					(local.set 1 (i32.add (i32.mul (local.get 1) (i32.const 3)) (i32.const 1)))
					(local.set 0 (i32.sub (local.get 0) (i32.const 1)))
					(br_if $done (i32.le_s (local.get 0) (i32.const 0)))
					(block $c (br_table $a $b $c $b (i32.and (local.get 1) (i32.const 3))))
					(br_if $b (i32.and (local.get 1) (i32.const 16)))
					(br_if $a (i32.and (local.get 1) (i32.const 32)))
					(br $b))))
		(local.get 1))`,
	"table of heads that carry": `(func (export "t") (param i32) (result i32) (local i32)
		(i32.const 1)
		(loop $a (param i32) (result i32)
			(loop $b (param i32) (result i32)
				(local.set 1)
				(local.set 0 (i32.sub (local.get 0) (i32.const 1)))
				(if (i32.gt_s (local.get 0) (i32.const 0)) (then
					(br_table $a $b $a (i32.mul (local.get 1) (i32.const 5)) (i32.and (local.get 0) (i32.const 3)))))
				(local.get 1))))`,
	"calls in the outer loop": `(func $f (param i32) (result i32) (i32.add (local.get 0) (i32.const 9)))
		(func (export "t") (param i32) (result i32) (local i32 i32)
		(loop $a
			(local.set 1 (call $f (local.get 1)))
			(local.set 2 (i32.const 10))
			(loop $b (local.set 1 (i32.xor (local.get 1) (local.get 2))) (br_if $b (local.tee 2 (i32.sub (local.get 2) (i32.const 1)))))
			(br_if $a (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
		(local.get 1))`,
	"in a try": `(tag $e (param i32))
		(func (export "t") (param i32) (result i32) (local i32)
		(loop $a
			(try $t (do
				(loop $b
					(local.set 1 (i32.add (local.get 1) (local.get 0)))
					(br_if $t (i32.eqz (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
					(br_if $b (i32.and (local.get 0) (i32.const 15))))
				(throw $e (local.get 1)))
				(catch $e (local.set 1) (loop (br_if 0 (i32.and (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 3)))) (br $a))))
		(local.get 1))`,
	"a try in it": `(tag $e)
		(func (export "t") (param i32) (result i32) (local i32)
		(loop $a (result i32)
			(local.set 0 (i32.sub (local.get 0) (i32.const 1)))
			(try (result i32) (do (local.set 1 (i32.add (local.get 1) (i32.const 5))) (br_if $a (local.get 0)) (local.get 1)) (catch_all (i32.const 0)))))`,
	"nothing reached": `(func (export "t") (param i32) (result i32)
		(block $x
			(br $x)
			(loop $l (param i32) (result i32) (br_if $l (i32.const 1)) (loop (br 0)) (br $l)) (drop)
			(loop $m (param i32 i32) (result i32) (br_table $m $m (i32.const 0)) (drop)) (drop))
		(loop (result i32) (return (local.get 0))))`,
	"trap": `(memory 1) (func (export "t") (param i32) (result i32) (local i32)
		(loop (drop (i32.load8_u (i32.mul (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 64)))) (br 0)) (i32.const 0))`,
}

// TestStrips runs the loops without fuel, and with it on both engines: the same results, the same cost, and a turn for
// the host in every slice.
func TestStrips(t *testing.T) {
	for name, text := range stripped {
		t.Run(name, func(t *testing.T) {
			bin := wat(t, "(module "+text+")")
			bare, fuelled := prepared(t, bin, prepare.Options{}), prepared(t, bin, all)
			for _, n := range []uint64{1, 2, 10, 3000} {
				c := call{"t", []uint64{n}}
				want := run(t, "interpreter", bare, 0, c)
				var spent []int64
				for _, engine := range []string{"interpreter", "compiler"} {
					got := run(t, engine, fuelled, 0, c)
					if got.String() != want.String() {
						t.Errorf("%s %d: got %v, want %v", engine, n, got, want)
					}
					if int64(got.yields) < got.spent/slice {
						t.Errorf("%s %d: %d yields for %d units of fuel", engine, n, got.yields, got.spent)
					}
					spent = append(spent, got.spent)
				}
				if spent[0] != spent[1] || spent[0] <= 0 {
					t.Errorf("%d: spent %d on the interpreter, %d on the compiler", n, spent[0], spent[1])
				}
			}
		})
	}
}
