package prepare

import (
	"fmt"

	"github.com/wherry-run/wherry/internal/wasm"
)

// Rewrites is a set of changes that are made for the sake of the machine code, because wazero's compiler makes little of
// the code as it is. A program computes the same with them: results, memory, and whether it traps.
type Rewrites uint8

const (
	// FuseBranches makes an if around a branch of every conditional branch. For a branch that leaves a block which
	// others leave too, the compiler adds a block on the way, and the comparison is then too far from the jump for the
	// two to become one instruction; an if has that block already.
	//
	// A conditional branch to a label that takes no operands pops a condition and goes to the label or on: so does the
	// if. Labels that take operands are left alone, for an if would have to hand the operands on.
	FuseBranches Rewrites = 1 << iota
	// SplatLoads loads a float into the low lane of a vector and spreads it from there. What the compiler makes of
	// v128.load32_splat inserts into whatever the register held before, and so waits for that. Both load the same four
	// bytes and trap alike; swizzle picks bytes 0 to 3 for every lane. It is for amd64.
	SplatLoads
	// GroupChecks has accesses of neighbouring addresses checked once; see grouper.
	GroupChecks
	// UnrollLoops makes four passes of short counted loops one; see unroller.
	UnrollLoops

	// ChooseFloats has the engine fixes choose between floats by an if, and not between their bits as integers, where one
	// of them is what was chosen before: the least or the greatest of many. Both are exact. A choice that is made again
	// and again turns out alike most times, which a branch learns, and then nothing waits for the last one; where it is
	// made between numbers of their own, as those of an array that are not negative, it may turn out at random.
	ChooseFloats

	// AllRewrites are all of them.
	AllRewrites = ChooseFloats<<1 - 1
)

func (r Rewrites) has(x Rewrites) bool { return r&x != 0 }

// rewritesVersion is raised with every change of what a rewrite writes.
const rewritesVersion = 2

func (o Options) rewritesKey() string {
	if o.Rewrites == 0 {
		return ""
	}
	key := fmt.Sprintf(",rewrites/%d:%#x", rewritesVersion, uint8(o.Rewrites))
	if o.TrapEnds {
		key += "t"
	}
	return key
}

// How much code of a module is rewritten at most, and up to how much all of it: of more only a part runs often, and all
// of it would become larger. There no loop is unrolled, and accesses are grouped only in functions that have loops. What
// is in a primary was seen to run.
const (
	rewriteMost = 32 << 20
	rewriteAll  = 4 << 20
)

// wanted are the rewrites of a module, or a part. Groups are left as they are: a group is compiled while somebody waits
// for it.
func (p *plan) wanted() Rewrites {
	if p.opts.Rewrites == 0 || p.part != nil && !p.part.primary {
		return 0
	}
	switch code := codeBytes(p.mod); {
	case code > rewriteMost:
		return 0
	case code > rewriteAll && p.part == nil:
		p.sparing = true
		return p.opts.Rewrites &^ UnrollLoops
	}
	return p.opts.Rewrites
}

// groups tells whether accesses are grouped in a function.
func (p *plan) groups(f *facts) bool {
	return p.rewrites.has(GroupChecks) && f.has(hasAccess) && (!p.sparing || f.costs.to-f.costs.from > 1)
}

// codeBytes is how much code a module has.
func codeBytes(m *wasm.Module) (n int) {
	for _, s := range m.Code {
		n += s.Len()
	}
	return n
}

// brings tells whether a branch to a block of type t, or to a loop of it, brings operands.
func (p *plan) brings(t wasm.BlockType, loop bool) bool {
	if i, ok := t.TypeIndex(); ok {
		if loop {
			return len(p.types[i].Params) > 0
		}
		return len(p.types[i].Results) > 0
	}
	_, value := t.Value()
	return value && !loop
}

// branchIf writes a conditional branch as an if.
func (a *asm) branchIf(label uint32) {
	a.block(wasm.OpIf)
	a.index(wasm.OpBr, label+1)
	a.emit(wasm.OpEnd)
}

// splat writes a v128.load32_splat with another offset.
func (e *emitter) splat(offset uint32) {
	e.replace()
	e.Out = wasm.AppendMemOp(e.Out, wasm.OpV128Load32Zero, e.op.Align, offset)
	e.emit(wasm.OpV128Const)
	e.put(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3)
	e.emit(wasm.OpI8x16Swizzle)
}
