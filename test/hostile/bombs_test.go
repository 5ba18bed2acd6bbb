package hostile

import (
	"bytes"
	"strings"
	"time"

	"github.com/wherry-run/wherry/internal/wasm"
)

// bombs are small modules that hold a compiler for seconds, or make it take all
// memory, unless they are refused for their structure.
func bombs() []row {
	nested := func(op wasm.Opcode, n int, inside ...any) []byte {
		var b []byte
		for range n {
			b = append(wasm.AppendOp(b, op), empty)
		}
		b = append(b, code(inside...)...)
		return append(b, bytes.Repeat([]byte{end}, n)...)
	}
	ownLocals := func(n int) guest { // loops in loops, each changing its own local
		var b []byte
		for k := range n {
			b = append(wasm.AppendOp(b, wasm.OpLoop), empty)
			b = append(b, code(wasm.OpLocalGet, k, i32(1), wasm.OpI32Add, wasm.OpLocalSet, k)...)
		}
		for k := range n {
			b = append(b, code(wasm.OpLocalGet, k, i32(9), wasm.OpI32LtU, wasm.OpBrIf, 0)...)
			b = append(b, end)
		}
		return command(b).local(wasm.I32, uint32(n))
	}
	inARow := func(n int) guest {
		var b []byte
		for k := range n {
			b = append(wasm.AppendOp(b, wasm.OpLoop), empty)
			b = append(b, code(wasm.OpLocalGet, k, i32(1), wasm.OpI32Add, wasm.OpLocalTee, k, i32(9), wasm.OpI32LtU, wasm.OpBrIf, 0)...)
			b = append(b, end)
		}
		return command(b).local(wasm.I32, uint32(n))
	}
	table := func(n int) []byte {
		return code(wasm.OpBlock, []byte{empty}, i32(0), wasm.OpBrTable, n, make([]byte, n+1), []byte{end})
	}
	tables := func(count, n int) guest { return command(bytes.Repeat(table(n), count)) }
	slow := bound{time: 2 * time.Second, memory: 400 * mib}
	functions := func(n int) []byte {
		g := command()
		for range n {
			g.funcs = append(g.funcs, function{})
		}
		return g.module()
	}
	types := func(n int, t wasm.FuncType) []byte {
		g := command()
		for range n {
			g.types = append(g.types, t)
		}
		return g.module()
	}
	wide := make([]wasm.ValueType, 1001)
	for i := range wide {
		wide[i] = wasm.I64
	}
	return []row{
		{name: "250 loops in loops", module: ownLocals(250).module(), want: refused("loop")},
		{name: "60 loops in loops", module: ownLocals(60).module(), want: exceeds("fuel"), bound: slow},
		{name: "1000 loops in a row, 1000 locals", module: inARow(1000).module(), want: refused("locals that live where paths join"), bound: slow},
		{name: "500 loops in a row, 500 locals", module: inARow(500).module(), want: exits(0), bound: slow},
		{name: "100,000 blocks in blocks", module: command(nested(wasm.OpBlock, 100_000)).module(), want: refused("blocks within blocks")},
		{name: "10,001 blocks in blocks", module: command(nested(wasm.OpBlock, 10_001)).module(), want: refused("blocks within blocks")},
		{name: "9,999 blocks in blocks", module: command(nested(wasm.OpBlock, 9_999)).module(), want: exits(0), bound: slow},
		{name: "100,000 ifs in ifs", module: command(func() []byte {
			one := append(i32(1), 0x04, empty)
			return append(bytes.Repeat(one, 100_000), bytes.Repeat([]byte{end}, 100_000)...)
		}()).module(), want: refused("blocks within blocks")},
		{name: "100,000 tries in tries", module: command(func() []byte {
			return append(bytes.Repeat([]byte{0x06, empty}, 100_000), bytes.Repeat([]byte{end}, 100_000)...)
		}()).module(), want: refused("blocks within blocks")},
		{name: "br_table of 200,000 targets", module: tables(1, 200_000).module(), want: refused("br_table")},
		{name: "1000 br_tables of 1000 targets", module: tables(1000, 1000).module(), want: refused("br_table")},
		{name: "20,001 locals", module: command().local(wasm.I32, 20_001).module(), want: refused("local")},
		{name: "10,000 locals of 16 bytes", module: command().local(wasm.V128, 10_000).module(), want: exits(0), bound: slow},
		{name: "body of 5 MiB", module: command(bytes.Repeat([]byte{0x01}, 5*mib)).module(), want: refused("bytes in one function"), bound: slow},
		{name: "1001 parameters", module: types(1, wasm.FuncType{Params: wide}), want: refused("parameter")},
		{name: "1001 results", module: types(1, wasm.FuncType{Results: wide}), want: refused("result")},
		{name: "30,000 types", module: types(30_000, wasm.FuncType{}), want: refused("types")},
		{name: "200,001 functions", module: functions(200_001), want: refused("functions"), bound: slow},
		{name: "20,000 empty functions", module: functions(20_000), want: exits(0), bound: slow},
		{name: "calls that return 1000 results each", module: func() []byte {
			g := command(bytes.Repeat(code(wasm.OpCall, 1), 20_000), wasm.OpUnreachable)
			g.types = []wasm.FuncType{{Results: wide[:1000]}}
			g.funcs = append(g.funcs, function{typ: 1, code: code(wasm.OpUnreachable)})
			return g.module()
		}(), want: refused(""), bound: slow},
		{name: "2,000 custom sections", module: func() []byte {
			m := command().module()
			for range 2_000 {
				m = wasm.AppendCustom(m, "x", nil)
			}
			return m
		}(), want: refused("custom")},
		{name: "names section of nonsense", module: wasm.AppendCustom(command(wasm.OpUnreachable).module(), "name", bytes.Repeat([]byte{0xff}, 100_000)), want: traps("unreachable")},
		{name: "function with a name of escape sequences", module: wasm.AppendCustom(command(wasm.OpUnreachable).module(), "name", func() []byte {
			names := wasm.AppendName([]byte{1, 0}, "\x1b[31m\x1b]0;owned\a"+strings.Repeat("n", 5000))
			return wasm.AppendSection(nil, 1, names)
		}()), want: traps("unreachable")},
		{name: "export with a name of 1 MiB", module: func() []byte {
			g := command()
			g.exports[0].Name = string(bytes.Repeat([]byte("n"), mib))
			return g.module()
		}(), want: refused("name")},
		{name: "table of 2^32-1 entries", module: func() []byte {
			g := command()
			g.tables = []wasm.TableType{{Elem: wasm.FuncRef, Size: wasm.Size{Min: 1<<32 - 1}}}
			return g.module()
		}(), want: refused("table")},
		{name: "100 tables of 10,000,000 entries", module: func() []byte {
			g := command()
			for range 100 {
				g.tables = append(g.tables, wasm.TableType{Elem: wasm.FuncRef, Size: wasm.Size{Min: 10_000_000}})
			}
			return g.module()
		}(), want: refused("table")},
		{name: "two memories", module: func() []byte {
			b := wasm.AppendHeader(nil)
			return wasm.AppendSection(b, 5, []byte{2, 0, 1, 0, 1})
		}(), want: refused("multi-memory")},
		{name: "memory of 64 bits", module: wasm.AppendSection(wasm.AppendHeader(nil), 5, []byte{1, 4, 1}), want: refused("memor")},
	}
}
