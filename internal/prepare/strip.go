package prepare

import "github.com/wherry-run/wherry/internal/wasm"

// A loop in which nothing is called runs in strips, each as long as the fuel lasts:
//
//	left = fuel
//	loop $strip
//	  if (left < 0)
//	    call yield
//	    left = fuel
//	    br $strip
//	  end
//	  loop $body
//	    if (left < 0) br $strip end
//	    fuel = left = left - cost
//	    ...                          the loop as it was
//	  end
//	end
//
// The call is outside of the inner loop, and that is the point of it: the engine's compiler stores whatever is alive
// across a call wherever that changes, and leaves it in memory where the ways around the call meet. Here nothing that
// changes in the inner loop is alive across the call; the loops are told apart by the parameters their heads have in
// the compiler's form. Of the fuel a register is decremented; its global is written in every pass, but not read, so
// that it is right wherever the loop is left, by a trap too. Every pass is charged when it begins, and a strip ends with
// the pass that overdraws the slice.
//
// Loops inside such a loop keep what is left in the same local.

// openLoop writes the head of a loop.
func (e *emitter) openLoop() {
	if !e.p.opts.Fuel {
		if e.relabel {
			e.openBlock()
		}
		return
	}
	e.loop++
	r := &e.p.costsOf(e.f)[e.loop]
	if len(e.rounds) > 0 && e.rounds[0].at == e.op.Start {
		passes := charge(e.p.costsOf(e.f)[e.loop+1].cost) // of the loop behind it, which is the one that it does rounds of
		e.round = int64(e.rounds[0].times) * passes
		e.rounds = e.rounds[1:]
		e.openStrips(0)
		return
	}
	if !r.calls {
		e.openStrips(charge(r.cost))
		return
	}
	if e.relabel {
		e.openBlock()
	}
	e.after()
	e.charge(charge(r.cost))
}

// openStrips writes the head of a loop that runs in strips. Without a cost nothing is charged there.
func (e *emitter) openStrips(cost int64) {
	left, t := e.local(scratchFuel), e.lowerBlockType(e.op.Block)
	carried, operand := e.p.carried(t)
	e.replace()
	if e.quiet == 0 {
		e.index(wasm.OpGlobalGet, e.p.fuelGlobal)
		e.index(wasm.OpLocalSet, left)
	}
	e.Out = wasm.AppendBlock(e.Out, wasm.OpLoop, t)
	e.ifSpent(left, carried)
	e.index(wasm.OpCall, e.p.yieldFunc)
	e.index(wasm.OpGlobalGet, e.p.fuelGlobal)
	e.index(wasm.OpLocalSet, left)
	e.index(wasm.OpBr, 1)
	e.emit(wasm.OpEnd)
	e.Out = wasm.AppendBlock(e.Out, wasm.OpLoop, t)
	e.ifSpent(left, carried)
	e.index(wasm.OpBr, 2)
	e.emit(wasm.OpEnd)
	if cost > 0 {
		e.spendStrip(cost)
	}
	e.top += 2
	e.blocks = append(e.blocks, block{op: wasm.OpLoop, pos: e.top, quiet: true, operand: operand})
	e.quiet++
}

// spendStrip takes a cost from the fuel in a loop that runs in strips.
func (e *emitter) spendStrip(cost int64) {
	left := e.local(scratchFuel)
	e.index(wasm.OpLocalGet, left)
	e.i64(cost)
	e.emit(wasm.OpI64Sub)
	e.index(wasm.OpLocalTee, left)
	e.index(wasm.OpGlobalSet, e.p.fuelGlobal)
}

// ifSpent opens an if for when no fuel is left. It is an if and not a br_if to the head of the strips, for the engine
// compares and branches at once only to blocks that are reached from one place.
func (e *emitter) ifSpent(left uint32, t wasm.BlockType) {
	e.index(wasm.OpLocalGet, left)
	e.i64(0)
	e.emit(wasm.OpI64LtS)
	e.Out = wasm.AppendBlock(e.Out, wasm.OpIf, t)
}

// carried is the type of a block that gives what a loop of type t takes, and whether that is anything.
func (p *plan) carried(t wasm.BlockType) (wasm.BlockType, bool) {
	if i, ok := t.TypeIndex(); ok && len(p.types[i].Params) > 0 {
		return wasm.TypedBlock(p.loopTypes[i]), true
	}
	return wasm.EmptyBlock(), false
}

// relabelOp notes blocks and rewrites labels, but for what only exceptions have. It tells whether the instruction is
// done.
func (e *emitter) relabelOp() bool {
	switch e.op.Code {
	case wasm.OpBlock, wasm.OpIf:
		e.openBlock()
	case wasm.OpBr, wasm.OpBrIf:
		e.relabelBranch()
	case wasm.OpBrTable:
		e.replace()
		e.emit(wasm.OpBrTable)
		e.Out = wasm.AppendU32(e.Out, e.op.Count)
		for l := range e.op.Labels(e.code) {
			e.Out = wasm.AppendU32(e.Out, e.top-e.label(l).pos)
		}
	case wasm.OpBrOnNull, wasm.OpBrOnNonNull:
		if e.lower {
			return false
		}
		e.relabelBranch()
	case wasm.OpEnd:
		if e.lower {
			return false
		}
		e.closeBlock()
	default:
		return false
	}
	return true
}

// relabelBranch writes a branch anew where its label has changed. A conditional one to the head of a strip is made an
// if, for the reason that ifSpent is one: that pays for most of what is done at the head. See also [FuseBranches].
func (e *emitter) relabelBranch() {
	b := e.label(e.op.Index)
	label := e.top - b.pos
	switch {
	case e.op.Code == wasm.OpBrIf && !b.operand && (b.quiet || e.p.rewrites.has(FuseBranches)):
		e.replace()
		e.branchIf(label)
	case label != e.op.Index:
		e.replace()
		e.index(e.op.Code, label)
	}
}

// openBlock notes a block, loop or if.
func (e *emitter) openBlock() {
	e.top++
	e.blocks = append(e.blocks, block{op: e.op.Code, pos: e.top, operand: e.p.brings(e.op.Block, e.op.Code == wasm.OpLoop)})
	if t := e.lowerBlockType(e.op.Block); t != e.op.Block {
		e.replace()
		e.Out = wasm.AppendBlock(e.Out, e.op.Code, t)
	}
	if e.round > 0 { // a round begins with this if, and with its condition, of which nothing is charged
		e.after()
		e.spendStrip(e.round)
		e.round = 0
	}
}

// lowerBlockType is t without exnref.
func (e *emitter) lowerBlockType(t wasm.BlockType) wasm.BlockType {
	if v, ok := t.Value(); ok && isExn(v) {
		return wasm.ValueBlock(wasm.I64)
	}
	return t
}

// closeBlock leaves a block, loop or if.
func (e *emitter) closeBlock() {
	b := e.blocks[len(e.blocks)-1]
	e.blocks = e.blocks[:len(e.blocks)-1]
	e.top-- // the function's own frame has no label above it, and nothing follows its end
	if b.quiet {
		e.after()
		e.end()
		e.quiet--
	}
}
