package generate

import "github.com/wherry-run/wherry/internal/wasm"

// accesses writes functions of straight code, small blocks and counted loops that are full of accesses of memory: at
// neighbouring addresses of a few unknown ones, inside of the memory, at its end, and around zero, between writes and
// instructions that trap by other words.
type accesses struct {
	writer
	depth uint32
}

// Locals of the functions: two parameters, and then these.
const (
	accessI = 0 // i32 x 6: four addresses, of which two are the parameters, and two numbers
	accessN = 6 // i32: the counter of a loop
	accessM = 7 // i32: its end
	accessL = 8 // i64: what was read
	accessF = 9
	accessV = 10
)

// accessAt are what a function is called with: addresses in the middle, around both ends, and those that wrap.
var accessAt = []uint64{0, 1, 4, 64, 1000, 32760, 65000, 65400, 65500, 65519, 65520, 65524, 65528, 65532, 65535, 65536, 65540, 70000,
	1 << 31, 1<<32 - 70000, 1<<32 - 65536, 1<<32 - 4096, 1<<32 - 1000, 1<<32 - 64, 1<<32 - 16, 1<<32 - 4, 1<<32 - 1}

// steps are the constants between addresses.
var steps = []int32{1, 2, 4, 4, 8, 8, 12, 16, 16, 20, 64, 400, 1648, 1664, 4096, 30000, 32767, 32768, 33000, 65535, 65536, 1 << 20, 1<<31 - 1}

type memoryOp struct {
	code  wasm.Opcode
	local uint32 // of the value
	lanes int
}

var reads = []memoryOp{{0x28, 0, 0}, {0x2c, 0, 0}, {0x2d, 0, 0}, {0x2f, 0, 0}, {0x29, accessL, 0}, {0x34, accessL, 0}, {0x2a, accessF, 0},
	{0xfd00, accessV, 0}, {0xfd09, accessV, 0}, {0xfd09, accessV, 0}, {0xfd0a, accessV, 0}, {0xfd01, accessV, 0}, {0xfd5c, accessV, 0}, {0xfd56, accessV, 4}}

var writes = []memoryOp{{0x36, 0, 0}, {0x3a, 0, 0}, {0x3b, 0, 0}, {0x37, accessL, 0}, {0x3e, accessL, 0}, {0x38, accessF, 0}, {0xfd0b, accessV, 0}, {0xfd5a, accessV, 4}}

// Accesses writes a module of two functions, and the calls of them. Memory and a global are all the state there is.
func Accesses(o Options) Module {
	g := &accesses{writer: newWriter(o, 29)}
	bodies := [][]byte{g.function(), g.function()}
	two := []wasm.ValueType{wasm.I32, wasm.I32}
	exports := []wasm.Export{{Name: "memory", Kind: wasm.ExternMemory}, {Name: "f0"}, {Name: "f1", Index: 1}, {Name: "global", Kind: wasm.ExternGlobal}}
	m := Module{Units: g.unit, Wasm: assemble(bodies, []section{
		{wasm.SectionType, wasm.AppendVector(nil, []wasm.FuncType{{Params: two, Results: []wasm.ValueType{wasm.I64}}}, wasm.AppendFuncType)},
		{wasm.SectionFunction, []byte{2, 0, 0}},
		{wasm.SectionMemory, []byte{1, 1, 1, 1}},
		{wasm.SectionGlobal, []byte{1, byte(wasm.I32), 1, 0x41, 0, 0x0b}},
		{wasm.SectionExport, wasm.AppendVector(nil, exports, wasm.AppendExport)},
	}, g.data())}
	for i := range 12 {
		at := func() uint64 { return (accessAt[g.n(len(accessAt))] + uint64(g.n(9))*4) & (1<<32 - 1) }
		a, b := at(), at()
		if i%3 > 0 { // mostly inside
			a, b = uint64(g.n(50_000)), uint64(g.n(50_000))
		}
		m.Calls = append(m.Calls, Call{Name: []string{"f0", "f1"}[i%2], Args: []uint64{a, b}})
	}
	return m
}

// data fills the first kilobytes, and some at the end.
func (g *accesses) data() section {
	out := []byte{2}
	for _, at := range []int32{0, 65536 - 512} {
		out = append(wasm.AppendI32Const(append(out, 0), at), 0x0b)
		out = wasm.AppendU32(out, 512)
		for range 512 {
			out = append(out, byte(g.n(256)))
		}
	}
	return section{wasm.SectionData, out}
}

func (g *accesses) function() []byte {
	g.b = wasm.AppendLocals(nil, []wasm.LocalGroup{{Count: 6, Type: wasm.I32}, {Count: 1, Type: wasm.I64}, {Count: 1, Type: wasm.F32}, {Count: 1, Type: wasm.V128}})
	g.depth = 0
	for range 3 + g.n(10) {
		g.cut(func() { g.statement(2) })
	}
	g.idx(wasm.OpLocalGet, accessL)
	for i := range uint32(6) {
		g.idx(wasm.OpLocalGet, accessI+i)
		g.op(wasm.OpI64ExtendI32U)
		g.i64c(int64(i)*1_000_003 + 7)
		g.op(wasm.OpI64Mul)
		g.op(wasm.OpI64Xor)
	}
	g.idx(wasm.OpGlobalGet, 0)
	g.op(wasm.OpI64ExtendI32U)
	g.op(wasm.OpI64Xor)
	g.idx(wasm.OpLocalGet, accessV)
	g.op(wasm.OpI64x2ExtractLane)
	g.raw(1)
	g.op(wasm.OpI64Xor)
	g.op(wasm.OpEnd)
	return g.b
}

func (g *accesses) i() uint32      { return accessI + uint32(g.n(6)) }
func (g *accesses) at() uint32     { return accessI + uint32(g.n(4)) }
func (g *accesses) number() uint32 { return accessI + 4 + uint32(g.n(2)) }

// derived writes an address that is in some relation to others.
func (g *accesses) derived() {
	g.idx(wasm.OpLocalGet, g.at())
	switch g.n(8) {
	case 0, 1, 2, 3:
		g.step()
	case 4:
		g.small()
		g.op(wasm.OpI32Add)
		g.step()
	case 5:
		g.i32c(int32(g.n(3)))
		g.op([]wasm.Opcode{wasm.OpI32Shl, 0x76}[g.n(2)])
		g.step()
	case 6:
		g.small()
		g.i32c(int32(g.n(3)))
		g.op(wasm.OpI32Shl)
		g.op(wasm.OpI32Add)
		g.step()
	}
}

// small writes a number that keeps an address where it was, more or less, and seldom any number.
func (g *accesses) small() {
	g.idx(wasm.OpLocalGet, g.number())
	if !g.one(20) {
		g.i32c(1023)
		g.op(wasm.OpI32And)
	}
}

// step adds a constant to what is on the stack, or takes it away.
func (g *accesses) step() {
	most := len(steps) - 8
	if g.one(16) {
		most = len(steps)
	}
	g.i32c(steps[g.n(most)])
	g.op([]wasm.Opcode{wasm.OpI32Add, wasm.OpI32Add, wasm.OpI32Sub}[g.n(3)])
}

// address writes an address, which is often one that others are near to.
func (g *accesses) address() {
	switch g.n(8) {
	case 0:
		g.i32c(int32(g.n(65_600)))
	case 1, 2:
		g.idx(wasm.OpLocalGet, accessI+uint32(g.n(2)))
	case 3:
		g.derived()
		g.idx(wasm.OpLocalTee, g.at())
	default:
		g.idx(wasm.OpLocalGet, accessI+uint32(g.n(3)))
		g.step()
	}
}

func (g *accesses) offset() uint32 {
	if g.one(200) {
		return g.r.Uint32()
	}
	return uint32(g.n(40)) * uint32(1+g.n(4))
}

func (g *accesses) memory(x memoryOp) {
	g.mem(x.code, 0, g.offset())
	if x.lanes > 0 {
		g.raw(byte(g.n(x.lanes)))
	}
}

// keep keeps what was read, mixed with what was there.
func (g *accesses) keep(x memoryOp) {
	switch x.local {
	case accessL:
		g.idx(wasm.OpLocalGet, accessL)
		g.i64c(31)
		g.op(wasm.OpI64Mul)
		g.op(wasm.OpI64Xor)
		g.idx(wasm.OpLocalSet, accessL)
	case accessV:
		g.idx(wasm.OpLocalGet, accessV)
		g.op(wasm.OpV128Xor)
		g.idx(wasm.OpLocalSet, accessV)
	case accessF:
		g.idx(wasm.OpLocalSet, accessF)
	default:
		g.idx(wasm.OpLocalSet, g.number())
	}
}

func (g *accesses) read() {
	x := reads[g.n(len(reads))]
	g.address()
	if x.lanes > 0 {
		g.idx(wasm.OpLocalGet, accessV)
	}
	g.memory(x)
	g.keep(x)
}

func (g *accesses) write() {
	x := writes[g.n(len(writes))]
	g.address()
	if x.local == 0 {
		g.idx(wasm.OpLocalGet, g.i())
	} else {
		g.idx(wasm.OpLocalGet, x.local)
	}
	g.memory(x)
}

// statement writes one. Straight code is the most of it.
func (g *accesses) statement(nest int) {
	switch k := g.n(26); {
	case k < 9:
		g.read()
	case k < 13:
		g.write()
	case k < 16:
		g.derived()
		g.idx(wasm.OpLocalSet, accessI+2+uint32(g.n(2)))
	case k == 16, k == 17:
		g.between()
	case k == 24: // in one go, with nothing in between that is written
		g.read()
		g.between()
		g.read()
		g.between()
		g.read()
	case k == 18 && g.one(3):
		g.idx(wasm.OpLocalGet, accessF)
		g.op(0xa8)
		g.idx(wasm.OpLocalSet, g.number())
	case nest == 0:
		g.read()
	case k < 21: // a block that some leave early
		g.depth++
		g.b = wasm.AppendBlock(g.b, wasm.OpBlock, wasm.EmptyBlock())
		g.some(nest)
		g.idx(wasm.OpLocalGet, g.i())
		g.i32c(int32(g.n(50_000)))
		g.op([]wasm.Opcode{wasm.OpI32Eq, wasm.OpI32Ne, 0x48, 0x49, 0x4a, 0x4b}[g.n(6)])
		g.idx(wasm.OpBrIf, uint32(g.n(int(g.depth))))
		g.some(nest)
		g.op(wasm.OpEnd)
		g.depth--
	default:
		g.counted(nest)
	}
}

// between writes what tells whether an access was checked before it or behind it: a global, or the words of other traps.
func (g *accesses) between() {
	g.idx(wasm.OpLocalGet, g.i())
	if g.one(2) {
		g.idx(wasm.OpGlobalSet, 0)
		return
	}
	g.idx(wasm.OpLocalGet, g.number())
	if g.one(2) {
		g.i32c(1)
		g.op(wasm.OpI32Or)
	}
	g.op([]wasm.Opcode{0x6d, 0x6e, 0x6f, 0x70}[g.n(4)])
	g.idx(wasm.OpLocalSet, g.number())
}

func (g *accesses) some(nest int) {
	for range 1 + g.n(5) {
		g.statement(nest - 1)
	}
}

// counted writes a loop with a counter, as compilers write them: by steps of one size, up or down, to a limit that does
// not change, which it may pass, or meet only after going around.
func (g *accesses) counted(nest int) {
	step := []int32{1, 1, 2, 4, 4, 8, 16, -1, -4, -16, 3}[g.n(11)]
	from, rounds := int32(g.n(200)), int32(1+g.n(21))
	if g.one(6) {
		from = edges32[g.n(len(edges32))] - int32(g.n(3))
	}
	limit := from + step*rounds
	g.i32c(from)
	g.idx(wasm.OpLocalSet, accessN)
	g.i32c(limit)
	g.idx(wasm.OpLocalSet, accessM)
	g.b = wasm.AppendBlock(g.b, wasm.OpLoop, wasm.EmptyBlock())
	first, swapped := g.one(4), g.one(4) // the counter is raised first; the comparison is written the other way round
	if first {
		g.advance(step)
		g.body(nest)
	} else {
		g.body(nest)
		g.advance(step)
	}
	end := func() {
		if g.one(2) {
			g.i32c(limit)
		} else {
			g.idx(wasm.OpLocalGet, accessM)
		}
	}
	if swapped {
		end()
	}
	switch {
	case swapped, first:
		g.idx(wasm.OpLocalGet, accessN)
	default: // nobody else has changed it
		g.b = g.b[:len(g.b)-2]
		g.idx(wasm.OpLocalTee, accessN)
	}
	if !swapped {
		end()
	}
	up := (step > 0) != swapped
	c := wasm.OpI32Ne
	if g.one(2) {
		c = map[bool][2]wasm.Opcode{true: {0x48, 0x49}, false: {0x4a, 0x4b}}[up][g.n(2)]
	}
	g.op(c)
	g.idx(wasm.OpBrIf, 0)
	g.op(wasm.OpEnd)
}

func (g *accesses) advance(step int32) {
	g.idx(wasm.OpLocalGet, accessN)
	g.i32c(step)
	g.op(wasm.OpI32Add)
	g.idx(wasm.OpLocalSet, accessN)
}

// body is what a loop does: mostly what can be done several times at once.
func (g *accesses) body(nest int) {
	if g.one(6) {
		g.some(min(nest, 1))
		return
	}
	for range 1 + g.n(4) {
		if x := reads[g.n(len(reads))]; x.lanes == 0 {
			g.idx(wasm.OpLocalGet, accessI+uint32(g.n(2)))
			g.idx(wasm.OpLocalGet, accessN)
			g.op(wasm.OpI32Add)
			g.memory(x)
			g.keep(x)
		}
		if g.one(2) {
			g.idx(wasm.OpLocalGet, accessI+uint32(g.n(3)))
			g.idx(wasm.OpLocalGet, accessN)
			g.op(wasm.OpI32Add)
			g.idx(wasm.OpLocalGet, accessL)
			g.mem(wasm.Opcode(0x37), 0, g.offset())
		}
	}
}
