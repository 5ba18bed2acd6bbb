package prepare

import "github.com/wherry-run/wherry/internal/wasm"

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
