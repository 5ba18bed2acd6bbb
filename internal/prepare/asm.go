package prepare

import "github.com/wherry-run/wherry/internal/wasm"

// asm writes instructions, between what its Editor copies or on their own.
type asm struct{ wasm.Editor }

func (a *asm) put(b ...byte)                     { a.Out = append(a.Out, b...) }
func (a *asm) emit(c wasm.Opcode)                { a.Out = wasm.AppendOp(a.Out, c) }
func (a *asm) i32(v int32)                       { a.Out = wasm.AppendI32Const(a.Out, v) }
func (a *asm) i64(v int64)                       { a.Out = wasm.AppendI64Const(a.Out, v) }
func (a *asm) index(c wasm.Opcode, index uint32) { a.Out = wasm.AppendOpIndex(a.Out, c, index) }

// block opens a block without parameters and results.
func (a *asm) block(c wasm.Opcode) { a.Out = wasm.AppendBlock(a.Out, c, wasm.EmptyBlock()) }

// spend takes what cost leaves on the stack from the fuel and yields when none is left. Testing the local instead of
// reading the global again keeps the global out of the test. The call goes through a function of the module, for
// calling an import takes more code than calling a neighbour, and this is written at every loop.
func (a *asm) spend(p *plan, local uint32, cost func()) {
	a.index(wasm.OpGlobalGet, p.fuelGlobal)
	cost()
	a.emit(wasm.OpI64Sub)
	a.index(wasm.OpLocalTee, local)
	a.index(wasm.OpGlobalSet, p.fuelGlobal)
	a.index(wasm.OpLocalGet, local)
	a.i64(0)
	a.emit(wasm.OpI64LtS)
	a.block(wasm.OpIf)
	a.index(wasm.OpCall, p.yieldFunc)
	a.emit(wasm.OpEnd)
}
