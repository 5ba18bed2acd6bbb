package generate

import (
	"math"

	"github.com/wherry-run/wherry/internal/wasm"
)

// program writes a random program.
type program struct {
	writer
	depth  uint32 // open labels
	labels []label
	tries  []try
	self   int // function being written
	budget int // statements left in it
}

// label is a place to branch to. A loop's counter goes down with every branch to it.
type label struct {
	pos     uint32
	loop    bool
	counter uint32
}

// try is a try around the statement being written.
type try struct {
	pos     uint32 // legacy: its label; exnref: where an exception delegated to it is thrown anew
	exn     uint32 // exnref: local that holds what a handler caught
	body    bool   // in its body
	holding bool   // in a handler that may rethrow
}

// The functions: the host's, sinks, the targets of table 1, then those that were drawn, of which each calls only those
// above it, directly and through table 0.
const (
	funcs     = 5
	funcHost  = 0
	funcSink  = 1
	funcValue = funcSink + sinks
	values    = 4
	funcFirst = funcValue + values
	funcState = funcFirst + funcs
)

// The types.
const (
	typeMain  = 0 // (i32 i64 f32 f64) -> i32
	typeHost  = 1 // (i32) -> i32
	typeTry   = typeHost
	typeTag   = 2 // () -> ()
	typeTagI  = 3 // (i32) -> ()
	typeValue = 4 // () -> i32
	typeLoop  = 5 // (i32 f64 v128) -> (i32 f64 v128)
	typeSink  = 6 // and on
	typeRefI  = typeSink + sinks
)

// The globals: two numbers that run out, so that a program ends, then one of every type.
const (
	globalCalls = 0
	globalWork  = 1
	globalFirst = 2
	globalTicks = globalFirst + 5 // with Ticks
)

const (
	tagEmpty = 0
	tagI32   = 1
)

// Locals of every function: four parameters, then these.
const (
	localI   = 4  // i32 x 4
	localL   = 8  // i64 x 2
	localF   = 10 // f32 x 4, and one for results that may be NaN
	localD   = 15 // f64 x 4, and one more
	localV   = 20 // v128 x 3, and one more
	localT   = 24 // i32 x 8: loop counters
	localP   = 32 // i32: what a try takes
	localR   = 33 // i32: what it gives
	localM   = 34 // i32: pointer of a long loop
	localN   = 35 // i32: its end
	localMax = 36 // i64: the same, of 64 bits
	localX   = 37 // exnref x 8, in the exnref form alone
)

// locals says where the locals of a type begin, how many there are, and which one is scratch.
func locals(t wasm.ValueType) (first, n, scratch uint32) {
	switch t {
	case wasm.I32:
		return localI, 4, 0
	case wasm.I64:
		return localL, 2, 0
	case wasm.F32:
		return localF, 4, localF + 4
	case wasm.F64:
		return localD, 4, localD + 4
	}
	return localV, 3, localV + 3
}

// Where things are in memory. Programs read and write all of it.
const (
	pages     = 6 // more than one piece of a bulk instruction
	pagesMax  = 8
	stateAt   = 0x2000
	tableInit = 12
	tableMax  = 80_000 // more than one piece, too
)

// sink parameters: calls that use many registers of one kind.
var sinkParams = [sinks][]wasm.ValueType{
	{wasm.F32, wasm.F64, wasm.F32},
	{wasm.F64, wasm.F32, wasm.V128},
	repeat(wasm.F32, 9), repeat(wasm.F64, 9), repeat(wasm.V128, 9), repeat(wasm.I32, 9), repeat(wasm.I64, 4),
	{wasm.I32, wasm.F64, wasm.V128, wasm.I64, wasm.F32, wasm.I32, wasm.F64, wasm.V128, wasm.F32, wasm.I64},
}

const sinks = 8

func repeat(t wasm.ValueType, n int) (out []wasm.ValueType) {
	for range n {
		out = append(out, t)
	}
	return out
}

// Program writes a random program: functions with all kinds of statements, nested and in loops, that call each other.
func Program(o Options) Module {
	g := &program{writer: newWriter(o, 17)}
	bodies := [][]byte{}
	signatures := []uint32{}
	add := func(typ uint32, body []byte) {
		signatures, bodies = append(signatures, typ), append(bodies, body)
	}
	for i := range sinks {
		add(uint32(typeSink+i), []byte{0, 0x0b})
	}
	for i := range values {
		add(typeValue, append(wasm.AppendI32Const([]byte{0}, int32(1000*(i+1))), 0x0b))
	}
	for i := range funcs {
		add(typeMain, g.function(i))
	}
	add(typeTag, g.state())
	seed := o.Seed
	return Module{
		Wasm:  assemble(bodies, g.sections(signatures), g.data()),
		Units: g.unit,
		Calls: []Call{
			{"f0", []uint64{seed & 7, seed, uint64(math.Float32bits(float32(seed))), math.Float64bits(-1.5)}},
			{"f1", []uint64{seed >> 3 & 0xffff, 1 << 40, 1 << 31, math.Float64bits(float64(seed))}},
			{"f0", []uint64{1, 2, uint64(math.Float32bits(3)), math.Float64bits(4)}},
			{"state", nil},
		},
	}
}

// sections writes all that comes before the code.
func (g *program) sections(signatures []uint32) []section {
	i32, i64, f32, f64, v128 := wasm.I32, wasm.I64, wasm.F32, wasm.F64, wasm.V128
	one := []wasm.ValueType{i32}
	loop := []wasm.ValueType{i32, f64, v128}
	list := []wasm.FuncType{
		{Params: []wasm.ValueType{i32, i64, f32, f64}, Results: one}, {Params: one, Results: one},
		{}, {Params: one}, {Results: one}, {Params: loop, Results: loop},
	}
	for _, p := range sinkParams {
		list = append(list, wasm.FuncType{Params: p})
	}
	if g.Exnref {
		list = append(list, wasm.FuncType{Results: []wasm.ValueType{i32, wasm.ExnRef}})
	}
	var tags []byte
	if g.Throws {
		tags = []byte{3, 0, typeTag, 0, typeTagI, 0, typeTagI}
	}
	tables := append([]byte{2, 0x70, 0, funcs, 0x70, 1}, wasm.AppendU32(wasm.AppendU32(nil, tableInit), tableMax)...)
	if g.Plain {
		tables = []byte{1, 0x70, 0, funcs}
	}
	exports := []wasm.Export{{Name: "memory", Kind: wasm.ExternMemory}, {Name: "f0", Index: funcFirst},
		{Name: "f1", Index: funcFirst + 1}, {Name: "state", Index: funcState}}
	elems := []byte{3, 0, 0x41, 0, 0x0b, funcs}
	for i := range funcs {
		elems = append(elems, byte(funcFirst+i))
	}
	plain := elems
	elems = append(elems, 2, 1, 0x41, 2, 0x0b, 0, 2, funcValue, funcValue+1) // table 1, from 2
	elems = append(elems, 1, 0, 6)                                           // passive
	for i := range 6 {
		elems = append(elems, byte(funcValue+i%values))
	}
	if g.Plain {
		elems = append([]byte{1}, plain[1:]...)
	}
	return []section{
		{wasm.SectionType, wasm.AppendVector(nil, list, wasm.AppendFuncType)},
		{wasm.SectionImport, wasm.AppendVector(nil, []wasm.Import{{Module: HostModule, Name: HostName, Type: typeHost}}, wasm.AppendImport)},
		{wasm.SectionFunction, wasm.AppendVector(nil, signatures, wasm.AppendU32)},
		{wasm.SectionTable, tables},
		{wasm.SectionMemory, []byte{1, 1, pages, pagesMax}},
		{wasm.SectionTag, tags},
		{wasm.SectionGlobal, g.globals()},
		{wasm.SectionExport, wasm.AppendVector(nil, exports, wasm.AppendExport)},
		{wasm.SectionElement, elems},
		{wasm.SectionDataCount, []byte{2}},
	}
}

func (g *program) globals() []byte {
	start, b := len(g.b), byte(0)
	for i, v := range []int32{globalCalls: 200, globalWork: 20_000} {
		g.raw(byte(wasm.I32), 1)
		g.i32c(v)
		g.op(wasm.OpEnd)
		b = byte(i + 1)
	}
	for _, t := range types {
		if !g.global(t) {
			t = wasm.I64 // that nobody uses
		}
		g.raw(byte(t), 1)
		g.constant(t)
		g.op(wasm.OpEnd)
		b++
	}
	if g.Ticks {
		g.raw(byte(wasm.I64), 1)
		g.i64c(0)
		g.op(wasm.OpEnd)
		b++
	}
	out := append([]byte{b}, g.b[start:]...)
	g.b = g.b[:start]
	return out
}

// data is one active segment of random bytes and a passive one.
func (g *program) data() section {
	out := []byte{2, 0, 0x41, 0x80, 0x18, 0x0b} // at 0xc00
	fill := func(n int) {
		out = wasm.AppendU32(out, uint32(n))
		for range n {
			out = append(out, byte(g.n(256)))
		}
	}
	fill(512)
	out = append(out, 1)
	fill(200)
	return section{wasm.SectionData, out}
}

func (g *program) function(i int) []byte {
	g.self, g.budget, g.depth, g.labels, g.tries = i, 8+g.n(14), 0, nil, nil
	groups := []wasm.LocalGroup{{Count: 4, Type: wasm.I32}, {Count: 2, Type: wasm.I64}, {Count: 5, Type: wasm.F32},
		{Count: 5, Type: wasm.F64}, {Count: 4, Type: wasm.V128}, {Count: 12, Type: wasm.I32}, {Count: 1, Type: wasm.I64}}
	if g.Exnref {
		groups = append(groups, wasm.LocalGroup{Count: 8, Type: wasm.ExnRef})
	}
	g.b = wasm.AppendLocals(nil, groups)
	g.pay(globalCalls, 1)
	g.idx(wasm.OpGlobalGet, globalCalls)
	g.i32c(0)
	g.op(wasm.OpI32LtS)
	g.open(wasm.OpIf, wasm.EmptyBlock())
	g.i32c(int32(i))
	g.op(wasm.OpReturn)
	g.end()
	for k := range uint32(4) { // spread the parameters
		g.idx(wasm.OpLocalGet, 2)
		g.idx(wasm.OpLocalSet, localF+k)
		g.idx(wasm.OpLocalGet, 3)
		g.idx(wasm.OpLocalSet, localD+k)
	}
	g.guard(func() {
		for g.budget > 0 {
			g.statement(0)
		}
	})
	g.dump(uint32(i) * 512)
	g.expr(wasm.I32, 2)
	g.op(wasm.OpEnd)
	return g.b
}

// global reports whether there is a global of a type.
func (g *program) global(t wasm.ValueType) bool { return t != wasm.V128 || !g.Plain }

// pay takes n from one of the numbers that run out.
func (g *program) pay(global uint32, n int32) {
	g.idx(wasm.OpGlobalGet, global)
	g.i32c(n)
	g.op(wasm.OpI32Sub)
	g.idx(wasm.OpGlobalSet, global)
}

// dump stores all locals, so that a clobbered one is seen.
func (g *program) dump(at uint32) {
	for _, t := range types {
		first, n, _ := locals(t)
		for k := range n {
			g.i32c(int32(at))
			g.idx(wasm.OpLocalGet, first+k)
			g.mem(storeOf(t), 0, 0)
			at += 16
		}
	}
}

func storeOf(t wasm.ValueType) wasm.Opcode {
	if t == wasm.V128 {
		return 0xfd0b
	}
	return wasm.OpI32Store + wasm.Opcode(index(t))
}

func loadOf(t wasm.ValueType) wasm.Opcode {
	if t == wasm.V128 {
		return 0xfd00
	}
	return wasm.OpI32Load + wasm.Opcode(index(t))
}

// state writes the function that brings globals, sizes and the table into the memory.
func (g *program) state() []byte {
	g.b = wasm.AppendLocals(nil, []wasm.LocalGroup{{Count: 2, Type: wasm.I32}})
	if g.Ticks {
		g.i32c(TicksAt)
		g.idx(wasm.OpGlobalGet, globalTicks)
		g.mem(wasm.OpI64Store, 0, 0)
	}
	at := int32(stateAt)
	put := func(t wasm.ValueType, value func()) {
		g.i32c(at)
		value()
		g.mem(storeOf(t), 0, 0)
		at += 16
	}
	for i := range uint32(globalFirst) {
		put(wasm.I32, func() { g.idx(wasm.OpGlobalGet, i) })
	}
	for i, t := range types {
		if !g.global(t) {
			continue
		}
		put(t, func() { g.idx(wasm.OpGlobalGet, globalFirst+uint32(i)) })
	}
	put(wasm.I32, func() { g.op(wasm.OpMemorySize); g.raw(0) })
	if g.Plain {
		g.op(wasm.OpEnd)
		return g.b
	}
	put(wasm.I32, func() { g.idx(wasm.OpTableSize, 1) })
	// hash = hash * 31 + (entry is null ? 7 : entry()), for every entry
	const i, hash = 0, 1
	g.depth = 0
	done := g.open(wasm.OpBlock, wasm.EmptyBlock())
	again := g.open(wasm.OpLoop, wasm.EmptyBlock())
	g.idx(wasm.OpLocalGet, i)
	g.idx(wasm.OpTableSize, 1)
	g.op(wasm.OpI32GeU)
	g.br(wasm.OpBrIf, done)
	g.idx(wasm.OpLocalGet, i)
	g.idx(wasm.OpTableGet, 1)
	g.op(wasm.OpRefIsNull)
	g.open(wasm.OpIf, wasm.ValueBlock(wasm.I32))
	g.i32c(7)
	g.op(wasm.OpElse)
	g.idx(wasm.OpLocalGet, i)
	g.op(wasm.OpCallIndirect)
	g.raw(typeValue, 1)
	g.end()
	g.idx(wasm.OpLocalGet, hash)
	g.i32c(31)
	g.op(wasm.OpI32Mul)
	g.op(wasm.OpI32Add)
	g.idx(wasm.OpLocalSet, hash)
	g.idx(wasm.OpLocalGet, i)
	g.i32c(1)
	g.op(wasm.OpI32Add)
	g.idx(wasm.OpLocalSet, i)
	g.br(wasm.OpBr, again)
	g.end()
	g.end()
	put(wasm.I32, func() { g.idx(wasm.OpLocalGet, hash) })
	g.op(wasm.OpEnd)
	return g.b
}
