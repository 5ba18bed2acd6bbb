package generate

import "github.com/wherry-run/wherry/internal/wasm"

const opI32GtS wasm.Opcode = 0x4a

// loop writes a loop of statements that runs a few times. Statements inside may branch to its header as well.
func (g *program) loop(nest int) {
	counter := localT + uint32(nest%8)
	g.i32c(int32(1 + g.n(4)))
	g.idx(wasm.OpLocalSet, counter)
	switch g.n(4) {
	case 0: // while: out in the middle, back by an unconditional branch
		out := g.open(wasm.OpBlock, wasm.EmptyBlock())
		pos := g.open(wasm.OpLoop, wasm.EmptyBlock())
		g.within(label{pos: pos, loop: true, counter: counter}, func() {
			g.block(nest)
			g.again(counter)
			g.op(wasm.OpI32Eqz)
			g.br(wasm.OpBrIf, out)
			if g.one(2) {
				g.block(nest)
			}
		})
		g.br(wasm.OpBr, pos)
		g.end()
		g.end()
	case 1: // back by a table, to this header or to that of a loop around
		out := g.open(wasm.OpBlock, wasm.EmptyBlock())
		outer, found := g.backward()
		pos := g.open(wasm.OpLoop, wasm.EmptyBlock())
		g.within(label{pos: pos, loop: true, counter: counter}, func() { g.block(nest) })
		g.again(counter)
		if !found || g.one(2) {
			g.targets(out, pos, out)
		} else {
			g.again(outer.counter)
			g.op(wasm.OpI32Add)
			g.targets(out, pos, outer.pos, out)
		}
		g.end()
		g.end()
	default: // do ... while
		pos := g.open(wasm.OpLoop, wasm.EmptyBlock())
		g.within(label{pos: pos, loop: true, counter: counter}, func() { g.block(nest) })
		g.again(counter)
		g.br(wasm.OpBrIf, pos)
		g.end()
	}
}

// again counts a branch to a loop's header and tells whether it may be taken: 1 or 0.
func (g *program) again(counter uint32) {
	g.idx(wasm.OpLocalGet, counter)
	g.i32c(1)
	g.op(wasm.OpI32Sub)
	g.idx(wasm.OpLocalTee, counter)
	g.i32c(0)
	g.op(opI32GtS)
}

// backward picks a loop around the statement.
func (g *program) backward() (label, bool) {
	for range 4 {
		if len(g.labels) > 0 {
			if l := g.labels[g.n(len(g.labels))]; l.loop {
				return l, true
			}
		}
	}
	return label{}, false
}

// repeat branches back to the headers of one or two loops, under a condition.
func (g *program) repeat() {
	a, ok := g.backward()
	b, ok2 := g.backward()
	if !ok || !ok2 {
		g.sink()
		return
	}
	g.expr(wasm.I32, 2)
	g.open(wasm.OpIf, wasm.EmptyBlock())
	g.again(a.counter)
	if g.one(2) {
		g.br(wasm.OpBrIf, a.pos)
		g.end()
		return
	}
	g.again(b.counter)
	g.op(wasm.OpI32And)
	g.open(wasm.OpIf, wasm.EmptyBlock())
	g.expr(wasm.I32, 1)
	if a.pos != b.pos && g.one(2) {
		g.targets(a.pos, b.pos, a.pos, b.pos)
	} else {
		g.targets(a.pos, b.pos)
	}
	g.end()
	g.end()
}

// parameters writes a loop that carries its values on the stack.
func (g *program) parameters() {
	g.i32c(int32(1 + g.n(40)))
	g.expr(wasm.F64, 2)
	g.expr(wasm.V128, 2)
	pos := g.open(wasm.OpLoop, wasm.TypedBlock(typeLoop))
	g.idx(wasm.OpLocalSet, localV)
	g.idx(wasm.OpLocalSet, localD)
	g.idx(wasm.OpLocalSet, localM)
	for range g.n(3) {
		g.simple()
	}
	g.idx(wasm.OpLocalGet, localM)
	g.i32c(1)
	g.op(wasm.OpI32Sub)
	g.idx(wasm.OpLocalTee, localM)
	g.expr(wasm.F64, 1)
	g.expr(wasm.V128, 1)
	g.idx(wasm.OpLocalGet, localM)
	g.i32c(0)
	g.op(opI32GtS)
	g.br(wasm.OpBrIf, pos)
	g.end()
	g.idx(wasm.OpLocalSet, localV+1)
	g.idx(wasm.OpLocalSet, localD+1)
	g.idx(wasm.OpLocalSet, localI)
}

// simple writes a statement without branches and calls, as the bodies of long loops are made of.
func (g *program) simple() {
	switch g.n(5) {
	case 0, 1, 2:
		t := types[g.n(len(types))]
		xs := byResult[index(t)]
		g.cut(func() {
			g.straight(xs[g.n(len(xs))])
			g.set(t)
		})
	default:
		g.cut(func() { g.straight(stores[g.n(len(stores))]) })
	}
}

// straight writes an instruction on locals, and on memory at the pointer of the long loop around.
func (g *program) straight(x instruction) {
	if x.trapping() {
		g.tame(x, 0)
		return
	}
	for i, t := range x.sig.Params {
		switch {
		case i == 0 && x.touches():
			if g.one(4) {
				g.get(wasm.I32)
			} else {
				g.idx(wasm.OpLocalGet, localM)
			}
			g.i32c(mask &^ (1<<alignOf(x) - 1))
			g.op(wasm.OpI32And)
		case g.one(5):
			g.idx(wasm.OpLocalGet, localM)
			g.i32c(mask)
			g.op(wasm.OpI32And)
			g.mem(loadOf(t), 0, uint32(g.n(32)))
		case g.one(6):
			g.constant(t)
		default:
			g.get(t)
		}
	}
	x.write(&g.writer)
	if x.sig.Result != wasm.Bottom {
		_, _, scratch := locals(x.sig.Result)
		x.settle(&g.writer, scratch)
	}
}

// long writes a loop of many rounds with a small body: what kernels of models are made of. There are few of them in
// one run, for they take their rounds from a number that runs out.
func (g *program) long(nest int) {
	rounds := []int{0, 1, 2, 3, 16, 63, 64, 65, 255, 256, 257, 1000, 1024, 3000}[g.n(14)]
	g.pay(globalWork, int32(rounds)+1)
	g.idx(wasm.OpGlobalGet, globalWork)
	g.i32c(0)
	g.op(opI32GtS)
	g.open(wasm.OpIf, wasm.EmptyBlock())
	g.count(nest, int32(rounds))
	g.end()
}

// count writes the loop itself, in one of the forms that compilers give it.
func (g *program) count(nest int, rounds int32) {
	step := int32([]int{1, 2, 4, 8, 16}[g.n(5)])
	start := int32(g.n(1000))
	set := func(local uint32, v int32) {
		g.i32c(v)
		g.idx(wasm.OpLocalSet, local)
	}
	body := func() {
		for range g.n(5) {
			g.simple()
		}
		if nest < 4 && g.one(12) {
			g.sink()
		}
		if g.one(4) { // an exit, a branch around, or none
			g.exit()
		}
	}
	advance := func() {
		g.idx(wasm.OpLocalGet, localM)
		g.i32c(step)
		g.op(wasm.OpI32Add)
		g.idx(wasm.OpLocalTee, localM)
	}
	compare := func(ops ...wasm.Opcode) { g.op(ops[g.n(len(ops))]) }
	set(localM, start)
	set(localN, start+rounds*step)
	switch g.n(5) {
	case 0, 1: // do { } while ((p += step) < end), or !=
		pos := g.open(wasm.OpLoop, wasm.EmptyBlock())
		body()
		advance()
		if rounds > 0 && g.one(2) {
			g.idx(wasm.OpLocalGet, localN)
			g.op(wasm.OpI32Ne)
		} else {
			g.idx(wasm.OpLocalGet, localN)
			compare(wasm.OpI32LtS, wasm.OpI32LtU)
		}
		g.br(wasm.OpBrIf, pos)
		g.end()
	case 2: // while (p < end) { }
		out := g.open(wasm.OpBlock, wasm.EmptyBlock())
		pos := g.open(wasm.OpLoop, wasm.EmptyBlock())
		g.idx(wasm.OpLocalGet, localM)
		g.idx(wasm.OpLocalGet, localN)
		compare(wasm.OpI32GeU, 0x4e) // i32.ge_s
		g.br(wasm.OpBrIf, out)
		body()
		advance()
		g.op(wasm.OpDrop)
		g.br(wasm.OpBr, pos)
		g.end()
		g.end()
	case 3: // for (i = rounds; i; i--), of 64 bits
		g.i64c(int64(rounds) + 1)
		g.idx(wasm.OpLocalSet, localMax)
		pos := g.open(wasm.OpLoop, wasm.EmptyBlock())
		body()
		advance()
		g.op(wasm.OpDrop)
		g.idx(wasm.OpLocalGet, localMax)
		g.i64c(1)
		g.op(wasm.OpI64Sub)
		g.idx(wasm.OpLocalTee, localMax)
		g.op(wasm.OpI64Eqz)
		g.op(wasm.OpI32Eqz)
		g.br(wasm.OpBrIf, pos)
		g.end()
	case 4: // two headers: the inner loop is left every few rounds
		outer := g.open(wasm.OpLoop, wasm.EmptyBlock())
		body()
		inner := g.open(wasm.OpLoop, wasm.EmptyBlock())
		for range g.n(3) {
			g.simple()
		}
		advance()
		g.idx(wasm.OpLocalGet, localN)
		g.op(wasm.OpI32LtS)
		g.open(wasm.OpIf, wasm.EmptyBlock())
		g.idx(wasm.OpLocalGet, localM)
		g.i32c(int32(7 * step))
		g.op(wasm.OpI32And)
		g.br(wasm.OpBrIf, inner)
		g.br(wasm.OpBr, outer)
		g.end()
		g.end()
		g.end()
	}
}

// exit leaves a long loop early, for a place outside or out of the function, or skips a part of its body.
func (g *program) exit() {
	g.get(wasm.I32)
	g.i32c(int32(1 + g.n(7)))
	g.op(wasm.OpI32And)
	g.op(wasm.OpI32Eqz)
	pos := g.open(wasm.OpIf, wasm.EmptyBlock())
	switch a, ok := g.forward(); {
	case ok && g.one(2):
		g.br(wasm.OpBr, a)
	case g.one(4):
		g.get(wasm.I32)
		g.op(wasm.OpReturn)
	default:
		g.simple()
		g.get(wasm.I32)
		g.br(wasm.OpBrIf, pos)
		g.simple()
	}
	g.end()
}
