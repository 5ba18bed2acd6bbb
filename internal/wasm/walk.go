package wasm

import (
	"fmt"
	"iter"
)

// Op is one decoded instruction. Which of the immediate fields are set is told by Code.Imm(); the others hold
// whatever an earlier instruction left there.
type Op struct {
	Code       Opcode
	Align      uint8 // log2, as written
	Start, End int   // offsets in the bytes walked
	Index      uint32
	Index2     uint32
	Offset     uint32
	Count      uint32 // targets of br_table without the default; clauses of try_table
	Type       ValueType
	Block      BlockType
	Value      int64

	vec int // where the labels or clauses begin
}

// CatchKind is the kind of a clause of try_table, by its byte in the format.
type CatchKind uint8

// The clauses of try_table.
const (
	CatchTag    CatchKind = 0 // catch: a tag, its payload
	CatchTagRef CatchKind = 1 // catch_ref: a tag, its payload and the exnref
	CatchAny    CatchKind = 2 // catch_all: nothing
	CatchAnyRef CatchKind = 3 // catch_all_ref: the exnref
)

// Catch is one clause of try_table. Tag is set for CatchTag and CatchTagRef.
type Catch struct {
	Kind       CatchKind
	Tag, Label uint32
}

// Labels yields the targets of a br_table, the default last. code is what the instruction was read from.
func (op *Op) Labels(code []byte) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		r := reader{b: code, pos: op.vec}
		for i := uint32(0); i <= op.Count; i++ {
			if v := r.u32(); r.fault != nil || !yield(v) {
				return
			}
		}
	}
}

// Catches yields the clauses of a try_table. code is what the instruction was read from.
func (op *Op) Catches(code []byte) iter.Seq[Catch] {
	return func(yield func(Catch) bool) {
		r := reader{b: code, pos: op.vec}
		for i := uint32(0); i < op.Count; i++ {
			if c := r.catch(); r.fault != nil || !yield(c) {
				return
			}
		}
	}
}

func (r *reader) catch() (c Catch) {
	at := r.pos
	c.Kind = CatchKind(r.byte())
	switch c.Kind {
	case CatchTag, CatchTagRef:
		c.Tag = r.u32()
	case CatchAny, CatchAnyRef:
	default:
		r.fail(at, "%#x is no catch clause", uint8(c.Kind))
	}
	c.Label = r.u32()
	return c
}

// Walker steps over the instructions of a byte string. It checks that every instruction exists and is whole, not that
// it makes sense where it stands; that is the Checker's part.
type Walker struct {
	r reader
}

// NewWalker returns a Walker over code that begins at offset from. Offsets in Ops count from the start of code.
func NewWalker(code []byte, from int) *Walker {
	w := new(Walker)
	w.Reset(code, from)
	return w
}

// Reset makes w walk other bytes.
func (w *Walker) Reset(code []byte, from int) {
	w.r = reader{b: code, pos: min(max(from, 0), len(code))}
}

// Next reads the next instruction into op. It returns false at the end and at a fault; Err tells them apart.
func (w *Walker) Next(op *Op) bool {
	if w.r.pos >= len(w.r.b) {
		return false
	}
	w.r.next(op)
	return w.r.fault == nil
}

// Err returns what stopped the Walker before the end: an *Error whose Offset counts from the start of the code walked.
func (w *Walker) Err() error {
	if w.r.fault == nil {
		return nil
	}
	return w.r.fault.in(0, "", -1)
}

// Walk calls fn for every instruction of code, which begins with an instruction (see [Body.Expr]). The Op is reused.
func Walk(code []byte, fn func(*Op) error) error {
	var op Op
	w := NewWalker(code, 0)
	for w.Next(&op) {
		if err := fn(&op); err != nil {
			return err
		}
	}
	return w.Err()
}

// next reads one instruction.
func (r *reader) next(op *Op) {
	op.Start = r.pos
	c := r.b[r.pos]
	r.pos++
	op.Code = Opcode(c)
	if c >= 0xfb {
		r.prefixed(op, c)
		if r.fault != nil {
			return
		}
	}
	switch imm := opTable[op.Code.row()].imm; imm {
	case ImmNone:
	case ImmLabel, ImmFunc, ImmLocal, ImmGlobal, ImmTable, ImmType, ImmTag, ImmData, ImmElem:
		op.Index = r.u32()
	case ImmMemArg:
		r.memArg(op)
	case ImmI32:
		op.Value = r.signed(32)
	case ImmI64:
		op.Value = r.signed(64)
	case ImmBlock:
		op.Block = r.blockType()
	default:
		r.rare(op, imm)
	}
	op.End = r.pos
}

// rare reads the immediates that seldom occur.
func (r *reader) rare(op *Op, imm Imm) {
	switch imm {
	case ImmIndirect, ImmTables, ImmElemTab:
		op.Index = r.u32()
		op.Index2 = r.u32()
	case ImmBrTable:
		op.Count = uint32(r.count(1, "branch targets"))
		op.vec = r.pos
		for i := uint32(0); i <= op.Count && r.fault == nil; i++ {
			r.u32()
		}
	case ImmMemLane:
		r.memArg(op)
		op.Index = uint32(r.byte())
	case ImmLane:
		op.Index = uint32(r.byte())
	case ImmMemory:
		r.memoryZero()
	case ImmMemories:
		r.memoryZero()
		r.memoryZero()
	case ImmDataMem:
		op.Index = r.u32()
		r.memoryZero()
	case ImmF32:
		op.Value = int64(r.fixed32())
	case ImmF64:
		op.Value = int64(r.fixed64())
	case ImmV128, ImmShuffle:
		r.skip(16)
	case ImmHeap:
		op.Type = r.heapType()
	case ImmSelect:
		at := r.pos
		if n := r.u32(); n != 1 && r.fault == nil {
			r.fail(at, "select with %d types", n)
			return
		}
		op.Type = r.valueType()
	case ImmTryTable:
		op.Block = r.blockType()
		op.Count = uint32(r.count(2, "catch clauses"))
		op.vec = r.pos
		for i := uint32(0); i < op.Count && r.fault == nil; i++ {
			r.catch()
		}
	case ImmFence:
		at := r.pos
		if r.byte() != 0 {
			r.fail(at, "atomic.fence must be followed by a zero byte")
		}
	default:
		r.fail(op.Start, "unknown opcode %#x", uint16(op.Code))
	}
}

// prefixed reads the second part of an opcode.
func (r *reader) prefixed(op *Op, prefix byte) {
	if prefix == 0xff {
		return // falls through to "unknown opcode"
	}
	sub := r.u32()
	switch {
	case r.fault != nil:
	case prefix == 0xfb:
		r.failWith(unsupported(op.Start, "gc", fmt.Sprintf("opcode 0xfb %#x", sub)))
	case prefix == 0xfd && sub >= 0x100 && sub <= 0x12f:
		r.failWith(unsupported(op.Start, "relaxed-simd", fmt.Sprintf("opcode 0xfd %#x", sub)))
	case sub > 0xff:
		r.fail(op.Start, "unknown opcode %#x %#x", prefix, sub)
	default:
		op.Code = Opcode(prefix)<<8 | Opcode(sub)
	}
}

// memArg reads the alignment and offset of a memory access.
func (r *reader) memArg(op *Op) {
	at := r.pos
	flags := r.u32()
	if flags >= 32 {
		if flags&0x40 != 0 && flags < 0x80 {
			r.failWith(unsupported(at, "multi-memory", "an access that names a memory"))
		} else {
			r.fail(at, "alignment 2^%d", flags)
		}
		return
	}
	op.Align = uint8(flags)
	op.Offset = r.u32()
}

// memoryZero reads a memory index, of which only the first is supported.
func (r *reader) memoryZero() {
	at := r.pos
	if i := r.u32(); i != 0 {
		r.failWith(unsupported(at, "multi-memory", fmt.Sprintf("memory %d", i)))
	}
}
