package wasm

import (
	"encoding/binary"
	"fmt"
)

// AppendUleb appends an unsigned LEB128.
func AppendUleb(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

// AppendU32 appends an unsigned LEB128 of 32 bits: every index, count and length of the format.
func AppendU32(b []byte, v uint32) []byte { return binary.AppendUvarint(b, uint64(v)) }

// AppendSleb appends a signed LEB128.
func AppendSleb(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// UlebLen returns how many bytes AppendUleb writes.
func UlebLen(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

// AppendName appends a string with its length.
func AppendName(b []byte, s string) []byte { return append(AppendU32(b, uint32(len(s))), s...) }

// AppendBytes appends bytes with their length.
func AppendBytes(b, s []byte) []byte { return append(AppendU32(b, uint32(len(s))), s...) }

// AppendOp appends an opcode with its prefix, without immediates.
func AppendOp(b []byte, c Opcode) []byte {
	if c <= 0xff {
		return append(b, byte(c))
	}
	return AppendU32(append(b, byte(c>>8)), uint32(c&0xff))
}

// AppendOpIndex appends an opcode and one index: a local, function, label, global and so on.
func AppendOpIndex(b []byte, c Opcode, index uint32) []byte { return AppendU32(AppendOp(b, c), index) }

// AppendI32Const appends i32.const.
func AppendI32Const(b []byte, v int32) []byte {
	return AppendSleb(append(b, byte(OpI32Const)), int64(v))
}

// AppendI64Const appends i64.const.
func AppendI64Const(b []byte, v int64) []byte { return AppendSleb(append(b, byte(OpI64Const)), v) }

// AppendMemOp appends a memory access.
func AppendMemOp(b []byte, c Opcode, align uint8, offset uint32) []byte {
	return AppendU32(AppendU32(AppendOp(b, c), uint32(align)), offset)
}

// AppendValueType appends a value type.
func AppendValueType(b []byte, t ValueType) []byte {
	index, typed := t.TypeIndex()
	switch {
	case typed && t.Nullable():
		return AppendSleb(append(b, 0x63), int64(index))
	case typed:
		return AppendSleb(append(b, 0x64), int64(index))
	case t.IsRef() && !t.Nullable():
		return append(b, 0x64, byte(t))
	}
	return append(b, byte(t))
}

// AppendHeapType appends the heap type of a reference type, as ref.null takes it.
func AppendHeapType(b []byte, t ValueType) []byte {
	if index, typed := t.TypeIndex(); typed {
		return AppendSleb(b, int64(index))
	}
	return append(b, byte(t))
}

// AppendBlockType appends the immediate of a block.
func AppendBlockType(b []byte, t BlockType) []byte {
	if v, ok := t.Value(); ok {
		return AppendValueType(b, v)
	}
	if i, ok := t.TypeIndex(); ok {
		return AppendSleb(b, int64(i))
	}
	return append(b, 0x40)
}

// AppendBlock appends block, loop, if or try with its type.
func AppendBlock(b []byte, c Opcode, t BlockType) []byte { return AppendBlockType(AppendOp(b, c), t) }

// AppendFuncType appends a function type with its form byte.
func AppendFuncType(b []byte, t FuncType) []byte {
	b = append(b, 0x60)
	for _, list := range [2][]ValueType{t.Params, t.Results} {
		b = AppendU32(b, uint32(len(list)))
		for _, v := range list {
			b = AppendValueType(b, v)
		}
	}
	return b
}

// AppendLocals appends the declaration of locals that begins a function body.
func AppendLocals(b []byte, groups []LocalGroup) []byte {
	b = AppendU32(b, uint32(len(groups)))
	for _, g := range groups {
		b = AppendValueType(AppendU32(b, g.Count), g.Type)
	}
	return b
}

func appendSize(b []byte, s Size, flags byte) []byte {
	if s.HasMax {
		flags |= 1
	}
	b = AppendU32(append(b, flags), s.Min)
	if s.HasMax {
		b = AppendU32(b, s.Max)
	}
	return b
}

// AppendTableType appends a table type.
func AppendTableType(b []byte, t TableType) []byte {
	return appendSize(AppendValueType(b, t.Elem), t.Size, 0)
}

// AppendMemoryType appends a memory type.
func AppendMemoryType(b []byte, t MemoryType) []byte {
	if t.Shared {
		return appendSize(b, t.Size, 2)
	}
	return appendSize(b, t.Size, 0)
}

// AppendGlobalType appends a global type.
func AppendGlobalType(b []byte, t GlobalType) []byte {
	b = AppendValueType(b, t.Type)
	if t.Mutable {
		return append(b, 1)
	}
	return append(b, 0)
}

// AppendImport appends an import.
func AppendImport(b []byte, im Import) []byte {
	b = append(AppendName(AppendName(b, im.Module), im.Name), byte(im.Kind))
	switch im.Kind {
	case ExternTable:
		return AppendTableType(b, im.Table)
	case ExternMemory:
		return AppendMemoryType(b, im.Memory)
	case ExternGlobal:
		return AppendGlobalType(b, im.Global)
	case ExternTag:
		return AppendU32(append(b, 0), im.Type)
	}
	return AppendU32(b, im.Type)
}

// AppendExport appends an export.
func AppendExport(b []byte, e Export) []byte {
	return AppendU32(append(AppendName(b, e.Name), byte(e.Kind)), e.Index)
}

// AppendVector appends the content of a section that is a vector: the number of items and each of them.
func AppendVector[T any](b []byte, items []T, item func([]byte, T) []byte) []byte {
	b = AppendU32(b, uint32(len(items)))
	for _, x := range items {
		b = item(b, x)
	}
	return b
}

// AppendHeader appends the magic and version of a core module.
func AppendHeader(b []byte) []byte { return append(b, 0, 'a', 's', 'm', 1, 0, 0, 0) }

// AppendSection appends a section.
func AppendSection(b []byte, id SectionID, content []byte) []byte {
	return AppendBytes(append(b, byte(id)), content)
}

// AppendCustom appends a custom section.
func AppendCustom(b []byte, name string, content []byte) []byte {
	n := UlebLen(uint64(len(name))) + len(name) + len(content)
	b = AppendU32(append(b, byte(SectionCustom)), uint32(n))
	return append(AppendName(b, name), content...)
}

// CodeSize returns the length of a code section's content with these bodies.
func CodeSize(bodies [][]byte) int {
	n := UlebLen(uint64(len(bodies)))
	for _, b := range bodies {
		n += UlebLen(uint64(len(b))) + len(b)
	}
	return n
}

// AppendCodeSection appends a code section; bodies are what Body.Bytes holds.
func AppendCodeSection(b []byte, bodies [][]byte) []byte {
	b = AppendU32(append(b, byte(SectionCode)), uint32(CodeSize(bodies)))
	b = AppendU32(b, uint32(len(bodies)))
	for _, body := range bodies {
		b = AppendBytes(b, body)
	}
	return b
}

// Assembly says what a rebuilt module has instead of what the original has.
type Assembly struct {
	// Sections replaces or adds sections by their content. A nil content drops the section.
	Sections map[SectionID][]byte
	// Bodies replaces the code section, function by function; nil keeps it.
	Bodies [][]byte
	// KeepCustom says which custom sections stay; nil drops all.
	KeepCustom func(name string) bool
}

// Assemble writes the module anew in the order the format asks for. Kept custom sections come last, in their order.
func (m *Module) Assemble(a Assembly) []byte {
	b := AppendHeader(make([]byte, 0, m.assembledSize(a)))
	for _, id := range canonicalOrder {
		content, replaced := a.Sections[id]
		if id == SectionCode && a.Bodies != nil {
			if len(a.Bodies) > 0 {
				b = AppendCodeSection(b, a.Bodies)
			}
			continue
		}
		if !replaced {
			content = m.Section(id)
		}
		if content != nil {
			b = AppendSection(b, id, content)
		}
	}
	if a.KeepCustom != nil {
		for _, c := range m.Customs {
			if a.KeepCustom(c.Name) {
				b = AppendCustom(b, c.Name, m.Bytes(c.Bytes))
			}
		}
	}
	return b
}

// canonicalOrder lists the sections as they must follow each other.
var canonicalOrder = func() (ids [lastSection]SectionID) {
	for id := SectionType; id <= lastSection; id++ {
		ids[sectionOrder[id]-1] = id
	}
	return ids
}()

// assembledSize is an upper bound, so that a module of a hundred megabytes is written without a copy.
func (m *Module) assembledSize(a Assembly) int {
	n := 8
	for id := SectionType; id <= lastSection; id++ {
		content, replaced := a.Sections[id]
		if !replaced {
			content = m.Section(id)
		}
		if id == SectionCode && a.Bodies != nil {
			n += CodeSize(a.Bodies) + 6
			continue
		}
		n += len(content) + 6
	}
	if a.KeepCustom != nil {
		for _, c := range m.Customs {
			if a.KeepCustom(c.Name) {
				n += c.Bytes.Len() + len(c.Name) + 16
			}
		}
	}
	return n
}

// AppendElem appends an element segment of m. mapFunc gives the new index of a function, in lists and in ref.func;
// mapGlobal the new index of a global in expressions. Either may be nil.
func (m *Module) AppendElem(b []byte, e Elem, mapFunc, mapGlobal func(uint32) uint32) ([]byte, error) {
	var err error
	b = AppendU32(b, e.Flags)
	if e.Mode == Active {
		if e.Flags&2 != 0 {
			b = AppendU32(b, e.Table)
		}
		if b, err = m.AppendConstExpr(b, e.Offset, mapFunc, mapGlobal); err != nil {
			return nil, err
		}
	}
	exprs := e.Flags&4 != 0
	if e.Flags&3 != 0 {
		if exprs {
			b = AppendValueType(b, e.Type)
		} else {
			b = append(b, 0)
		}
	}
	if exprs {
		b = AppendU32(b, uint32(len(e.Exprs)))
		for _, x := range e.Exprs {
			if b, err = m.AppendConstExpr(b, x, mapFunc, mapGlobal); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
	b = AppendU32(b, uint32(len(e.Funcs)))
	for _, f := range e.Funcs {
		if mapFunc != nil {
			f = mapFunc(f)
		}
		b = AppendU32(b, f)
	}
	return b, nil
}

// AppendConstExpr appends a constant expression of m with its end, with functions and globals renumbered.
func (m *Module) AppendConstExpr(b []byte, expr Span, mapFunc, mapGlobal func(uint32) uint32) ([]byte, error) {
	code := m.Bytes(expr)
	if mapFunc == nil && mapGlobal == nil {
		return append(b, code...), nil
	}
	err := Walk(code, func(op *Op) error {
		switch {
		case op.Code == OpRefFunc && mapFunc != nil:
			b = AppendOpIndex(b, OpRefFunc, mapFunc(op.Index))
		case op.Code == OpGlobalGet && mapGlobal != nil:
			b = AppendOpIndex(b, OpGlobalGet, mapGlobal(op.Index))
		default:
			b = append(b, code[op.Start:op.End]...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("rewrite constant expression: %w", err)
	}
	return b, nil
}
