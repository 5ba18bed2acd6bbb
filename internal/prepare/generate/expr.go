package generate

import "github.com/wherry-run/wherry/internal/wasm"

// mask keeps an address, and what offset and width add to it, inside the first page.
const mask = 0x7fff

// favoured are instructions that the engine's compiler gets, or got, wrong.
var favoured = map[wasm.Opcode]bool{
	wasm.OpSelectTyped: true, wasm.OpV128Bitselect: true, wasm.OpF32Copysign: true, wasm.OpF64Copysign: true, wasm.OpF64x2ReplaceLane: true,
}

var favourites = pickFavoured()

func pickFavoured() (by [5][]instruction) {
	for i, xs := range byResult {
		for _, x := range xs {
			if favoured[x.code] {
				by[i] = append(by[i], x)
			}
		}
	}
	return by
}

func (g *program) get(t wasm.ValueType) {
	first, n, _ := locals(t)
	if t == wasm.I32 && g.one(5) {
		g.idx(wasm.OpLocalGet, 0)
		return
	}
	g.idx(wasm.OpLocalGet, first+uint32(g.n(int(n))))
}

func (g *program) set(t wasm.ValueType) {
	first, n, _ := locals(t)
	g.idx(wasm.OpLocalSet, first+uint32(g.n(int(n))))
}

// expr writes an expression of a type.
func (g *program) expr(t wasm.ValueType, depth int) {
	k := g.n(18)
	if depth <= 0 && k > 5 {
		k = g.n(6)
	}
	switch {
	case k == 0:
		g.constant(t)
	case k == 1 && g.global(t):
		g.idx(wasm.OpGlobalGet, globalFirst+uint32(index(t)))
	case k < 6:
		g.get(t)
	case k == 6:
		g.address(0, depth-1)
		g.mem(loadOf(t), 0, uint32(g.n(64)))
	case k == 7, k > 15:
		xs := favourites[index(t)]
		g.instruction(xs[g.n(len(xs))], depth)
	case k == 8 && t == wasm.I32:
		g.callOne()
	case k == 9 && t == wasm.I32:
		g.expr(wasm.I32, depth-1)
		g.idx(wasm.OpCall, funcHost)
	case k == 10:
		g.choice(t, depth)
	default:
		xs := byResult[index(t)]
		g.instruction(xs[g.n(len(xs))], depth)
	}
}

// choice is an if that gives a value.
func (g *program) choice(t wasm.ValueType, depth int) {
	g.expr(wasm.I32, depth-1)
	g.open(wasm.OpIf, wasm.ValueBlock(t))
	g.expr(t, depth-1)
	g.op(wasm.OpElse)
	g.expr(t, depth-1)
	g.end()
}

// address writes an address. Atomic instructions want its low bits to be zero; one that is outside of memory as well
// may trap for either reason.
func (g *program) address(align uint32, depth int) {
	g.expr(wasm.I32, depth)
	low := int32(1)<<align - 1
	switch {
	case !g.Traps || !g.one(30):
		g.i32c(mask &^ low)
	case align > 0 && g.one(2):
		g.i32c(mask)
	default:
		g.i32c(^low)
	}
	g.op(wasm.OpI32And)
}

// instruction writes x with operands. One that would trap writes another value instead when nothing may trap.
func (g *program) instruction(x instruction, depth int) {
	trapping := x.trapping()
	if trapping && !(g.Traps && g.one(6)) {
		g.tame(x, depth)
		return
	}
	for i, t := range x.sig.Params {
		if i == 0 && x.touches() {
			g.address(alignOf(x), depth-1)
			continue
		}
		g.expr(t, depth-1)
	}
	x.write(&g.writer)
	if x.sig.Result != wasm.Bottom {
		_, _, scratch := locals(x.sig.Result)
		x.settle(&g.writer, scratch)
	}
}

func alignOf(x instruction) uint32 {
	if x.code.IsAtomic() {
		return x.code.NaturalAlign()
	}
	return 0
}

// tame writes a division by a constant that divides everything; of what else may trap, a local.
func (g *program) tame(x instruction, depth int) {
	t := x.sig.Result
	if len(x.sig.Params) != 2 {
		g.get(t)
		return
	}
	divisor := []int32{1, 2, 3, 7, 10, -3, 641, 1 << 20}[g.n(8)]
	g.expr(t, depth-1)
	if t == wasm.I32 {
		g.i32c(divisor)
	} else {
		g.i64c(int64(divisor))
	}
	x.write(&g.writer)
}

// callOne calls a function above this one, directly or through the table.
func (g *program) callOne() {
	if g.self+1 >= funcs {
		g.get(wasm.I32)
		return
	}
	callee := g.self + 1 + g.n(funcs-g.self-1)
	g.args()
	if g.n(3) > 0 {
		g.idx(wasm.OpCall, uint32(funcFirst+callee))
		return
	}
	g.i32c(int32(callee))
	g.op(wasm.OpCallIndirect)
	g.raw(typeMain, 0)
}

func (g *program) args() {
	for _, t := range types[:4] {
		g.expr(t, 1)
	}
}
