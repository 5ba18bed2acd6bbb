package wasm

import (
	"fmt"
	"math/bits"
)

// work is what an optimizing compiler does with a function, in the quantities its time depends on. Each was found by
// timing the engine on code that has much of it, and by reading which of its passes that time goes to.
type work struct {
	blocks uint64 // basic blocks
	walks  uint64 // steps up the dominator tree: from every block and edge, and from reads of locals
	joins  uint64 // sum over blocks of the square of their predecessors
	phis   uint64 // sum over joins of paths: paths x square of the locals that live there
	lives  uint64 // sum over blocks of the values that live there
	checks uint64 // what can trap, and calls; each brings code of its own to leave by
	bytes  uint64
}

// What a unit of work takes in nanoseconds, on the slower of the machines it was timed on.
const (
	walkNanos  = 8
	joinNanos  = 2
	phiNanos   = 1
	liveNanos  = 120
	checkNanos = 10_000
	byteNanos  = 300
	// The engine clears, for every function, a table with two rows for each block of the largest function before it.
	tableNanos = 2 * 3
	typeNanos  = 14 // and for every function it goes over all types
)

// parts gives the work by kind, in nanoseconds. An estimate that overflows stays at its end.
func (w work) parts() [6]uint64 {
	return [...]uint64{
		mul(w.walks, walkNanos), mul(w.joins, joinNanos), mul(w.phis, phiNanos),
		mul(w.lives, liveNanos), mul(w.checks, checkNanos), mul(w.bytes, byteNanos),
	}
}

// nanos adds the parts up.
func (w work) nanos() (sum uint64) {
	for _, n := range w.parts() {
		sum = add(sum, n)
	}
	return sum
}

// most names the largest part.
func (w work) most() string {
	parts, most := w.parts(), 0
	for i, n := range parts {
		if n > parts[most] {
			most = i
		}
	}
	switch most {
	case 0:
		return fmt.Sprintf("following %d blocks in a row", w.blocks)
	case 1:
		return "branches to the same place"
	case 2:
		return "locals that live where paths join"
	case 3:
		return "values that live from block to block"
	case 4:
		return fmt.Sprintf("%d memory accesses, divisions and calls", w.checks)
	}
	return fmt.Sprintf("%d bytes of code", w.bytes)
}

// check holds the work of one function against the limits.
func (w work) check(lim *Limits) *fault {
	if w.checks > uint64(lim.Checks) {
		return over(0, "Checks", "memory accesses, divisions and calls in one function", int64(w.checks), int64(lim.Checks))
	}
	if w.blocks > uint64(lim.Blocks) {
		return over(0, "Blocks", "basic blocks in one function", int64(w.blocks), int64(lim.Blocks))
	}
	have, most := w.nanos(), add(lim.Work, mul(w.bytes, lim.WorkPerByte))
	if have <= most {
		return nil
	}
	return &fault{limit: "Work", msg: fmt.Sprintf(
		"compiling the function would take an estimated %d ms, the limit for its %d bytes is %d ms; most of it is for %s; "+remedy,
		have/1e6, w.bytes, most/1e6, w.most())}
}

// ceiling keeps sums and products of estimates from overflowing.
const ceiling = 1 << 60

func mul(a, b uint64) uint64 {
	if hi, lo := bits.Mul64(a, b); hi == 0 {
		return min(lo, ceiling)
	}
	return ceiling
}

func add(a, b uint64) uint64 { return min(a+b, ceiling) }

func (w *work) add(o work) {
	w.blocks = add(w.blocks, o.blocks)
	w.walks = add(w.walks, o.walks)
	w.joins = add(w.joins, o.joins)
	w.phis = add(w.phis, o.phis)
	w.lives = add(w.lives, o.lives)
	w.checks = add(w.checks, o.checks)
	w.bytes = add(w.bytes, o.bytes)
}
