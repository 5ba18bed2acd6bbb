package wasm

// step applies one instruction to the stacks.
func (c *Checker) step(op *Op) {
	info := &opTable[op.Code.row()]
	if info.plain {
		c.plain(op, info)
		return
	}
	switch op.Code {
	case OpLocalGet:
		if t, ok := c.local(op); ok {
			c.push(t)
		}
	case OpLocalSet:
		if t, ok := c.local(op); ok {
			c.pop(op, t)
		}
	case OpLocalTee:
		if t, ok := c.local(op); ok {
			c.pop(op, t)
			c.push(t)
		}
	case OpGlobalGet, OpGlobalSet:
		c.global(op)
	case OpDrop:
		c.popAny(op)
	case OpSelect, OpSelectTyped:
		c.selects(op)
	case OpCall, OpReturnCall, OpCallIndirect, OpReturnCallIndirect, OpCallRef, OpReturnCallRef:
		c.call(op)
	case OpTableGet, OpTableSet, OpTableGrow, OpTableSize, OpTableFill:
		c.table(op)
	case OpRefNull, OpRefIsNull, OpRefFunc, OpRefAsNonNull, OpBrOnNull, OpBrOnNonNull:
		c.reference(op)
	case OpNop:
	default:
		c.control(op)
	}
}

// plain types an instruction by its row of the table.
func (c *Checker) plain(op *Op, info *opInfo) {
	for i := int(info.nin) - 1; i >= 0; i-- {
		c.pop(op, ValueType(info.in[i]))
	}
	if info.out != 0 {
		c.push(ValueType(info.out))
	}
	if info.imm != ImmNone && info.imm != ImmI32 {
		c.immediates(op, info)
	}
}

// immediates checks the immediates of plain instructions.
func (c *Checker) immediates(op *Op, info *opInfo) {
	switch info.imm {
	case ImmMemArg, ImmMemLane:
		c.memory(op)
		switch {
		case op.Align > info.align:
			c.fail(op, "alignment 2^%d is larger than natural", op.Align)
		case op.Code >= 0xfe00 && op.Align != info.align:
			c.fail(op, "alignment 2^%d is not natural", op.Align)
		}
		if info.imm == ImmMemLane {
			c.lane(op, info)
		}
	case ImmLane:
		c.lane(op, info)
	case ImmShuffle:
		for _, lane := range c.r.b[op.End-16 : op.End] {
			if lane >= 32 {
				c.fail(op, "lane %d of 32", lane)
			}
		}
	case ImmMemory, ImmMemories:
		c.memory(op)
	case ImmDataMem:
		c.memory(op)
		c.data(op)
	case ImmData:
		c.data(op)
	case ImmElem:
		c.elem(op)
	case ImmElemTab:
		if e := c.elem(op); e != nil {
			if t, ok := c.tableType(op, op.Index2); ok && !c.m.matches(e.Type, t.Elem) {
				c.fail(op, "elements are %s, those of the table %s", e.Type, t.Elem)
			}
		}
	case ImmTables:
		dst, ok1 := c.tableType(op, op.Index)
		src, ok2 := c.tableType(op, op.Index2)
		if ok1 && ok2 && !c.m.matches(src.Elem, dst.Elem) {
			c.fail(op, "elements are %s, those of the destination %s", src.Elem, dst.Elem)
		}
	}
}

func (c *Checker) lane(op *Op, info *opInfo) {
	if op.Index >= uint32(info.lanes) {
		c.fail(op, "lane %d of %d", op.Index, info.lanes)
	}
}

func (c *Checker) memory(op *Op) {
	if len(c.m.memories) == 0 {
		c.fail(op, "the module has no memory")
	}
}

func (c *Checker) data(op *Op) {
	switch {
	case c.m.DataCount == nil:
		c.fail(op, "the module has no data count section")
	case op.Index >= *c.m.DataCount:
		c.fail(op, "unknown data segment %d", op.Index)
	}
}

func (c *Checker) elem(op *Op) *Elem {
	if int64(op.Index) >= int64(len(c.m.Elems)) {
		c.fail(op, "unknown element segment %d", op.Index)
		return nil
	}
	return &c.m.Elems[op.Index]
}

func (c *Checker) tableType(op *Op, i uint32) (TableType, bool) {
	t, ok := c.m.TableType(i)
	if !ok {
		c.fail(op, "unknown table %d", i)
	}
	return t, ok
}

// local returns the type of the local an instruction names, and keeps account of locals without default.
func (c *Checker) local(op *Op) (ValueType, bool) {
	t, ok := c.LocalType(op.Index)
	if !ok {
		c.fail(op, "unknown local %d", op.Index)
		return t, false
	}
	if c.mustSet && !t.hasDefault() {
		word, bit := &c.set[op.Index/64], uint64(1)<<(op.Index%64)
		switch {
		case *word&bit != 0:
		case op.Code == OpLocalGet:
			c.fail(op, "local %d of type %s is read before it is set", op.Index, t)
			return t, false
		default:
			*word |= bit
			c.setLog = append(c.setLog, op.Index)
		}
	}
	return t, true
}

func (c *Checker) global(op *Op) {
	g, ok := c.m.GlobalType(op.Index)
	switch {
	case !ok:
		c.fail(op, "unknown global %d", op.Index)
	case op.Code == OpGlobalGet:
		c.push(g.Type)
	case !g.Mutable:
		c.fail(op, "global %d is immutable", op.Index)
	default:
		c.pop(op, g.Type)
	}
}

func (c *Checker) selects(op *Op) {
	c.pop(op, I32)
	if op.Code == OpSelectTyped {
		if c.knownType(op, op.Type) {
			c.pop(op, op.Type)
			c.pop(op, op.Type)
			c.push(op.Type)
		}
		return
	}
	b, ok1 := c.popAny(op)
	a, ok2 := c.popAny(op)
	switch {
	case !ok1 || !ok2:
		return
	case a == Bottom:
		a = b
	case b != Bottom && a != b:
		c.fail(op, "operands are %s and %s", a, b)
		return
	}
	if a.IsRef() {
		c.fail(op, "a select of references must name its type")
		return
	}
	c.push(a)
}

// knownType checks that a type named by an instruction exists.
func (c *Checker) knownType(op *Op, t ValueType) bool {
	if err := checkTypeRef(t, len(c.m.Types)); err != nil {
		c.fail(op, "%s", err)
		return false
	}
	return true
}

// call types the six calls.
func (c *Checker) call(op *Op) {
	t := c.callee(op)
	if t == nil {
		return
	}
	c.popAll(op, t.Params)
	switch op.Code {
	case OpCall, OpCallIndirect, OpCallRef:
		c.pushAll(t.Results)
	default:
		if c.move(len(t.Results)) && !c.m.matchAll(t.Results, c.sig.Results) {
			c.fail(op, "results %s are not those of the function, %s", typeList(t.Results), typeList(c.sig.Results))
		}
		c.unreachable()
	}
}

// callee returns the type of what is called and takes the operand that names it.
func (c *Checker) callee(op *Op) *FuncType {
	if op.Code == OpCall || op.Code == OpReturnCall {
		t := c.m.FuncType(op.Index)
		if t == nil {
			c.fail(op, "unknown function %d", op.Index)
		}
		return t
	}
	if int64(op.Index) >= int64(len(c.m.Types)) {
		c.fail(op, "unknown type %d", op.Index)
		return nil
	}
	if op.Code == OpCallRef || op.Code == OpReturnCallRef {
		c.pop(op, TypedRef(op.Index, true))
		return &c.m.Types[op.Index]
	}
	t, ok := c.tableType(op, op.Index2)
	if !ok {
		return nil
	}
	if !c.m.matches(t.Elem, FuncRef) {
		c.fail(op, "table %d holds %s, not functions", op.Index2, t.Elem)
		return nil
	}
	c.pop(op, I32)
	return &c.m.Types[op.Index]
}

func (c *Checker) table(op *Op) {
	t, ok := c.tableType(op, op.Index)
	if !ok {
		return
	}
	switch op.Code {
	case OpTableGet:
		c.pop(op, I32)
		c.push(t.Elem)
	case OpTableSet:
		c.pop(op, t.Elem)
		c.pop(op, I32)
	case OpTableGrow:
		c.pop(op, I32)
		c.pop(op, t.Elem)
		c.push(I32)
	case OpTableSize:
		c.push(I32)
	case OpTableFill:
		c.pop(op, I32)
		c.pop(op, t.Elem)
		c.pop(op, I32)
	}
}

func (c *Checker) reference(op *Op) {
	switch op.Code {
	case OpRefNull:
		if c.knownType(op, op.Type) {
			c.push(op.Type)
		}
	case OpRefIsNull:
		c.popRef(op)
		c.push(I32)
	case OpRefFunc:
		t, ok := c.m.FuncTypeIndex(op.Index)
		switch {
		case !ok:
			c.fail(op, "unknown function %d", op.Index)
		case c.declared[op.Index/64]&(1<<(op.Index%64)) == 0:
			c.fail(op, "function %d is not declared in an element segment, global or export", op.Index)
		default:
			c.push(TypedRef(t, false))
		}
	case OpRefAsNonNull:
		c.push(nonNullOf(c.popRef(op)))
	case OpBrOnNull:
		t := c.popRef(op)
		if want, ok := c.label(op, op.Index); ok {
			c.popAll(op, want)
			c.pushAll(want)
			c.push(nonNullOf(t))
		}
	case OpBrOnNonNull:
		t := nonNullOf(c.popRef(op))
		want, ok := c.label(op, op.Index)
		if !ok {
			return
		}
		n := len(want) - 1
		if n < 0 || !c.m.matches(t, want[n]) || !want[n].IsRef() {
			c.fail(op, "label %d does not take a %s", op.Index, t)
			return
		}
		c.popAll(op, want[:n])
		c.pushAll(want[:n])
	}
}

func nonNullOf(t ValueType) ValueType {
	if t == Bottom {
		return t
	}
	return t.AsNonNull()
}

// label returns the types a branch to a label carries.
func (c *Checker) label(op *Op, index uint32) ([]ValueType, bool) {
	if int64(index) >= int64(len(c.labels)) {
		c.fail(op, "unknown label %d", index)
		return nil, false
	}
	return c.labels[len(c.labels)-1-int(index)].target(), true
}
