package prepare_test

import (
	"math/rand/v2"

	"github.com/wherry-run/wherry/internal/wasm"
)

// generator writes random programs that end, never trap and have no NaN whose bits are open. The same seed gives the
// same program with legacy exceptions or with exnref, so that what the one form does on the interpreter says what the
// other must do.
type generator struct {
	r      *rand.Rand
	exnref bool
	throws bool // use exceptions at all
	b      []byte
	depth  uint32 // open labels
	labels []genLabel
	tries  []genTry
	self   int // function being written
	budget int // statements left in it
}

type genLabel struct {
	pos  uint32
	loop bool
}

// genTry is a try around the statement being written.
type genTry struct {
	pos     uint32 // legacy: its label; exnref: where an exception delegated to it is thrown anew
	exn     uint32 // exnref: local that holds what a handler caught
	body    bool   // in its body
	holding bool   // in a handler that may rethrow
}

// The module: function i calls only functions above it, directly and through the table.
const (
	genFuncs  = 5
	genHost   = 0 // import
	genFirst  = 3 // after the host and two sinks
	typeMain  = 0 // (i32 i64 f32 f64) -> i32
	typeSinkF = 1
	typeSinkD = 2
	typeHost  = 3
	typeTry   = 4 // (i32) -> i32
	typeTag   = 5 // () -> ()
	typeTagI  = 6 // (i32) -> ()
	typeRefI  = 7 // () -> i32 exnref
	globalRun = 0 // calls left
	tagEmpty  = 0
	tagI32    = 1
	tagOther  = 2
)

// Locals of every function: four parameters, then these.
const (
	localI = 4  // i32 x 4
	localL = 8  // i64 x 2
	localF = 10 // f32 x 4, and one for results that may be NaN
	localD = 15 // f64 x 4, and one more
	localV = 20 // v128 x 2
	localT = 22 // i32 x 10: loop counters, then what a try takes and gives
	localX = 32 // exnref x 8, in the exnref form alone
	localP = localT + 8
	localR = localT + 9
)

func generate(seed uint64, exnref, throws bool) []byte {
	g := &generator{r: rand.New(rand.NewPCG(seed, 17)), exnref: exnref, throws: throws}
	i32, i64, f32, f64 := wasm.I32, wasm.I64, wasm.F32, wasm.F64
	types := []wasm.FuncType{
		{Params: []wasm.ValueType{i32, i64, f32, f64}, Results: []wasm.ValueType{i32}},
		{Params: []wasm.ValueType{f32, f64, f32}}, {Params: []wasm.ValueType{f64, f32, wasm.V128}},
		{Params: []wasm.ValueType{i32}, Results: []wasm.ValueType{i32}},
		{Params: []wasm.ValueType{i32}, Results: []wasm.ValueType{i32}},
		{}, {Params: []wasm.ValueType{i32}},
	}
	if exnref {
		types = append(types, wasm.FuncType{Results: []wasm.ValueType{i32, wasm.ExnRef}})
	}
	out := wasm.AppendHeader(nil)
	out = wasm.AppendSection(out, wasm.SectionType, wasm.AppendVector(nil, types, wasm.AppendFuncType))
	out = wasm.AppendSection(out, wasm.SectionImport, wasm.AppendVector(nil,
		[]wasm.Import{{Module: "env", Name: "host", Type: typeHost}}, wasm.AppendImport))
	funcs := []uint32{typeSinkF, typeSinkD}
	bodies := [][]byte{{0, 0x0b}, {0, 0x0b}}
	elems := []byte{1, 0, 0x41, 0, 0x0b, genFuncs}
	for i := range genFuncs {
		funcs = append(funcs, typeMain)
		bodies = append(bodies, g.function(i))
		elems = append(elems, byte(genFirst+i))
	}
	out = wasm.AppendSection(out, wasm.SectionFunction, wasm.AppendVector(nil, funcs, wasm.AppendU32))
	out = wasm.AppendSection(out, wasm.SectionTable, []byte{1, 0x70, 0, genFuncs})
	out = wasm.AppendSection(out, wasm.SectionMemory, []byte{1, 0, 1})
	if throws {
		out = wasm.AppendSection(out, wasm.SectionTag, []byte{3, 0, typeTag, 0, typeTagI, 0, typeTagI})
	}
	out = wasm.AppendSection(out, wasm.SectionGlobal, append(wasm.AppendI32Const([]byte{1, 0x7f, 1}, 300), 0x0b))
	exports := []wasm.Export{{Name: "memory", Kind: wasm.ExternMemory}, {Name: "f0", Index: genFirst}, {Name: "f1", Index: genFirst + 1}}
	out = wasm.AppendSection(out, wasm.SectionExport, wasm.AppendVector(nil, exports, wasm.AppendExport))
	out = wasm.AppendSection(out, wasm.SectionElement, elems)
	return wasm.AppendCodeSection(out, bodies)
}

func (g *generator) op(c wasm.Opcode)             { g.b = wasm.AppendOp(g.b, c) }
func (g *generator) idx(c wasm.Opcode, i uint32)  { g.b = wasm.AppendOpIndex(g.b, c, i) }
func (g *generator) raw(b ...byte)                { g.b = append(g.b, b...) }
func (g *generator) i32c(v int32)                 { g.b = wasm.AppendI32Const(g.b, v) }
func (g *generator) n(n int) int                  { return g.r.IntN(n) }
func (g *generator) get(first uint32, n int)      { g.idx(wasm.OpLocalGet, first+uint32(g.n(n))) }
func (g *generator) br(c wasm.Opcode, pos uint32) { g.idx(c, g.depth-pos) }

func (g *generator) open(c wasm.Opcode, t wasm.BlockType) uint32 {
	g.b = wasm.AppendBlock(g.b, c, t)
	g.depth++
	return g.depth
}

func (g *generator) end() {
	g.op(wasm.OpEnd)
	g.depth--
}

func (g *generator) function(i int) []byte {
	g.self, g.budget, g.depth, g.labels, g.tries = i, 8+g.n(14), 0, nil, nil
	groups := []wasm.LocalGroup{{Count: 4, Type: wasm.I32}, {Count: 2, Type: wasm.I64}, {Count: 5, Type: wasm.F32},
		{Count: 5, Type: wasm.F64}, {Count: 2, Type: wasm.V128}, {Count: 10, Type: wasm.I32}}
	if g.exnref {
		groups = append(groups, wasm.LocalGroup{Count: 8, Type: wasm.ExnRef})
	}
	g.b = wasm.AppendLocals(nil, groups)
	// Every call costs one of a number that runs out, so that a program ends.
	g.idx(wasm.OpGlobalGet, globalRun)
	g.i32c(1)
	g.op(wasm.OpI32Sub)
	g.idx(wasm.OpGlobalSet, globalRun)
	g.idx(wasm.OpGlobalGet, globalRun)
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
	g.expr32(2)
	g.op(wasm.OpEnd)
	return g.b
}

// guard writes the body of the function: the outermost thing an exception can be delegated to.
func (g *generator) guard(body func()) {
	g.tries = append(g.tries, genTry{body: true})
	g.relay(body)
	g.tries = g.tries[:0]
}

// relay writes the body of the innermost try. In the exnref form, which has no delegate, exceptions delegated to this
// try are thrown anew where its handlers see them.
func (g *generator) relay(body func()) {
	if !g.exnref || !g.throws {
		body()
		return
	}
	past := g.open(wasm.OpBlock, wasm.EmptyBlock())
	g.tries[len(g.tries)-1].pos = g.open(wasm.OpBlock, wasm.ValueBlock(wasm.ExnRef))
	body()
	g.br(wasm.OpBr, past)
	g.end()
	g.op(wasm.OpThrowRef)
	g.end()
}

// dump stores all locals, so that a clobbered one is seen.
func (g *generator) dump(at uint32) {
	store := func(first, n uint32, c wasm.Opcode) {
		for k := range n {
			g.i32c(int32(at))
			g.idx(wasm.OpLocalGet, first+k)
			g.b = wasm.AppendMemOp(g.b, c, 0, 0)
			at += 16
		}
	}
	store(localI, 4, wasm.OpI32Store)
	store(localL, 2, wasm.OpI64Store)
	store(localF, 4, 0x38)
	store(localD, 4, 0x39)
	store(localV, 2, 0xfd0b)
}

func (g *generator) block(nest int) {
	for range 1 + g.n(3) {
		if g.budget > 0 {
			g.statement(nest + 1)
		}
	}
}

func (g *generator) statement(nest int) {
	g.budget--
	k := g.n(22)
	if nest > 5 && k >= 12 {
		k = g.n(12)
	}
	switch k {
	case 0, 1:
		g.expr32(3)
		g.idx(wasm.OpLocalSet, localI+uint32(g.n(4)))
	case 2:
		g.expr64(3)
		g.idx(wasm.OpLocalSet, localL+uint32(g.n(2)))
	case 3, 4:
		g.exprF(3)
		g.idx(wasm.OpLocalSet, localF+uint32(g.n(4)))
	case 5, 6:
		g.exprD(3)
		g.idx(wasm.OpLocalSet, localD+uint32(g.n(4)))
	case 7:
		g.exprV(2)
		g.idx(wasm.OpLocalSet, localV+uint32(g.n(2)))
	case 8, 9:
		g.sink()
	case 10, 11:
		g.i32c(int32(4096 + 8*g.n(100)))
		g.exprD(2)
		g.b = wasm.AppendMemOp(g.b, 0x39, 3, 0)
	case 12, 13:
		g.ifElse(nest)
	case 14:
		g.loop(nest)
	case 15:
		g.breakable(nest)
	case 16:
		g.jump()
	case 17:
		g.leave()
	default:
		if g.throws {
			g.try(nest)
		} else {
			g.loop(nest)
		}
	}
}

func (g *generator) sink() {
	if g.n(2) == 0 {
		g.get(localF, 4)
		g.get(localD, 4)
		g.get(localF, 4)
		g.idx(wasm.OpCall, 1)
		return
	}
	g.get(localD, 4)
	g.get(localF, 4)
	g.get(localV, 2)
	g.idx(wasm.OpCall, 2)
}

func (g *generator) ifElse(nest int) {
	g.expr32(2)
	pos := g.open(wasm.OpIf, wasm.EmptyBlock())
	g.labels = append(g.labels, genLabel{pos: pos})
	g.block(nest)
	if g.n(2) == 0 {
		g.op(wasm.OpElse)
		g.block(nest)
	}
	g.labels = g.labels[:len(g.labels)-1]
	g.end()
}

func (g *generator) loop(nest int) {
	counter := localT + uint32(nest%8)
	g.i32c(int32(1 + g.n(4)))
	g.idx(wasm.OpLocalSet, counter)
	pos := g.open(wasm.OpLoop, wasm.EmptyBlock())
	g.labels = append(g.labels, genLabel{pos: pos, loop: true})
	g.block(nest)
	g.labels = g.labels[:len(g.labels)-1]
	g.idx(wasm.OpLocalGet, counter)
	g.i32c(1)
	g.op(wasm.OpI32Sub)
	g.idx(wasm.OpLocalTee, counter)
	g.i32c(0)
	g.op(0x4a) // i32.gt_s
	g.br(wasm.OpBrIf, pos)
	g.end()
}

func (g *generator) breakable(nest int) {
	pos := g.open(wasm.OpBlock, wasm.EmptyBlock())
	g.labels = append(g.labels, genLabel{pos: pos})
	g.block(nest)
	g.labels = g.labels[:len(g.labels)-1]
	g.end()
}

// forward picks a label that is no loop.
func (g *generator) forward() (uint32, bool) {
	for range 4 {
		if len(g.labels) > 0 {
			if l := g.labels[g.n(len(g.labels))]; !l.loop {
				return l.pos, true
			}
		}
	}
	return 0, false
}

// jump branches forward, under a condition.
func (g *generator) jump() {
	a, ok := g.forward()
	b, ok2 := g.forward()
	if !ok || !ok2 {
		return
	}
	switch g.n(3) {
	case 0:
		g.expr32(2)
		g.br(wasm.OpBrIf, a)
	case 1:
		g.expr32(1)
		g.open(wasm.OpIf, wasm.EmptyBlock())
		g.br(wasm.OpBr, a)
		g.expr32(1) // dead code
		g.op(wasm.OpDrop)
		g.end()
	case 2:
		g.expr32(1)
		g.i32c(3)
		g.op(wasm.OpI32And)
		next := g.open(wasm.OpBlock, wasm.ValueBlock(wasm.I32))
		g.expr32(1)
		g.i32c(3)
		g.op(wasm.OpI32And)
		_ = next
		g.end()
		g.op(wasm.OpI32Xor)
		past := g.open(wasm.OpBlock, wasm.TypedBlock(typeTry))
		g.idx(wasm.OpLocalTee, localI)
		g.idx(wasm.OpLocalGet, localI)
		g.i32c(2)
		g.op(wasm.OpI32GtU)
		g.br(wasm.OpBrIf, past)
		g.op(wasm.OpDrop)
		g.idx(wasm.OpLocalGet, localI)
		g.op(wasm.OpBrTable)
		g.raw(1)
		g.b = wasm.AppendU32(wasm.AppendU32(g.b, g.depth-a), g.depth-b)
		g.end()
		g.op(wasm.OpDrop)
	}
}

// leave throws, rethrows, returns or calls as a tail, under a condition.
func (g *generator) leave() {
	g.expr32(2)
	g.i32c(int32(1 + g.n(3)))
	g.op(wasm.OpI32And)
	g.open(wasm.OpIf, wasm.EmptyBlock())
	switch k := g.n(6); {
	case k == 0:
		g.expr32(1)
		g.op(wasm.OpReturn)
	case k == 1 && g.self+1 < genFuncs:
		g.args()
		callee := g.self + 1 + g.n(genFuncs-g.self-1)
		if g.n(2) == 0 {
			g.idx(wasm.OpReturnCall, uint32(genFirst+callee))
		} else {
			g.i32c(int32(callee))
			g.op(wasm.OpReturnCallIndirect)
			g.raw(typeMain, 0)
		}
	case g.throws:
		g.throw()
	}
	g.end()
}

func (g *generator) throw() {
	held := -1
	for i, t := range g.tries {
		if t.holding && (held < 0 || g.n(2) == 0) {
			held = i
		}
	}
	if held >= 0 && g.n(2) == 0 {
		if g.exnref {
			g.idx(wasm.OpLocalGet, g.tries[held].exn)
			g.op(wasm.OpThrowRef)
		} else {
			g.br(wasm.OpRethrow, g.tries[held].pos)
		}
		return
	}
	tag := uint32(g.n(3))
	if tag != tagEmpty {
		g.expr32(1)
	}
	g.idx(wasm.OpThrow, tag)
}

func (g *generator) args() {
	g.expr32(1)
	g.expr64(1)
	g.exprF(1)
	g.exprD(1)
}
