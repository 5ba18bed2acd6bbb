package generate

import (
	"strings"

	"github.com/wherry-run/wherry/internal/wasm"
)

// instruction is a plain instruction, or the select of one type, which stands among them because it takes what they
// take.
type instruction struct {
	name string
	code wasm.Opcode
	sig  wasm.Signature
	typ  wasm.ValueType // of a select
}

// types are those of locals, in the order of every table here.
var types = []wasm.ValueType{wasm.I32, wasm.I64, wasm.F32, wasm.F64, wasm.V128}

func index(t wasm.ValueType) int {
	for i, x := range types {
		if x == t {
			return i
		}
	}
	return -1
}

// all lists every instruction that computes or touches memory. Bulk instructions, the size of memory and waiting are
// not among them: what they do depends on more than their operands.
var all = list()

func list() (out []instruction) {
	for code := wasm.Opcode(0); code < 0xff00; code++ {
		if code == 0x100 {
			code = 0xfc00
		}
		sig, plain := code.Signature()
		switch code.Imm() {
		case wasm.ImmNone, wasm.ImmMemArg, wasm.ImmMemLane, wasm.ImmLane, wasm.ImmShuffle:
		default:
			plain = false
		}
		if !plain || len(sig.Params) == 0 || code >= wasm.OpAtomicNotify && code <= wasm.OpAtomicFence {
			continue
		}
		out = append(out, instruction{name: code.String(), code: code, sig: sig})
	}
	for _, t := range types {
		sig := wasm.Signature{Params: []wasm.ValueType{t, t, wasm.I32}, Result: t}
		out = append(out, instruction{name: "select", code: wasm.OpSelectTyped, sig: sig, typ: t})
	}
	return out
}

// byResult lists the instructions that give a value of each type, and stores those that give none.
var byResult, stores = sorted()

func sorted() (by [5][]instruction, none []instruction) {
	for _, x := range all {
		if x.sig.Result == wasm.Bottom {
			none = append(none, x)
			continue
		}
		i := index(x.sig.Result)
		by[i] = append(by[i], x)
	}
	return by, none
}

// touches tells whether the first operand is an address.
func (x instruction) touches() bool {
	imm := x.code.Imm()
	return imm == wasm.ImmMemArg || imm == wasm.ImmMemLane
}

// trapping tells whether x may trap by its operands, addresses aside.
func (x instruction) trapping() bool {
	if _, op, _ := strings.Cut(x.name, "."); strings.HasPrefix(op, "div_") || strings.HasPrefix(op, "rem_") {
		return true
	}
	return strings.Contains(x.name, ".trunc_f") // not trunc_sat
}

// openNaN is the type of float of which x gives NaNs with bits that the specification leaves open; lanes tells that
// the result is a vector of them.
func (x instruction) openNaN() (t wasm.ValueType, lanes bool) {
	shape, op, _ := strings.Cut(x.name, ".")
	switch op {
	case "ceil", "floor", "trunc", "nearest", "sqrt", "add", "sub", "mul", "div", "min", "max",
		"demote_f64", "promote_f32", "demote_f64x2_zero", "promote_low_f32x4":
	default:
		return wasm.Bottom, false
	}
	switch shape {
	case "f32":
		return wasm.F32, false
	case "f64":
		return wasm.F64, false
	case "f32x4":
		return wasm.F32, true
	case "f64x2":
		return wasm.F64, true
	}
	return wasm.Bottom, false
}

// write writes x with random immediates; its operands are on the stack.
func (x instruction) write(w *writer) {
	switch {
	case x.code == wasm.OpSelectTyped:
		if w.one(2) {
			w.op(wasm.OpSelect)
			return
		}
		w.op(wasm.OpSelectTyped)
		w.b = wasm.AppendValueType(append(w.b, 1), x.typ)
		return
	case x.touches():
		natural := x.code.NaturalAlign()
		align := natural
		offset := uint32(w.n(8)) << natural
		if !x.code.IsAtomic() {
			align = uint32(w.n(int(natural) + 1))
			offset = uint32(w.n(64))
		}
		w.mem(x.code, align, offset)
	default:
		w.op(x.code)
	}
	switch x.code.Imm() {
	case wasm.ImmLane, wasm.ImmMemLane:
		w.raw(byte(w.n(int(x.sig.Lanes))))
	case wasm.ImmShuffle:
		for range 16 {
			w.raw(byte(w.n(32)))
		}
	}
}

// settle makes zero of a NaN on the stack whose bits are open, with instructions that no pass replaces. scratch is a
// local of the type of x's result.
func (x instruction) settle(w *writer, scratch uint32) {
	t, lanes := x.openNaN()
	if w.NaNs || t == wasm.Bottom {
		return
	}
	self := func(eq wasm.Opcode) {
		w.idx(wasm.OpLocalGet, scratch)
		w.idx(wasm.OpLocalGet, scratch)
		w.op(eq)
	}
	w.idx(wasm.OpLocalTee, scratch)
	switch {
	case lanes && t == wasm.F32:
		self(wasm.OpF32x4Eq)
		w.op(wasm.OpV128And)
	case lanes:
		self(wasm.OpF64x2Eq)
		w.op(wasm.OpV128And)
	case t == wasm.F32:
		w.op(wasm.OpI32ReinterpretF32)
		w.i32c(0)
		self(0x5b) // f32.eq
		w.op(wasm.OpI32Sub)
		w.op(wasm.OpI32And)
		w.op(wasm.OpF32ReinterpretI32)
	default:
		w.op(wasm.OpI64ReinterpretF64)
		w.i64c(0)
		self(0x61) // f64.eq
		w.op(wasm.OpI64ExtendI32U)
		w.op(wasm.OpI64Sub)
		w.op(wasm.OpI64And)
		w.op(wasm.OpF64ReinterpretI64)
	}
}
