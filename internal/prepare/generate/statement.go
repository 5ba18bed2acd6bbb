package generate

import "github.com/wherry-run/wherry/internal/wasm"

func (g *program) br(c wasm.Opcode, pos uint32) { g.idx(c, g.depth-pos) }

func (g *program) open(c wasm.Opcode, t wasm.BlockType) uint32 {
	g.b = wasm.AppendBlock(g.b, c, t)
	g.depth++
	if c == wasm.OpLoop && g.Ticks {
		g.idx(wasm.OpGlobalGet, globalTicks)
		g.i64c(1)
		g.op(wasm.OpI64Add)
		g.idx(wasm.OpGlobalSet, globalTicks)
	}
	return g.depth
}

func (g *program) end() {
	g.op(wasm.OpEnd)
	g.depth--
}

// within writes statements behind a label.
func (g *program) within(l label, write func()) {
	g.labels = append(g.labels, l)
	write()
	g.labels = g.labels[:len(g.labels)-1]
}

func (g *program) block(nest int) {
	for range 1 + g.n(3) {
		if g.budget > 0 {
			g.statement(nest + 1)
		}
	}
}

func (g *program) statement(nest int) {
	g.budget--
	g.cut(func() { g.any(nest) })
}

func (g *program) any(nest int) {
	k := g.n(30)
	if nest > 5 && k >= 12 {
		k = g.n(12)
	}
	switch k {
	case 0, 1, 2, 3, 4:
		g.expr(types[k], 3)
		g.set(types[k])
	case 5:
		i := g.n(len(types))
		g.expr(types[i], 2)
		if !g.global(types[i]) {
			g.set(types[i])
			break
		}
		g.idx(wasm.OpGlobalSet, globalFirst+uint32(i))
	case 6, 7:
		g.sink()
	case 8, 9:
		g.instruction(stores[g.n(len(stores))], 3)
	case 10:
		g.bulk()
	case 11:
		if !g.Plain {
			g.table()
		}
	case 12, 13:
		g.ifElse(nest)
	case 14, 15, 16:
		g.loop(nest)
	case 17, 18, 19:
		g.long(nest)
	case 20:
		g.parameters()
	case 21:
		g.breakable(nest)
	case 22:
		g.jump()
	case 23, 24:
		g.repeat()
	case 25:
		g.leave()
	default:
		if g.Throws {
			g.try(nest)
		} else {
			g.loop(nest)
		}
	}
}

// sink calls a function with many parameters of which locals that are needed later on are most.
func (g *program) sink() {
	i := g.n(sinks)
	for _, t := range sinkParams[i] {
		if g.one(6) {
			g.expr(t, 1)
			continue
		}
		g.get(t)
	}
	g.idx(wasm.OpCall, uint32(funcSink+i))
}

// bulk moves a range of memory: mostly short, sometimes longer than a piece.
func (g *program) bulk() {
	length := func() {
		switch g.n(6) {
		case 0:
			g.i32c(int32(g.n(2 << 16)))
		case 1:
			g.i32c(int32(250<<10 + g.n(32<<10)))
		default:
			g.i32c(int32(g.n(200)))
		}
		if g.Traps && g.one(8) {
			g.i32c(int32(g.n(1 << 20)))
			g.op(wasm.OpI32Add)
		}
	}
	switch g.n(5) {
	case 0, 1:
		g.address(0, 1)
		g.expr(wasm.I32, 1)
		length()
		g.op(wasm.OpMemoryFill)
		g.raw(0)
	case 2, 3:
		g.address(0, 1)
		g.address(0, 1)
		length()
		g.op(wasm.OpMemoryCopy)
		g.raw(0, 0)
	default:
		g.segment()
	}
	if g.one(4) {
		g.i32c(int32(g.n(2)))
		g.op(wasm.OpMemoryGrow)
		g.raw(0)
		g.idx(wasm.OpLocalSet, localI+uint32(g.n(4)))
	}
}

// segment copies from the passive segment, or drops it. Without traps it is never dropped.
func (g *program) segment() {
	if g.Traps && g.one(5) {
		g.idx(wasm.OpDataDrop, 1)
		return
	}
	g.address(0, 1)
	g.i32c(int32(g.n(100)))
	g.i32c(int32(g.n(100)))
	g.op(wasm.OpMemoryInit)
	g.raw(1, 0)
}

// slot writes an index of table 1 that is good for n entries.
func (g *program) slot(n int) {
	if g.Traps && g.one(10) {
		g.expr(wasm.I32, 1)
		return
	}
	g.i32c(int32(g.n(tableInit - n + 1)))
}

func (g *program) reference() {
	if g.one(3) {
		g.op(wasm.OpRefNull)
		g.raw(0x70)
		return
	}
	g.idx(wasm.OpRefFunc, uint32(funcValue+g.n(values)))
}

func (g *program) table() {
	switch g.n(7) {
	case 0:
		g.slot(1)
		g.reference()
		g.idx(wasm.OpTableSet, 1)
	case 1:
		g.slot(1)
		g.slot(1)
		g.idx(wasm.OpTableGet, 1)
		g.idx(wasm.OpTableSet, 1)
	case 2:
		g.slot(1)
		g.idx(wasm.OpTableGet, 1)
		g.op(wasm.OpRefIsNull)
		g.set(wasm.I32)
	case 3:
		g.reference()
		if g.one(6) {
			g.i32c(int32(g.n(40_000)))
		} else {
			g.i32c(int32(g.n(4)))
		}
		g.idx(wasm.OpTableGrow, 1)
		g.set(wasm.I32)
	case 4:
		g.slot(5)
		g.reference()
		g.i32c(int32(g.n(6)))
		g.idx(wasm.OpTableFill, 1)
	case 5:
		g.slot(5)
		g.slot(5)
		g.i32c(int32(g.n(6)))
		g.op(wasm.OpTableCopy)
		g.raw(1, 1)
	case 6:
		g.slot(3)
		g.i32c(int32(g.n(4)))
		g.i32c(int32(g.n(3)))
		g.op(wasm.OpTableInit)
		g.raw(2, 1)
	}
}

func (g *program) ifElse(nest int) {
	g.expr(wasm.I32, 2)
	pos := g.open(wasm.OpIf, wasm.EmptyBlock())
	g.within(label{pos: pos}, func() {
		g.block(nest)
		if g.one(2) {
			g.op(wasm.OpElse)
			g.block(nest)
		}
	})
	g.end()
}

func (g *program) breakable(nest int) {
	pos := g.open(wasm.OpBlock, wasm.EmptyBlock())
	g.within(label{pos: pos}, func() { g.block(nest) })
	g.end()
}

// forward picks a label that is no loop.
func (g *program) forward() (uint32, bool) {
	for range 4 {
		if len(g.labels) > 0 {
			if l := g.labels[g.n(len(g.labels))]; !l.loop {
				return l.pos, true
			}
		}
	}
	return 0, false
}

// jump branches forward, under a condition.
func (g *program) jump() {
	a, ok := g.forward()
	b, ok2 := g.forward()
	if !ok || !ok2 {
		return
	}
	switch g.n(3) {
	case 0:
		g.expr(wasm.I32, 2)
		g.br(wasm.OpBrIf, a)
	case 1:
		g.expr(wasm.I32, 1)
		g.open(wasm.OpIf, wasm.EmptyBlock())
		g.br(wasm.OpBr, a)
		g.expr(wasm.I32, 1) // dead code
		g.op(wasm.OpDrop)
		g.end()
	case 2:
		g.expr(wasm.I32, 1)
		past := g.open(wasm.OpBlock, wasm.TypedBlock(typeTry))
		g.idx(wasm.OpLocalTee, localI)
		g.idx(wasm.OpLocalGet, localI)
		g.i32c(2)
		g.op(wasm.OpI32GtU)
		g.br(wasm.OpBrIf, past)
		g.op(wasm.OpDrop)
		g.idx(wasm.OpLocalGet, localI)
		g.targets(a, b)
		g.end()
		g.op(wasm.OpDrop)
	}
}

// targets writes a br_table; the last label is the default.
func (g *program) targets(list ...uint32) {
	g.op(wasm.OpBrTable)
	g.b = wasm.AppendU32(g.b, uint32(len(list)-1))
	for _, pos := range list {
		g.b = wasm.AppendU32(g.b, g.depth-pos)
	}
}

// leave throws, rethrows, returns or calls as a tail, under a condition.
func (g *program) leave() {
	g.expr(wasm.I32, 2)
	g.i32c(int32(1 + g.n(3)))
	g.op(wasm.OpI32And)
	g.open(wasm.OpIf, wasm.EmptyBlock())
	switch k := g.n(6); {
	case k == 0:
		g.expr(wasm.I32, 1)
		g.op(wasm.OpReturn)
	case k == 1 && g.self+1 < funcs:
		g.args()
		callee := g.self + 1 + g.n(funcs-g.self-1)
		if g.one(2) {
			g.idx(wasm.OpReturnCall, uint32(funcFirst+callee))
		} else {
			g.i32c(int32(callee))
			g.op(wasm.OpReturnCallIndirect)
			g.raw(typeMain, 0)
		}
	case k == 2 && g.Traps && g.one(4):
		g.op(wasm.OpUnreachable)
	case g.Throws:
		g.throw()
	}
	g.end()
}
