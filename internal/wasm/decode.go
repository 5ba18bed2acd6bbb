package wasm

import (
	"fmt"
	"math"
)

// Decode splits a core module into its sections and lists. It checks the shape of everything but the instructions of
// functions: those, and all indices and types, are checked by Validate. The module keeps and shares bin.
func Decode(bin []byte, lim Limits) (*Module, error) { return decode(bin, lim, nil) }

// DecodeAt is Decode for a caller who knows where the functions lie: bodies are the spans that Decode would put into
// Code. It reads nothing of the code section but its first bytes, so that of a large file only what is used is read.
// That bodies are where functions are is for the caller to check, see [Module.AtBody].
func DecodeAt(bin []byte, bodies []Span, lim Limits) (*Module, error) {
	if bodies == nil {
		bodies = []Span{}
	}
	return decode(bin, lim, bodies)
}

func decode(bin []byte, lim Limits, bodies []Span) (*Module, error) {
	if err := checkHeader(bin); err != nil {
		return nil, err
	}
	if f := atMost(0, "Module", "bytes in the module", len(bin), lim.Module); f != nil {
		return nil, f.in(0, "", -1)
	}
	d := decoder{m: &Module{Bin: bin, Limits: lim}, lim: lim, bodies: bodies}
	r := &reader{b: bin, pos: 8}
	last := uint8(0)
	for r.left() > 0 {
		at := r.pos
		id := SectionID(r.byte())
		span := r.span("bytes of the section")
		if r.fault != nil {
			return nil, r.fault.in(0, id.String(), -1)
		}
		if id > lastSection {
			return nil, (&fault{at: at, msg: fmt.Sprintf("unknown section %d", id)}).in(0, "", -1)
		}
		if id != SectionCustom {
			if sectionOrder[id] <= last {
				return nil, (&fault{at: at, msg: "section twice or out of order"}).in(0, id.String(), -1)
			}
			last = sectionOrder[id]
		}
		d.m.Sections = append(d.m.Sections, Section{id, span})
		if f := d.section(id, span); f != nil {
			return nil, f.in(0, id.String(), -1)
		}
	}
	if err := d.finish(); err != nil {
		return nil, err
	}
	return d.m, nil
}

func checkHeader(bin []byte) error {
	kind := Detect(bin)
	if kind == CoreModule {
		return nil
	}
	e := &Error{Offset: 0, Func: -1, Msg: "this is no WebAssembly module but a " + kind.String()}
	switch {
	case kind == Component:
		e.Feature = "component-model"
		e.Msg = "this is a WebAssembly component, and only core modules can run; build it for the target wasm32-wasip1, or take the core module it was made from"
	case kind == Unknown && len(bin) < 8:
		e.Msg = "this is no WebAssembly module: it ends within the first 8 bytes"
	case kind == Unknown && string(bin[:4]) == "\x00asm":
		e.Msg = fmt.Sprintf("WebAssembly binary version % x is not known, only 01 00 00 00", bin[4:8])
	case kind == Unknown:
		e.Msg = fmt.Sprintf("this is no WebAssembly module: it begins with % x instead of 00 61 73 6d", bin[:4])
	}
	return e
}

// atMost checks a count against a limit.
func atMost(at int, limit, what string, have int, most uint32) *fault {
	if uint64(have) <= uint64(most) {
		return nil
	}
	return over(at, limit, what, int64(have), int64(most))
}

type decoder struct {
	m   *Module
	lim Limits
	// sums over the module
	typeUnits, elements int
	hasCode             bool
	bodies              []Span // where the functions are said to be; nil when nobody says
}

// section decodes one section. Positions of the reader, and so of faults, are offsets in the module.
func (d *decoder) section(id SectionID, s Span) *fault {
	r := &reader{b: d.m.Bin[:s.End], pos: int(s.Start)}
	switch id {
	case SectionCustom:
		d.custom(r)
	case SectionType:
		d.types(r)
	case SectionImport:
		d.imports(r)
	case SectionFunction:
		d.functions(r)
	case SectionTable:
		d.tables(r)
	case SectionMemory:
		d.memories(r)
	case SectionTag:
		d.tags(r)
	case SectionGlobal:
		d.globals(r)
	case SectionExport:
		d.exports(r)
	case SectionStart:
		i := r.u32()
		d.m.Start = &i
	case SectionElement:
		d.elems(r)
	case SectionDataCount:
		n := r.u32()
		d.m.DataCount = &n
	case SectionCode:
		d.code(r)
	case SectionData:
		d.datas(r)
	}
	if r.fault == nil && r.left() > 0 {
		r.fail(r.pos, "%d bytes after the end of the section's content", r.left())
	}
	return r.fault
}

// list reads a vector: its length, held against the limit and the bytes left, and then every item.
func (r *reader) list(what, limit string, most uint32, size int, alloc func(n int), item func(i int)) {
	at := r.pos
	n := r.count(size, what)
	if f := atMost(at, limit, what, n, most); f != nil {
		r.failWith(f)
		return
	}
	alloc(n)
	for i := 0; i < n && r.fault == nil; i++ {
		item(i)
	}
}

func (d *decoder) custom(r *reader) {
	name := r.name("the section's name")
	if r.fault != nil {
		return
	}
	if f := atMost(r.pos, "Customs", "custom sections", len(d.m.Customs)+1, d.lim.Customs); f != nil {
		r.failWith(f)
		return
	}
	d.m.Customs = append(d.m.Customs, Custom{name, Span{uint32(r.pos), uint32(len(r.b))}})
	r.pos = len(r.b)
}

func (d *decoder) types(r *reader) {
	r.list("types", "Types", d.lim.Types, 3, func(n int) { d.m.Types = make([]FuncType, n) }, func(i int) {
		at := r.pos
		switch form := r.byte(); {
		case r.fault != nil:
			return
		case form >= 0x4e && form <= 0x50 || form >= 0x5d && form <= 0x5f:
			r.failWith(unsupported(at, "gc", fmt.Sprintf("type form %#x", form)))
			return
		case form != 0x60:
			r.fail(at, "type form %#x", form)
			return
		}
		t := &d.m.Types[i]
		t.Params = d.typeVector(r, "parameters", "Params", d.lim.Params)
		t.Results = d.typeVector(r, "results", "Results", d.lim.Results)
		d.typeUnits += len(t.Params) + len(t.Results)
		if f := atMost(at, "TypeUnits", "parameters and results of all types", d.typeUnits, d.lim.TypeUnits); f != nil {
			r.failWith(f)
		}
	})
}

func (d *decoder) typeVector(r *reader, what, limit string, most uint32) (ts []ValueType) {
	r.list(what, limit, most, 1, func(n int) {
		if n > 0 {
			ts = make([]ValueType, n)
		}
	}, func(i int) { ts[i] = r.valueType() })
	return ts
}

// limited reads a name and holds its length against the limit.
func (d *decoder) limited(r *reader, what string) string {
	at := r.pos
	s := r.name(what)
	if f := atMost(at, "NameBytes", "bytes of "+what, len(s), d.lim.NameBytes); f != nil {
		r.failWith(f)
	}
	return s
}

func (d *decoder) imports(r *reader) {
	m := d.m
	r.list("imports", "Imports", d.lim.Imports, 4, func(n int) { m.Imports = make([]Import, n) }, func(i int) {
		im := &m.Imports[i]
		im.Module, im.Name = d.limited(r, "the import's module name"), d.limited(r, "the import's name")
		at := r.pos
		im.Kind = ExternKind(r.byte())
		switch im.Kind {
		case ExternFunc:
			im.Type = r.u32()
			m.funcs = append(m.funcs, im.Type)
		case ExternTable:
			im.Table = r.tableType()
			m.tables = append(m.tables, im.Table)
		case ExternMemory:
			im.Memory = r.memoryType()
			m.memories = append(m.memories, im.Memory)
		case ExternGlobal:
			im.Global = r.globalType()
			m.globals = append(m.globals, im.Global)
		case ExternTag:
			im.Type = r.tagType()
			m.tags = append(m.tags, im.Type)
		default:
			r.fail(at, "%#x is no kind of import", uint8(im.Kind))
		}
	})
	m.importedFuncs, m.importedTables, m.importedMemories = len(m.funcs), len(m.tables), len(m.memories)
	m.importedGlobals, m.importedTags = len(m.globals), len(m.tags)
}

func (d *decoder) functions(r *reader) {
	m := d.m
	r.list("functions", "Functions", d.lim.Functions, 1, func(n int) { m.Funcs = make([]uint32, n) }, func(i int) { m.Funcs[i] = r.u32() })
	m.funcs = append(m.funcs, m.Funcs...)
	if f := atMost(r.pos, "Functions", "functions", len(m.funcs), d.lim.Functions); f != nil {
		r.failWith(f)
	}
}

func (d *decoder) tables(r *reader) {
	m := d.m
	r.list("tables", "Tables", d.lim.Tables, 3, func(n int) { m.Tables = make([]Table, n) }, func(i int) {
		t := &m.Tables[i]
		withInit := r.pos < len(r.b) && r.b[r.pos] == 0x40
		if withInit {
			at := r.pos
			r.pos++
			if r.byte() != 0 {
				r.fail(at, "0x40 before a table type must be followed by 0x00")
			}
		}
		t.Type = r.tableType()
		if withInit {
			t.Init = r.constExpr()
		}
		m.tables = append(m.tables, t.Type)
	})
}

func (d *decoder) memories(r *reader) {
	m := d.m
	r.list("memories", "Module", d.lim.Module, 2, func(n int) {
		if n > 1 {
			r.failWith(unsupported(r.pos, "multi-memory", fmt.Sprintf("a module with %d memories", n)))
			return
		}
		m.Memories = make([]MemoryType, n)
	}, func(i int) {
		m.Memories[i] = r.memoryType()
		m.memories = append(m.memories, m.Memories[i])
	})
}

func (d *decoder) tags(r *reader) {
	m := d.m
	r.list("tags", "Tags", d.lim.Tags, 2, func(n int) { m.Tags = make([]uint32, n) }, func(i int) { m.Tags[i] = r.tagType() })
	m.tags = append(m.tags, m.Tags...)
}

func (d *decoder) globals(r *reader) {
	m := d.m
	r.list("globals", "Globals", d.lim.Globals, 3, func(n int) { m.Globals = make([]Global, n) }, func(i int) {
		g := &m.Globals[i]
		g.Type = r.globalType()
		g.Init = r.constExpr()
		m.globals = append(m.globals, g.Type)
	})
}

func (d *decoder) exports(r *reader) {
	m := d.m
	r.list("exports", "Exports", d.lim.Exports, 3, func(n int) { m.Exports = make([]Export, n) }, func(i int) {
		e := &m.Exports[i]
		e.Name = d.limited(r, "the export's name")
		at := r.pos
		e.Kind = ExternKind(r.byte())
		if e.Kind > ExternTag {
			r.fail(at, "%#x is no kind of export", uint8(e.Kind))
		}
		e.Index = r.u32()
	})
}

func (d *decoder) code(r *reader) {
	m := d.m
	d.hasCode = true
	if f := atMost(r.pos, "Code", "bytes of code", r.left(), d.lim.Code); f != nil {
		r.failWith(f)
		return
	}
	if d.bodies != nil {
		d.known(r)
		return
	}
	r.list("function bodies", "Functions", d.lim.Functions, 3, func(n int) { m.Code = make([]Span, n) }, func(i int) {
		at := r.pos
		m.Code[i] = r.span("bytes of the function body")
		if f := atMost(at, "Body", "bytes in one function", m.Code[i].Len(), d.lim.Body); f != nil {
			r.failWith(f)
		}
	})
}

// known takes the bodies that the caller knows, as far as they lie in the section one behind the other.
func (d *decoder) known(r *reader) {
	if n := r.count(3, "function bodies"); r.fault == nil && n != len(d.bodies) {
		r.fail(r.pos, "%d function bodies, and %d are said to be there", n, len(d.bodies))
	}
	last := uint32(r.pos)
	for i, s := range d.bodies {
		if r.fault != nil {
			return
		}
		if s.Start <= last || s.End < s.Start || int64(s.End) > int64(len(r.b)) {
			r.fail(r.pos, "function body %d is said to be at %d to %d", i, s.Start, s.End)
		} else if f := atMost(int(s.Start), "Body", "bytes in one function", s.Len(), d.lim.Body); f != nil {
			r.failWith(f)
		}
		last = s.End
	}
	d.m.Code, r.pos = d.bodies, len(r.b)
}

// finish checks what only the whole module tells.
func (d *decoder) finish() error {
	m := d.m
	bad := func(section, format string, args ...any) error {
		return &Error{Offset: -1, Func: -1, Section: section, Msg: fmt.Sprintf(format, args...)}
	}
	if len(m.funcs) > math.MaxInt32 || len(m.Code) != len(m.Funcs) {
		return bad("code", "%d function bodies for %d functions", len(m.Code), len(m.Funcs))
	}
	if m.DataCount != nil && int64(*m.DataCount) != int64(len(m.Datas)) {
		return bad("data", "%d data segments, the data count section says %d", len(m.Datas), *m.DataCount)
	}
	if len(m.memories) > 1 {
		err := unsupported(0, "multi-memory", fmt.Sprintf("a module with %d memories", len(m.memories))).in(0, "memory", -1)
		err.Offset = -1
		return err
	}
	if err := d.minimums(); err != nil {
		return err
	}
	m.canon = canonicalTypes(m.Types)
	return nil
}

// minimums checks the tables and memories the module asks for before it runs.
func (d *decoder) minimums() error {
	var elements, pages uint64
	for _, t := range d.m.tables {
		elements += uint64(t.Size.Min)
	}
	for _, t := range d.m.memories {
		pages += uint64(t.Size.Min)
	}
	sections := []struct {
		name, limit, what string
		have              uint64
		most              uint32
	}{
		{"table", "TableMin", "elements the tables begin with", elements, d.lim.TableMin},
		{"memory", "MemoryMin", "pages the memory begins with", pages, d.lim.MemoryMin},
	}
	for _, s := range sections {
		if s.have > uint64(s.most) {
			err := over(0, s.limit, s.what, int64(s.have), int64(s.most)).in(0, s.name, -1)
			err.Offset = -1
			return err
		}
	}
	return nil
}
