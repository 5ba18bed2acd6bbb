// Package generate writes random WebAssembly modules for tests: of the passes of package prepare and of the engine. A
// module says by itself how it is to be called, ends for sure, and brings all that can be seen of its state into its
// memory, so that two ways to run it can be compared byte by byte.
//
// There are two kinds. [Program] writes programs of everything the engine takes, with the weight on what a compiler or
// a pass may get wrong: loops of every form, values that live across calls, exceptions, bulk instructions.
// [Instructions] puts single instructions into many surroundings.
//
// The same Options give the same module, on every machine. The modules are cut into units, and a module without some
// of its units is the same module otherwise: that is what [Shrink] uses.
package generate

import (
	"math"
	"math/rand/v2"

	"github.com/wherry-run/wherry/internal/wasm"
)

// Options say which module is written.
type Options struct {
	Seed   uint64
	Exnref bool // exceptions in the newer form instead of the legacy one; the program does the same
	Throws bool // use exceptions
	Traps  bool // some instructions may trap
	NaNs   bool // leave NaNs as they come, whose bits the specification does not settle
	// Ticks counts the rounds of all loops, and brings the number to TicksAt of the memory.
	Ticks bool
	// Plain leaves out what keeps a module from being taken apart: a table that changes, and globals of vectors.
	Plain bool
	// Skip leaves out the units it names.
	Skip map[int]bool
}

// TicksAt is where a Program with Ticks has its number of rounds, an i64, after its last call.
const TicksAt = 0x3000

// Module is what was written.
type Module struct {
	Wasm  []byte
	Calls []Call // to be made in this order; the last one brings the state into the memory
	Units int    // that Skip could name
}

// Call is a call of an export.
type Call struct {
	Name string
	Args []uint64
}

// The function that a module may import: (i32) -> i32, which gives Host of its parameter.
const (
	HostModule = "env"
	HostName   = "host"
)

// Host is what the imported function computes.
func Host(x uint32) uint32 { return x*2654435761 + 1 }

var (
	edges32 = []int32{0, 1, -1, 2, 7, math.MaxInt32, math.MinInt32, 0x7fc00000, 12345, 31, 32, 255, -128, 0x8000}
	edgesF  = []float64{0, math.Copysign(0, -1), 1, -1, 1.5, -2.75, 1e30, -1e-30, math.Inf(1), math.Inf(-1), 3, 2147483647.5, -1e300, 5e-324}
)

// writer is the part that both kinds of modules are written with.
type writer struct {
	Options
	r    *rand.Rand
	b    []byte
	unit int
}

func newWriter(o Options, stream uint64) writer {
	return writer{Options: o, r: rand.New(rand.NewPCG(o.Seed, stream))}
}

func (w *writer) op(c wasm.Opcode)            { w.b = wasm.AppendOp(w.b, c) }
func (w *writer) idx(c wasm.Opcode, i uint32) { w.b = wasm.AppendOpIndex(w.b, c, i) }
func (w *writer) raw(b ...byte)               { w.b = append(w.b, b...) }
func (w *writer) i32c(v int32)                { w.b = wasm.AppendI32Const(w.b, v) }
func (w *writer) i64c(v int64)                { w.b = wasm.AppendI64Const(w.b, v) }
func (w *writer) n(n int) int                 { return w.r.IntN(n) }
func (w *writer) one(in int) bool             { return w.r.IntN(in) == 0 }
func (w *writer) mem(c wasm.Opcode, align uint32, offset uint32) {
	w.b = wasm.AppendMemOp(w.b, c, uint8(align), offset)
}

// cut writes a unit. What it draws from the source of chance is drawn as well when it is left out.
func (w *writer) cut(write func()) {
	id, at := w.unit, len(w.b)
	w.unit++
	write()
	if w.Skip[id] {
		w.b = w.b[:at]
	}
}

func (w *writer) f32c(v float32) {
	bits := math.Float32bits(v)
	w.raw(byte(wasm.OpF32Const), byte(bits), byte(bits>>8), byte(bits>>16), byte(bits>>24))
}

func (w *writer) f64c(v float64) {
	w.op(wasm.OpF64Const)
	w.word(math.Float64bits(v))
}

func (w *writer) word(bits uint64) {
	for i := range 8 {
		w.raw(byte(bits >> (8 * i)))
	}
}

// constant writes a constant that is likely to be a special case.
func (w *writer) constant(t wasm.ValueType) {
	switch t {
	case wasm.I32:
		w.i32c(edges32[w.n(len(edges32))])
	case wasm.I64:
		w.i64c(int64(edges32[w.n(len(edges32))]) << uint(w.n(33)))
	case wasm.F32:
		v := float32(edgesF[w.n(len(edgesF))])
		if w.one(8) {
			v = math.Float32frombits(0x7fc12345 | uint32(w.n(2))<<31)
		}
		w.f32c(v)
	case wasm.F64:
		v := edgesF[w.n(len(edgesF))]
		if w.one(8) {
			v = math.Float64frombits(0x7ff8000000054321 | uint64(w.n(2))<<63)
		}
		w.f64c(v)
	case wasm.V128:
		w.op(wasm.OpV128Const)
		if w.one(3) {
			for range 2 {
				w.word(math.Float64bits(edgesF[w.n(len(edgesF))]))
			}
			return
		}
		for range 16 {
			w.raw(byte(w.n(256)))
		}
	}
}

// section puts a module together from its sections in their order.
type section struct {
	id      wasm.SectionID
	content []byte
}

func assemble(bodies [][]byte, before []section, after ...section) []byte {
	out := wasm.AppendHeader(nil)
	for _, s := range before {
		if s.content != nil {
			out = wasm.AppendSection(out, s.id, s.content)
		}
	}
	out = wasm.AppendCodeSection(out, bodies)
	for _, s := range after {
		out = wasm.AppendSection(out, s.id, s.content)
	}
	return out
}
