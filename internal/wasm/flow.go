package wasm

// flow follows the control flow of one function while something else steps over it, and adds up what an optimizing
// compiler will do there that is not linear in the size of the code. It builds the dominator tree as the code comes:
// control flow of WebAssembly is reducible, so a block's dominator is known when the block begins.
type flow struct {
	blocks []block
	frames []frame
	at     int32 // the block that code goes to now; none in dead code

	clock  uint32   // raised with every access of a local and every block of the source
	access []access // by local
	ended  int32    // locals that were read for what may be the last time since the last block began

	work work
}

// none is no block.
const none = -1

// block is a basic block: a node of the dominator tree.
type block struct {
	parent, jump int32 // the dominator; an ancestor further up, for a fast search
	depth        int32 // in the tree
	chain        int32 // steps up over blocks that have one predecessor
	preds        int32
	arity        int32 // operands the paths to it bring
	chains       int64 // of the predecessors
	live         int32 // change against the block before: locals that are read from here on
	height       int32 // operands on the stack
}

// frame is a block of the source.
type frame struct {
	source       Opcode
	loop, branch bool  // loop: one that code reaches; branch: an if whose condition can still fall through to the end
	entry        int32 // the block before it, for a loop its header
	idom         int32 // what dominates all that lead to its end so far; none before the first
	preds        int32
	arity        int32
	chains       int64
	began        uint32
}

// access is what happened to a local so far, as blocks. A local that is never written has its zero or its argument from
// block 0 on.
type access struct {
	clock uint32
	last  int32 // the last access
	write int32 // the last write; it hides older values only from what it dominates
	from  int32 // from where an older value may live on past that write
	seen  int32 // up to here the local is counted as living
	read  bool  // the last access was a read
}

func (f *flow) begin(locals int) {
	f.blocks, f.frames = f.blocks[:0], f.frames[:0]
	f.work, f.clock, f.ended = work{}, 0, 0
	if cap(f.access) < locals {
		f.access = make([]access, locals)
	}
	f.access = f.access[:locals]
	clear(f.access)
	f.at = none
	f.at = f.add(none, 0)
	f.frames = append(f.frames, frame{idom: none})
}

// add makes a block whose dominator is parent.
func (f *flow) add(parent int32, height int) int32 {
	n := int32(len(f.blocks))
	b := block{parent: parent, jump: none, preds: 1, height: int32(height), live: -f.ended}
	f.ended = 0
	if parent != none {
		p := &f.blocks[parent]
		b.depth, b.chain = p.depth+1, p.chain+1
		b.jump = parent
		if p.jump != none { // skew-binary jumps: any ancestor is a logarithmic number of steps away
			if j := &f.blocks[p.jump]; j.jump != none && p.depth-j.depth == j.depth-f.blocks[j.jump].depth {
				b.jump = j.jump
			}
		}
		f.work.walks += uint64(b.depth)
	}
	f.blocks = append(f.blocks, b)
	return n
}

// common finds the innermost block that dominates both.
func (f *flow) common(a, b int32) int32 {
	if f.blocks[a].depth < f.blocks[b].depth {
		a, b = b, a
	}
	for d := f.blocks[b].depth; f.blocks[a].depth > d; {
		if j := f.blocks[a].jump; f.blocks[j].depth >= d {
			a = j
		} else {
			a = f.blocks[a].parent
		}
	}
	for a != b {
		if ja, jb := f.blocks[a].jump, f.blocks[b].jump; ja != jb && f.blocks[a].depth > 0 {
			a, b = ja, jb
		} else {
			a, b = f.blocks[a].parent, f.blocks[b].parent
		}
	}
	return a
}

// edge leads from a block to the label of a frame.
func (f *flow) edge(from int32, to *frame) {
	b := &f.blocks[from]
	f.work.walks += uint64(b.depth)
	to.preds++
	to.chains += int64(b.chain)
	switch {
	case to.loop:
	case to.idom == none:
		to.idom = from
	default:
		both := b.depth + f.blocks[to.idom].depth
		to.idom = f.common(to.idom, from)
		f.work.walks += 2 * uint64(both-2*f.blocks[to.idom].depth)
	}
}

// label gives the frame that a label means, nil when there is none.
func (f *flow) label(i uint32) *frame {
	if n := len(f.frames) - 1 - int(min(i, 1<<30)); n >= 0 {
		return &f.frames[n]
	}
	return nil
}

// branch follows a conditional branch to a label.
func (f *flow) branch(label uint32, height int) {
	if f.at == none {
		return
	}
	if to := f.label(label); to != nil {
		f.edge(f.at, to)
		f.work.walks += uint64(f.blocks[f.at].depth)
		f.at = f.add(f.at, height)
	}
}

// jump follows a branch that is always taken.
func (f *flow) jump(label uint32) {
	if f.at == none {
		return
	}
	if to := f.label(label); to != nil {
		f.edge(f.at, to)
	}
	f.at = none
}

// table follows one target of a br_table, which gets a block of its own.
func (f *flow) table(label uint32, height int) {
	if f.at == none {
		return
	}
	if to := f.label(label); to != nil {
		f.work.walks += uint64(f.blocks[f.at].depth)
		f.edge(f.add(f.at, height), to)
	}
}

// innermost tells whether the innermost block is a loop.
func (f *flow) innermost() bool {
	return len(f.frames) > 0 && f.frames[len(f.frames)-1].source == OpLoop
}

// open begins a block of the source.
func (f *flow) open(op Opcode, params, results, height int) {
	g := frame{source: op, entry: f.at, idom: none, arity: int32(results)}
	f.clock++
	g.began = f.clock
	if f.at != none {
		switch op {
		case OpLoop:
			g.loop, g.preds = true, 1
			g.chains = int64(f.blocks[f.at].chain)
			f.work.walks += uint64(f.blocks[f.at].depth)
			f.at = f.add(f.at, height)
			f.blocks[f.at].chain, f.blocks[f.at].arity = 0, int32(params)
			g.entry = f.at
		case OpIf:
			g.branch = true
			f.work.walks += 2 * uint64(f.blocks[f.at].depth)
			f.at = f.add(f.at, height)
		}
	}
	f.frames = append(f.frames, g)
}

// reopen begins another part of the innermost block: else, catch.
func (f *flow) reopen(height int) {
	if len(f.frames) == 0 {
		return
	}
	g := &f.frames[len(f.frames)-1]
	if f.at != none {
		f.edge(f.at, g)
		f.at = none
	}
	g.branch = false
	if g.entry != none && !g.loop {
		f.at = f.add(g.entry, height)
	}
}

// close ends the innermost block.
func (f *flow) close(height int) {
	n := len(f.frames) - 1
	if n < 0 {
		return
	}
	if f.frames[n].branch {
		f.reopen(height)
	}
	g := f.frames[n]
	f.frames = f.frames[:n]
	if g.loop {
		f.endLoop(&g)
		if f.at != none {
			f.at = f.add(f.at, height)
		}
		return
	}
	if f.at != none {
		f.edge(f.at, &g)
		f.at = none
	}
	f.work.joins += uint64(g.preds) * uint64(g.preds)
	if g.idom != none {
		f.at = f.add(g.idom, height)
		b := &f.blocks[f.at]
		if b.preds, b.chains, b.arity = g.preds, g.chains, g.arity; b.preds > 1 {
			b.chain = 0
		}
	}
}

// endLoop takes all locals that a loop touches as read where it begins anew.
func (f *flow) endLoop(g *frame) {
	b := &f.blocks[g.entry]
	b.preds, b.chains = g.preds, g.chains
	f.work.joins += uint64(g.preds) * uint64(g.preds)
	if g.preds == 1 {
		return
	}
	for i := range f.access {
		if f.access[i].clock > g.began {
			f.read(i)
		}
	}
}

// read says that a local lives from where its value comes from to here.
func (f *flow) read(i int) {
	a := &f.access[i]
	last := int32(len(f.blocks)) - 1
	if from := a.last; from < last || !a.read {
		if !a.read && f.at != none && !f.dominates(a.write, f.at) {
			from = a.from
		}
		if from = max(from, a.seen); from < last {
			f.blocks[from+1].live++
			f.ended++
			a.seen = last
		}
	}
	f.clock++
	a.clock, a.last, a.read = f.clock, last, true
}

// dominates tells whether every path to b leads over a.
func (f *flow) dominates(a, b int32) bool {
	for d := f.blocks[a].depth; f.blocks[b].depth > d; {
		if j := f.blocks[b].jump; f.blocks[j].depth >= d {
			b = j
		} else {
			b = f.blocks[b].parent
		}
	}
	return a == b
}

// get reads a local.
func (f *flow) get(i uint32) {
	if f.at == none || int64(i) >= int64(len(f.access)) {
		return
	}
	f.work.walks += uint64(f.blocks[f.at].chain)
	f.read(int(i))
}

// set writes a local.
func (f *flow) set(i uint32) {
	if f.at == none || int64(i) >= int64(len(f.access)) {
		return
	}
	a := &f.access[i]
	switch {
	case a.read:
		a.from = a.last
	case f.dominates(a.write, f.at):
		a.from = a.write
	}
	f.clock++
	a.clock, a.last, a.write, a.read = f.clock, int32(len(f.blocks))-1, f.at, false
}

// end adds up the function.
func (f *flow) end() work {
	w := &f.work
	live := int64(0)
	for i := range f.blocks {
		b := &f.blocks[i]
		live += int64(b.live)
		n := uint64(max(live, 0))
		w.lives += mul(n+uint64(b.height)+4, uint64(min(b.preds, 64)))
		if p := uint64(b.arity) + 1; b.preds > 1 {
			w.phis = add(w.phis, mul((n+p)*(n+p), uint64(b.preds)))
			w.walks = add(w.walks, mul(n, uint64(b.chains)))
		}
	}
	w.blocks = uint64(len(f.blocks))
	return *w
}
