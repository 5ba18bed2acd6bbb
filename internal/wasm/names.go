package wasm

import (
	"cmp"
	"encoding/binary"
	"slices"
	"unicode/utf8"
)

// The sidecar that Names makes holds function names for traces, apart from the module they were stripped from:
//
//	"WNAM" 1 0 0 0          magic and version
//	count                   uint32, little endian
//	count x (index, end)    two uint32 each, sorted by index: where the name ends in the text
//	text                    the names, one after the other
//
// It is searched in place: a look-up costs a binary search and no parsing, and a sidecar may be a mapped file.
const (
	namesMagic  = "WNAM\x01\x00\x00\x00"
	namesHeader = len(namesMagic) + 4
	nameEntry   = 8
	maxName     = 1 << 10 // longer names are cut; a mangled C++ name can fill kilobytes
)

type funcName struct {
	index uint32
	name  []byte
}

// Names collects the names of functions: from the name section as far as it can be read, and for functions without
// one there from imports and exports. mapFunc gives the index a function has in the module the names are for, and
// false to leave it out; nil keeps the indices. Names are for people; nothing may depend on them being right.
func Names(m *Module, mapFunc func(uint32) (uint32, bool)) []byte {
	named := make([]uint64, len(m.funcs)/64+1)
	var list []funcName
	add := func(index uint32, name []byte) {
		if int64(index) >= int64(len(m.funcs)) || named[index/64]&(1<<(index%64)) != 0 || len(name) == 0 {
			return
		}
		named[index/64] |= 1 << (index % 64)
		if mapFunc != nil {
			var keep bool
			if index, keep = mapFunc(index); !keep {
				return
			}
		}
		list = append(list, funcName{index, cutName(name)})
	}
	m.eachName(add)
	return packNames(list)
}

// FuncName finds the name of one function where Names would. It returns "" when it has none. It reads the whole name
// section, and is meant for traces.
func FuncName(m *Module, index uint32) string {
	found := ""
	take := func(i uint32, name []byte) {
		if i == index && found == "" {
			found = string(cutName(name))
		}
	}
	m.eachName(take)
	return found
}

// eachName calls add for every name that a function has: that of the name section first, then those of exports and
// imports.
func (m *Module) eachName(add func(uint32, []byte)) {
	m.nameSection(add)
	for _, e := range m.Exports {
		if e.Kind == ExternFunc {
			add(e.Index, []byte(e.Name))
		}
	}
	fn := uint32(0)
	for _, im := range m.Imports {
		if im.Kind == ExternFunc {
			add(fn, []byte(im.Module+"."+im.Name))
			fn++
		}
	}
}

// nameSection calls add for every function name of the name section. Like every custom section it may be nonsense:
// the first fault ends the reading.
func (m *Module) nameSection(add func(uint32, []byte)) {
	for _, c := range m.Customs {
		if c.Name != "name" {
			continue
		}
		r := reader{b: m.Bytes(c.Bytes)}
		for r.left() > 0 {
			kind := r.byte()
			s := r.span("bytes of names")
			if r.fault != nil {
				return
			}
			if kind == 1 {
				functionNames(r.b[s.Start:s.End], add)
			}
		}
		return
	}
}

func functionNames(b []byte, add func(uint32, []byte)) {
	r := reader{b: b}
	for n := r.count(2, "names"); n > 0; n-- {
		index := r.u32()
		s := r.span("bytes of a name")
		if r.fault != nil {
			return
		}
		if name := b[s.Start:s.End]; utf8.Valid(name) {
			add(index, name)
		}
	}
}

// cutName shortens a name at the end of a character.
func cutName(b []byte) []byte {
	if len(b) <= maxName {
		return b
	}
	n := maxName
	for n > 0 && !utf8.RuneStart(b[n]) {
		n--
	}
	return b[:n]
}

func packNames(list []funcName) []byte {
	slices.SortStableFunc(list, func(a, b funcName) int { return cmp.Compare(a.index, b.index) })
	size := namesHeader + nameEntry*len(list)
	for _, n := range list {
		size += len(n.name)
	}
	out := append(make([]byte, 0, size), namesMagic...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(list)))
	end := uint32(0)
	for _, n := range list {
		end += uint32(len(n.name))
		out = binary.LittleEndian.AppendUint32(out, n.index)
		out = binary.LittleEndian.AppendUint32(out, end)
	}
	for _, n := range list {
		out = append(out, n.name...)
	}
	return out
}

// NameOf looks a function up in a sidecar made by Names. It returns "" when the function has no name there, or when
// the sidecar is none.
func NameOf(sidecar []byte, index uint32) string {
	if len(sidecar) < namesHeader || string(sidecar[:len(namesMagic)]) != namesMagic {
		return ""
	}
	n := uint64(binary.LittleEndian.Uint32(sidecar[len(namesMagic):]))
	if n*nameEntry > uint64(len(sidecar)-namesHeader) {
		return ""
	}
	table, text := sidecar[namesHeader:namesHeader+int(n)*nameEntry], sidecar[namesHeader+int(n)*nameEntry:]
	at := func(i int) (index, end uint32) {
		return binary.LittleEndian.Uint32(table[i*nameEntry:]), binary.LittleEndian.Uint32(table[i*nameEntry+4:])
	}
	lo, hi := 0, int(n)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if i, _ := at(mid); i < index {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == int(n) {
		return ""
	}
	found, end := at(lo)
	start := uint32(0)
	if lo > 0 {
		_, start = at(lo - 1)
	}
	if found != index || start > end || uint64(end) > uint64(len(text)) {
		return ""
	}
	return string(text[start:end])
}
