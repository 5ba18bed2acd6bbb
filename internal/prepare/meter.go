package prepare

import (
	"math"
	"slices"
)

// The cost model. A region is the code of a function or of one loop without the loops inside it; its cost is the number
// of its instructions, some counted more than once, and what the unchecked functions it calls cost.
const (
	costCall     = 4
	costIndirect = 6
	costImport   = 40
	costGrow     = 63
	costBulk     = 8

	// exactCost is the region size up to which every instruction is charged. Larger regions are mostly the
	// dispatch loops of interpreters, of which one pass touches a fraction: they pay a share, never less than this.
	exactCost = 64
	costShare = 512

	// entryCost is how much a function without a check of its own may cost in one call.
	entryCost = 1000
)

// charge is what a region of the given cost is charged for every pass.
func charge(cost uint64) int64 {
	if cost <= exactCost {
		return int64(cost)
	}
	return int64(max(exactCost, min(cost/costShare, math.MaxInt32)))
}

// callWalk decides which functions check fuel when they are entered.
type callWalk struct {
	p       *plan
	checked []bool
	state   []uint8
	incl    []uint64 // of unchecked functions: all that a call costs outside of loops
	stack   []callFrame
}

type callFrame struct{ f, next uint32 }

const (
	callNew = iota
	callOpen
	callDone
)

// findChecked returns the functions that need a check at their entry: those a chain of direct calls can come back to,
// those that call indirectly, and those that with their unchecked callees cost more than entryCost. The cost of every
// unchecked function is added to the regions that call it, so that no call is free and a chain of functions that each
// call the next twice is charged in full.
//
// Parts call each other's functions without knowing which have a check. So all of a group have one, whoever calls them;
// what a primary calls in another part is in a group.
func (p *plan) findChecked() []bool {
	n := len(p.facts)
	if p.part != nil && !p.part.primary {
		return slices.Repeat([]bool{true}, n)
	}
	w := callWalk{p: p, checked: make([]bool, n), state: make([]uint8, n), incl: make([]uint64, n)}
	for f := range p.facts {
		if w.state[f] == callNew {
			w.visit(uint32(f))
		}
	}
	return w.checked
}

func (w *callWalk) visit(root uint32) {
	w.state[root] = callOpen
	w.stack = append(w.stack[:0], callFrame{f: root})
	for len(w.stack) > 0 {
		top := &w.stack[len(w.stack)-1]
		sites := w.p.sitesOf(top.f)
		if int(top.next) == len(sites) {
			w.leave(top.f, sites)
			w.stack = w.stack[:len(w.stack)-1]
			continue
		}
		s := sites[top.next]
		top.next++
		if s.kind() > siteTailCall || s.target < w.p.imported {
			continue
		}
		switch callee := s.target - w.p.imported; w.state[callee] {
		case callNew:
			w.state[callee] = callOpen
			w.stack = append(w.stack, callFrame{f: callee})
		case callOpen:
			w.checked[callee] = true
		}
	}
}

// leave settles a function all of whose callees are settled, but for those that are still open and thereby checked.
func (w *callWalk) leave(f uint32, sites []site) {
	w.state[f] = callDone
	costs := w.p.costsOf(f)
	for _, s := range sites {
		switch {
		case s.kind() > siteTailCall:
		case s.target < w.p.imported:
			costs[s.region()].cost += costImport
		case !w.checked[s.target-w.p.imported]:
			costs[s.region()].cost += w.incl[s.target-w.p.imported]
		}
	}
	if w.p.facts[f].has(hasIndirect) || costs[0].cost > entryCost {
		w.checked[f] = true
	}
	if !w.checked[f] {
		w.incl[f] = costs[0].cost
	}
}
