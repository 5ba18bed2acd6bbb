package prepare

import (
	"cmp"
	"slices"

	"github.com/wherry-run/wherry/internal/wasm"
)

// The engine checks every access against the length of the memory, unless it has checked the same value, as an address,
// for as many bytes. Accesses whose addresses are the same unknown plus different constants are made to use the same
// value: in straight code
//
//	load (i + 1648)    load (i + 1664)    load offset=8 (i + 1648)
//
// becomes
//
//	T = i + 1648    probe T + 19    load T    load offset=16 T    load offset=8 T
//
// where the probe loads the last byte that any of them reaches and drops it; the engine keeps its check and nothing else.
//
// That is exact. Let T be the least of the addresses and d what is between it and another, less than 2*groupReach; both
// are numbers of 32 bits. If T+d < 2^32 the other address is T+d, and the group's accesses touch the bytes that they
// did. If not, T is above 2^32-2*groupReach, and no memory has a byte there: the engine gives none more than 65,535
// pages. The access at T, which is in the group, then trapped before, and the probe does now. In the same way the probe
// traps when and only when an access of the group would have, only sooner: so between the probe and the last of them
// there must be nothing by which sooner and later differ. Nothing is called and nothing branches there. A group's
// accesses may have others among them that trap with the same words; but writes to memory, to globals and instructions
// that trap by other words end a group, unless nobody looks at what a trap leaves behind ([Options.TrapEnds]): then the
// instance has trapped in either case, and did so before it could tell anybody of what came between.
const groupReach = 32 << 10

const (
	groupSpan = 1 << 31 // bytes from the first to the last that one probe may cover
	groupMost = 128     // accesses that are looked at together
)

// grouper finds the accesses to group in one function.
type grouper struct {
	symbols
	strict bool
	size   int // locals of the function
	w      wasm.Walker
	op     wasm.Op
	start  int // from here on, values may be probed
	accs   []access
	used   []bool
	set    []int // of the group that is being made
	local  uint32
	locals uint32 // most that any straight code needs
	edits  []edit
}

type access struct {
	at     int32
	base   address
	offset uint32
	bytes  uint32
}

// reach is the offset of the first byte behind what is accessed, from the unknown plus a constant.
func (a *access) reach(least int32) uint64 {
	return uint64(a.base.c-least) + uint64(a.offset) + uint64(a.bytes)
}

// edit is a change of one instruction.
type edit struct {
	at    int32
	kind  uint8
	local uint32 // that holds the address of the group
	add   int32  // editProbe: what is added to the value to make it that address
	probe uint64 // editProbe: the bytes to check behind it; 0 when the first access does
	// editAccess: the new offset.
	offset uint32
}

const (
	editProbe  = iota // the value becomes the group's address, and is probed
	editTake          // the value is replaced by the group's address
	editAccess        // the access gets another offset
)

// find lists the edits of a function's code, by place.
func (g *grouper) find(code []byte, from, locals int) error {
	g.edits, g.locals, g.size = g.edits[:0], 0, locals
	g.w.Reset(code, from)
	g.reset(from)
	for g.w.Next(&g.op) {
		g.next()
	}
	g.flush(0)
	slices.SortFunc(g.edits, func(a, b edit) int { return cmp.Compare(a.at, b.at) })
	return g.w.Err()
}

// reset begins with straight code.
func (g *grouper) reset(at int) {
	g.flush(at)
	g.begin(g.size)
	g.local = 0
}

// next takes in one instruction.
func (g *grouper) next() {
	op := &g.op
	if op.Code == wasm.OpBlock {
		if _, typed := op.Block.TypeIndex(); !typed {
			return // its code is the same straight code, up to the end, that branches may lead to
		}
	}
	switch g.step(op) {
	case accessesMemory:
		if base := g.last.base; base.at >= 0 && int(base.at) >= g.start {
			g.accs = append(g.accs, access{int32(op.Start), base, op.Offset, g.last.bytes})
		}
		if g.last.store && g.strict || len(g.accs) == groupMost {
			g.flush(op.End)
		}
	case mayTrap, writesGlobal:
		if g.strict {
			g.flush(op.End)
		}
	case endsStraight:
		g.reset(op.End)
	}
}

// flush groups the accesses so far; values from here on may be probed for the next ones.
func (g *grouper) flush(start int) {
	g.start = start
	if len(g.accs) > 1 {
		g.used = append(g.used[:0], make([]bool, len(g.accs))...)
		for i := range g.accs {
			if !g.used[i] {
				g.gather(i)
			}
		}
	}
	g.accs = g.accs[:0]
}

// gather makes a group of an access and all that go with it, if that saves a check.
func (g *grouper) gather(first int) {
	base := g.accs[first].base
	g.set = g.set[:0]
	least, early := base.c, first
	for i := first; i < len(g.accs); i++ {
		b := g.accs[i].base
		if d := b.c - base.c; g.used[i] || b.root != base.root || d <= -groupReach || d >= groupReach {
			continue
		}
		g.used[i] = true
		g.set = append(g.set, i)
		if b.c-base.c < least-base.c {
			least = b.c
		}
		if b.at < g.accs[early].base.at {
			early = i
		}
	}
	probe := uint64(0)
	for _, i := range g.set {
		probe = max(probe, g.accs[i].reach(least))
	}
	if g.checks() < 2 || probe > groupSpan {
		return
	}
	e := edit{at: g.accs[early].base.at, kind: editProbe, local: g.local, add: least - g.accs[early].base.c}
	if g.accs[g.set[0]].reach(least) < probe {
		e.probe = probe
	}
	g.edits = append(g.edits, e)
	for _, i := range g.set {
		a := &g.accs[i]
		if i != early {
			g.edits = append(g.edits, edit{at: a.base.at, kind: editTake, local: g.local})
		}
		if a.base.c != least {
			g.edits = append(g.edits, edit{at: a.at, kind: editAccess, offset: a.offset + uint32(a.base.c-least)})
		}
	}
	g.local++
	g.locals = max(g.locals, g.local)
}

// checks counts what the engine would check of the accesses of the set as they are.
func (g *grouper) checks() (n int) {
	for j, i := range g.set {
		a, known := &g.accs[i], false
		for _, k := range g.set[:j] {
			b := &g.accs[k]
			known = known || b.base.c == a.base.c && uint64(b.offset)+uint64(b.bytes) >= uint64(a.offset)+uint64(a.bytes)
		}
		if !known {
			n++
		}
	}
	return n
}

// findGroups finds the edits of the function and the locals they need.
func (e *emitter) findGroups() error {
	if err := e.group.find(e.code, int(e.facts.expr), int(e.locals)); err != nil {
		return err
	}
	e.edits, e.held = e.group.edits, e.locals+uint32(len(e.extra))
	for range e.group.locals {
		e.newLocal(wasm.I32)
	}
	return nil
}

// regroup makes the next edit.
func (e *emitter) regroup() {
	x := e.edits[0]
	e.edits = e.edits[1:]
	held := e.held + x.local
	switch x.kind {
	case editProbe:
		e.after()
		if x.add != 0 {
			e.i32(x.add)
			e.emit(wasm.OpI32Add)
		}
		e.index(wasm.OpLocalTee, held)
		if x.probe > 0 {
			e.index(wasm.OpLocalGet, held)
			e.Out = wasm.AppendMemOp(e.Out, wasm.OpI32Load8U, 0, uint32(x.probe-1))
			e.emit(wasm.OpDrop)
		}
	case editTake:
		if e.op.Code == wasm.OpLocalGet || e.op.Code == wasm.OpI32Const {
			e.replace()
		} else {
			e.after()
			e.emit(wasm.OpDrop)
		}
		e.index(wasm.OpLocalGet, held)
	case editAccess:
		if e.op.Code == wasm.OpV128Load32Splat && e.p.rewrites.has(SplatLoads) {
			e.splat(x.offset)
			return
		}
		e.replace()
		e.Out = wasm.AppendMemOp(e.Out, e.op.Code, e.op.Align, x.offset)
		if e.op.Code.Imm() == wasm.ImmMemLane {
			e.put(byte(e.op.Index))
		}
	}
}
