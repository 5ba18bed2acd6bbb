package generate

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/wherry-run/wherry/internal/wasm"
)

// shapes writes functions that do one instruction each, in surroundings that a register allocator has to work for:
// operands from loads, constants, parameters of calls before and values that live across them, many other values
// alive, and the result used in several ways.
type shapes struct {
	writer
	groups []wasm.LocalGroup
	next   uint32
	live   []uint32 // locals that are stored at the end, and their types
	kinds  []wasm.ValueType
	out    uint32
}

const (
	shapesPerModule = 24
	rows            = 14
	rowBytes        = 256
	inputAt         = 0x1000
	outputAt        = 0x8000
	paramIn         = 0
	paramOut        = 1
	localTurns      = 2
)

// Sinks of 1, 2, 4 and 9 parameters of each type, and functions that give back what they get.
var arities = [4]int{1, 2, 4, 9}

func sinkOf(t wasm.ValueType, arity int) uint32 { return uint32(index(t)*len(arities) + arity) }
func identity(t wasm.ValueType) uint32          { return uint32(len(types)*len(arities) + index(t)) }

// Names lists the instructions that Instructions writes, in the order in which seeds take their turns.
func Names() (names []string) {
	for _, x := range all {
		name := x.name
		if x.typ != wasm.Bottom {
			name += " " + x.typ.String()
		}
		names = append(names, name)
	}
	return names
}

// Instructions writes functions of single instructions. Consecutive seeds go round through all of them.
func Instructions(o Options) Module {
	s := &shapes{writer: newWriter(o, 29)}
	var list []wasm.FuncType
	var signatures []uint32
	var bodies [][]byte
	for _, t := range types {
		for _, n := range arities {
			list = append(list, wasm.FuncType{Params: repeat(t, n)})
			bodies = append(bodies, []byte{0, 0x0b})
		}
	}
	for _, t := range types {
		list = append(list, wasm.FuncType{Params: []wasm.ValueType{t}, Results: []wasm.ValueType{t}})
		bodies = append(bodies, []byte{0, byte(wasm.OpLocalGet), 0, 0x0b})
	}
	list = append(list, wasm.FuncType{Params: []wasm.ValueType{wasm.I32, wasm.I32}})
	for i := range list[:len(list)-1] {
		signatures = append(signatures, uint32(i))
	}
	m := Module{}
	exports := []wasm.Export{{Name: "memory", Kind: wasm.ExternMemory}}
	for i := range shapesPerModule {
		x := all[(int(o.Seed%uint64(len(all)))*shapesPerModule+i)%len(all)]
		name := fmt.Sprintf("%d %s", i, x.name)
		exports = append(exports, wasm.Export{Name: name, Index: uint32(len(bodies))})
		signatures = append(signatures, uint32(len(list)-1))
		bodies = append(bodies, s.function(x))
		for row := range rows {
			m.Calls = append(m.Calls, Call{name, []uint64{uint64(inputAt + row*rowBytes), uint64(outputAt + (i*rows+row)*1024)}})
		}
	}
	m.Units = s.unit
	m.Wasm = assemble(bodies, []section{
		{wasm.SectionType, wasm.AppendVector(nil, list, wasm.AppendFuncType)},
		{wasm.SectionFunction, wasm.AppendVector(nil, signatures, wasm.AppendU32)},
		{wasm.SectionMemory, []byte{1, 1, 8, 8}},
		{wasm.SectionExport, wasm.AppendVector(nil, exports, wasm.AppendExport)},
	}, section{wasm.SectionData, s.inputs()})
	return m
}

// inputs are rows of special numbers, small ones, zeros and random bits.
func (s *shapes) inputs() []byte {
	b := make([]byte, 0, rows*rowBytes)
	for row := range rows {
		for len(b) < (row+1)*rowBytes {
			switch {
			case row == 0:
				b = append(b, 0)
			case row == 1:
				b = binary.LittleEndian.AppendUint64(b, uint64(s.n(5)))
			case row < 4:
				b = binary.LittleEndian.AppendUint32(b, uint32(edges32[s.n(len(edges32))]))
			case row < 7:
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(edgesF[s.n(len(edgesF))])))
			case row < 10:
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(edgesF[s.n(len(edgesF))]))
			default:
				b = binary.LittleEndian.AppendUint64(b, s.r.Uint64())
			}
		}
	}
	out := wasm.AppendI32Const([]byte{1, 0}, inputAt)
	return wasm.AppendBytes(append(out, 0x0b), b)
}

// local declares a local of the function being written.
func (s *shapes) local(t wasm.ValueType) uint32 {
	s.groups = append(s.groups, wasm.LocalGroup{Count: 1, Type: t})
	s.next++
	return s.next - 1
}

// load writes a load from the row of inputs.
func (s *shapes) load(t wasm.ValueType) {
	s.idx(wasm.OpLocalGet, paramIn)
	s.mem(loadOf(t), 0, uint32(s.n(rowBytes-16)))
}

func (s *shapes) loaded(t wasm.ValueType) uint32 {
	l := s.local(t)
	s.load(t)
	s.idx(wasm.OpLocalSet, l)
	return l
}

// keep stores a value of the stack.
func (s *shapes) keep(t wasm.ValueType, value func()) {
	s.idx(wasm.OpLocalGet, paramOut)
	value()
	s.mem(storeOf(t), 0, s.out)
	s.out += 16
}

func (s *shapes) function(x instruction) []byte {
	s.b, s.groups, s.next, s.live, s.kinds, s.out = nil, nil, 3, nil, nil, 64
	s.groups = append(s.groups, wasm.LocalGroup{Count: 1, Type: wasm.I32})
	s.cut(func() { s.body(x) })
	s.op(wasm.OpEnd)
	return append(wasm.AppendLocals(nil, s.groups), s.b...)
}

func (s *shapes) body(x instruction) {
	turns := s.one(6)
	if turns {
		s.i32c(2)
		s.idx(wasm.OpLocalSet, localTurns)
	}
	extra := []int{0, 0, 3, 9, 26}[s.n(5)]
	for range extra {
		t := types[s.n(len(types))]
		s.live, s.kinds = append(s.live, s.loaded(t)), append(s.kinds, t)
	}
	if turns {
		s.b = wasm.AppendBlock(s.b, wasm.OpLoop, wasm.EmptyBlock())
	}
	sources := make([]func(), len(x.sig.Params))
	biased := s.one(2)
	for i, t := range x.sig.Params {
		sources[i] = s.source(x, i, t, biased, sources)
	}
	s.use(x, sources)
	if s.one(2) { // a clobbered operand is seen
		for i, t := range x.sig.Params {
			s.keep(t, sources[i])
		}
	}
	if turns {
		s.idx(wasm.OpLocalGet, localTurns)
		s.i32c(1)
		s.op(wasm.OpI32Sub)
		s.idx(wasm.OpLocalTee, localTurns)
		s.raw(byte(wasm.OpBrIf), 0)
		s.op(wasm.OpEnd)
	}
	for i, l := range s.live {
		s.keep(s.kinds[i], func() { s.idx(wasm.OpLocalGet, l) })
	}
}

// source prepares an operand and returns what puts it on the stack, which can be done again.
func (s *shapes) source(x instruction, i int, t wasm.ValueType, biased bool, before []func()) func() {
	if i == 0 && x.touches() {
		return s.address(x)
	}
	get := func(l uint32) func() { return func() { s.idx(wasm.OpLocalGet, l) } }
	k := s.n(9)
	if biased && !s.one(3) {
		k = 3
	}
	switch k {
	case 0:
		at := uint32(s.n(rowBytes - 16))
		return func() { s.idx(wasm.OpLocalGet, paramIn); s.mem(loadOf(t), 0, at) }
	case 1:
		from := len(s.b)
		s.constant(t)
		code := append([]byte(nil), s.b[from:]...)
		s.b = s.b[:from]
		return func() { s.raw(code...) }
	case 2, 3: // passed to a call before: in the operand's own place, half of the time
		l := s.loaded(t)
		arity := s.n(len(arities))
		place := s.n(arities[arity])
		if s.one(2) {
			place = min(i, arities[arity]-1)
		}
		for p := range arities[arity] {
			if p == place {
				s.idx(wasm.OpLocalGet, l)
			} else {
				s.load(t)
			}
		}
		s.idx(wasm.OpCall, sinkOf(t, arity))
		return get(l)
	case 4: // alive across a call of something else
		l := s.loaded(t)
		u, arity := types[s.n(len(types))], s.n(len(arities))
		for range arities[arity] {
			s.load(u)
		}
		s.idx(wasm.OpCall, sinkOf(u, arity))
		return get(l)
	case 5:
		l := s.local(t)
		s.load(t)
		s.idx(wasm.OpCall, identity(t))
		s.idx(wasm.OpLocalSet, l)
		return get(l)
	case 6:
		if i > 0 && x.sig.Params[i-1] == t && !(i == 1 && x.touches()) {
			return before[i-1]
		}
	case 7:
		if t == wasm.I32 {
			a, b := s.loaded(wasm.I32), s.loaded(wasm.I32)
			return func() { s.idx(wasm.OpLocalGet, a); s.idx(wasm.OpLocalGet, b); s.op(wasm.OpI32LtS) }
		}
	}
	return get(s.loaded(t))
}

// address is in the inputs for what loads, in the outputs for what stores. Sometimes it is outside of memory, or not
// aligned as atomic instructions want it.
func (s *shapes) address(x instruction) func() {
	param, offset := uint32(paramOut), int32(s.n(4))*16
	if x.sig.Result != wasm.Bottom && !x.code.IsAtomic() {
		param = paramIn
	}
	switch s.n(12) {
	case 0:
		offset = 8 << 16
	case 1:
		offset++
	}
	return func() {
		s.idx(wasm.OpLocalGet, param)
		s.i32c(offset)
		s.op(wasm.OpI32Add)
	}
}

// apply puts operands on the stack and does the instruction.
func (s *shapes) apply(x instruction, sources []func(), scratch uint32) {
	for _, source := range sources {
		source()
	}
	x.write(&s.writer)
	if x.sig.Result != wasm.Bottom {
		x.settle(&s.writer, scratch)
	}
}

// use does something with the result.
func (s *shapes) use(x instruction, sources []func()) {
	t := x.sig.Result
	if t == wasm.Bottom {
		s.apply(x, sources, 0)
		return
	}
	scratch := s.local(t)
	value := func() { s.apply(x, sources, scratch) }
	switch k := s.n(7); {
	case k == 0:
		r := s.local(t)
		value()
		s.idx(wasm.OpLocalSet, r)
		s.keep(t, func() { s.idx(wasm.OpLocalGet, r) })
	case k == 1:
		s.keep(t, func() { value(); s.idx(wasm.OpCall, identity(t)) })
	case k == 2: // of several parameters the last
		for range 3 {
			s.load(t)
		}
		r := s.local(t)
		value()
		s.idx(wasm.OpLocalTee, r)
		s.drop4(t)
		s.keep(t, func() { s.idx(wasm.OpLocalGet, r) })
	case k == 3 && t == wasm.I32:
		s.keep(t, func() {
			value()
			s.b = wasm.AppendBlock(s.b, wasm.OpIf, wasm.ValueBlock(t))
			s.i32c(3)
			s.op(wasm.OpElse)
			s.i32c(4)
			s.op(wasm.OpEnd)
		})
	case k == 4 && t == wasm.I32:
		s.keep(wasm.I64, func() {
			s.load(wasm.I64)
			s.i64c(-1)
			value()
			s.op(wasm.OpSelect)
		})
	case k == 5 && x.sig.Params[0] == t && !x.touches():
		s.keep(t, func() { s.apply(x, append([]func(){value}, sources[1:]...), scratch) })
	default:
		s.keep(t, value)
	}
}

// drop4 passes four values of the stack to a sink.
func (s *shapes) drop4(t wasm.ValueType) { s.idx(wasm.OpCall, sinkOf(t, 2)) }
