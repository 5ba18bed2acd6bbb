package prepare

import (
	"slices"

	"github.com/wherry-run/wherry/internal/wasm"
)

// fix replaces an instruction that wazero's amd64 compiler may get wrong: its lowering changes a temporary register in
// place, and the register allocator, which is not told, may reload an operand into it. Every replacement is made of
// instructions whose lowering is one step, and gives the same bits, those of NaNs included.
func (e *emitter) fix() {
	switch e.op.Code {
	case wasm.OpSelect:
		// Reads the type of the second operand, or of the first when dead code hides that.
		t := e.types.Operand(1)
		if t == wasm.Bottom {
			t = e.types.Operand(2)
		}
		e.fixSelect(t)
	case wasm.OpSelectTyped:
		e.fixSelect(e.op.Type)
	case wasm.OpF32Copysign:
		e.replace()
		y := e.local(scratchF32)
		e.index(wasm.OpLocalSet, y)
		e.emit(wasm.OpI32ReinterpretF32)
		e.i32(0x7fffffff)
		e.emit(wasm.OpI32And)
		e.index(wasm.OpLocalGet, y)
		e.emit(wasm.OpI32ReinterpretF32)
		e.i32(-1 << 31)
		e.emit(wasm.OpI32And)
		e.emit(wasm.OpI32Or)
		e.emit(wasm.OpF32ReinterpretI32)
	case wasm.OpF64Copysign:
		e.replace()
		y := e.local(scratchF64)
		e.index(wasm.OpLocalSet, y)
		e.emit(wasm.OpI64ReinterpretF64)
		e.i64(1<<63 - 1)
		e.emit(wasm.OpI64And)
		e.index(wasm.OpLocalGet, y)
		e.emit(wasm.OpI64ReinterpretF64)
		e.i64(-1 << 63)
		e.emit(wasm.OpI64And)
		e.emit(wasm.OpI64Or)
		e.emit(wasm.OpF64ReinterpretI64)
	case wasm.OpV128Bitselect:
		e.replace()
		mask := e.local(scratchVector2)
		e.index(wasm.OpLocalSet, mask)
		e.index(wasm.OpLocalSet, e.local(scratchVector))
		e.blend(mask)
	case wasm.OpF64x2ReplaceLane:
		if e.op.Index == 0 {
			e.replace()
			e.emit(wasm.OpI64ReinterpretF64)
			e.emit(wasm.OpI64x2ReplaceLane)
			e.put(0)
		}
	}
}

func (e *emitter) fixSelect(t wasm.ValueType) {
	switch t {
	case wasm.F32, wasm.F64:
		if e.p.rewrites.has(ChooseFloats) && e.again() {
			e.choose(t)
			return
		}
	}
	switch t {
	case wasm.F32:
		e.selectAs(scratchF32, wasm.OpI32ReinterpretF32, wasm.OpF32ReinterpretI32)
	case wasm.F64:
		e.selectAs(scratchF64, wasm.OpI64ReinterpretF64, wasm.OpF64ReinterpretI64)
	case wasm.V128:
		e.replace()
		cond, mask := e.local(scratchI32), e.local(scratchVector2)
		e.index(wasm.OpLocalSet, cond)
		e.index(wasm.OpLocalSet, e.local(scratchVector))
		e.i32(0) // all ones when the condition holds: 0 - (cond != 0)
		e.index(wasm.OpLocalGet, cond)
		e.i32(0)
		e.emit(wasm.OpI32Ne)
		e.emit(wasm.OpI32Sub)
		e.emit(wasm.OpI32x4Splat)
		e.index(wasm.OpLocalSet, mask)
		e.blend(mask)
	}
}

// again tells whether what is chosen goes to a local that was just read.
func (e *emitter) again() bool {
	var next wasm.Op
	w := wasm.NewWalker(e.code, e.op.End)
	return w.Next(&next) && (next.Code == wasm.OpLocalSet || next.Code == wasm.OpLocalTee) && slices.Contains(e.got[:], next.Index)
}

// choose selects between two floats by an if.
func (e *emitter) choose(t wasm.ValueType) {
	e.replace()
	cond, x, y := e.local(scratchI32), e.local(scratchF32), e.local(scratchF32Too)
	if t == wasm.F64 {
		x, y = e.local(scratchF64), e.local(scratchF64Too)
	}
	e.index(wasm.OpLocalSet, cond)
	e.index(wasm.OpLocalSet, y)
	e.index(wasm.OpLocalSet, x)
	e.index(wasm.OpLocalGet, cond)
	e.Out = wasm.AppendBlock(e.Out, wasm.OpIf, wasm.ValueBlock(t))
	e.index(wasm.OpLocalGet, x)
	e.emit(wasm.OpElse)
	e.index(wasm.OpLocalGet, y)
	e.emit(wasm.OpEnd)
}

// selectAs selects between the bits of two floats as integers, whose select is right.
func (e *emitter) selectAs(scratch int, toInt, toFloat wasm.Opcode) {
	e.replace()
	cond, y := e.local(scratchI32), e.local(scratch)
	e.index(wasm.OpLocalSet, cond)
	e.index(wasm.OpLocalSet, y)
	e.emit(toInt)
	e.index(wasm.OpLocalGet, y)
	e.emit(toInt)
	e.index(wasm.OpLocalGet, cond)
	e.emit(wasm.OpSelect)
	e.emit(toFloat)
}

// blend turns x, which is on the stack, and y, in its scratch local, into x where mask is set and y elsewhere.
func (e *emitter) blend(mask uint32) {
	e.index(wasm.OpLocalGet, mask)
	e.emit(wasm.OpV128And)
	e.index(wasm.OpLocalGet, e.local(scratchVector))
	e.index(wasm.OpLocalGet, mask)
	e.emit(wasm.OpV128AndNot)
	e.emit(wasm.OpV128Or)
}
