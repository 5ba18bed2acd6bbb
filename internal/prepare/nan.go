package prepare

import "github.com/wherry-run/wherry/internal/wasm"

// shape says how an instruction looks at floats: the type of its result, or the width of the lanes of a vector.
type shape uint8

const (
	noFloat shape = iota
	scalar32
	scalar64
	lanes32
	lanes64
)

// nanOf returns the shape of an instruction's result when the specification leaves the bits of its NaNs open. What it
// settles is not among them: abs, neg, copysign, pmin and pmax move bits, and so do loads, constants and reinterprets.
func nanOf(c wasm.Opcode) shape {
	switch {
	case c >= 0x8d && c <= 0x97, c == 0xb6: // ceil floor trunc nearest sqrt add sub mul div min max; f32.demote_f64
		return scalar32
	case c >= 0x9b && c <= 0xa5, c == 0xbb: // the same; f64.promote_f32
		return scalar64
	case c < 0xfd00:
		return noFloat
	case c >= 0xfd67 && c <= 0xfd6a, // ceil floor trunc nearest
		c >= 0xfde3 && c <= 0xfde9, // sqrt add sub mul div min max
		c == 0xfd5e:                // demote_f64x2_zero
		return lanes32
	case c == 0xfd74, c == 0xfd75, c == 0xfd7a, c == 0xfd94, // ceil floor trunc nearest
		c >= 0xfdef && c <= 0xfdf5, // sqrt add sub mul div min max
		c == 0xfd5f:                // promote_low_f32x4
		return lanes64
	}
	return noFloat
}

// deafTo returns the shape of an instruction's operands when it gives the same result whatever bits a NaN among them
// has: comparisons, conversions to integers, and arithmetic, whose own NaNs are made canonical.
func deafTo(c wasm.Opcode) shape {
	switch {
	case c == 0xb6: // f32.demote_f64
		return scalar64
	case c == 0xbb: // f64.promote_f32
		return scalar32
	case c == 0xfd5e: // f32x4.demote_f64x2_zero
		return lanes64
	case c == 0xfd5f: // f64x2.promote_low_f32x4
		return lanes32
	case c >= 0x5b && c <= 0x60, // eq ne lt gt le ge
		c == 0xa8, c == 0xa9, c == 0xae, c == 0xaf, // trunc to integers
		c == 0xfc00, c == 0xfc01, c == 0xfc04, c == 0xfc05: // trunc_sat
		return scalar32
	case c >= 0x61 && c <= 0x66,
		c == 0xaa, c == 0xab, c == 0xb0, c == 0xb1,
		c == 0xfc02, c == 0xfc03, c == 0xfc06, c == 0xfc07:
		return scalar64
	case c >= 0xfd41 && c <= 0xfd46, c == 0xfdf8, c == 0xfdf9:
		return lanes32
	case c >= 0xfd47 && c <= 0xfd4c, c == 0xfdfc, c == 0xfdfd:
		return lanes64
	}
	return nanOf(c)
}

// settleNaN makes the NaN canonical that the instruction before this one may have left on the stack, unless this one
// takes it and cannot tell NaNs apart: most of a sum of products goes without. The NaN is positive, quiet and without
// payload. No instruction is replaced, and those that are added are among the ones that the engine gets right (see fix):
// there is no select of floats.
func (e *emitter) settleNaN() {
	s := e.nan
	e.nan = noFloat
	if c := e.op.Code; c == wasm.OpDrop || deafTo(c) == s {
		return
	}
	e.before()
	switch s {
	case scalar32:
		e.settleScalar(e.local(scratchF32), wasm.OpF32Ne, byte(wasm.OpF32Const), 0, 0, 0xc0, 0x7f)
	case scalar64:
		e.settleScalar(e.local(scratchF64), wasm.OpF64Ne, byte(wasm.OpF64Const), 0, 0, 0, 0, 0, 0, 0xf8, 0x7f)
	case lanes32:
		e.settleLanes(wasm.OpF32x4Eq, [4]byte{0, 0, 0xc0, 0x7f}, [4]byte{0, 0, 0xc0, 0x7f})
	case lanes64:
		e.settleLanes(wasm.OpF64x2Eq, [4]byte{}, [4]byte{0, 0, 0xf8, 0x7f})
	}
}

// settleScalar goes round the constant by a branch that is always predicted. To select between the bits as integers
// takes a chain of additions twice as long: they have to go to the other registers and back.
func (e *emitter) settleScalar(x uint32, ne wasm.Opcode, nan ...byte) {
	e.index(wasm.OpLocalTee, x)
	e.index(wasm.OpLocalGet, x)
	e.emit(ne)
	e.block(wasm.OpIf)
	e.put(nan...)
	e.index(wasm.OpLocalSet, x)
	e.emit(wasm.OpEnd)
	e.index(wasm.OpLocalGet, x)
}

// settleLanes keeps the lanes that are numbers and takes the others from the canonical NaN, of which 64 bits are given.
func (e *emitter) settleLanes(eq wasm.Opcode, low, high [4]byte) {
	x, mask := e.local(scratchVector), e.local(scratchVector2)
	e.index(wasm.OpLocalTee, x)
	e.index(wasm.OpLocalGet, x)
	e.index(wasm.OpLocalGet, x)
	e.emit(eq)
	e.index(wasm.OpLocalTee, mask)
	e.emit(wasm.OpV128And)
	e.emit(wasm.OpV128Const)
	for range 2 {
		e.put(low[:]...)
		e.put(high[:]...)
	}
	e.index(wasm.OpLocalGet, mask)
	e.emit(wasm.OpV128AndNot)
	e.emit(wasm.OpV128Or)
}
