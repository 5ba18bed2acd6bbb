package hostile

import (
	"bytes"
	"time"

	"github.com/wherry-run/wherry/internal/wasm"
)

// work are modules whose shape breaks no rule of size but makes a pass of the
// compiler take more than linear time; and beside them the largest of the kind
// that are let in, which must compile in the time and memory that the limits
// promise.
func work() []row {
	let := bound{time: 2 * time.Second, memory: 500 * mib} // one function that just passes
	repeat := func(n int, parts ...any) []byte { return bytes.Repeat(code(parts...), n) }
	get := func(k int) []byte { return code(wasm.OpLocalGet, k) }
	load := code([]byte{0x28, 2, 0}) // i32.load
	drop := []byte{0x1a}
	emptyIf := code(i32(0), []byte{0x04, empty, end})
	one := func(parts ...any) guest { return command(parts...).local(wasm.I32, 1) }
	// copies are n functions beside _start.
	copies := func(n int, locals uint32, body []byte) []byte {
		g := command()
		for range n {
			g.funcs = append(g.funcs, function{locals: []wasm.LocalGroup{{Count: locals, Type: wasm.I32}}, code: body})
		}
		return g.module()
	}
	// each applies f to 0 ... n-1.
	each := func(n int, f func(k int) []byte) (b []byte) {
		for k := range n {
			b = append(b, f(k)...)
		}
		return b
	}
	loops := func(n int) []byte { // in a row, each with a local of its own
		return each(n, func(k int) []byte {
			return code([]byte{0x03, empty}, get(k), i32(1), wasm.OpI32Add, wasm.OpLocalTee, k, i32(9), wasm.OpI32LtU, wasm.OpBrIf, 0, []byte{end})
		})
	}
	alive := func(n, ifs int, inside []byte) guest { // n locals that live over ifs
		set := each(n, func(k int) []byte { return code(i32(0), load, wasm.OpLocalSet, k) })
		use := each(n, func(k int) []byte { return code(get(k), drop) })
		return command(set, repeat(ifs, i32(0), []byte{0x04, empty}, inside, []byte{end}), use).local(wasm.I32, uint32(n))
	}
	table := code(wasm.OpBlock, []byte{empty}, i32(0), wasm.OpBrTable, 8000, make([]byte, 8001), []byte{end})
	throwing := func(n int) []byte { // calls that may throw: each is a branch once exceptions are lowered
		g := command(repeat(n, wasm.OpCall, 1))
		g.tags = []uint32{0}
		g.funcs = append(g.funcs, function{code: code(i32(0), []byte{0x04, empty, 0x08, 0, end})})
		return g.module()
	}
	tries := func(n, depth int) []byte { // tries in loops in tries
		return command(repeat(n, repeat(depth, []byte{0x03, empty, 0x06, empty}), wasm.OpCall, 0, repeat(depth, []byte{0x19, end, end}))).module()
	}
	inRow, steps := refused("blocks in a row"), refused("to the same place")
	return []row{
		{name: "10,000 empty ifs", module: command(bytes.Repeat(emptyIf, 10_000)).module(), want: inRow},
		{name: "30,000 empty ifs", module: command(bytes.Repeat(emptyIf, 30_000)).module(), want: inRow},
		{name: "3,500 empty ifs", module: command(bytes.Repeat(emptyIf, 3_500)).module(), want: exits(0), bound: let},
		{name: "5,000 ifs that return", module: one(repeat(5_000, get(0), []byte{0x04, empty, 0x0f, end})).module(), want: inRow},
		{name: "10,000 loops without locals", module: command(repeat(10_000, []byte{0x03, empty, end})).module(), want: inRow},
		{name: "100 times 60 loops in loops", module: one(repeat(100, repeat(60, []byte{0x03, empty}), repeat(60, get(0), wasm.OpBrIf, 0, []byte{end}))).module(), want: inRow},
		{name: "15,000 branches to one label", module: one(repeat(15_000, get(0), wasm.OpBrIf, 0)).module(), want: inRow},
		{name: "1,000 ways back into a loop of 1,000 locals", module: command(
			[]byte{0x03, empty}, each(1000, func(k int) []byte { return code(get(k), drop) }), repeat(1000, get(0), wasm.OpBrIf, 0), []byte{end}).
			local(wasm.I32, 1000).module(), want: refused("estimated")},
		{name: "4 br_tables of 8,000 targets", module: command(bytes.Repeat(table, 4)).module(), want: exits(0), bound: let},
		{name: "50 functions with 4 br_tables of 8,000 targets", module: copies(50, 0, bytes.Repeat(table, 4)), want: steps},
		{name: "1,000 locals that live over 1,000 ifs", module: alive(1000, 1000, nil).module(), want: refused("locals that live")},
		{name: "400 locals that live over 1,000 ifs", module: alive(400, 1000, nil).module(), want: exits(0), bound: let},
		{name: "300 locals written in 3,000 ifs", module: command(
			each(3000, func(k int) []byte {
				return code(i32(1), []byte{0x04, empty}, i32(int64(k)), wasm.OpLocalSet, k%300, []byte{end})
			}),
			each(300, func(k int) []byte { return code(get(k), drop) })).local(wasm.I32, 300).module(), want: refused("estimated")},
		{name: "3,000 operands that live over 3,000 ifs", module: one(repeat(3000, get(0)), bytes.Repeat(emptyIf, 3000), bytes.Repeat(drop, 3000)).module(), want: refused("values that live")},
		{name: "1,300 loops in a row, 1,300 locals", module: copies(1, 1300, loops(1300)), want: refused("locals that live")},
		{name: "40 functions of 500 loops x 500 locals", module: copies(40, 500, loops(500)), want: refused("compiling the module")},
		{name: "200 functions of 3,000 ifs", module: copies(200, 0, bytes.Repeat(emptyIf, 3000)), want: refused("compiling the module")},
		{name: "60,000 functions beside one of 4,000 ifs", module: func() []byte {
			g := command(bytes.Repeat(emptyIf, 4000))
			g.funcs = append(g.funcs, make([]function, 60_000)...)
			return g.module()
		}(), want: refused("beside one of")},
		{name: "18,000 functions, each with a type", module: func() []byte {
			g := command()
			for k := range 18_000 {
				g.types = append(g.types, wasm.FuncType{})
				g.funcs = append(g.funcs, function{typ: uint32(k)})
			}
			return g.module()
		}(), want: refused("types")},
		{name: "300,000 loads", module: command(repeat(300_000, i32(0), load, drop)).module(), want: refused("memory accesses")},
		{name: "600,000 loads", module: command(repeat(600_000, i32(0), load, drop)).module(), want: refused("bytes in one function")},
		{name: "100,000 loads", module: command(repeat(100_000, i32(0), load, drop)).module(), want: exits(0), bound: bound{time: 3 * time.Second, memory: 800 * mib}},
		{name: "130,000 divisions", module: one(repeat(130_000, get(0), get(0), []byte{0x6d}, drop)).module(), want: refused("divisions")},
		{name: "50,000 indirect calls", module: func() []byte {
			g := command(repeat(50_000, i32(0), []byte{0x11, 0, 0}))
			g.tables = []wasm.TableType{{Elem: wasm.FuncRef, Size: wasm.Size{Min: 1}}}
			return g.module()
		}(), want: refused("calls")},
		{name: "100,000 blocks in a row", module: command(repeat(100_000, []byte{0x02, empty, end})).module(), want: refused("basic blocks")},
		{name: "20,000 calls that throw nothing", module: throwing(20_000), want: inRow},
		{name: "3,000 calls that throw nothing", module: throwing(3_000), want: exits(0), bound: let},
		{name: "100 times 30 tries in loops in tries", module: tries(100, 30), want: refused("")},
		{name: "calls with 1,000 arguments", module: func() []byte {
			g := command(repeat(1000, repeat(1000, i32(0)), wasm.OpCall, 1))
			g.types = []wasm.FuncType{{Params: bytes1000()}}
			g.funcs = append(g.funcs, function{typ: 1})
			return g.module()
		}(), want: exits(0), bound: let},
		{name: "45,000 operands", module: command(repeat(45_000, i32(1)), bytes.Repeat(drop, 45_000)).module(), want: exits(0), bound: let},
		{name: "50,000 instructions on vectors", module: command(repeat(50_000, get(0), get(0), []byte{0xfd, 0xb5, 1}, wasm.OpLocalSet, 0)).local(wasm.V128, 1).module(), want: exits(0), bound: let},
		{name: "20,000 copies of memory", module: command(repeat(20_000, i32(0), i32(0), i32(0), []byte{0xfc, 10, 0, 0})).module(), want: exits(0), bound: let},
	}
}

func bytes1000() []wasm.ValueType {
	ts := make([]wasm.ValueType, 1000)
	for i := range ts {
		ts[i] = wasm.I32
	}
	return ts
}
