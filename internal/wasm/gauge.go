package wasm

import "fmt"

// gauge measures one function against the limits while something else steps over it.
type gauge struct {
	m      *Module
	lim    Limits
	locals uint64

	depth, loopDepth uint32
	loops            uint64
	targets          uint64 // of all br_tables
	checks           uint64
	flow             flow

	sums sums
}

// sums is what the functions of a module add up to.
type sums struct {
	functions uint64
	locals    uint64 // parameters included
	blocks    uint64 // basic blocks of the function that has most
	work      work
}

func (g *gauge) begin(m *Module, locals int) {
	g.m, g.lim, g.locals = m, m.Limits, uint64(locals)
	g.depth, g.loopDepth, g.loops, g.targets, g.checks = 0, 0, 0, 0, 0
	g.flow.begin(locals)
}

// step counts an instruction of code, behind which the stack has this many operands. The code may be invalid.
func (g *gauge) step(op *Op, code []byte, height int) *fault {
	switch op.Code {
	case OpLocalGet:
		g.flow.get(op.Index)
	case OpLocalSet, OpLocalTee:
		g.flow.set(op.Index)
	case OpBlock, OpLoop, OpIf, OpTry, OpTryTable:
		return g.open(op, code, height)
	case OpEnd, OpDelegate:
		g.close(height)
	case OpElse, OpCatch, OpCatchAll:
		g.flow.reopen(height)
	case OpBr:
		g.flow.jump(op.Index)
	case OpBrIf, OpBrOnNull, OpBrOnNonNull:
		g.flow.branch(op.Index, height)
	case OpBrTable:
		return g.table(op, code, height)
	case OpReturn, OpUnreachable, OpThrow, OpThrowRef, OpRethrow, OpReturnCall, OpReturnCallIndirect, OpReturnCallRef:
		g.flow.at = none
	case OpCall, OpCallRef:
		g.checks++
	case OpCallIndirect:
		g.checks += 3 // of the index, of the element and of its type
	default:
		if traps(op.Code) {
			g.checks++
		}
	}
	return nil
}

// traps tells whether a plain instruction brings code for a trap.
func traps(c Opcode) bool {
	switch opTable[c.row()].imm {
	case ImmMemArg, ImmMemLane, ImmMemory, ImmMemories:
		return true
	}
	return trapsItself(c)
}

// trapsItself tells whether an instruction that touches no memory can trap.
func trapsItself(c Opcode) bool {
	const i32div, i32rem, i64div, i64rem, trunc, truncLast = 0x6d, 0x70, 0x7f, 0x82, 0xa8, 0xb1
	return c >= i32div && c <= i32rem || c >= i64div && c <= i64rem || c >= trunc && c <= truncLast
}

// open counts a block.
func (g *gauge) open(op *Op, code []byte, height int) *fault {
	g.depth++
	if g.depth > g.lim.Nesting {
		return over(op.Start, "Nesting", "blocks within blocks", int64(g.depth), int64(g.lim.Nesting))
	}
	if op.Code == OpTryTable {
		if most := g.lim.Catches; op.Count > most {
			return over(op.Start, "Catches", "clauses in one try_table", int64(op.Count), int64(most))
		}
		for c := range op.Catches(code) {
			g.flow.branch(c.Label, height)
		}
	}
	g.flow.open(op.Code, len(g.m.BlockParams(op.Block)), len(g.m.BlockResults(op.Block)), height)
	if op.Code == OpLoop {
		g.loops++
		g.loopDepth++
		if n := g.loops * g.locals; n > g.lim.LoopsLocals {
			return over(op.Start, "LoopsLocals", "loops x locals of one function", int64(n), int64(g.lim.LoopsLocals))
		}
		if g.loopDepth > g.lim.LoopNesting {
			return over(op.Start, "LoopNesting", "loops within loops", int64(g.loopDepth), int64(g.lim.LoopNesting))
		}
	}
	return nil
}

// close counts the end of a block.
func (g *gauge) close(height int) {
	if g.flow.innermost() {
		g.loopDepth--
	}
	if g.depth > 0 {
		g.depth--
	}
	g.flow.close(height)
}

// table counts a br_table.
func (g *gauge) table(op *Op, code []byte, height int) *fault {
	if op.Count > g.lim.BrTable {
		return over(op.Start, "BrTable", "targets of one br_table", int64(op.Count), int64(g.lim.BrTable))
	}
	if g.targets += uint64(op.Count); g.targets > uint64(g.lim.BrTables) {
		return over(op.Start, "BrTables", "br_table targets in one function", int64(g.targets), int64(g.lim.BrTables))
	}
	for l := range op.Labels(code) {
		g.flow.table(l, height)
	}
	g.flow.at = none
	return nil
}

// end checks the function as a whole and adds it to the sums.
func (g *gauge) end(bytes int) *fault {
	if bytes > int(g.lim.Body) {
		return over(0, "Body", "bytes in one function", int64(bytes), int64(g.lim.Body))
	}
	w := g.flow.end()
	w.checks, w.bytes = g.checks, uint64(bytes)
	if f := w.check(&g.lim); f != nil {
		return f
	}
	g.sums.add(sums{1, g.locals, w.blocks, w})
	return nil
}

// check holds the sums against the limits of a module.
func (s *sums) check(m *Module) error {
	var f *fault
	lim, work := &m.Limits, s.work.nanos()
	tables := mul(mul(s.functions, s.blocks), tableNanos)
	types := mul(mul(s.functions, uint64(len(m.Types))), typeNanos)
	have, most := add(work, add(tables, types)), add(lim.ModuleWork, mul(s.work.bytes, lim.WorkPerByte))
	switch {
	case s.locals > lim.ModuleLocals:
		f = over(0, "ModuleLocals", "locals of all functions", int64(s.locals), int64(lim.ModuleLocals))
	case have > most:
		what := s.work.most()
		switch {
		case tables > max(work, types):
			what = fmt.Sprintf("%d functions beside one of %d blocks", s.functions, s.blocks)
		case types > work:
			what = fmt.Sprintf("%d functions beside %d types", s.functions, len(m.Types))
		}
		f = &fault{limit: "ModuleWork", msg: fmt.Sprintf(
			"compiling the module would take an estimated %d ms, the limit for its %d bytes of code is %d ms; most of it is for %s; build it smaller, or with optimization (-O2)",
			have/1e6, s.work.bytes, most/1e6, what)}
	default:
		return nil
	}
	e := f.in(0, "code", -1)
	e.Offset = -1
	return e
}

func (s *sums) add(o sums) {
	s.functions += o.functions
	s.locals += o.locals
	s.blocks = max(s.blocks, o.blocks)
	s.work.add(o.work)
}
