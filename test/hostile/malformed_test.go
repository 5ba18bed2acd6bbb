package hostile

import (
	"bytes"
	"encoding/binary"

	"github.com/wherry-run/wherry/internal/wasm"
)

// malformed are byte strings that are no module, or nearly one.
func malformed() []row {
	good := command().module()
	mangle := func(old, new []byte) []byte {
		if !bytes.Contains(good, old) {
			panic("the honest module has no such bytes")
		}
		return bytes.Replace(good, old, new, 1)
	}
	head := wasm.AppendHeader(nil)
	section := func(id wasm.SectionID, content ...byte) []byte {
		return wasm.AppendSection(bytes.Clone(head), id, content)
	}
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0x0f} // 2^32-1
	counts := func(id byte, rest ...byte) []byte {
		content := append(bytes.Clone(huge), rest...)
		return section(wasm.SectionID(id), content...)
	}
	component := append([]byte("\x00asm"), 0x0d, 0, 1, 0)
	elf := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 64)...)
	pe := append([]byte("MZ"), make([]byte, 128)...)
	macho := binary.LittleEndian.AppendUint32(nil, 0xfeedfacf)
	body := func(b ...byte) []byte { // one function with this body, declared locals included
		m := wasm.AppendSection(bytes.Clone(head), 1, []byte{1, 0x60, 0, 0})
		m = wasm.AppendSection(m, 3, []byte{1, 0})
		m = wasm.AppendSection(m, 7, wasm.AppendVector(nil, []wasm.Export{{Name: "_start", Kind: wasm.ExternFunc}}, wasm.AppendExport))
		return wasm.AppendSection(m, 10, append(wasm.AppendU32([]byte{1}, uint32(len(b))), b...))
	}
	rows := []row{
		{name: "nothing", module: nil, want: refused("neither")},
		{name: "half the magic", module: []byte("\x00as"), want: refused("neither")},
		{name: "magic alone", module: []byte("\x00asm"), want: refused("")},
		{name: "half the version", module: head[:6], want: refused("")},
		{name: "version 2", module: []byte("\x00asm\x02\x00\x00\x00"), want: refused("neither")},
		{name: "component", module: append(component, good[8:]...), want: refused("component")},
		{name: "ELF program", module: elf, want: refused("native Linux program")},
		{name: "Windows program", module: pe, want: refused("native Windows program")},
		{name: "macOS program", module: append(macho, make([]byte, 64)...), want: refused("native macOS program")},
		{name: "header alone", module: head, want: refused("_start")},
		{name: "noise behind the header", module: append(bytes.Clone(head), bytes.Repeat([]byte("noise"), 1000)...), want: refused("")},
		{name: "unknown section", module: section(99, 1, 2, 3), want: refused("section")},
		{name: "sections twice", module: append(bytes.Clone(good), good[8:]...), want: refused("section")},
		{name: "section beyond the end", module: append(bytes.Clone(head), 1, 0xff, 0xff, 0xff, 0x7f), want: refused("")},
		{name: "section of 4 GiB", module: append(append(bytes.Clone(head), 1), huge...), want: refused("")},
		{name: "length of six bytes", module: append(bytes.Clone(head), 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0), want: refused("")},
		{name: "length above 32 bits", module: append(bytes.Clone(head), 1, 0xff, 0xff, 0xff, 0xff, 0x7f), want: refused("")},
		{name: "2^32-1 types", module: counts(1), want: refused("")},
		{name: "2^32-1 imports", module: counts(2), want: refused("")},
		{name: "2^32-1 functions", module: counts(3), want: refused("")},
		{name: "2^32-1 tables", module: counts(4), want: refused("")},
		{name: "2^32-1 memories", module: counts(5), want: refused("")},
		{name: "2^32-1 globals", module: counts(6), want: refused("")},
		{name: "2^32-1 exports", module: counts(7), want: refused("")},
		{name: "2^32-1 elements", module: counts(9), want: refused("")},
		{name: "2^32-1 bodies", module: counts(10), want: refused("")},
		{name: "2^32-1 data segments", module: counts(11), want: refused("")},
		{name: "2^32-1 parameters", module: section(1, append([]byte{1, 0x60}, huge...)...), want: refused("")},
		{name: "2^32-1 locals", module: body(append(append([]byte{1}, huge...), 0x7f, end)...), want: refused("local")},
		{name: "2^32-1 groups of locals", module: body(append(bytes.Clone(huge), 0x7f, end)...), want: refused("")},
		{name: "locals that overflow together", module: body(2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f, 2, 0x7f, end), want: refused("local")},
		{name: "body without an end", module: body(0, 0x01), want: refused("")},
		{name: "body that ends twice", module: body(0, end, end), want: refused("")},
		{name: "unknown instruction", module: body(0, 0xff, end), want: refused("")},
		{name: "unknown instruction of a prefix", module: body(0, 0xfd, 0xff, 0xff, 0x03, end), want: refused("")},
		{name: "pop of nothing", module: body(0, 0x1a, end), want: refused("")},
		{name: "result of another type", module: body(0, 0x42, 0, 0x45, 0x1a, end), want: refused("")},
		{name: "branch out of the function", module: body(0, 0x0c, 9, end), want: refused("")},
		{name: "call of nobody", module: body(0, 0x10, 7, end), want: refused("")},
		{name: "br_table of 2^32-1 targets", module: body(append(append([]byte{0, 0x41, 0, 0x0e}, huge...), end)...), want: refused("")},
		{name: "exported name that is not UTF-8", module: mangle([]byte("_start"), []byte("_st\xff\xfet")), want: refused("UTF-8")},
		{name: "two exports of one name", module: func() []byte {
			g := command()
			g.exports = append(g.exports, g.exports[1])
			return g.module()
		}(), want: refused("export")},
		{name: "start function with parameters", module: func() []byte {
			g := command()
			g.types, g.start = []wasm.FuncType{{Params: []wasm.ValueType{wasm.I32}}}, new(uint32(1))
			g.funcs = append(g.funcs, function{typ: 1})
			return g.module()
		}(), want: refused("start")},
		{name: "memory without bound of pages", module: func() []byte {
			g := command()
			g.memory.Size = wasm.Size{Min: 1 << 30}
			return g.module()
		}(), want: refused("memor")},
		{name: "library", module: func() []byte {
			g := command()
			g.exports = nil
			return g.module()
		}(), want: refused("library")},
	}
	for _, n := range []int{9, 11, 15, len(good) / 2, len(good) - 1} {
		rows = append(rows, row{name: "cut after " + string(rune('0'+n/10)) + string(rune('0'+n%10)) + " bytes", module: good[:n], want: refused("")})
	}
	return rows
}
