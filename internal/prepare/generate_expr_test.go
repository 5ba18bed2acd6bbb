package prepare_test

import (
	"math"

	"github.com/wherry-run/wherry/internal/wasm"
)

var (
	edges32 = []int32{0, 1, -1, 2, 7, math.MaxInt32, math.MinInt32, 0x7fc00000, 12345}
	edgesF  = []float64{0, math.Copysign(0, -1), 1, -1, 1.5, -2.75, 1e30, -1e-30, math.Inf(1), math.Inf(-1), 3}
)

func (g *generator) expr32(depth int) {
	k := g.n(14)
	if depth <= 0 && k > 3 {
		k = g.n(4)
	}
	switch k {
	case 0:
		g.i32c(edges32[g.n(len(edges32))])
	case 1, 2:
		g.get(localI, 4)
	case 3:
		g.idx(wasm.OpLocalGet, 0)
	case 4, 5:
		ops := []wasm.Opcode{wasm.OpI32Add, wasm.OpI32Sub, wasm.OpI32Mul, wasm.OpI32And, wasm.OpI32Or, wasm.OpI32Xor,
			wasm.OpI32Shl, wasm.OpI32Eq, wasm.OpI32LtS, wasm.OpI32LtU}
		g.expr32(depth - 1)
		g.expr32(depth - 1)
		g.op(ops[g.n(len(ops))])
	case 6:
		g.exprF(depth - 1)
		g.exprF(depth - 1)
		g.op(0x5d) // f32.lt
	case 7:
		g.exprD(depth - 1)
		g.exprD(depth - 1)
		g.op(0x63) // f64.lt
	case 8:
		g.exprF(depth - 1)
		g.op(wasm.OpI32ReinterpretF32)
	case 9:
		g.expr64(depth - 1)
		g.op(wasm.OpI32WrapI64)
	case 10:
		g.expr32(depth - 1)
		g.expr32(depth - 1)
		g.sel(depth, wasm.I32)
	case 11:
		g.exprV(depth - 1)
		g.op(0xfd1b) // i32x4.extract_lane
		g.raw(byte(g.n(4)))
	case 12:
		g.expr32(depth - 1)
		g.idx(wasm.OpCall, genHost)
	case 13:
		g.callOne()
	}
}

// callOne calls a function above this one, directly or through the table.
func (g *generator) callOne() {
	if g.self+1 >= genFuncs {
		g.get(localI, 4)
		return
	}
	callee := g.self + 1 + g.n(genFuncs-g.self-1)
	g.args()
	if g.n(3) > 0 {
		g.idx(wasm.OpCall, uint32(genFirst+callee))
		return
	}
	g.i32c(int32(callee))
	g.op(wasm.OpCallIndirect)
	g.raw(typeMain, 0)
}

// sel writes a select of two operands that are on the stack.
func (g *generator) sel(depth int, t wasm.ValueType) {
	g.expr32(depth - 1)
	if g.n(2) == 0 {
		g.op(wasm.OpSelect)
		return
	}
	g.op(wasm.OpSelectTyped)
	g.b = wasm.AppendValueType(append(g.b, 1), t)
}

func (g *generator) expr64(depth int) {
	k := g.n(9)
	if depth <= 0 && k > 3 {
		k = g.n(4)
	}
	switch k {
	case 0:
		g.b = wasm.AppendI64Const(g.b, int64(edges32[g.n(len(edges32))])<<uint(g.n(33)))
	case 1, 2, 3:
		g.get(localL, 2)
	case 4, 5:
		ops := []wasm.Opcode{wasm.OpI64Add, wasm.OpI64Sub, wasm.OpI64Mul, wasm.OpI64And, wasm.OpI64Xor, wasm.OpI64Shl}
		g.expr64(depth - 1)
		g.expr64(depth - 1)
		g.op(ops[g.n(len(ops))])
	case 6:
		g.exprD(depth - 1)
		g.op(wasm.OpI64ReinterpretF64)
	case 7:
		g.expr32(depth - 1)
		g.op(wasm.OpI64ExtendI32S)
	case 8:
		g.expr64(depth - 1)
		g.expr64(depth - 1)
		g.sel(depth, wasm.I64)
	}
}

// exprF writes an f32. Arithmetic, whose NaNs the specification leaves open, gives zero instead of NaN; select and
// copysign, whose NaNs it does not, are left as they are.
func (g *generator) exprF(depth int) {
	k := g.n(10)
	if depth <= 0 && k > 4 {
		k = g.n(5)
	}
	switch k {
	case 0:
		bits := math.Float32bits(float32(edgesF[g.n(len(edgesF))]))
		if g.n(8) == 0 {
			bits = 0x7fc12345 | uint32(g.n(2))<<31
		}
		g.raw(byte(wasm.OpF32Const), byte(bits), byte(bits>>8), byte(bits>>16), byte(bits>>24))
	case 1, 2, 3, 4:
		g.get(localF, 4)
	case 5:
		g.exprF(depth - 1)
		g.exprF(depth - 1)
		g.op(wasm.Opcode(0x92 + g.n(3)))
		g.zeroNaN(localF+4, 0x5b, wasm.OpI32ReinterpretF32, wasm.OpF32ReinterpretI32)
	case 6, 7:
		g.exprF(depth - 1)
		g.exprF(depth - 1)
		g.sel(depth, wasm.F32)
	case 8:
		g.exprF(depth - 1)
		g.exprF(depth - 1)
		g.op(wasm.OpF32Copysign)
	case 9:
		g.expr32(depth - 1)
		g.op(0xb2) // f32.convert_i32_s
	}
}

// zeroNaN turns a NaN on the stack into zero, by integers: select is under test here.
func (g *generator) zeroNaN(local uint32, eq, toInt, toFloat wasm.Opcode) {
	g.idx(wasm.OpLocalTee, local)
	g.op(toInt)
	if toInt == wasm.OpI64ReinterpretF64 {
		g.b = wasm.AppendI64Const(g.b, 0)
	} else {
		g.i32c(0)
	}
	g.idx(wasm.OpLocalGet, local)
	g.idx(wasm.OpLocalGet, local)
	g.op(eq)
	if toInt == wasm.OpI64ReinterpretF64 {
		g.op(wasm.OpI64ExtendI32U)
		g.op(wasm.OpI64Sub)
		g.op(wasm.OpI64And)
	} else {
		g.op(wasm.OpI32Sub)
		g.op(wasm.OpI32And)
	}
	g.op(toFloat)
}

func (g *generator) exprD(depth int) {
	k := g.n(10)
	if depth <= 0 && k > 4 {
		k = g.n(5)
	}
	switch k {
	case 0:
		bits := math.Float64bits(edgesF[g.n(len(edgesF))])
		if g.n(8) == 0 {
			bits = 0x7ff8000000054321 | uint64(g.n(2))<<63
		}
		g.raw(byte(wasm.OpF64Const))
		for i := range 8 {
			g.raw(byte(bits >> (8 * i)))
		}
	case 1, 2, 3, 4:
		g.get(localD, 4)
	case 5:
		g.exprD(depth - 1)
		g.exprD(depth - 1)
		g.op(wasm.Opcode(0xa0 + g.n(3)))
		g.zeroNaN(localD+4, 0x61, wasm.OpI64ReinterpretF64, wasm.OpF64ReinterpretI64)
	case 6, 7:
		g.exprD(depth - 1)
		g.exprD(depth - 1)
		g.sel(depth, wasm.F64)
	case 8:
		g.exprD(depth - 1)
		g.exprD(depth - 1)
		g.op(wasm.OpF64Copysign)
	case 9:
		g.expr32(depth - 1)
		g.op(0xb7) // f64.convert_i32_s
	}
}

func (g *generator) exprV(depth int) {
	k := g.n(9)
	if depth <= 0 && k > 2 {
		k = g.n(3)
	}
	switch k {
	case 0:
		g.op(wasm.OpV128Const)
		for range 16 {
			g.raw(byte(g.n(256)))
		}
	case 1, 2:
		g.get(localV, 2)
	case 3:
		g.expr32(depth - 1)
		g.op(wasm.OpI32x4Splat)
	case 4:
		g.exprV(depth - 1)
		g.exprV(depth - 1)
		g.op(0xfdae) // i32x4.add
	case 5:
		g.exprV(depth - 1)
		g.exprV(depth - 1)
		g.sel(depth, wasm.V128)
	case 6:
		g.exprV(depth - 1)
		g.exprV(depth - 1)
		g.exprV(depth - 1)
		g.op(wasm.OpV128Bitselect)
	case 7:
		g.exprV(depth - 1)
		g.exprD(depth - 1)
		g.op(wasm.OpF64x2ReplaceLane)
		g.raw(byte(g.n(2)))
	case 8:
		g.exprV(depth - 1)
		g.exprF(depth - 1)
		g.op(wasm.OpF32x4ReplaceLane)
		g.raw(byte(g.n(4)))
	}
}
