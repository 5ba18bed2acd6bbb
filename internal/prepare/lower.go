package prepare

import (
	"fmt"

	"github.com/wherry-run/wherry/internal/wasm"
)

// Exceptions become a pending flag: a global that holds the tag of the exception in flight plus one, and beside it a
// global with its payload. Whoever calls a function that may throw looks at the flag after the call and, when it is
// set, branches to its innermost handler, or returns zeros to its own caller. An exnref becomes an i64: the flag in
// the upper half, the payload in the lower; null is zero.

// block is a label of the original and what became of it. Labels are counted in functions that get blocks of ours.
type block struct {
	op      wasm.Opcode // 0: the function
	pos     uint32      // position of the label that branches to the original one now name
	handler uint32      // of a try in its body: position of the label that leads to the dispatch
	inTry   bool        // in the body of a try
	caught  bool        // a clause that catches everything was seen
	testing bool        // inside the if of a catch clause
	holding bool        // inside a handler, whose exception may be rethrown
	quiet   bool        // a loop that runs in strips
	operand bool        // a branch to it brings operands
	save    uint32      // locals that keep it: this one the flag, the next the payload
}

// bodyLabel is the position of the block that is wrapped round the body; leaving it means unwinding the function.
const bodyLabel = 1

func (e *emitter) beginLowering() {
	e.block(wasm.OpBlock)
	e.top, e.handler = bodyLabel, 0
	e.saves, e.catches, e.clauses = e.saves[:0], e.catches[:0], e.clauses[:0]
}

func (e *emitter) flag(c wasm.Opcode)    { e.index(c, e.p.pendingGlobal) }
func (e *emitter) payload(c wasm.Opcode) { e.index(c, e.p.payloadGlobal) }

// branch emits a branch to a position.
func (e *emitter) branch(c wasm.Opcode, pos uint32) { e.index(c, e.top-pos) }

// end closes the innermost block of the output.
func (e *emitter) end() {
	e.emit(wasm.OpEnd)
	e.top--
}

// label returns the block a label of the original names.
func (e *emitter) label(i uint32) *block { return &e.blocks[len(e.blocks)-1-int(i)] }

// handlerAt returns where an exception goes that arises inside the n outermost blocks and in no other.
func (e *emitter) handlerAt(n int) uint32 {
	for i := n - 1; i > 0; i-- {
		if e.blocks[i].inTry {
			return e.blocks[i].handler
		}
	}
	return bodyLabel
}

// unwind emits a branch to the handler of where the instruction stands.
func (e *emitter) unwind(c wasm.Opcode) { e.branch(c, e.handlerAt(len(e.blocks))) }

// lowerOp rewrites one instruction of a function that takes part in exceptions. It tells whether the instruction is
// done, so that no other pass need look at it.
func (e *emitter) lowerOp() (done bool, err error) {
	op := &e.op
	switch op.Code {
	case wasm.OpTry, wasm.OpTryTable:
		e.lowerTry()
	case wasm.OpCatch, wasm.OpCatchAll:
		e.lowerCatch()
	case wasm.OpDelegate:
		e.lowerDelegate()
	case wasm.OpEnd:
		return true, e.lowerEnd()
	case wasm.OpBrOnNull, wasm.OpBrOnNonNull:
		if isExn(e.topType()) {
			return true, fmt.Errorf("%s of an exception reference is not supported", op.Code)
		}
		e.relabelBranch()
	case wasm.OpThrow, wasm.OpRethrow, wasm.OpThrowRef:
		e.lowerThrow()
	case wasm.OpCall:
		if op.Index >= e.p.imported && e.p.throwing.funcs[op.Index-e.p.imported] {
			e.checkCall()
		}
	case wasm.OpCallIndirect, wasm.OpCallRef:
		types := e.p.throwing.types
		if e.p.part != nil && op.Index2 == e.p.part.calls {
			types = e.p.throwing.far
		}
		if types[op.Index] {
			e.checkCall()
		}
	default:
		return e.lowerReference()
	}
	return true, nil
}

// checkCall emits the test behind a call.
func (e *emitter) checkCall() {
	e.after()
	e.flag(wasm.OpGlobalGet)
	if e.p.rewrites.has(FuseBranches) {
		e.branchIf(e.top - e.handlerAt(len(e.blocks)))
	} else {
		e.unwind(wasm.OpBrIf)
	}
}

// lowerReference rewrites what handles exnrefs as values.
func (e *emitter) lowerReference() (done bool, err error) {
	op := &e.op
	switch op.Code {
	case wasm.OpRefNull:
		if isExn(op.Type) {
			e.replace()
			e.i64(0)
			return true, nil
		}
	case wasm.OpSelectTyped:
		if isExn(op.Type) {
			e.replace()
			e.emit(wasm.OpSelectTyped)
			e.put(1, byte(wasm.I64))
			return true, nil
		}
	case wasm.OpRefIsNull:
		if isExn(e.topType()) {
			e.replace()
			e.emit(wasm.OpI64Eqz)
			return true, nil
		}
	case wasm.OpRefAsNonNull:
		if isExn(e.topType()) {
			e.replace()
			e.index(wasm.OpLocalTee, e.local(scratchException))
			e.index(wasm.OpLocalGet, e.local(scratchException))
			e.trapIfNull()
			return true, nil
		}
	}
	return false, nil
}

// trapIfNull traps when the exnref on the stack is null, and takes it.
func (e *emitter) trapIfNull() {
	e.emit(wasm.OpI64Eqz)
	e.block(wasm.OpIf)
	e.emit(wasm.OpUnreachable)
	e.emit(wasm.OpEnd)
}

func (e *emitter) topType() wasm.ValueType {
	if !e.typed {
		return wasm.Bottom
	}
	return e.types.Operand(0)
}

// lowerTry opens two blocks: the outer one is the try itself, the end of the inner one is where its handlers begin.
func (e *emitter) lowerTry() {
	outer := e.op.Block
	if t, ok := outer.Value(); ok && isExn(t) {
		outer = wasm.ValueBlock(wasm.I64)
	}
	inner := wasm.EmptyBlock()
	if t, ok := outer.TypeIndex(); ok && len(e.p.mod.Types[t].Params) > 0 {
		inner = wasm.TypedBlock(e.p.paramTypes[t])
	}
	e.replace()
	e.Out = wasm.AppendBlock(e.Out, wasm.OpBlock, outer)
	e.Out = wasm.AppendBlock(e.Out, wasm.OpBlock, inner)
	e.top += 2
	e.blocks = append(e.blocks, block{op: e.op.Code, pos: e.top - 1, handler: e.top, inTry: true, operand: e.p.brings(outer, false)})
	if e.op.Code == wasm.OpTryTable {
		e.clauses = append(e.clauses, len(e.catches))
		for c := range e.op.Catches(e.code) {
			e.catches = append(e.catches, c)
		}
	}
}

// endBody ends the body of a try: what it leaves is the result of the try.
func (e *emitter) endBody(b *block) {
	e.branch(wasm.OpBr, b.pos)
	e.end()
	b.inTry = false
}

// endHandler ends a catch clause.
func (e *emitter) endHandler(b *block) {
	if b.holding {
		b.holding = false
		e.handler--
	}
	if b.testing {
		b.testing = false
		e.branch(wasm.OpBr, b.pos)
		e.end()
	}
}

// testTag opens an if for the exceptions of one tag.
func (e *emitter) testTag(tag uint32) {
	e.flag(wasm.OpGlobalGet)
	e.i32(int32(tag) + 1)
	e.emit(wasm.OpI32Eq)
	e.block(wasm.OpIf)
	e.top++
}

// clear takes the exception out of flight.
func (e *emitter) clear() {
	e.i32(0)
	e.flag(wasm.OpGlobalSet)
}

// pushPayload leaves what an exception of the tag carries.
func (e *emitter) pushPayload(tag uint32) {
	if len(e.p.mod.TagType(tag).Params) > 0 {
		e.payload(wasm.OpGlobalGet)
	}
}

func (e *emitter) lowerCatch() {
	e.replace()
	b := e.label(0)
	if b.inTry {
		e.endBody(b)
	}
	e.endHandler(b)
	if e.op.Code == wasm.OpCatch {
		e.testTag(e.op.Index)
		b.testing = true
	} else {
		b.caught = true
	}
	if e.facts.has(hasRethrow) {
		e.hold(b)
	}
	b.holding = true
	e.handler++
	e.clear()
	if e.op.Code == wasm.OpCatch {
		e.pushPayload(e.op.Index)
	}
}

// hold keeps the exception in two locals, one pair for every depth of handlers.
func (e *emitter) hold(b *block) {
	for len(e.saves) <= e.handler {
		e.saves = append(e.saves, e.newLocal(wasm.I32))
		e.newLocal(wasm.I32)
	}
	b.save = e.saves[e.handler]
	e.flag(wasm.OpGlobalGet)
	e.index(wasm.OpLocalSet, b.save)
	e.payload(wasm.OpGlobalGet)
	e.index(wasm.OpLocalSet, b.save+1)
}

// lowerDelegate ends a try whose exceptions go to where they would go at the label.
func (e *emitter) lowerDelegate() {
	e.replace()
	e.endBody(e.label(0))
	around := len(e.blocks) - 1
	e.branch(wasm.OpBr, e.handlerAt(around-int(e.op.Index)))
	e.end()
	e.blocks = e.blocks[:around]
}

func (e *emitter) lowerEnd() error {
	b := e.label(0)
	switch b.op {
	case 0:
		return e.endFunction()
	case wasm.OpTry:
		e.replace()
		if b.inTry {
			e.endBody(b)
		}
		e.endHandler(b)
		e.blocks = e.blocks[:len(e.blocks)-1]
		if !b.caught {
			e.unwind(wasm.OpBr)
		}
		e.end()
	case wasm.OpTryTable:
		e.replace()
		e.endBody(b)
		e.dispatch()
		e.end()
	default:
		e.closeBlock()
	}
	return nil
}

// dispatch emits the clauses of the try_table that ends here, and leaves its block.
func (e *emitter) dispatch() {
	e.blocks = e.blocks[:len(e.blocks)-1]
	first := e.clauses[len(e.clauses)-1]
	e.clauses = e.clauses[:len(e.clauses)-1]
	caught := false
	for _, c := range e.catches[first:] {
		tagged := c.Kind == wasm.CatchTag || c.Kind == wasm.CatchTagRef
		if tagged {
			e.testTag(c.Tag)
			e.pushPayload(c.Tag)
		}
		if c.Kind == wasm.CatchTagRef || c.Kind == wasm.CatchAnyRef {
			e.pushReference()
		}
		e.clear()
		e.branch(wasm.OpBr, e.label(c.Label).pos)
		if !tagged {
			caught = true
			break // later clauses are never reached
		}
		e.end()
	}
	e.catches = e.catches[:first]
	if !caught {
		e.unwind(wasm.OpBr)
	}
}

// pushReference leaves the exception in flight as an exnref.
func (e *emitter) pushReference() {
	e.payload(wasm.OpGlobalGet)
	e.emit(wasm.OpI64ExtendI32U)
	e.flag(wasm.OpGlobalGet)
	e.emit(wasm.OpI64ExtendI32U)
	e.i64(32)
	e.emit(wasm.OpI64Shl)
	e.emit(wasm.OpI64Or)
}

func (e *emitter) lowerThrow() {
	e.replace()
	switch e.op.Code {
	case wasm.OpThrow:
		if len(e.p.mod.TagType(e.op.Index).Params) > 0 {
			e.payload(wasm.OpGlobalSet)
		}
		e.i32(int32(e.op.Index) + 1)
		e.flag(wasm.OpGlobalSet)
	case wasm.OpRethrow:
		b := e.label(e.op.Index)
		e.index(wasm.OpLocalGet, b.save)
		e.flag(wasm.OpGlobalSet)
		e.index(wasm.OpLocalGet, b.save+1)
		e.payload(wasm.OpGlobalSet)
	case wasm.OpThrowRef:
		x := e.local(scratchException)
		e.index(wasm.OpLocalTee, x)
		e.trapIfNull()
		e.index(wasm.OpLocalGet, x)
		e.emit(wasm.OpI32WrapI64)
		e.payload(wasm.OpGlobalSet)
		e.index(wasm.OpLocalGet, x)
		e.i64(32)
		e.emit(wasm.OpI64ShrU)
		e.emit(wasm.OpI32WrapI64)
		e.flag(wasm.OpGlobalSet)
	}
	e.unwind(wasm.OpBr)
}

// endFunction ends the body and the block round it. Behind that block the function unwinds: it returns zeros, which
// no caller looks at. Out of some functions no exception comes: every one is caught.
func (e *emitter) endFunction() error {
	e.before()
	e.emit(wasm.OpReturn)
	e.emit(wasm.OpEnd)
	if !e.p.throwing.funcs[e.f] {
		e.emit(wasm.OpUnreachable)
		return nil
	}
	for _, t := range e.sig.Results {
		if isExn(t) {
			e.i64(0)
			continue
		}
		switch t {
		case wasm.I32:
			e.i32(0)
		case wasm.I64:
			e.i64(0)
		case wasm.F32:
			e.put(byte(wasm.OpF32Const), 0, 0, 0, 0)
		case wasm.F64:
			e.put(byte(wasm.OpF64Const), 0, 0, 0, 0, 0, 0, 0, 0)
		case wasm.V128:
			e.emit(wasm.OpV128Const)
			e.put(make([]byte, 16)...)
		default:
			if !t.IsRef() || !t.Nullable() {
				return fmt.Errorf("an exception may leave a function with a result of type %s, which has no null", t)
			}
			e.Out = wasm.AppendHeapType(append(e.Out, byte(wasm.OpRefNull)), t)
		}
	}
	return nil
}
