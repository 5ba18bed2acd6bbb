package hostile

import "github.com/wherry-run/wherry/internal/wasm"

// guest is a module to be encoded. Function indices count imports first, as in
// the format.
type guest struct {
	types   []wasm.FuncType // () -> () is type 0
	imports []wasm.Import
	funcs   []function
	tables  []wasm.TableType
	memory  *wasm.MemoryType
	tags    []uint32
	globals [][]byte // types and initial values
	exports []wasm.Export
	start   *uint32
	elems   []byte // content of the section
	data    []byte // content of the section
}

type function struct {
	typ    uint32
	locals []wasm.LocalGroup
	code   []byte // without the final end
}

// module encodes g.
func (g guest) module() []byte {
	b := wasm.AppendHeader(nil)
	types := append([]wasm.FuncType{{}}, g.types...)
	b = wasm.AppendSection(b, 1, wasm.AppendVector(nil, types, wasm.AppendFuncType))
	if len(g.imports) > 0 {
		b = wasm.AppendSection(b, 2, wasm.AppendVector(nil, g.imports, wasm.AppendImport))
	}
	b = wasm.AppendSection(b, 3, wasm.AppendVector(nil, g.funcs, func(b []byte, f function) []byte { return wasm.AppendU32(b, f.typ) }))
	if len(g.tables) > 0 {
		b = wasm.AppendSection(b, 4, wasm.AppendVector(nil, g.tables, wasm.AppendTableType))
	}
	if g.memory != nil {
		b = wasm.AppendSection(b, 5, wasm.AppendVector(nil, []wasm.MemoryType{*g.memory}, wasm.AppendMemoryType))
	}
	if len(g.tags) > 0 {
		b = wasm.AppendSection(b, 13, wasm.AppendVector(nil, g.tags, func(b []byte, t uint32) []byte { return wasm.AppendU32(append(b, 0), t) }))
	}
	if len(g.globals) > 0 {
		b = wasm.AppendSection(b, 6, wasm.AppendVector(nil, g.globals, func(b, global []byte) []byte { return append(b, global...) }))
	}
	b = wasm.AppendSection(b, 7, wasm.AppendVector(nil, g.exports, wasm.AppendExport))
	if g.start != nil {
		b = wasm.AppendSection(b, 8, wasm.AppendU32(nil, *g.start))
	}
	if g.elems != nil {
		b = wasm.AppendSection(b, 9, g.elems)
	}
	bodies := make([][]byte, len(g.funcs))
	for i, f := range g.funcs {
		bodies[i] = append(append(wasm.AppendLocals(nil, f.locals), f.code...), end)
	}
	b = wasm.AppendCodeSection(b, bodies)
	if g.data != nil {
		b = wasm.AppendSection(b, 11, g.data)
	}
	return b
}

const (
	end   = 0x0b
	empty = 0x40 // the type of a block without parameters and results
)

// code encodes instructions: opcodes, unsigned immediates (int), and bytes that
// are encoded already.
func code(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case wasm.Opcode:
			b = wasm.AppendOp(b, p)
		case int:
			b = wasm.AppendU32(b, uint32(p))
		case []byte:
			b = append(b, p...)
		}
	}
	return b
}

func i32(v int64) []byte { return wasm.AppendI32Const(nil, int32(v)) }
func i64(v int64) []byte { return wasm.AppendI64Const(nil, v) }

// command is a module that does nothing but run the code.
func command(parts ...any) guest {
	return guest{
		funcs:   []function{{code: code(parts...)}},
		memory:  &wasm.MemoryType{Size: wasm.Size{Min: 1}},
		exports: []wasm.Export{{Name: "memory", Kind: wasm.ExternMemory}, {Name: "_start", Kind: wasm.ExternFunc}},
	}
}

// local gives the command a local variable.
func (g guest) local(t wasm.ValueType, n uint32) guest {
	g.funcs[0].locals = append(g.funcs[0].locals, wasm.LocalGroup{Count: n, Type: t})
	return g
}

// calls is a command that may call functions of WASI: imports become functions
// 0, 1, ..., in their order, and _start the next.
func calls(imports []hostFunc, parts ...any) guest {
	g := command(parts...)
	for i, im := range imports {
		g.types = append(g.types, wasm.FuncType{Params: im.params, Results: im.results})
		g.imports = append(g.imports, wasm.Import{Module: im.module, Name: im.name, Kind: wasm.ExternFunc, Type: uint32(i + 1)})
	}
	g.exports[1].Index = uint32(len(imports))
	return g
}

type hostFunc struct {
	module, name    string
	params, results []wasm.ValueType
}

// wasip1 describes a function of WASI by a word such as "iiI": i32, i32, i64.
// All but proc_exit return an errno.
func wasip1(name, params string) hostFunc {
	f := hostFunc{module: "wasi_snapshot_preview1", name: name}
	for _, p := range params {
		f.params = append(f.params, map[rune]wasm.ValueType{'i': wasm.I32, 'I': wasm.I64}[p])
	}
	if name != "proc_exit" {
		f.results = []wasm.ValueType{wasm.I32}
	}
	return f
}

// answer is a command that calls one function of WASI with constants and exits
// with the errno it gets.
func answer(name, params string, args ...int64) guest {
	var b []byte
	for i, p := range params {
		if p == 'I' {
			b = append(b, i64(args[i])...)
		} else {
			b = append(b, i32(args[i])...)
		}
	}
	return calls([]hostFunc{wasip1(name, params), wasip1("proc_exit", "i")}, b, wasm.OpCall, 0, wasm.OpCall, 1)
}
