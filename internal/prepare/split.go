package prepare

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/wherry-run/wherry/internal/wasm"
)

// What the parts of a split module import and export beside what a prepared module does. A group imports the memory,
// the table and the globals from StateModule under the names that the primary exports them by.
const (
	StateModule   = "wherry.primary"
	LoadImport    = "load"           // of ReservedModule, (slot i32) -> (): have the group of a slot loaded
	TableExport   = "wherry.table"   // the table of the original, if it has one
	CallsExport   = "wherry.calls"   // a table for calls between parts, with a slot for every function
	SlotExport    = "wherry.slot"    // mutable i32: the slot that is being called
	PayloadExport = "wherry.payload" // mutable i32: what the exception in flight carries
	GlobalExport  = "wherry.g"       // and a number: a global of the original
	HitsExport    = "wherry.hits"    // and a number: mutable i64, a bit for each of 64 functions that were called
	StartExport   = "wherry.start"   // the start function, which the engine calls when the table is filled
	FillExport    = "wherry.fill"    // (slot, stub, count i32) -> (): put one stub into a run of slots
	FillsExport   = "wherry.fills"   // (at, n i32) -> (): the same for n triples in memory, if there is one
)

// splitVersion is raised with every change of how a module is cut.
const splitVersion = 3

// groupBytes is how much code of the original makes a group: a group that is loaded for one function is compiled in a
// tenth of a second, and a program that uses all of a large module loads some hundreds.
const groupBytes = 256 << 10

// Split prepares a module part by part: a primary with the functions that a program really uses, and groups of all
// functions in the order of the module, to be loaded when one of them is first called. The primary's functions are in
// their groups as well, so groups are the same whatever the primary has; but for those that use a segment, which are
// in the primary alone.
//
// Calls between parts go through a table of our own, in which every function has a slot. Slots are numbered through
// both tables, those of the original first. A slot whose function is not loaded holds a stub, one for each type and
// table, that has the engine load the group of the slot in SlotExport and calls again. The methods of a Split may be
// called by several goroutines.
type Split struct {
	m           *wasm.Module
	facts       *Facts
	opts        Options
	imported    uint32
	table       []uint32      // function in each slot of the original
	types       []uint32      // canonical types of functions, ascending: the stubs of our table, then those of the original's
	direct      int           // how many of them are of our table
	stub        []uint32      // number of the stub of our table, by canonical type
	taken       []uint32      // number of the stub of the original's table
	rank        []uint32      // of each defined function among them, ordered by type
	ranked      []uint32      // defined function of each rank
	groups      []uint32      // first defined function of each group, and the end
	later       []uint32      // defined functions of LaterGroup, ascending
	accelerated []Accelerated // functions that ask the host first
	throws      throwing      // functions by their index among those defined, types by theirs
	need        func(offset, length int)
}

// SplitKey is to be part of the keys of all that is made of a Split.
func (o Options) SplitKey() string {
	return fmt.Sprintf("split/%d,%d;%s", splitVersion, o.groupBytes(), o.Key())
}

func (o Options) groupBytes() int {
	if o.GroupBytes > 0 {
		return o.GroupBytes
	}
	return groupBytes
}

// NewSplit opens a module with its facts. It reads the sections around the code and keeps bin. It fails for a module
// that must stay whole.
func NewSplit(bin []byte, f *Facts, o Options) (*Split, error) {
	m, err := wasm.DecodeAt(bin, f.Bodies, o.limits())
	if err != nil {
		return nil, fmt.Errorf("decode module: %w", err)
	}
	if err := wasm.ValidateOutline(m); err != nil {
		return nil, fmt.Errorf("validate module: %w", err)
	}
	if err := checkReserved(m); err != nil {
		return nil, err
	}
	if why := unsplittable(m); why != "" {
		return nil, fmt.Errorf("split module: %s", why)
	}
	s := &Split{m: m, facts: f, opts: o, imported: uint32(m.ImportedFuncs()), accelerated: accelerated(m, o.Accelerate)}
	if s.table, err = tableSlots(m); err != nil {
		return nil, fmt.Errorf("split module: %w", err)
	}
	if !s.defined(f.Pinned) || !s.defined(f.Throwing) {
		return nil, errFacts
	}
	s.rankFuncs()
	s.findThrows()
	size := 0
	for i, b := range m.Code {
		if size == 0 || size+b.Len() > o.groupBytes() {
			s.groups = append(s.groups, uint32(i))
			size = 0
		}
		size += b.Len()
	}
	s.groups = append(s.groups, uint32(len(m.Code)))
	return s, nil
}

// rankFuncs orders the functions by type, so that stubs fill runs of slots.
func (s *Split) rankFuncs() {
	count := make([]uint32, len(s.m.Types))
	for _, t := range s.m.Funcs {
		count[s.m.CanonicalType(t)]++
	}
	s.stub = make([]uint32, len(count))
	at, sum := make([]uint32, len(count)), uint32(0)
	for t, n := range count {
		if at[t] = sum; n > 0 {
			s.stub[t] = uint32(len(s.types))
			s.types = append(s.types, uint32(t))
		}
		sum += n
	}
	s.direct, s.taken = len(s.types), make([]uint32, len(count))
	held := make([]bool, len(count))
	for _, f := range s.table {
		if f != noFunc && f >= s.imported {
			held[s.m.CanonicalType(s.m.Funcs[f-s.imported])] = true
		}
	}
	for t, is := range held {
		if is {
			s.taken[t] = uint32(len(s.types))
			s.types = append(s.types, uint32(t))
		}
	}
	s.rank, s.ranked = make([]uint32, len(s.m.Funcs)), make([]uint32, len(s.m.Funcs))
	for i, t := range s.m.Funcs {
		t = s.m.CanonicalType(t)
		s.rank[i], s.ranked[at[t]] = at[t], uint32(i)
		at[t]++
	}
}

// slot is the slot of a defined function.
func (s *Split) slot(i uint32) uint32 { return uint32(len(s.table)) + s.rank[i] }

// stubSlot is the slot that a stub has for itself, in our table.
func (s *Split) stubSlot(n uint32) uint32 { return uint32(len(s.table)+len(s.rank)) + n }

// callsSize is the length of our table.
func (s *Split) callsSize() uint32 { return uint32(len(s.rank) + len(s.types)) }

// LaterGroup is the number of the group that Later makes.
const LaterGroup = 1 << 31

// Later gives the same split with one more group: functions, by their index in the original, that are loaded together
// when one of them is first called, for whoever calls one is likely to call others.
func (s *Split) Later(functions []uint32) *Split {
	with := *s
	with.later = make([]uint32, 0, len(functions))
	for _, f := range functions {
		_, pinned := slices.BinarySearch(s.facts.Pinned, f)
		if f >= s.imported && int64(f-s.imported) < int64(len(s.m.Code)) && !pinned {
			with.later = append(with.later, f-s.imported)
		}
	}
	slices.Sort(with.later)
	with.later = slices.Compact(with.later)
	return &with
}

// Groups is the number of groups, that of Later not counted.
func (s *Split) Groups() int { return len(s.groups) - 1 }

// GroupOf gives the group with the function of a slot; false when the slot has none.
func (s *Split) GroupOf(slot uint32) (group uint32, ok bool) {
	n := uint32(len(s.table))
	switch {
	case slot < n && s.table[slot] != noFunc && s.table[slot] >= s.imported:
		slot = s.table[slot] - s.imported
	case slot >= n && slot-n < uint32(len(s.ranked)):
		slot = s.ranked[slot-n]
	default:
		return 0, false
	}
	if _, ok := slices.BinarySearch(s.later, slot); ok {
		return LaterGroup, true
	}
	return uint32(sort.Search(s.Groups(), func(g int) bool { return s.groups[g+1] > slot })), true
}

// Functions is how many functions the original has, imported ones counted.
func (s *Split) Functions() uint32 { return s.imported + uint32(len(s.m.Code)) }

// Bytes is how much code these functions of the original have.
func (s *Split) Bytes(functions []uint32) int {
	n := 0
	for _, f := range functions {
		if f >= s.imported && int64(f-s.imported) < int64(len(s.m.Code)) {
			n += s.m.Code[f-s.imported].Len()
		}
	}
	return n
}

// Name gives the name of a function of the original, or "".
func (s *Split) Name(f uint32) string { return wasm.FuncName(s.m, f) }

// Part is a part of a module, prepared. Its Names are empty: [Split.Name] knows those of the original.
type Part struct {
	Prepared
	// First is the index, in Wasm, of the first function that the part defines, and Origins has for each of them the
	// index it has in the original, or ^0 for what was added.
	First   uint32
	Origins []uint32
	// Fills is what the engine has to do with FillExport before anything runs. Only a primary has any.
	Fills []Fill
}

// Fill is a run of slots that get the same stub.
type Fill struct{ Slot, Stub, Count uint32 }

// PrimaryOptions says what a primary is to be.
type PrimaryOptions struct {
	// Hot lists functions, by their index in the original, that the primary is to have. Indices that are of no
	// function are left out.
	Hot []uint32
	// Pages is how many pages a memory has that is restored from an image: the primary has no active data then and
	// runs no start function. 0: it begins as the original does.
	Pages uint32
	// Record notes which functions are called, see HitsExport.
	Record bool
}

// Primary prepares the part that is there from the start. Functions that are exported are always in it.
func (s *Split) Primary(ctx context.Context, o PrimaryOptions) (*Part, error) {
	members := s.residents(o.Hot)
	s.tellAhead(members)
	c := s.newCut(members, true, o.Record)
	bin, err := c.writePrimary(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("cut primary: %w", err)
	}
	part, err := s.finish(ctx, c, "p", bin)
	if err != nil {
		return nil, fmt.Errorf("prepare primary: %w", err)
	}
	part.Fills = c.fills()
	return part, nil
}

// Group prepares one group. It records which of its functions are called, see HitsExport: what runs in it is what no
// recording has foreseen.
func (s *Split) Group(ctx context.Context, g uint32) (*Part, error) {
	if g == LaterGroup && len(s.later) > 0 {
		return s.group(ctx, g, s.later)
	}
	if int64(g) >= int64(s.Groups()) {
		return nil, fmt.Errorf("prepare group %d: there are %d", g, s.Groups())
	}
	members := make([]uint32, 0, s.groups[g+1]-s.groups[g])
	for i := s.groups[g]; i < s.groups[g+1]; i++ {
		if _, pinned := slices.BinarySearch(s.facts.Pinned, i+s.imported); !pinned {
			members = append(members, i)
		}
	}
	return s.group(ctx, g, members)
}

func (s *Split) group(ctx context.Context, g uint32, members []uint32) (*Part, error) {
	s.tellAhead(members)
	c := s.newCut(members, false, true)
	bin, err := c.writeGroup(ctx)
	if err != nil {
		return nil, fmt.Errorf("cut group %d: %w", g, err)
	}
	part, err := s.finish(ctx, c, fmt.Sprint("g", g), bin)
	if err != nil {
		return nil, fmt.Errorf("prepare group %d: %w", g, err)
	}
	return part, nil
}

// defined tells whether a list of the facts is one of defined functions.
func (s *Split) defined(list []uint32) bool {
	return slices.IsSorted(list) && (len(list) == 0 || list[0] >= s.imported && int64(list[len(list)-1]-s.imported) < int64(len(s.m.Code)))
}

// findThrows works out of which calls an exception can come, from the functions that are said to throw: of calls through
// the original's table, of which no function can be taken out of, nor put in, and of calls between parts.
func (s *Split) findThrows() {
	types := len(s.m.Types)
	t := throwing{funcs: make([]bool, len(s.m.Code)), types: make([]bool, types), far: make([]bool, types)}
	for _, f := range s.facts.Throwing {
		i := f - s.imported
		t.funcs[i], t.far[s.m.CanonicalType(s.m.Funcs[i])] = true, true
	}
	for _, f := range s.table {
		if f != noFunc && f >= s.imported && t.funcs[f-s.imported] {
			t.types[s.m.CanonicalType(s.m.Funcs[f-s.imported])] = true
		}
	}
	for i := range types {
		c := s.m.CanonicalType(uint32(i))
		t.types[i], t.far[i] = t.types[c], t.far[c]
	}
	s.throws = t
}

// residents lists the defined functions that the primary has, ascending.
func (s *Split) residents(hot []uint32) []uint32 {
	list := make([]uint32, 0, len(hot)+len(s.m.Exports)+len(s.facts.Pinned)+1)
	add := func(f uint32) {
		if f >= s.imported && int64(f-s.imported) < int64(len(s.m.Code)) {
			list = append(list, f-s.imported)
		}
	}
	for _, f := range hot {
		add(f)
	}
	for _, f := range s.facts.Pinned {
		add(f)
	}
	for _, e := range s.m.Exports {
		if e.Kind == wasm.ExternFunc {
			add(e.Index)
		}
	}
	if s.m.Start != nil {
		add(*s.m.Start)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// partPlan tells the passes that they work on a part, and where the cut has put the globals they share.
type partPlan struct {
	primary                bool
	exceptions             bool
	slots                  int32    // of the original's table
	calls                  uint32   // index of the table by which parts call each other
	members                []uint32 // defined functions of the original that the part has
	ranked                 []uint32 // of the Split
	throws                 throwing // of the original
	imported               uint32   // functions that the original imports
	accelerated            []Accelerated
	record                 bool
	hits                   uint32 // first global with the functions that were called, if that is recorded
	pending, payload, fuel uint32
}

// finish runs the passes over a part.
func (s *Split) finish(ctx context.Context, c *cut, name string, bin []byte) (*Part, error) {
	m, err := wasm.Decode(bin, c.limits())
	if err != nil {
		return nil, fmt.Errorf("decode part: %w", err)
	}
	o := s.opts
	o.Limits = c.limits()
	p, err := rewrite(ctx, m, o, &c.partPlan)
	if err != nil {
		return nil, err
	}
	// Traces name the module a function is of, and the compiler must not take two parts for one.
	title := wasm.AppendName(nil, name)
	p.out = wasm.AppendCustom(p.out, "name", wasm.AppendBytes([]byte{0}, title))
	part := &Part{Prepared: Prepared{Wasm: p.out, Report: p.report()}, First: p.newIndex(p.imported)}
	for _, i := range c.members {
		part.Origins = append(part.Origins, i+s.imported)
	}
	for len(part.Origins) < len(p.facts)+len(p.added) {
		part.Origins = append(part.Origins, noFunc)
	}
	return part, nil
}

// limits are those of the module, with room for what the cut adds around the functions.
func (c *cut) limits() wasm.Limits {
	l := c.s.opts.limits()
	more := func(limit *uint32, n int) { *limit = uint32(min(uint64(*limit)+uint64(n), math.MaxUint32)) }
	slots, globals := int(c.s.callsSize()), c.s.m.NumGlobals()
	more(&l.TableMin, slots)
	more(&l.TableMax, slots)
	more(&l.Tables, 1)
	more(&l.Elems, len(c.members)+len(c.s.table)+2)
	more(&l.Elements, slots)
	more(&l.Imports, globals+len(c.accelerated)+8)
	more(&l.Exports, globals+len(c.members)/64+16)
	more(&l.Globals, len(c.members)/64+8)
	more(&l.Functions, len(c.s.types)+2)
	more(&l.Types, 1+len(c.accelerated))
	return l
}
