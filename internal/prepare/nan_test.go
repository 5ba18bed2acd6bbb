package prepare_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/prepare"
)

// TestNaN compares every instruction whose NaN bits are open, alone and followed by others, with the same program in
// which each is followed by a call that makes NaNs canonical, on the interpreter.
func TestNaN(t *testing.T) {
	var plain, settled strings.Builder
	var names []string
	for _, op := range nanOps() {
		for _, c := range op.settings() {
			name := op.name + " " + c.name
			names = append(names, name)
			fmt.Fprintf(&plain, function, name, c.text(func(s string, x string) string { return x }))
			fmt.Fprintf(&settled, function, name, c.text(func(s string, x string) string {
				return fmt.Sprintf("(call $%s %s)", s, x)
			}))
		}
	}
	var calls []call
	for _, args := range nanInputs() {
		for _, n := range names {
			calls = append(calls, call{n, args})
		}
	}
	want := run(t, "interpreter", wat(t, "(module "+settled.String()+settlers+")"), 0, calls...)
	agree(t, wat(t, "(module "+plain.String()+")"), want, calls)
}

// TestNaNBits checks that what copies floats copies the bits of NaNs, although NaNs are made canonical: each function
// has an instruction that wakes the pass up.
func TestNaNBits(t *testing.T) {
	f, d := "(f32.reinterpret_i32 (i32.wrap_i64 (local.get %d)))", "(f64.reinterpret_i64 (local.get %d))"
	f0, f2, d0, d2 := fmt.Sprintf(f, 0), fmt.Sprintf(f, 2), fmt.Sprintf(d, 0), fmt.Sprintf(d, 2)
	v0, v2 := vectorOf(0), vectorOf(2)
	bodies := map[string]string{
		"abs": pair("f32.abs "+f0, "f64.abs "+d0), "neg": pair("f32.neg "+f0, "f64.neg "+d0),
		"copysign": pair("f32.copysign "+f0+f2, "f64.copysign "+d0+d2),
		"select":   pair("select "+f0+f2+" (i32.wrap_i64 (local.get 1))", "select "+d0+d2+" (i32.wrap_i64 (local.get 3))"),
		"memory":   "(f64.store (i32.const 8) " + d0 + ")" + "(f32.store (i32.const 16) " + f2 + ")" + pair("f32.load (i32.const 16)", "f64.load (i32.const 8)"),
	}
	for _, op := range strings.Fields("f32x4.abs f32x4.neg f64x2.abs f64x2.neg v128.not") {
		bodies[op] = vectorResult("(" + op + " " + v0 + ")")
	}
	for _, op := range strings.Fields("f32x4.pmin f32x4.pmax f64x2.pmin f64x2.pmax v128.xor") {
		bodies[op] = vectorResult("(" + op + " " + v0 + v2 + ")")
	}
	var text strings.Builder
	var calls []call
	inputs := nanInputs()
	for name, body := range bodies {
		fmt.Fprintf(&text, function, name, "(drop (f32.add (f32.const 1) (f32.const 2)))"+body)
		for _, args := range inputs {
			calls = append(calls, call{name, args})
		}
	}
	bin := wat(t, "(module (memory 1)"+text.String()+")")
	agree(t, bin, run(t, "interpreter", bin, 0, calls...), calls)
}

// agree compares the prepared program on both engines with the results that are wanted.
func agree(t *testing.T, bin []byte, want outcome, calls []call) {
	t.Helper()
	for _, o := range []prepare.Options{
		{Deterministic: true, EngineFixes: true}, {Deterministic: true, EngineFixes: true, Fuel: true},
	} {
		out := prepared(t, bin, o)
		for engine := range engines {
			got := run(t, engine, out, 0, calls...)
			if len(got.results) != len(want.results) {
				t.Fatalf("%s: %s", engine, got)
			}
			for i, r := range got.results {
				if r != want.results[i] {
					t.Errorf("%s, fuel %t: %s(%#x) = %s, want %s", engine, o.Fuel, calls[i].name, calls[i].args, r, want.results[i])
				}
			}
		}
	}
}

const function = `(func (export "%s") (param i64 i64 i64 i64) (result i64 i64) %s)` + "\n"

// settlers make a NaN canonical in the plainest way.
const settlers = `
(func $f32 (param f32) (result f32)
  (if (f32.ne (local.get 0) (local.get 0)) (then (return (f32.const nan)))) (local.get 0))
(func $f64 (param f64) (result f64)
  (if (f64.ne (local.get 0) (local.get 0)) (then (return (f64.const nan)))) (local.get 0))
(func $f32x4 (param v128) (result v128)
  (v128.bitselect (local.get 0) (v128.const f32x4 nan nan nan nan) (f32x4.eq (local.get 0) (local.get 0))))
(func $f64x2 (param v128) (result v128)
  (v128.bitselect (local.get 0) (v128.const f64x2 nan nan) (f64x2.eq (local.get 0) (local.get 0))))`

// vectorOf is the vector of two parameters.
func vectorOf(i int) string {
	return fmt.Sprintf("(i64x2.replace_lane 1 (i64x2.splat (local.get %d)) (local.get %d))", i, i+1)
}

func vectorResult(x string) string {
	return x + "(i64x2.extract_lane 0)" + x + "(i64x2.extract_lane 1)"
}

// pair returns the bits of an f32 and an f64.
func pair(f, d string) string {
	return "(i64.extend_i32_u (i32.reinterpret_f32 (" + f + "))) (i64.reinterpret_f64 (" + d + "))"
}

// nanOp is an instruction whose NaN bits are open.
type nanOp struct {
	name     string
	in, out  string // shapes of operands and result
	operands int
}

func nanOps() []nanOp {
	var ops []nanOp
	for _, s := range strings.Fields("f32 f64 f32x4 f64x2") {
		for _, n := range strings.Fields("ceil floor trunc nearest sqrt") {
			ops = append(ops, nanOp{s + "." + n, s, s, 1})
		}
		for _, n := range strings.Fields("add sub mul div min max") {
			ops = append(ops, nanOp{s + "." + n, s, s, 2})
		}
	}
	return append(ops, nanOp{"f32.demote_f64", "f64", "f32", 1}, nanOp{"f64.promote_f32", "f32", "f64", 1},
		nanOp{"f32x4.demote_f64x2_zero", "f64x2", "f32x4", 1}, nanOp{"f64x2.promote_low_f32x4", "f32x4", "f64x2", 1})
}

// setting is what stands round an instruction. text writes the function's body; settle is applied to what each
// instruction with open NaN bits gives.
type setting struct {
	name string
	text func(settle func(shape, x string) string) string
}

func (op nanOp) settings() []setting {
	apply := func(settle func(string, string) string, first string) string {
		x := "(" + op.name + " " + first
		if op.operands == 2 {
			x += operand(op.in, 2)
		}
		return settle(op.out, x+")")
	}
	add := func(settle func(string, string) string, s, x, y string) string {
		return settle(s, "("+s+".add "+x+y+")")
	}
	list := []setting{
		{"alone", func(settle func(string, string) string) string {
			return bits(op.out, apply(settle, operand(op.in, 0)))
		}},
		{"then add", func(settle func(string, string) string) string {
			return bits(op.out, add(settle, op.out, operand(op.out, 2), apply(settle, operand(op.in, 0))))
		}},
		{"in add", func(settle func(string, string) string) string {
			return bits(op.out, add(settle, op.out, apply(settle, operand(op.in, 0)), operand(op.out, 0)))
		}},
		{"dropped", func(settle func(string, string) string) string {
			return "(drop " + apply(settle, operand(op.in, 0)) + ") (local.get 0) (local.get 1)"
		}},
		{"branch", func(settle func(string, string) string) string {
			t := op.out
			if strings.Contains(t, "x") {
				t = "v128"
			}
			return bits(op.out, "(block (result "+t+") (br 0 "+apply(settle, operand(op.in, 0))+"))")
		}},
		{"negated", func(settle func(string, string) string) string {
			return bits(op.out, "("+op.out+".neg "+apply(settle, operand(op.in, 0))+")")
		}},
		{"compared", func(settle func(string, string) string) string {
			x := "(" + op.out + ".lt " + operand(op.out, 0) + apply(settle, operand(op.in, 0)) + ")"
			if strings.Contains(op.out, "x") {
				return vectorResult(x)
			}
			return "(i64.extend_i32_u " + x + ") (local.get 0)"
		}},
	}
	if other := map[string]string{"f32x4": "f64x2", "f64x2": "f32x4"}[op.out]; other != "" {
		list = append(list, setting{"seen as " + other, func(settle func(string, string) string) string {
			return bits(other, add(settle, other, operand(other, 2), apply(settle, operand(op.in, 0))))
		}})
	}
	return list
}

// operand reads parameter i as a shape.
func operand(shape string, i int) string {
	switch shape {
	case "f32":
		return fmt.Sprintf("(f32.reinterpret_i32 (i32.wrap_i64 (local.get %d)))", i)
	case "f64":
		return fmt.Sprintf("(f64.reinterpret_i64 (local.get %d))", i)
	}
	return vectorOf(i)
}

// bits gives the bits of a value of a shape as the two results.
func bits(shape, x string) string {
	switch shape {
	case "f32":
		return "(i64.extend_i32_u (i32.reinterpret_f32 " + x + ")) (i64.const 0)"
	case "f64":
		return "(i64.reinterpret_f64 " + x + ") (i64.const 0)"
	}
	return vectorResult(x)
}

// nanInputs are parameters that hold NaNs of all kinds, infinities, zeros and numbers, as f32 and as f64 lanes.
func nanInputs() [][]uint64 {
	singles := []uint32{0x7fc00000, 0xffc00000, 0x7fc12345, 0xffd54321, 0x7f800001, 0xffa00000, 0x7f800000, 0xff800000,
		0, 0x80000000, 0x3f800000, 0xbf800000, 0x3f000000, 1, 0x7f7fffff, 0xc0200000}
	doubles := []uint64{0x7ff8000000000000, 0xfff8000000000000, 0x7ff8000012345678, 0xfffc000087654321, 0x7ff0000000000001,
		0xfff4000000000000, 0x7ff0000000000000, 0xfff0000000000000, 0, 1 << 63, 0x3ff0000000000000, 0xbff0000000000000,
		0x3fe0000000000000, 1, 0x7fefffffffffffff, 0xc004000000000000}
	r := rand.New(rand.NewPCG(1, 2))
	var out [][]uint64
	for i := range 96 {
		args := make([]uint64, 4)
		for j := range args {
			var b [8]byte
			binary.LittleEndian.PutUint32(b[:], singles[r.IntN(len(singles))])
			binary.LittleEndian.PutUint32(b[4:], singles[r.IntN(len(singles))])
			args[j] = binary.LittleEndian.Uint64(b[:])
			if i%2 > 0 {
				args[j] = doubles[r.IntN(len(doubles))]
			}
		}
		out = append(out, args)
	}
	return out
}
