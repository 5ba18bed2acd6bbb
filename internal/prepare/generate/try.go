package generate

import "github.com/wherry-run/wherry/internal/wasm"

// clause is one clause of a try. With ref its exception can be thrown again.
type clause struct {
	all bool
	tag uint32
	ref bool
}

func (c clause) carries() bool { return !c.all && c.tag != tagEmpty }

// try writes a try that takes an i32 and gives one.
func (g *program) try(nest int) {
	if len(g.tries) > 7 {
		return
	}
	g.expr(wasm.I32, 2)
	delegate := g.one(6)
	target := g.n(len(g.tries))
	var clauses []clause
	for _, tag := range g.r.Perm(3) {
		if g.n(3) > 0 {
			clauses = append(clauses, clause{tag: uint32(tag), ref: g.one(2)})
		}
	}
	if g.one(2) {
		clauses = append(clauses, clause{all: true, ref: g.one(2)})
	}
	if delegate {
		clauses = nil
	}
	x := localX + uint32(len(g.tries))
	g.tries = append(g.tries, try{exn: x, body: true})
	if g.Exnref {
		g.tryTable(nest, clauses, delegate, target)
	} else {
		g.tryLegacy(nest, clauses, delegate, target)
	}
	g.tries = g.tries[:len(g.tries)-1]
	g.idx(wasm.OpLocalSet, localI+uint32(g.n(4)))
}

func (g *program) body(nest int) {
	g.relay(func() {
		g.block(nest)
		g.expr(wasm.I32, 2)
		g.idx(wasm.OpLocalSet, localR)
	})
	g.idx(wasm.OpLocalGet, localR)
}

func (g *program) tryLegacy(nest int, clauses []clause, delegate bool, target int) {
	t := len(g.tries) - 1
	g.tries[t].pos = g.open(wasm.OpTry, wasm.TypedBlock(typeTry))
	g.idx(wasm.OpLocalSet, localI)
	g.body(nest)
	if delegate {
		g.idx(wasm.OpDelegate, g.depth-1-g.tries[target].pos)
		g.depth--
		return
	}
	g.tries[t].body = false
	for _, c := range clauses {
		if c.all {
			g.op(wasm.OpCatchAll)
		} else {
			g.idx(wasm.OpCatch, c.tag)
		}
		g.handler(nest, c)
	}
	g.end()
}

// handler writes what a clause does; what it carries is on the stack.
func (g *program) handler(nest int, c clause) {
	t := len(g.tries) - 1
	if c.carries() {
		g.idx(wasm.OpLocalSet, localI+1)
	}
	g.tries[t].holding = c.ref
	g.block(nest)
	g.expr(wasm.I32, 2)
	g.tries[t].holding = false
}

func (g *program) tryTable(nest int, clauses []clause, delegate bool, target int) {
	t := len(g.tries) - 1
	g.idx(wasm.OpLocalSet, localP)
	done := g.open(wasm.OpBlock, wasm.ValueBlock(wasm.I32))
	at := make([]uint32, len(clauses))
	for i := len(clauses) - 1; i >= 0; i-- {
		typ := wasm.EmptyBlock()
		switch c := clauses[i]; {
		case c.ref && c.carries():
			typ = wasm.TypedBlock(typeRefI)
		case c.ref:
			typ = wasm.ValueBlock(wasm.ExnRef)
		case c.carries():
			typ = wasm.ValueBlock(wasm.I32)
		}
		at[i] = g.open(wasm.OpBlock, typ)
	}
	g.idx(wasm.OpLocalGet, localP)
	around := g.depth
	g.open(wasm.OpTryTable, wasm.TypedBlock(typeTry))
	if delegate {
		for !g.tries[target].body {
			target--
		}
		g.raw(1, byte(wasm.CatchAnyRef))
		g.b = wasm.AppendU32(g.b, around-g.tries[target].pos)
	} else {
		g.raw(byte(len(clauses)))
	}
	for i, c := range clauses {
		kind := wasm.CatchTag
		if c.all {
			kind = wasm.CatchAny
		}
		if c.ref {
			kind++
		}
		g.raw(byte(kind))
		if !c.all {
			g.raw(byte(c.tag))
		}
		g.b = wasm.AppendU32(g.b, around-at[i])
	}
	g.idx(wasm.OpLocalSet, localI)
	g.body(nest)
	g.end()
	g.tries[t].body = false
	for _, c := range clauses {
		g.br(wasm.OpBr, done)
		g.end()
		if c.ref {
			g.idx(wasm.OpLocalSet, g.tries[t].exn)
		}
		g.handler(nest, c)
	}
	g.end()
}

// guard writes the body of the function: the outermost thing an exception can be delegated to.
func (g *program) guard(body func()) {
	g.tries = append(g.tries, try{body: true})
	g.relay(body)
	g.tries = g.tries[:0]
}

// relay writes the body of the innermost try. In the exnref form, which has no delegate, exceptions delegated to this
// try are thrown anew where its handlers see them.
func (g *program) relay(body func()) {
	if !g.Exnref || !g.Throws {
		body()
		return
	}
	past := g.open(wasm.OpBlock, wasm.EmptyBlock())
	g.tries[len(g.tries)-1].pos = g.open(wasm.OpBlock, wasm.ValueBlock(wasm.ExnRef))
	body()
	g.br(wasm.OpBr, past)
	g.end()
	g.op(wasm.OpThrowRef)
	g.end()
}

func (g *program) throw() {
	held := -1
	for i, t := range g.tries {
		if t.holding && (held < 0 || g.one(2)) {
			held = i
		}
	}
	if held >= 0 && g.one(2) {
		if g.Exnref {
			g.idx(wasm.OpLocalGet, g.tries[held].exn)
			g.op(wasm.OpThrowRef)
		} else {
			g.br(wasm.OpRethrow, g.tries[held].pos)
		}
		return
	}
	tag := uint32(g.n(3))
	if tag != tagEmpty {
		g.expr(wasm.I32, 1)
	}
	g.idx(wasm.OpThrow, tag)
}
