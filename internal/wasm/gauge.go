package wasm

// gauge measures one function against the limits while something else steps over it.
type gauge struct {
	lim    Limits
	locals uint64

	depth, loopDepth uint32
	loops, branches  uint64
	loopDepths       uint64 // sum over blocks of their loop depth
	targets          uint64 // of all br_tables

	sums Sums
}

// Sums is what the functions of a module add up to.
type Sums struct {
	Locals uint64 // parameters included
	Loops  uint64 // loops x locals
	Blocks uint64 // (blocks and conditional branches) x locals
}

func (g *gauge) begin(lim Limits, locals int) {
	*g = gauge{lim: lim, locals: uint64(locals), sums: g.sums}
}

// open counts a block.
func (g *gauge) open(op *Op) *fault {
	g.depth++
	g.branches++
	if g.depth > g.lim.Nesting {
		return over(op.Start, "Nesting", "blocks within blocks", int64(g.depth), int64(g.lim.Nesting))
	}
	if op.Code == OpLoop {
		g.loops++
		g.loopDepth++
		if g.loopDepth > g.lim.LoopNesting {
			return over(op.Start, "LoopNesting", "loops within loops", int64(g.loopDepth), int64(g.lim.LoopNesting))
		}
	}
	g.loopDepths += uint64(g.loopDepth)
	return nil
}

// close counts the end of a block.
func (g *gauge) close(loop bool) {
	g.depth--
	if loop {
		g.loopDepth--
	}
}

// branch counts a conditional branch, or anything else that joins two paths.
func (g *gauge) branch() { g.branches++ }

// table counts a br_table.
func (g *gauge) table(op *Op) *fault {
	if op.Count > g.lim.BrTable {
		return over(op.Start, "BrTable", "targets of one br_table", int64(op.Count), int64(g.lim.BrTable))
	}
	if g.targets += uint64(op.Count); g.targets > uint64(g.lim.BrTables) {
		return over(op.Start, "BrTables", "br_table targets in one function", int64(g.targets), int64(g.lim.BrTables))
	}
	return nil
}

// end checks the products and adds the function to the sums.
func (g *gauge) end(bytes int) *fault {
	locals := max(g.locals, 1)
	checks := []struct {
		limit, what string
		have, most  uint64
	}{
		{"Body", "bytes in one function", uint64(bytes), uint64(g.lim.Body)},
		{"LoopsLocals", "loops x locals", g.loops * locals, g.lim.LoopsLocals},
		{"DepthLocals", "loop depths of all blocks x locals", g.loopDepths * locals, g.lim.DepthLocals},
		{"BlocksLocals", "blocks and branches x locals", g.branches * locals, g.lim.BlocksLocals},
	}
	for i := range checks {
		if k := &checks[i]; k.have > k.most {
			return over(0, k.limit, k.what, int64(k.have), int64(k.most))
		}
	}
	g.sums.Locals += g.locals
	g.sums.Loops += g.loops * locals
	g.sums.Blocks += g.branches * locals
	return nil
}

// check holds the sums against the limits.
func (s Sums) check(lim Limits) error {
	checks := []struct {
		limit, what string
		have, most  uint64
	}{
		{"ModuleLocals", "locals of all functions", s.Locals, lim.ModuleLocals},
		{"ModuleLoops", "loops x locals of all functions", s.Loops, lim.ModuleLoops},
		{"ModuleBlocks", "blocks and branches x locals of all functions", s.Blocks, lim.ModuleBlocks},
	}
	for _, k := range checks {
		if k.have > k.most {
			e := over(0, k.limit, k.what, int64(k.have), int64(k.most)).in(0, "code", -1)
			e.Offset = -1
			return e
		}
	}
	return nil
}

func (s *Sums) add(o Sums) {
	s.Locals += o.Locals
	s.Loops += o.Loops
	s.Blocks += o.Blocks
}
