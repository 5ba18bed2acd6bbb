package prepare_test

import (
	"testing"

	"github.com/wherry-run/wherry/internal/wasm"
)

// TestExnref treats exception references as values in every place they can be, and compares with the interpreter, which
// has them. No tool here writes this form, so the module is written by hand.
func TestExnref(t *testing.T) {
	var calls []call
	for _, name := range []string{"null", "main", "own", "late"} {
		for arg := range uint64(8) {
			calls = append(calls, call{name, []uint64{arg}})
		}
	}
	// The interpreter has no select of exnrefs, so the reference does the same with an if.
	original, reference := exnrefModule(true), exnrefModule(false)
	valid(t, original)
	want := run(t, "interpreter", reference, 0, calls...)
	for engine := range engines {
		got := run(t, engine, prepared(t, original, all), 0, calls...)
		for i := range calls {
			g, w := got.results[i], want.results[i]
			if w == "wasm error: null reference" { // the lowered form traps with unreachable
				w = "wasm error: unreachable"
			}
			if g != w {
				t.Errorf("%s %v: got %s, want %s", engine, calls[i], g, w)
			}
		}
	}
}

func exnrefModule(selects bool) []byte {
	exn, i32 := wasm.ExnRef, wasm.I32
	types := []wasm.FuncType{
		{Params: []wasm.ValueType{i32}, Results: []wasm.ValueType{i32}},      // 0
		{Params: []wasm.ValueType{i32}},                                      // 1: tag
		{Params: []wasm.ValueType{exn}, Results: []wasm.ValueType{i32}},      // 2
		{Params: []wasm.ValueType{i32}, Results: []wasm.ValueType{exn}},      // 3
		{Results: []wasm.ValueType{i32, exn.AsNonNull()}},                    // 4
		{Params: []wasm.ValueType{exn, i32}, Results: []wasm.ValueType{exn}}, // 5
	}
	bodies := []struct {
		name  string
		typ   uint32
		local []wasm.LocalGroup
		write func(g *assembler)
	}{
		{"catch", 3, nil, func(g *assembler) { // throws its argument and returns what it caught; null for zero
			g.idx(wasm.OpLocalGet, 0)
			g.op(wasm.OpI32Eqz)
			g.open(wasm.OpIf, wasm.EmptyBlock())
			g.raw(byte(wasm.OpRefNull), byte(exn))
			g.op(wasm.OpReturn)
			g.end()
			g.open(wasm.OpBlock, wasm.EmptyBlock())
			g.open(wasm.OpBlock, wasm.ValueBlock(exn))
			g.open(wasm.OpTryTable, wasm.EmptyBlock())
			g.raw(2, byte(wasm.CatchAnyRef), 0, byte(wasm.CatchAny), 1) // the second is never reached
			g.idx(wasm.OpLocalGet, 0)
			g.idx(wasm.OpThrow, 0)
			g.end()
			g.op(wasm.OpUnreachable)
			g.end()
			g.op(wasm.OpReturn)
			g.end()
			g.op(wasm.OpUnreachable)
		}},
		{"again", 2, nil, func(g *assembler) { // throws its argument anew and returns what that carries
			g.open(wasm.OpBlock, wasm.TypedBlock(4))
			g.open(wasm.OpTryTable, wasm.ValueBlock(i32))
			g.raw(1, byte(wasm.CatchTagRef), 0, 0)
			g.idx(wasm.OpLocalGet, 0)
			g.op(wasm.OpThrowRef)
			g.end()
			g.op(wasm.OpReturn)
			g.end()
			g.op(wasm.OpDrop)
		}},
		{"null", 0, []wasm.LocalGroup{{Count: 2, Type: exn}}, func(g *assembler) { // ref.is_null of locals
			g.idx(wasm.OpLocalGet, 0)
			g.idx(wasm.OpCall, 0)
			g.idx(wasm.OpLocalTee, 2)
			g.op(wasm.OpRefIsNull)
			g.idx(wasm.OpLocalGet, 1)
			g.op(wasm.OpRefIsNull)
			g.i32c(1)
			g.op(wasm.OpI32Shl)
			g.op(wasm.OpI32Or)
		}},
		{"pick", 5, nil, func(g *assembler) { // select between an exnref and null
			if !selects {
				g.idx(wasm.OpLocalGet, 1)
				g.open(wasm.OpIf, wasm.ValueBlock(exn))
				g.idx(wasm.OpLocalGet, 0)
				g.op(wasm.OpElse)
				g.raw(byte(wasm.OpRefNull), byte(exn))
				g.end()
				return
			}
			g.idx(wasm.OpLocalGet, 0)
			g.raw(byte(wasm.OpRefNull), byte(exn))
			g.idx(wasm.OpLocalGet, 1)
			g.b = wasm.AppendValueType(append(g.b, byte(wasm.OpSelectTyped), 1), exn)
		}},
		{"main", 0, nil, func(g *assembler) { // all of it, through a global and a table
			g.idx(wasm.OpLocalGet, 0)
			g.i32c(3)
			g.op(wasm.OpI32And)
			g.idx(wasm.OpCall, 0)
			g.idx(wasm.OpLocalGet, 0)
			g.i32c(4)
			g.op(wasm.OpI32And)
			g.idx(wasm.OpCall, 3)
			g.idx(wasm.OpGlobalSet, 0)
			g.open(wasm.OpBlock, wasm.EmptyBlock())
			g.open(wasm.OpTryTable, wasm.EmptyBlock())
			g.raw(1, byte(wasm.CatchAny), 0)
			g.idx(wasm.OpGlobalGet, 0)
			g.i32c(1)
			g.op(wasm.OpCallIndirect)
			g.raw(2, 0)
			g.i32c(1000)
			g.op(wasm.OpI32Add)
			g.op(wasm.OpReturn)
			g.end()
			g.end()
			g.i32c(-1)
		}},
		{"own", 0, nil, func(g *assembler) { // a branch to the try_table's own label leaves the try
			pos := g.open(wasm.OpBlock, wasm.ValueBlock(i32))
			own := g.open(wasm.OpTryTable, wasm.EmptyBlock())
			g.raw(1, byte(wasm.CatchTag), 0, 0)
			g.idx(wasm.OpLocalGet, 0)
			g.br(wasm.OpBrIf, own)
			g.i32c(7)
			g.idx(wasm.OpThrow, 0)
			g.end()
			g.i32c(8)
			g.br(wasm.OpBr, pos)
			g.end()
		}},
		{"late", 0, nil, func(g *assembler) { // thrown after the try was left: nobody catches
			g.open(wasm.OpBlock, wasm.ValueBlock(i32))
			own := g.open(wasm.OpTryTable, wasm.EmptyBlock())
			g.raw(1, byte(wasm.CatchTag), 0, 0)
			g.idx(wasm.OpLocalGet, 0)
			g.br(wasm.OpBrIf, own)
			g.end()
			g.i32c(7)
			g.idx(wasm.OpThrow, 0)
			g.end()
		}},
	}
	out := wasm.AppendHeader(nil)
	out = wasm.AppendSection(out, wasm.SectionType, wasm.AppendVector(nil, types, wasm.AppendFuncType))
	var funcs []uint32
	var codes [][]byte
	var exports []wasm.Export
	for i, b := range bodies {
		g := &assembler{b: wasm.AppendLocals(nil, b.local)}
		b.write(g)
		g.op(wasm.OpEnd)
		funcs, codes = append(funcs, b.typ), append(codes, g.b)
		if b.typ == 0 {
			exports = append(exports, wasm.Export{Name: b.name, Index: uint32(i)})
		}
	}
	out = wasm.AppendSection(out, wasm.SectionFunction, wasm.AppendVector(nil, funcs, wasm.AppendU32))
	out = wasm.AppendSection(out, wasm.SectionTable, []byte{1, 0x70, 0, 2})
	out = wasm.AppendSection(out, wasm.SectionTag, []byte{2, 0, 1, 0, 1})
	out = wasm.AppendSection(out, wasm.SectionGlobal, []byte{1, byte(exn), 1, byte(wasm.OpRefNull), byte(exn), byte(wasm.OpEnd)})
	out = wasm.AppendSection(out, wasm.SectionExport, wasm.AppendVector(nil, exports, wasm.AppendExport))
	out = wasm.AppendSection(out, wasm.SectionElement, []byte{1, 0, 0x41, 1, 0x0b, 1, 1})
	return wasm.AppendCodeSection(out, codes)
}

// assembler writes the body of a function.
type assembler struct {
	b     []byte
	depth uint32
}

func (a *assembler) op(c wasm.Opcode)               { a.b = wasm.AppendOp(a.b, c) }
func (a *assembler) idx(c wasm.Opcode, i uint32)    { a.b = wasm.AppendOpIndex(a.b, c, i) }
func (a *assembler) raw(b ...byte)                  { a.b = append(a.b, b...) }
func (a *assembler) i32c(v int32)                   { a.b = wasm.AppendI32Const(a.b, v) }
func (a *assembler) br(c wasm.Opcode, label uint32) { a.idx(c, a.depth-label) }

// open returns the label that br takes.
func (a *assembler) open(c wasm.Opcode, t wasm.BlockType) uint32 {
	a.b = wasm.AppendBlock(a.b, c, t)
	a.depth++
	return a.depth
}

func (a *assembler) end() {
	a.op(wasm.OpEnd)
	a.depth--
}
