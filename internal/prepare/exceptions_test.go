package prepare_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/prepare"
)

// TestLegacyExceptions covers every clause of the legacy form, which no engine of ours can run as it is: what has to
// come out is written beside each program.
func TestLegacyExceptions(t *testing.T) {
	const head = `(module (tag $e (param i32)) (tag $f) (tag $g (param i32)) (global $n (mut i32) (i32.const 0))
		(memory (export "memory") 1)
		(func $throw (param i32) (throw $e (local.get 0)))
		(func $throwf (throw $f))
		(func $maybe (param i32) (result i32) (if (i32.and (local.get 0) (i32.const 1)) (then (throw $e (local.get 0)))) (local.get 0))
		(table funcref (elem $throw)) (type $v (func (param i32)))
		`
	tests := []struct {
		name, text string
		arg        uint64
		want       string
	}{
		{"catch own throw", `(func (export "t") (param i32) (result i32)
			(try (result i32) (do (throw $e (local.get 0))) (catch $e (i32.add (i32.const 1)))))`, 41, "[0x2a]"},
		{"no throw", `(func (export "t") (param i32) (result i32)
			(try (result i32) (do (local.get 0)) (catch $e (i32.add (i32.const 1)))))`, 41, "[0x29]"},
		{"catch from call", `(func (export "t") (param i32) (result i32)
			(try (result i32) (do (call $throw (local.get 0)) (i32.const 7)) (catch $e)))`, 41, "[0x29]"},
		{"catch from indirect call", `(func (export "t") (param i32) (result i32)
			(try (result i32) (do (call_indirect (type $v) (local.get 0) (i32.const 0)) (i32.const 7)) (catch $e)))`, 41, "[0x29]"},
		{"second clause", `(func (export "t") (param i32) (result i32)
			(try (result i32) (do (call $throwf) (i32.const 7)) (catch $e) (catch $f (i32.const 8)) (catch_all (i32.const 9))))`, 0, "[0x8]"},
		{"catch_all", `(func (export "t") (param i32) (result i32)
			(try (result i32) (do (throw $g (i32.const 1))) (catch $e) (catch $f (i32.const 8)) (catch_all (i32.const 9))))`, 0, "[0x9]"},
		{"uncaught by tag", `(func (export "t") (param i32) (result i32)
			(try (result i32) (do (throw $g (i32.const 1))) (catch $e) (catch $f (i32.const 8))))`, 0, "uncaught"},
		{"uncaught through frames", `(func $a (call $throwf)) (func $b (result f64) (call $a) (f64.const 2))
			(func (export "t") (param i32) (result f64) (call $b))`, 0, "uncaught"},
		{"try without clauses", `(func (export "t") (param i32) (result i32)
			(try (result i32) (do (try (do (call $throw (i32.const 5)))) (i32.const 1)) (catch $e)))`, 0, "[0x5]"},
		{"nested, inner catches", `(func (export "t") (param i32) (result i32)
			(try (result i32) (do (try (result i32) (do (call $throw (i32.const 5)) (i32.const 0)) (catch $e (i32.add (i32.const 10)))))
				(catch_all (i32.const 99))))`, 0, "[0xf]"},
		{"throw inside catch goes out", `(func (export "t") (param i32) (result i32)
			(try (result i32) (do (try (result i32) (do (call $throw (i32.const 5)) (i32.const 0)) (catch $e (throw $g (i32.const 3)))))
				(catch $g (i32.add (i32.const 20)))))`, 0, "[0x17]"},
		{"rethrow", `(func (export "t") (param i32) (result i32)
			(try (result i32) (do (try (result i32) (do (call $throw (i32.const 5)) (i32.const 0)) (catch $e (drop) (rethrow 0))))
				(catch $e (i32.add (i32.const 30)))))`, 0, "[0x23]"},
		{"rethrow of an outer catch", `(func (export "t") (param i32) (result i32)
			(try (result i32) (do
				(try (do (call $throw (i32.const 5))) (catch $e (drop)
					(try (do (throw $g (i32.const 1))) (catch $g (drop) (rethrow 1)))))
				(i32.const 0))
			(catch $e (i32.add (i32.const 40))) (catch_all (i32.const 99))))`, 0, "[0x2d]"},
		{"rethrow after another exception was caught inside", `(func (export "t") (param i32) (result i32)
			(try (result i32) (do
				(try (do (call $throw (i32.const 5))) (catch_all
					(try (do (call $throw (i32.const 77))) (catch $e (drop)))
					(rethrow 0)))
				(i32.const 0))
			(catch $e)))`, 0, "[0x5]"},
		{"delegate to the enclosing try", `(func (export "t") (param i32) (result i32)
			(try (result i32) (do (try (do (call $throw (i32.const 5))) (delegate 0)) (i32.const 0)) (catch $e)))`, 0, "[0x5]"},
		{"delegate over a try that catches all", `(func (export "t") (param i32) (result i32)
			(try $out (result i32) (do
				(try (do (try (do (call $throw (i32.const 5))) (delegate $out))) (catch_all (global.set $n (i32.const 1))))
				(i32.const 0))
			(catch $e (i32.add (global.get $n)))))`, 0, "[0x5]"},
		{"delegate to function level over a try that catches all", `
			(func $d (try (do (try (do (call $throw (i32.const 5))) (delegate 1))) (catch_all)))
			(func (export "t") (param i32) (result i32)
				(try (result i32) (do (call $d) (i32.const 1)) (catch $e)))`, 0, "[0x5]"},
		{"delegate to a block goes to the try around it", `(func (export "t") (param i32) (result i32)
			(try (result i32) (do
				(block $b (try (do (try (do (call $throw (i32.const 5))) (delegate $b))) (catch_all)))
				(i32.const 0))
			(catch $e)))`, 0, "[0x5]"},
		{"delegate from a handler's try", `(func (export "t") (param i32) (result i32)
			(try $o (result i32) (do (try $i (do (call $throwf)) (catch_all (try (do (call $throw (i32.const 6))) (delegate $i)))) (i32.const 0))
			(catch $e (i32.add (i32.const 1)))))`, 0, "[0x7]"},
		{"locals keep what the body set", `(func (export "t") (param i32) (result i32) (local $x i32)
			(local.set $x (i32.const 1))
			(try (do (local.set $x (i32.const 2)) (call $throw (i32.const 5)) (local.set $x (i32.const 3))) (catch_all))
			(local.get $x))`, 0, "[0x2]"},
		{"catch in a loop", `(func (export "t") (param i32) (result i32) (local $sum i32)
			(loop $l
				(try (do (local.set $sum (i32.add (local.get $sum) (call $maybe (local.get 0)))))
					(catch $e (local.set $sum (i32.add (i32.const 1000) (i32.add (local.get $sum))))))
				(br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
			(local.get $sum))`, 10, "[0x13bf]"},
		{"branch out of body and handler", `(func (export "t") (param i32) (result i32)
			(block $out (result i32)
				(loop $l (result i32)
					(try (result i32) (do (drop (call $maybe (local.get 0))) (br $out (i32.const 1)))
						(catch $e (drop) (local.set 0 (i32.add (local.get 0) (i32.const 1))) (br $l))))))`, 3, "[0x1]"},
		{"branch to the function's own label", `(func (export "t") (param i32) (result i32)
			(try (do (call $throw (i32.const 3))) (catch $e (i32.add (i32.const 1)) (br 1)))
			(i32.const 1))`, 0, "[0x4]"},
		{"br_table to the function's own label", `(func (export "t") (param i32) (result i32)
			(i32.add (i32.const 1) (block (result i32)
				(try (do (try (do (br_table 2 3 (i32.const 9) (local.get 0))) (catch_all))) (catch_all)) (i32.const 3))))`, 1, "[0x9]"},
		{"br_table over tries", `(func (export "t") (param i32) (result i32)
			(block $a (block $b (try (do (try (do (br_table 0 1 $b $a (local.get 0))) (catch_all))) (catch_all)) (return (i32.const 1))) (return (i32.const 2)))
			(i32.const 3))`, 2, "[0x2]"},
		{"block parameters", `(type $p (func (param i32 i64) (result i32)))
			(func (export "t") (param i32) (result i32)
				(i32.const 3) (i64.const 4)
				(try (type $p) (do (drop) (call $throw)  (i32.const 1)) (catch $e (i32.add (i32.const 50)))))`, 0, "[0x35]"},
		{"tail call leaves the try", `(func $tail (param i32) (result i32) (try (result i32) (do (return_call $maybe (local.get 0))) (catch_all (i32.const 9))))
			(func (export "t") (param i32) (result i32)
				(try (result i32) (do (call $tail (local.get 0))) (catch $e (i32.add (i32.const 1)))))`, 7, "[0x8]"},
		{"swallowing caller does not throw", `(func $s (param i32) (try (do (call $throw (local.get 0))) (catch_all)))
			(func (export "t") (param i32) (result i32) (call $s (i32.const 1)) (i32.const 4))`, 0, "[0x4]"},
		{"catch $e alone lets others out", `(func $s (try (do (call $throwf)) (catch $e (drop))))
			(func (export "t") (param i32) (result i32) (try (result i32) (do (call $s) (i32.const 1)) (catch $f (i32.const 2))))`, 0, "[0x2]"},
		{"recursion", `(func $r (param i32) (if (i32.eqz (local.get 0)) (then (throw $e (i32.const 11)))) (call $r (i32.sub (local.get 0) (i32.const 1))) (global.set $n (i32.const 1)))
			(func (export "t") (param i32) (result i32) (try (result i32) (do (call $r (local.get 0)) (i32.const 0)) (catch $e (i32.add (global.get $n)))))`, 100, "[0xb]"},
		{"unreachable code", `(func (export "t") (param i32) (result i32)
			(try (result i32) (do (return (i32.const 6)) (call $throwf) (throw $e) (try (result i32) (do (unreachable)) (catch $e) (catch_all (rethrow 0)))) (catch_all (unreachable) (throw $f))))`, 0, "[0x6]"},
		{"results of every type are dropped", `(func $m (result i32 i64 f32 f64 v128 funcref externref) (call $throwf) (unreachable))
			(func (export "t") (param i32) (result i32) (try (result i32) (do (call $m) (drop)(drop)(drop)(drop)(drop)(drop)) (catch $f (i32.const 5))))`, 0, "[0x5]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bin := wat(t, head+tt.text+")")
			for _, o := range []prepare.Options{{}, all} {
				out := prepared(t, bin, o)
				for engine := range engines {
					got := run(t, engine, out, 0, call{"t", []uint64{tt.arg}}, call{"t", []uint64{tt.arg}})
					if want := tt.want + "; " + tt.want; strings.Join(got.results, "; ") != want {
						t.Errorf("%s, fuel %v: got %v, want %s", engine, o.Fuel, got.results, want)
					}
				}
			}
		})
	}
}

// TestThrowingStart checks that an exception out of a start function fails the instantiation, and a caught one not.
func TestThrowingStart(t *testing.T) {
	throws := wat(t, `(module (tag $e) (func $s (throw $e)) (start $s) (func (export "t") (result i32) (i32.const 1)))`)
	catches := wat(t, `(module (tag $e) (func $s (try (do (throw $e)) (catch $e))) (start $s) (func (export "t") (result i32) (i32.const 1)))`)
	for engine := range engines {
		if got := run(t, engine, prepared(t, throws, all), 0, call{"t", nil}); !strings.Contains(got.String(), "unreachable") {
			t.Errorf("%s: start that throws: %v", engine, got)
		}
		if got := run(t, engine, prepared(t, catches, all), 0, call{"t", nil}); got.results[0] != "[0x1]" {
			t.Errorf("%s: start that catches: %v", engine, got)
		}
	}
}

// TestRefused checks that what has no lowering, or uses our names, is refused by name.
func TestRefused(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`(module (tag (param f64)))`, "carries (f64)"},
		{`(module (tag (param i32 i32)))`, "carries (i32, i32)"},
		{`(module (import "env" "t" (tag)))`, "imported tag"},
		{`(module (import "wherry" "yield" (func)))`, "reserved"},
		{`(module (func (export "wherry.fuel")))`, "reserved"},
	} {
		_, err := prepare.Prepare(context.Background(), wat(t, tt.text), all)
		var u *prepare.Unsupported
		if !errors.As(err, &u) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.text, err, tt.want)
		}
	}
}
