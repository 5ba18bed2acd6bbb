package wasm

// control types blocks, branches and exceptions.
func (c *Checker) control(op *Op) {
	switch op.Code {
	case OpUnreachable:
		c.unreachable()
	case OpIf:
		c.pop(op, I32)
		c.openBlock(op)
	case OpBlock, OpLoop, OpTry:
		c.openBlock(op)
	case OpTryTable:
		c.catches(op)
		c.openBlock(op)
	case OpElse:
		if l := c.clause(op, OpIf, OpIf); l != nil {
			c.reopen(l, OpElse, l.Params)
		}
	case OpEnd:
		c.end(op)
	case OpBr:
		if want, ok := c.label(op, op.Index); ok {
			c.popAll(op, want)
		}
		c.unreachable()
	case OpBrIf:
		c.pop(op, I32)
		if want, ok := c.label(op, op.Index); ok && len(want) > 0 {
			c.popAll(op, want)
			c.pushAll(want)
		}
	case OpBrTable:
		c.brTable(op)
	case OpReturn:
		c.popAll(op, c.sig.Results)
		c.unreachable()
	default:
		c.exception(op)
	}
}

// exception types what throws and what catches, in the legacy and in the exnref form.
func (c *Checker) exception(op *Op) {
	switch op.Code {
	case OpThrow:
		if params, ok := c.tag(op, op.Index); ok {
			c.popAll(op, params)
		}
		c.unreachable()
	case OpThrowRef:
		c.pop(op, ExnRef)
		c.unreachable()
	case OpCatch:
		params, ok := c.tag(op, op.Index)
		if l := c.clause(op, OpTry, OpCatch); l != nil && ok {
			c.reopen(l, OpCatch, params)
		}
	case OpCatchAll:
		if l := c.clause(op, OpTry, OpCatch); l != nil {
			c.reopen(l, OpCatchAll, nil)
		}
	case OpDelegate:
		c.delegate(op)
	case OpRethrow:
		if _, ok := c.label(op, op.Index); ok {
			if code := c.Label(int(op.Index)).Code; code != OpCatch && code != OpCatchAll {
				c.fail(op, "label %d is not within a catch", op.Index)
			}
		}
		c.unreachable()
	default:
		c.fail(op, "not expected here")
	}
}

// tag returns what an exception with this tag carries.
func (c *Checker) tag(op *Op, i uint32) ([]ValueType, bool) {
	t := c.m.TagType(i)
	if t == nil {
		c.fail(op, "unknown tag %d", i)
		return nil, false
	}
	return t.Params, true
}

// openBlock begins a block.
func (c *Checker) openBlock(op *Op) {
	if i, ok := op.Block.TypeIndex(); ok && int64(i) >= int64(len(c.m.Types)) {
		c.fail(op, "unknown type %d", i)
		return
	}
	if t, ok := op.Block.Value(); ok && !c.knownType(op, t) {
		return
	}
	params, results := c.m.BlockParams(op.Block), c.m.BlockResults(op.Block)
	c.popAll(op, params)
	c.labels[len(c.labels)-1].dead = c.dead
	c.labels = append(c.labels, Label{Code: op.Code, Height: len(c.stack), Params: params, Results: results, sets: len(c.setLog)})
	c.base, c.dead = len(c.stack), false
	c.pushAll(params)
}

// results checks that a block ends with exactly its results, and takes them.
func (c *Checker) results(op *Op, l *Label) {
	c.popAll(op, l.Results)
	if extra := len(c.stack) - c.base; extra != 0 && c.r.fault == nil {
		c.fail(op, "%d values too many at the end of the block", extra)
	}
}

// clause ends a part of a block that goes on: then before else, try before catch. The block must be in part a or b.
func (c *Checker) clause(op *Op, a, b Opcode) *Label {
	l := &c.labels[len(c.labels)-1]
	if l.Code != a && l.Code != b {
		c.fail(op, "not expected in a %s", l.Code)
		return nil
	}
	c.results(op, l)
	return l
}

// reopen begins the next part of a block with these operands.
func (c *Checker) reopen(l *Label, part Opcode, operands []ValueType) {
	l.Code = part
	c.dead = false
	c.forget(l.sets)
	c.pushAll(operands)
}

// forget takes locals that were set within a block as unset again.
func (c *Checker) forget(to int) {
	for _, i := range c.setLog[to:] {
		c.set[i/64] &^= 1 << (i % 64)
	}
	c.setLog = c.setLog[:to]
}

// end closes the innermost block and leaves its results.
func (c *Checker) end(op *Op) {
	l := &c.labels[len(c.labels)-1]
	c.results(op, l)
	if l.Code == OpIf && !c.m.matchAll(l.Params, l.Results) {
		c.fail(op, "an if without else must give what it takes, not %s for %s", typeList(l.Results), typeList(l.Params))
	}
	c.close(l)
}

func (c *Checker) close(l *Label) {
	results := l.Results
	if len(c.setLog) > l.sets {
		c.forget(l.sets)
	}
	c.labels = c.labels[:len(c.labels)-1]
	if n := len(c.labels); n > 0 {
		c.base, c.dead = c.labels[n-1].Height, c.labels[n-1].dead
	}
	c.pushAll(results)
}

// delegate ends a legacy try. Its label counts from outside the try.
func (c *Checker) delegate(op *Op) {
	l := c.clause(op, OpTry, OpTry)
	if l == nil {
		return
	}
	if int64(op.Index) >= int64(len(c.labels)-1) {
		c.fail(op, "unknown label %d", op.Index)
		return
	}
	c.close(l)
}

// catches checks the clauses of a try_table. Their labels count from outside of it.
func (c *Checker) catches(op *Op) {
	if op.Count > c.m.Limits.Catches {
		return // the gauge says so
	}
	r := reader{b: c.r.b, pos: op.vec}
	for range op.Count {
		k := r.catch()
		var params []ValueType
		if k.Kind == CatchTag || k.Kind == CatchTagRef {
			var ok bool
			if params, ok = c.tag(op, k.Tag); !ok {
				return
			}
		}
		want, ok := c.label(op, k.Label)
		if !ok || !c.move(len(want)) {
			return
		}
		if k.Kind == CatchTagRef || k.Kind == CatchAnyRef {
			n := len(want) - 1
			if n < 0 || !c.m.matches(ExnRef.AsNonNull(), want[n]) {
				c.fail(op, "label %d of a catch clause does not take the exception", k.Label)
				return
			}
			want = want[:n]
		}
		if !c.m.matchAll(params, want) {
			c.fail(op, "label %d of a catch clause takes %s, not %s", k.Label, typeList(want), typeList(params))
			return
		}
	}
}

// brTable types br_table: all labels take the same number of operands, and the ones that are there fit each of them.
func (c *Checker) brTable(op *Op) {
	c.pop(op, I32)
	if op.Count > c.m.Limits.BrTable {
		return // the gauge says so
	}
	r := reader{b: c.r.b, pos: op.vec}
	arity := -1
	var last *ValueType // the list checked last: most targets share it
	for i := uint32(0); i <= op.Count; i++ {
		want, ok := c.label(op, r.u32())
		if !ok {
			return
		}
		if arity < 0 {
			arity = len(want)
		} else if arity != len(want) {
			c.fail(op, "its labels take %d and %d operands", arity, len(want))
			return
		}
		if arity == 0 || &want[0] == last {
			continue
		}
		last = &want[0]
		if c.check(op, want); c.r.fault != nil {
			return
		}
	}
	for range arity {
		c.popAny(op)
	}
	c.unreachable()
}
