package prepare

import "github.com/wherry-run/wherry/internal/wasm"

// assemble puts the prepared module together. Custom sections are left out: they name offsets that have moved, and the
// names of functions are kept beside the module.
func (p *plan) assemble() ([]byte, error) {
	a := wasm.Assembly{Sections: map[wasm.SectionID][]byte{}, Bodies: p.bodies()}
	if len(p.types) > len(p.mod.Types) || p.lower {
		a.Sections[wasm.SectionType] = wasm.AppendVector(nil, p.types, wasm.AppendFuncType)
	}
	if p.shift > 0 {
		imports := p.mod.Imports[:len(p.mod.Imports):len(p.mod.Imports)]
		if p.opts.Fuel {
			imports = append(imports, wasm.Import{Module: ReservedModule, Name: YieldImport, Type: p.addType(wasm.FuncType{})})
		}
		for i := range p.asked {
			imports = append(imports, p.asked[i].asImport())
		}
		a.Sections[wasm.SectionImport] = wasm.AppendVector(nil, imports, wasm.AppendImport)
	}
	if len(p.added) > 0 {
		funcs := p.mod.Funcs[:len(p.mod.Funcs):len(p.mod.Funcs)]
		for _, f := range p.added {
			funcs = append(funcs, f.typ)
		}
		a.Sections[wasm.SectionFunction] = wasm.AppendVector(nil, funcs, wasm.AppendU32)
	}
	if p.lower {
		a.Sections[wasm.SectionTag] = nil
	}
	if p.start != nil {
		a.Sections[wasm.SectionStart] = wasm.AppendU32(nil, *p.start)
	}
	if exports := p.exports(); len(exports) > 0 {
		a.Sections[wasm.SectionExport] = wasm.AppendVector(nil, exports, wasm.AppendExport)
	} else {
		a.Sections[wasm.SectionExport] = nil
	}
	if err := p.constants(a.Sections); err != nil {
		return nil, err
	}
	return p.mod.Assemble(a), nil
}

// bodies lists all functions, the added ones last.
func (p *plan) bodies() [][]byte {
	bodies := make([][]byte, 0, len(p.facts)+len(p.added))
	for i := range p.chunks {
		from := uint32(0)
		for _, to := range p.chunks[i].ends {
			bodies = append(bodies, p.chunks[i].code[from:to:to])
			from = to
		}
	}
	for _, f := range p.added {
		bodies = append(bodies, f.body)
	}
	return bodies
}

// exports lists the exports of the original with their new indices, but for tags, and ours.
func (p *plan) exports() []wasm.Export {
	var out []wasm.Export
	memory := false
	for _, e := range p.mod.Exports {
		switch e.Kind {
		case wasm.ExternFunc:
			e.Index = p.newIndex(e.Index)
		case wasm.ExternMemory:
			memory = memory || e.Name == "memory" && e.Index == 0
		case wasm.ExternTag:
			continue
		}
		out = append(out, e)
	}
	if p.part != nil {
		if p.part.primary {
			out = append(out, wasm.Export{Name: FillExport, Kind: wasm.ExternFunc, Index: p.fillFunc})
			if p.fillsFunc != 0 {
				out = append(out, wasm.Export{Name: FillsExport, Kind: wasm.ExternFunc, Index: p.fillsFunc})
			}
		}
		return out
	}
	if p.opts.Fuel {
		out = append(out, wasm.Export{Name: FuelExport, Kind: wasm.ExternGlobal, Index: p.fuelGlobal})
	}
	if p.lower {
		out = append(out, wasm.Export{Name: PendingExport, Kind: wasm.ExternGlobal, Index: p.pendingGlobal})
	}
	if p.mod.NumMemories() > 0 && !memory {
		out = append(out, wasm.Export{Name: MemoryExport, Kind: wasm.ExternMemory})
	}
	return out
}

// constants rewrites the sections that hold constant expressions and function indices.
func (p *plan) constants(sections map[wasm.SectionID][]byte) error {
	m := p.mod
	globals := wasm.AppendU32(nil, uint32(len(m.Globals)+p.addedGlobals()))
	var err error
	for _, g := range m.Globals {
		t := g.Type
		t.Type = lowerType(t.Type)
		globals = wasm.AppendGlobalType(globals, t)
		if globals, err = p.appendConst(globals, g.Init); err != nil {
			return err
		}
	}
	add := func(t wasm.ValueType, c wasm.Opcode) {
		if p.part != nil {
			return
		}
		globals = wasm.AppendGlobalType(globals, wasm.GlobalType{Type: t, Mutable: true})
		globals = append(globals, byte(c), 0, byte(wasm.OpEnd))
	}
	if p.lower {
		add(wasm.I32, wasm.OpI32Const)
		add(wasm.I32, wasm.OpI32Const)
	}
	if p.opts.Fuel {
		add(wasm.I64, wasm.OpI64Const)
	}
	if len(m.Globals)+p.addedGlobals() > 0 {
		sections[wasm.SectionGlobal] = globals
	}
	if len(m.Tables) > 0 {
		tables := wasm.AppendU32(nil, uint32(len(m.Tables)))
		for i, t := range m.Tables {
			t.Type = p.tableType(uint32(m.ImportedTables()+i), t.Type)
			if tables, err = p.appendTable(tables, t); err != nil {
				return err
			}
		}
		sections[wasm.SectionTable] = tables
	}
	if len(m.Elems) > 0 {
		elems := wasm.AppendU32(nil, uint32(len(m.Elems)))
		for _, e := range m.Elems {
			if elems, err = m.AppendElem(elems, e, p.newIndex, nil); err != nil {
				return err
			}
		}
		sections[wasm.SectionElement] = elems
	}
	return nil
}

func (p *plan) addedGlobals() int {
	n := 0
	if p.part != nil {
		return 0
	}
	if p.lower {
		n += 2
	}
	if p.opts.Fuel {
		n++
	}
	return n
}

func (p *plan) appendTable(b []byte, t wasm.Table) ([]byte, error) {
	if t.Init.Len() == 0 {
		return wasm.AppendTableType(b, t.Type), nil
	}
	return p.appendConst(wasm.AppendTableType(append(b, 0x40, 0), t.Type), t.Init)
}

// appendConst appends a constant expression. The only exnref there can be in one is null.
func (p *plan) appendConst(b []byte, expr wasm.Span) ([]byte, error) {
	code := p.mod.Bytes(expr)
	err := wasm.Walk(code, func(op *wasm.Op) error {
		switch {
		case op.Code == wasm.OpRefFunc:
			b = wasm.AppendOpIndex(b, wasm.OpRefFunc, p.newIndex(op.Index))
		case op.Code == wasm.OpRefNull && isExn(op.Type):
			b = wasm.AppendI64Const(b, 0)
		default:
			b = append(b, code[op.Start:op.End]...)
		}
		return nil
	})
	return b, err
}

// eachConstFunc calls fn with every function that an element segment, a table or a global names.
func (p *plan) eachConstFunc(fn func(f uint32)) error {
	in := func(expr wasm.Span) error {
		return wasm.Walk(p.mod.Bytes(expr), func(op *wasm.Op) error {
			if op.Code == wasm.OpRefFunc {
				fn(op.Index)
			}
			return nil
		})
	}
	for _, g := range p.mod.Globals {
		if err := in(g.Init); err != nil {
			return err
		}
	}
	for _, t := range p.mod.Tables {
		if err := in(t.Init); err != nil {
			return err
		}
	}
	for _, e := range p.mod.Elems {
		for _, f := range e.Funcs {
			fn(f)
		}
		for _, x := range e.Exprs {
			if err := in(x); err != nil {
				return err
			}
		}
	}
	return nil
}

// names returns the names of all functions by their new indices.
func (p *plan) names() []byte {
	names := wasm.Names(p.mod, func(f uint32) (uint32, bool) { return p.newIndex(f), true })
	added := make([]string, len(p.added))
	for i, f := range p.added {
		added[i] = f.name
	}
	return wasm.AddNames(names, p.newIndex(p.imported)+uint32(len(p.facts)), added)
}
