package prepare

import (
	"context"
	"slices"
	"strconv"

	"github.com/wherry-run/wherry/internal/wasm"
)

// cut makes one part of a module: a valid module with some of the functions, in which every call of another function
// is an indirect call of its slot. The passes run on what it makes.
type cut struct {
	partPlan
	s       *Split
	first   uint32   // index of the first of them in the part
	index   []uint32 // index+1 in the part of each defined function that is in it
	slot    uint32   // global with the slot that is called
	globals []stateGlobal
}

// stateGlobal is a global that the parts share.
type stateGlobal struct {
	name string
	typ  wasm.GlobalType
	init wasm.Span // of the original; empty: zero
}

func (s *Split) newCut(members []uint32, primary, record bool) *cut {
	c := &cut{s: s, first: s.imported, index: make([]uint32, len(s.m.Code))}
	c.partPlan = partPlan{primary: primary, exceptions: s.facts.Exceptions, slots: int32(len(s.table)),
		calls: uint32(len(s.m.Tables)), members: members, ranked: s.ranked, throws: s.throws,
		imported: s.imported, accelerated: s.accelerated, record: record}
	if primary {
		c.first++ // behind LoadImport
	}
	for n, i := range members {
		c.index[i] = c.first + uint32(n) + 1
	}
	for i, g := range s.m.Globals {
		c.globals = append(c.globals, stateGlobal{GlobalExport + strconv.Itoa(i), g.Type, g.Init})
	}
	c.slot = c.share(SlotExport, wasm.I32)
	if c.exceptions {
		c.pending, c.payload = c.share(PendingExport, wasm.I32), c.share(PayloadExport, wasm.I32)
	}
	if s.opts.Fuel {
		c.fuel = c.share(FuelExport, wasm.I64)
	}
	c.hits = uint32(len(c.globals))
	return c
}

func (c *cut) share(name string, t wasm.ValueType) uint32 {
	c.globals = append(c.globals, stateGlobal{name: name, typ: wasm.GlobalType{Type: t, Mutable: true}})
	return uint32(len(c.globals)) - 1
}

// hitGlobals is how many globals hold the bits of the functions.
func (c *cut) hitGlobals() int {
	if !c.record {
		return 0
	}
	return (len(c.members) + 63) / 64
}

// primary assembles the primary.
func (c *cut) writePrimary(ctx context.Context, o PrimaryOptions) ([]byte, error) {
	m := c.s.m
	bodies, err := c.bodies(ctx)
	if err != nil {
		return nil, err
	}
	types := slices.Clone(m.Types)
	load := wasm.FuncType{Params: []wasm.ValueType{wasm.I32}}
	types = append(types, load)
	imports := append(slices.Clone(m.Imports), wasm.Import{Module: ReservedModule, Name: LoadImport, Type: uint32(len(types)) - 1})
	funcs := c.funcs()
	for n, t := range c.s.types {
		funcs = append(funcs, t)
		bodies = append(bodies, c.stubBody(t, n < c.s.direct))
	}
	sections := map[wasm.SectionID][]byte{
		wasm.SectionType:     wasm.AppendVector(nil, types, wasm.AppendFuncType),
		wasm.SectionImport:   wasm.AppendVector(nil, imports, wasm.AppendImport),
		wasm.SectionFunction: wasm.AppendVector(nil, funcs, wasm.AppendU32),
		wasm.SectionTable:    c.tableSection(),
		wasm.SectionGlobal:   c.globalSection(),
		wasm.SectionExport:   wasm.AppendVector(nil, c.exports(o), wasm.AppendExport),
		wasm.SectionElement:  c.elements(true),
		wasm.SectionStart:    nil,
	}
	if o.Pages > 0 {
		c.restored(sections, o.Pages)
	}
	return m.Assemble(wasm.Assembly{Sections: sections, Bodies: bodies}), nil
}

// group assembles a group.
func (c *cut) writeGroup(ctx context.Context) ([]byte, error) {
	m := c.s.m
	bodies, err := c.bodies(ctx)
	if err != nil {
		return nil, err
	}
	imports := slices.Clone(m.Imports)
	if len(m.Memories) > 0 {
		imports = append(imports, wasm.Import{Module: StateModule, Name: MemoryExport, Kind: wasm.ExternMemory})
	}
	for _, name := range c.tables() {
		imports = append(imports, wasm.Import{Module: StateModule, Name: name, Kind: wasm.ExternTable, Table: wasm.TableType{Elem: wasm.FuncRef}})
	}
	for _, g := range c.globals {
		imports = append(imports, wasm.Import{Module: StateModule, Name: g.name, Kind: wasm.ExternGlobal, Global: g.typ})
	}
	var exports []wasm.Export
	globals := wasm.AppendU32(nil, uint32(c.hitGlobals()))
	for i := range c.hitGlobals() {
		globals = appendZeroGlobal(globals, wasm.I64)
		exports = append(exports, c.hitExport(i))
	}
	return m.Assemble(wasm.Assembly{Bodies: bodies, Sections: map[wasm.SectionID][]byte{
		wasm.SectionImport:    wasm.AppendVector(nil, imports, wasm.AppendImport),
		wasm.SectionFunction:  wasm.AppendVector(nil, c.funcs(), wasm.AppendU32),
		wasm.SectionTable:     nil,
		wasm.SectionMemory:    nil,
		wasm.SectionGlobal:    globals,
		wasm.SectionExport:    wasm.AppendVector(nil, exports, wasm.AppendExport),
		wasm.SectionElement:   c.elements(false),
		wasm.SectionStart:     nil,
		wasm.SectionDataCount: nil,
		wasm.SectionData:      nil,
	}}), nil
}

// restored has the memory begin as long as an image of it, and takes the data away that would be written over it.
// Passive segments stay, and active ones become empty, as they are once a module has begun: a pinned function may name
// them by number.
func (c *cut) restored(sections map[wasm.SectionID][]byte, pages uint32) {
	m := c.s.m
	if len(m.Memories) > 0 {
		t := m.Memories[0]
		t.Size.Min = max(pages, t.Size.Min)
		sections[wasm.SectionMemory] = wasm.AppendMemoryType([]byte{1}, t)
	}
	if len(c.s.facts.Pinned) == 0 {
		sections[wasm.SectionData], sections[wasm.SectionDataCount] = nil, nil
		return
	}
	data := wasm.AppendU32(nil, uint32(len(m.Datas)))
	for _, d := range m.Datas {
		data = append(data, 1)
		if d.Mode == wasm.Passive {
			data = wasm.AppendBytes(data, m.Bytes(d.Bytes))
		} else {
			data = wasm.AppendU32(data, 0)
		}
	}
	sections[wasm.SectionData] = data
}

// tables are the names of the tables by which parts share them, in the order of their indices.
func (c *cut) tables() []string {
	if len(c.s.m.Tables) == 0 {
		return []string{CallsExport}
	}
	return []string{TableExport, CallsExport}
}

func (c *cut) tableSection() []byte {
	b := []byte{1 + byte(c.calls)}
	for _, t := range c.s.m.Tables {
		b = wasm.AppendTableType(b, t.Type)
	}
	n := c.s.callsSize()
	return wasm.AppendTableType(b, wasm.TableType{Elem: wasm.FuncRef, Size: wasm.Size{Min: n, Max: n, HasMax: true}})
}

// funcs lists the types of the functions.
func (c *cut) funcs() []uint32 {
	list := make([]uint32, 0, len(c.members)+len(c.s.types))
	for _, i := range c.members {
		list = append(list, c.s.m.Funcs[i])
	}
	return list
}

func (c *cut) globalSection() []byte {
	b := wasm.AppendU32(nil, uint32(len(c.globals)+c.hitGlobals()))
	for _, g := range c.globals {
		if g.init.Len() == 0 {
			b = appendZeroGlobal(b, g.typ.Type)
			continue
		}
		b = append(wasm.AppendGlobalType(b, g.typ), c.s.m.Bytes(g.init)...)
	}
	for range c.hitGlobals() {
		b = appendZeroGlobal(b, wasm.I64)
	}
	return b
}

func appendZeroGlobal(b []byte, t wasm.ValueType) []byte {
	b = wasm.AppendGlobalType(b, wasm.GlobalType{Type: t, Mutable: true})
	if t == wasm.I64 {
		return wasm.AppendOp(wasm.AppendI64Const(b, 0), wasm.OpEnd)
	}
	return wasm.AppendOp(wasm.AppendI32Const(b, 0), wasm.OpEnd)
}

func (c *cut) hitExport(i int) wasm.Export {
	return wasm.Export{Name: HitsExport + strconv.Itoa(i), Kind: wasm.ExternGlobal, Index: c.hits + uint32(i)}
}

// exports lists what the original exports and what the parts share.
func (c *cut) exports(o PrimaryOptions) []wasm.Export {
	m := c.s.m
	list := make([]wasm.Export, 0, len(m.Exports)+len(c.globals)+4)
	for _, e := range m.Exports {
		if e.Kind == wasm.ExternFunc && e.Index >= c.s.imported {
			e.Index = c.index[e.Index-c.s.imported] - 1
		}
		list = append(list, e)
	}
	for i, g := range c.globals {
		list = append(list, wasm.Export{Name: g.name, Kind: wasm.ExternGlobal, Index: uint32(i)})
	}
	for i := range c.hitGlobals() {
		list = append(list, c.hitExport(i))
	}
	for i, name := range c.tables() {
		list = append(list, wasm.Export{Name: name, Kind: wasm.ExternTable, Index: uint32(i)})
	}
	if len(m.Memories) > 0 {
		list = append(list, wasm.Export{Name: MemoryExport, Kind: wasm.ExternMemory})
	}
	if m.Start != nil && o.Pages == 0 {
		start := *m.Start
		if start >= c.s.imported {
			start = c.index[start-c.s.imported] - 1
		}
		list = append(list, wasm.Export{Name: StartExport, Kind: wasm.ExternFunc, Index: start})
	}
	return list
}

// slotRun is a run of slots and the functions of the part that they get.
type slotRun struct {
	at    uint32
	funcs []uint32
}

// elements is the element section: which slots the part fills.
func (c *cut) elements(primary bool) []byte {
	var runs []slotRun
	put := func(slot, f uint32) {
		if n := len(runs); n > 0 && slot != uint32(len(c.s.table)) && runs[n-1].at+uint32(len(runs[n-1].funcs)) == slot {
			runs[n-1].funcs = append(runs[n-1].funcs, f)
			return
		}
		runs = append(runs, slotRun{slot, []uint32{f}})
	}
	for slot, f := range c.s.table {
		switch {
		case f == noFunc:
		case f < c.s.imported:
			if primary {
				put(uint32(slot), f)
			}
		case c.index[f-c.s.imported] > 0:
			put(uint32(slot), c.index[f-c.s.imported]-1)
		}
	}
	ranks := make([]uint32, len(c.members))
	for n, i := range c.members {
		ranks[n] = c.s.rank[i]
	}
	slices.Sort(ranks)
	for _, r := range ranks {
		put(uint32(len(c.s.table))+r, c.index[c.s.ranked[r]]-1)
	}
	if primary {
		for n := range c.s.types {
			put(c.s.stubSlot(uint32(n)), c.first+uint32(len(c.members)+n))
		}
	}
	b := wasm.AppendU32(nil, uint32(len(runs)))
	for _, r := range runs {
		if n := uint32(len(c.s.table)); r.at < n {
			b = wasm.AppendOp(wasm.AppendI32Const(append(b, 0), int32(r.at)), wasm.OpEnd)
		} else {
			b = wasm.AppendOp(wasm.AppendI32Const(append(b, 2, byte(c.calls)), int32(r.at-n)), wasm.OpEnd)
			b = append(b, 0) // functions
		}
		b = wasm.AppendVector(b, r.funcs, wasm.AppendU32)
	}
	return b
}

// fills lists the slots that get a stub.
func (c *cut) fills() []Fill {
	var list []Fill
	put := func(slot, i uint32) {
		if c.index[i] > 0 {
			return
		}
		t := c.s.m.CanonicalType(c.s.m.Funcs[i])
		stub := c.s.stub[t]
		if slot < uint32(len(c.s.table)) {
			stub = c.s.taken[t]
		}
		stub = c.s.stubSlot(stub)
		if n := len(list); n > 0 && list[n-1].Stub == stub && list[n-1].Slot+list[n-1].Count == slot {
			list[n-1].Count++
			return
		}
		list = append(list, Fill{slot, stub, 1})
	}
	for slot, f := range c.s.table {
		if f != noFunc && f >= c.s.imported {
			put(uint32(slot), f-c.s.imported)
		}
	}
	for r, i := range c.s.ranked {
		put(uint32(len(c.s.table)+r), i)
	}
	return list
}

// stubBody is what the slots of functions that are not loaded hold: load the group, call again.
func (c *cut) stubBody(t uint32, direct bool) []byte {
	var a asm
	params := uint32(len(c.s.m.Types[t].Params))
	a.put(1, 1, byte(wasm.I32))
	a.index(wasm.OpGlobalGet, c.slot)
	a.index(wasm.OpLocalTee, params)
	a.index(wasm.OpCall, c.s.imported) // LoadImport
	for i := range params {
		a.index(wasm.OpLocalGet, i)
	}
	a.index(wasm.OpLocalGet, params)
	table := byte(0)
	if direct {
		a.i32(int32(len(c.s.table)))
		a.emit(wasm.OpI32Sub)
		table = byte(c.calls)
	}
	a.index(wasm.OpCallIndirect, t)
	a.put(table)
	a.emit(wasm.OpEnd)
	return a.Out
}

// planFill adds the function that fills slots. It is not metered: the engine calls it before the guest begins.
func (p *plan) planFill() {
	var a asm
	a.put(0)
	calls := uint32(len(p.mod.Tables)) - 1
	fill := func(table uint32, offset int32) {
		a.index(wasm.OpLocalGet, 0)
		a.i32(offset)
		a.emit(wasm.OpI32Sub)
		a.index(wasm.OpLocalGet, 1)
		a.i32(p.part.slots)
		a.emit(wasm.OpI32Sub)
		a.index(wasm.OpTableGet, calls)
		a.index(wasm.OpLocalGet, 2)
		a.index(wasm.OpTableFill, table)
	}
	if calls > 0 {
		a.index(wasm.OpLocalGet, 0)
		a.i32(p.part.slots)
		a.emit(wasm.OpI32LtU)
		a.block(wasm.OpIf)
		fill(0, 0)
		a.emit(wasm.OpReturn)
		a.emit(wasm.OpEnd)
	}
	fill(calls, p.part.slots)
	a.emit(wasm.OpEnd)
	p.fillFunc = p.addFunc(FillExport, wasm.FuncType{Params: []wasm.ValueType{wasm.I32, wasm.I32, wasm.I32}}, a.Out)
	if p.mod.NumMemories() > 0 {
		p.planFills()
	}
}

// planFills adds the function that fills many slots: a large module has some ten thousand runs of them.
func (p *plan) planFills() {
	var a asm
	a.put(0)
	a.block(wasm.OpBlock)
	a.block(wasm.OpLoop)
	a.index(wasm.OpLocalGet, 1)
	a.emit(wasm.OpI32Eqz)
	a.index(wasm.OpBrIf, 1)
	for offset := uint32(0); offset < 12; offset += 4 {
		a.index(wasm.OpLocalGet, 0)
		a.Out = wasm.AppendMemOp(a.Out, wasm.OpI32Load, 2, offset)
	}
	a.index(wasm.OpCall, p.fillFunc)
	for local, step := range []int32{12, -1} {
		a.index(wasm.OpLocalGet, uint32(local))
		a.i32(step)
		a.emit(wasm.OpI32Add)
		a.index(wasm.OpLocalSet, uint32(local))
	}
	a.index(wasm.OpBr, 0)
	a.emit(wasm.OpEnd)
	a.emit(wasm.OpEnd)
	a.emit(wasm.OpEnd)
	p.fillsFunc = p.addFunc(FillsExport, wasm.FuncType{Params: []wasm.ValueType{wasm.I32, wasm.I32}}, a.Out)
}
