package wasm

import (
	"maps"
	"slices"
)

// Span is a run of bytes of a module: offsets of its first byte and of the byte after its last.
type Span struct {
	Start, End uint32
}

// Len returns how many bytes the span has.
func (s Span) Len() int { return int(s.End - s.Start) }

// SectionID is the byte that begins a section.
type SectionID uint8

// The sections of a core module.
const (
	SectionCustom    SectionID = 0
	SectionType      SectionID = 1
	SectionImport    SectionID = 2
	SectionFunction  SectionID = 3
	SectionTable     SectionID = 4
	SectionMemory    SectionID = 5
	SectionGlobal    SectionID = 6
	SectionExport    SectionID = 7
	SectionStart     SectionID = 8
	SectionElement   SectionID = 9
	SectionCode      SectionID = 10
	SectionData      SectionID = 11
	SectionDataCount SectionID = 12
	SectionTag       SectionID = 13
)

const lastSection = SectionTag

var sectionNames = [...]string{"custom", "type", "import", "function", "table", "memory", "global", "export", "start",
	"element", "code", "data", "data count", "tag"}

// sectionOrder is the place of each section in a module: tags stand between memories and globals, the data count
// before the code.
var sectionOrder = [...]uint8{0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 11, 6}

// String names the section.
func (id SectionID) String() string {
	if int(id) < len(sectionNames) {
		return sectionNames[id]
	}
	return "unknown"
}

// Section is one section as it stands in the module; the span is that of its content.
type Section struct {
	ID   SectionID
	Span Span
}

// Import is one import. Which of the last four fields is set follows from Kind.
type Import struct {
	Module, Name string
	Kind         ExternKind
	Type         uint32 // index of the type of a function or tag
	Table        TableType
	Memory       MemoryType
	Global       GlobalType
}

// Table is a table the module defines. Init is the constant expression its elements start with, empty for null.
type Table struct {
	Type TableType
	Init Span
}

// Global is a global the module defines.
type Global struct {
	Type GlobalType
	Init Span // constant expression with its end
}

// Export is one export.
type Export struct {
	Name  string
	Kind  ExternKind
	Index uint32
}

// SegmentMode says when a segment is used.
type SegmentMode uint8

// The modes of segments. Only element segments can be declared.
const (
	Active   SegmentMode = iota // copied at instantiation
	Passive                     // copied by table.init or memory.init
	Declared                    // only makes functions known to ref.func
)

// Elem is an element segment. Either Funcs or Exprs holds its elements, by Flags bit 2 (value 4).
type Elem struct {
	Flags  uint32 // as written
	Mode   SegmentMode
	Table  uint32
	Offset Span // constant expression of an active segment
	Type   ValueType
	Funcs  []uint32
	Exprs  []Span
}

// Data is a data segment.
type Data struct {
	Mode   SegmentMode
	Offset Span // constant expression of an active segment
	Bytes  Span
}

// Custom is a custom section: Bytes is what follows the name.
type Custom struct {
	Name  string
	Bytes Span
}

// Module is a decoded module. Everything large is a Span of Bin, which must not change while the Module is in use.
type Module struct {
	Bin      []byte
	Sections []Section // in the order of the file
	Types    []FuncType
	Imports  []Import
	Funcs    []uint32 // type index of each function the module defines
	Tables   []Table
	Memories []MemoryType
	Tags     []uint32 // type index of each tag the module defines
	Globals  []Global
	Exports  []Export
	Start    *uint32
	Elems    []Elem
	// DataCount is the content of the data count section, nil when there is none.
	DataCount *uint32
	Code      []Span // declarations of locals and instructions of each function the module defines
	Datas     []Data
	Customs   []Custom
	Limits    Limits // what Decode was called with

	// The index spaces, imports first.
	funcs    []uint32
	tables   []TableType
	memories []MemoryType
	globals  []GlobalType
	tags     []uint32

	importedFuncs, importedTables, importedMemories, importedGlobals, importedTags int

	canon []uint32 // for each type, the first one equal to it
	more  []byte   // bodies that are not in Bin; spans count on behind it
}

// Bytes returns the bytes of a span of the module.
func (m *Module) Bytes(s Span) []byte {
	if n := uint32(len(m.Bin)); m.more != nil && s.Start >= n {
		return m.more[s.Start-n : s.End-n : s.End-n]
	}
	return m.Bin[s.Start:s.End:s.End]
}

// WithBodies returns a module that differs in the bodies of some functions, imports not counted. It shares everything
// else with m.
func (m *Module) WithBodies(bodies map[int][]byte) *Module {
	c := *m
	c.Code = slices.Clone(m.Code)
	for _, i := range slices.Sorted(maps.Keys(bodies)) {
		start := uint32(len(m.Bin) + len(c.more))
		c.more = append(c.more, bodies[i]...)
		c.Code[i] = Span{Start: start, End: start + uint32(len(bodies[i]))}
	}
	return &c
}

// NumFuncs returns the size of the function index space.
func (m *Module) NumFuncs() int { return len(m.funcs) }

// NumTables returns the size of the table index space.
func (m *Module) NumTables() int { return len(m.tables) }

// NumMemories returns the size of the memory index space.
func (m *Module) NumMemories() int { return len(m.memories) }

// NumGlobals returns the size of the global index space.
func (m *Module) NumGlobals() int { return len(m.globals) }

// NumTags returns the size of the tag index space.
func (m *Module) NumTags() int { return len(m.tags) }

// ImportedFuncs returns how many functions are imported; the index of the first defined function.
func (m *Module) ImportedFuncs() int { return m.importedFuncs }

// ImportedTables returns how many tables are imported.
func (m *Module) ImportedTables() int { return m.importedTables }

// ImportedMemories returns how many memories are imported.
func (m *Module) ImportedMemories() int { return m.importedMemories }

// ImportedGlobals returns how many globals are imported.
func (m *Module) ImportedGlobals() int { return m.importedGlobals }

// ImportedTags returns how many tags are imported.
func (m *Module) ImportedTags() int { return m.importedTags }

// FuncTypeIndex returns the index of the type of a function of the index space; false when there is no such function
// or no such type.
func (m *Module) FuncTypeIndex(fn uint32) (uint32, bool) {
	if int64(fn) >= int64(len(m.funcs)) || int64(m.funcs[fn]) >= int64(len(m.Types)) {
		return 0, false
	}
	return m.funcs[fn], true
}

// FuncType returns the type of a function of the index space, nil when there is none.
func (m *Module) FuncType(fn uint32) *FuncType {
	t, ok := m.FuncTypeIndex(fn)
	if !ok {
		return nil
	}
	return &m.Types[t]
}

// TagType returns the type of a tag of the index space, nil when there is none.
func (m *Module) TagType(tag uint32) *FuncType {
	if int64(tag) >= int64(len(m.tags)) || int64(m.tags[tag]) >= int64(len(m.Types)) {
		return nil
	}
	return &m.Types[m.tags[tag]]
}

// TableType returns the type of a table of the index space.
func (m *Module) TableType(i uint32) (TableType, bool) {
	if int64(i) >= int64(len(m.tables)) {
		return TableType{}, false
	}
	return m.tables[i], true
}

// MemoryType returns the type of a memory of the index space.
func (m *Module) MemoryType(i uint32) (MemoryType, bool) {
	if int64(i) >= int64(len(m.memories)) {
		return MemoryType{}, false
	}
	return m.memories[i], true
}

// GlobalType returns the type of a global of the index space.
func (m *Module) GlobalType(i uint32) (GlobalType, bool) {
	if int64(i) >= int64(len(m.globals)) {
		return GlobalType{}, false
	}
	return m.globals[i], true
}

// CanonicalType returns the first type that is equal to the one at index i. Two functions are interchangeable for
// call_indirect exactly when their canonical types are the same.
func (m *Module) CanonicalType(i uint32) uint32 {
	if int64(i) >= int64(len(m.canon)) {
		return i
	}
	return m.canon[i]
}

// BlockParams returns the parameters of a block of this type.
func (m *Module) BlockParams(b BlockType) []ValueType {
	if i, ok := b.TypeIndex(); ok && int64(i) < int64(len(m.Types)) {
		return m.Types[i].Params
	}
	return nil
}

// BlockResults returns the results of a block of this type. It does not allocate for the common types.
func (m *Module) BlockResults(b BlockType) []ValueType {
	switch b.kind {
	case blockTyped:
		if int64(b.val) < int64(len(m.Types)) {
			return m.Types[b.val].Results
		}
	case blockValue:
		if b.val < uint32(len(oneType)) {
			return oneType[b.val : b.val+1 : b.val+1]
		}
		return []ValueType{ValueType(b.val)}
	}
	return nil
}

// oneType holds every value type that fits a byte at its own place, so that lists of one type need no allocation.
var oneType = func() (t [0x80]ValueType) {
	for i := range t {
		t[i] = ValueType(i)
	}
	return t
}()

// Export looks an export up by name.
func (m *Module) Export(name string) (Export, bool) {
	for _, e := range m.Exports {
		if e.Name == name {
			return e, true
		}
	}
	return Export{}, false
}

// Section returns the content of the section with this id, nil when the module has none. It does not find custom
// sections, of which there may be many; see Customs.
func (m *Module) Section(id SectionID) []byte {
	for _, s := range m.Sections {
		if s.ID == id && id != SectionCustom {
			return m.Bytes(s.Span)
		}
	}
	return nil
}

// Body is the code of one function.
type Body struct {
	Bytes  []byte // declarations of locals and instructions
	Offset int    // where Bytes begins in the module
	Expr   int    // where the instructions begin in Bytes
	Locals []LocalGroup
}

// LocalGroup is a run of locals of one type.
type LocalGroup struct {
	Count uint32
	Type  ValueType
}

// AtBody reports whether the bytes before the span of the defined function i are the length of that span, as they are
// for a function's body.
func (m *Module) AtBody(i int) bool {
	s := m.Code[i]
	for n := 1; n <= 5 && n <= int(s.Start); n++ {
		r := reader{b: m.Bin[:s.Start], pos: int(s.Start) - n}
		if v := r.u32(); r.fault == nil && r.pos == int(s.Start) && int64(v) == int64(s.Len()) {
			return true
		}
	}
	return false
}

// Body reads the head of the defined function i (0 is the first one after the imports) and returns its code.
func (m *Module) Body(i int) (Body, error) {
	b := Body{}
	f := m.readBody(i, &b)
	if f != nil {
		return Body{}, f.in(b.Offset, "code", m.importedFuncs+i)
	}
	return b, nil
}

// readBody fills b; it reuses the memory of b.Locals.
func (m *Module) readBody(i int, b *Body) *fault {
	s := m.Code[i]
	*b = Body{Bytes: m.Bytes(s), Offset: int(s.Start), Locals: b.Locals[:0]}
	r := reader{b: b.Bytes}
	n := r.count(2, "groups of locals")
	if f := atMost(0, "Locals", "groups of locals in one function", n, m.Limits.Locals); f != nil {
		return f // groups may be empty, so that the number of locals does not bound them
	}
	var total int64
	for ; n > 0 && r.fault == nil; n-- {
		at := r.pos
		g := LocalGroup{Count: r.u32()}
		g.Type = r.valueType()
		total += int64(g.Count)
		if most := int64(min(m.Limits.Locals, 1<<30)); total > most && r.fault == nil {
			r.failWith(over(at, "Locals", "locals in one function", total, most))
		}
		b.Locals = append(b.Locals, g)
	}
	b.Expr = r.pos
	return r.fault
}
