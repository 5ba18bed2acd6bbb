package prepare

import (
	"context"
	"fmt"
	"slices"

	"github.com/wherry-run/wherry/internal/wasm"
)

// A loop that counts and has nothing in it that branches
//
//	loop $l  BODY  br_if $l  end
//
// becomes
//
//	loop $l
//	  if (the next passes, all of them, end by going on)
//	    BODY drop  BODY drop  BODY drop  BODY drop
//	    br $l
//	  end
//	end
//	loop $l  BODY  br_if $l  end
//
// What that brings is fewer branches and, more, straight code that is four times as long for [GroupChecks] to look at.
//
// That is exact: BODY is done as often as before, in the same order, from the same values, if the conditions are true
// that are dropped. They compare x with n. In BODY a local that was j at its beginning is j+s at its end, s a constant
// other than zero; x is j+c, and n is a constant, or a local to which nothing is written, plus a constant. So when the
// next passes begin with x, they compare x, x+s, x+2s and so on with n, modulo 2^32. All of k passes go on
//
//	while x != n, for s > 0    if n-x > (k-1)s
//	while x < n,  for s > 0    if x < n and n-x > (k-1)s
//
// as unsigned numbers: then for t <= k-1 it is ts < n-x, so x+ts does not meet n, and if x < n it does not pass it
// either nor wrap, signed or not. With s < 0 everything is the other way round. Where the condition is not known to hold
// the loop goes on as it was; its last pass is always one of those.
//
// Fuel is the same, too: a round pays for its passes when it begins, and the loop around it for nothing.
const (
	unrollMost  = 4       // passes that are made one
	unrollSize  = 300     // instructions that those may have together
	unrollSteps = 1 << 20 // the largest step
)

// How much code grows by it, in bytes: in a function, and in a module. What comes first in the module comes first here.
const (
	roundBytes = 96 // of a round, beside its passes: at most
	growBody   = 4 << 10
	growModule = 256 << 10
	growShare  = 8 // and one part of so many of what there is
)

// unroller writes functions anew in which there are loops to unroll.
type unroller struct {
	symbols
	asm
	m     *wasm.Module
	w     wasm.Walker
	op    wasm.Op
	code  []byte
	loop  int  // where the loop begins that is being followed
	from  int  // and its code; 0: none is being followed
	size  int  // instructions in it so far
	ended bool // its branch was met
	cond  condition
	found []countedLoop
	heads []round // of the loops that were written
}

// round is a loop that does several passes of another, which follows it, at once: where it begins.
type round struct{ at, times int }

// condition is a comparison on which a loop goes on.
type condition struct {
	code wasm.Opcode
	x, n address
	at   int // behind it
}

// countedLoop is a loop to unroll.
type countedLoop struct {
	loop, from, branch int // where it, its code and its branch begin
	times              int
	counter            uint32 // local
	step               int32
	cond               condition
	limit              uint32 // local, if the limit is not a constant
}

// moved says of a function whose loops are unrolled where its code was, and where the rounds are.
type moved struct {
	runs   []wasm.Run
	rounds []round
}

// unrolled is a module in which loops are unrolled, and what is known of each function that changed. traced says that it
// is to be known where code was.
func unrolled(ctx context.Context, m *wasm.Module, workers int, traced bool) (*wasm.Module, map[int]moved, error) {
	type change struct {
		function int
		body     []byte
		moved
	}
	const share = 256 // functions at a time
	changes := make([][]change, (len(m.Code)+share-1)/share)
	err := each(ctx, workers, len(changes), func(i int) error {
		u := unroller{m: m}
		if traced {
			u.NoteRuns()
		}
		for f := i * share; f < min((i+1)*share, len(m.Code)); f++ {
			body, err := u.function(f)
			if err != nil {
				return fmt.Errorf("function %d: %w", f+m.ImportedFuncs(), err)
			}
			if body != nil {
				changes[i] = append(changes[i], change{f, body, moved{slices.Clone(u.Runs()), slices.Clone(u.heads)}})
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	bodies, how := map[int][]byte{}, map[int]moved{}
	room := growModule + codeBytes(m)/growShare
	for _, list := range changes {
		for _, c := range list {
			if grown := len(c.body) - m.Code[c.function].Len(); grown <= room {
				bodies[c.function], how[c.function] = c.body, c.moved
				room -= grown
			}
		}
	}
	if len(bodies) == 0 {
		return m, nil, nil
	}
	return m.WithBodies(bodies), how, nil
}

// function returns the body of a function with its loops unrolled, nil when there are none.
func (u *unroller) function(f int) ([]byte, error) {
	body, err := u.m.Body(f)
	if err != nil {
		return nil, err
	}
	locals := len(u.m.Types[u.m.Funcs[f]].Params)
	for _, g := range body.Locals {
		locals += int(g.Count)
	}
	u.code, u.found, u.from = body.Bytes, u.found[:0], 0
	u.w.Reset(body.Bytes, body.Expr)
	for u.w.Next(&u.op) {
		u.follow(locals)
	}
	if err := u.w.Err(); err != nil || len(u.found) == 0 {
		return nil, err
	}
	u.heads = u.heads[:0]
	u.Reset(u.code, make([]byte, 0, 2*len(u.code)))
	room := growBody + len(u.code)/growShare
	for i := range u.found {
		l := &u.found[i]
		if grown := roundBytes + l.times*(l.branch-l.from); grown <= room {
			u.unroll(l)
			room -= grown
		}
	}
	if len(u.heads) == 0 {
		return nil, nil
	}
	return u.Finish(), nil
}

// follow takes in one instruction.
func (u *unroller) follow(locals int) {
	op := &u.op
	if op.Code == wasm.OpLoop {
		u.from = 0
		if op.Block == wasm.EmptyBlock() {
			u.loop, u.from, u.size, u.ended, u.cond = op.Start, op.End, 0, false, condition{}
			u.begin(locals)
		}
		return
	}
	switch {
	case u.from == 0:
	case u.ended:
		if op.Code != wasm.OpEnd {
			u.found = u.found[:len(u.found)-1]
		}
		u.from = 0
	case op.Code == wasm.OpBrIf && op.Index == 0 && u.counts():
		u.ended = true
	default:
		u.size++
		if c := compared(op.Code); c && len(u.stack) >= 2 {
			n := len(u.stack)
			u.cond = condition{op.Code, u.stack[n-2], u.stack[n-1], op.End}
		}
		if u.step(op) == endsStraight || u.size > unrollSize/2 {
			u.from = 0
		}
	}
}

// compared tells whether a loop that goes on by this comparison can be counted.
func compared(c wasm.Opcode) bool { return c == wasm.OpI32Ne || flipped(c) != 0 }

// flipped is the comparison with its operands the other way round.
func flipped(c wasm.Opcode) wasm.Opcode {
	switch c {
	case wasm.OpI32Ne:
		return c
	case wasm.OpI32LtS:
		return wasm.OpI32GtS
	case wasm.OpI32LtU:
		return wasm.OpI32GtU
	case wasm.OpI32GtS:
		return wasm.OpI32LtS
	case wasm.OpI32GtU:
		return wasm.OpI32LtU
	}
	return 0
}

// counts tells whether the loop whose branch this is counts, and notes it.
func (u *unroller) counts() bool {
	if len(u.stack) != 1 {
		return false
	}
	c := u.cond
	if c.at != u.op.Start {
		c = condition{code: wasm.OpI32Ne, x: u.stack[0]} // something else than zero
	}
	l := countedLoop{loop: u.loop, from: u.from, branch: u.op.Start, times: unrollMost, cond: c}
	for l.times > 2 && l.times*u.size > unrollSize {
		l.times /= 2
	}
	if !u.counted(&l) {
		l.cond = condition{code: flipped(c.code), x: c.n, n: c.x}
		if !u.counted(&l) {
			return false
		}
	}
	u.found = append(u.found, l)
	return true
}

// counted tells whether the condition of a loop is one of a counter and a limit, in this order.
func (u *unroller) counted(l *countedLoop) bool {
	c := &l.cond
	counter, ok := u.source(c.x)
	if !ok {
		return false
	}
	after := u.vars[counter].v
	l.counter, l.step = counter, after.c
	if after.root != c.x.root || l.step == 0 || l.step > unrollSteps || l.step < -unrollSteps {
		return false
	}
	if c.n.root != 0 {
		l.limit, ok = u.source(c.n)
		if after := u.vars[l.limit].v; !ok || after.root != c.n.root || after.c != 0 {
			return false
		}
	}
	switch c.code {
	case wasm.OpI32LtS, wasm.OpI32LtU:
		return l.step > 0
	case wasm.OpI32GtS, wasm.OpI32GtU:
		return l.step < 0
	}
	return true
}

// unroll writes a loop.
func (u *unroller) unroll(l *countedLoop) {
	u.CopyTo(l.loop)
	u.heads = append(u.heads, round{len(u.Out), l.times})
	u.block(wasm.OpLoop)
	u.guard(l)
	u.block(wasm.OpIf)
	for range l.times {
		u.Again(l.from, l.branch)
		u.emit(wasm.OpDrop)
	}
	u.index(wasm.OpBr, 1)
	u.emit(wasm.OpEnd)
	u.emit(wasm.OpEnd)
}

// guard writes the condition that all of the next passes go on.
func (u *unroller) guard(l *countedLoop) {
	x := func() { u.value(l.counter, l.cond.x.c) }
	n := func() { u.value(l.limit, l.cond.n.c) }
	if l.cond.n.root == 0 {
		n = func() { u.i32(l.cond.n.c) }
	}
	if l.step > 0 {
		n()
		x()
	} else {
		x()
		n()
	}
	u.emit(wasm.OpI32Sub)
	u.i32(max(l.step, -l.step) * int32(l.times-1))
	u.emit(wasm.OpI32GtU)
	if l.cond.code != wasm.OpI32Ne {
		x()
		n()
		u.emit(l.cond.code)
		u.emit(wasm.OpI32And)
	}
}

// value writes a local plus a constant.
func (u *unroller) value(local uint32, c int32) {
	u.index(wasm.OpLocalGet, local)
	if c != 0 {
		u.i32(c)
		u.emit(wasm.OpI32Add)
	}
}
