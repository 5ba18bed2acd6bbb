package prepare

import (
	"cmp"
	"slices"

	"github.com/wherry-run/wherry/internal/wasm"
)

// bulkOp is a bulk instruction with its immediates.
type bulkOp struct {
	code wasm.Opcode
	a, b uint32
}

func bulkOf(op *wasm.Op) bulkOp {
	switch op.Code {
	case wasm.OpMemoryInit, wasm.OpTableFill, wasm.OpTableGrow:
		return bulkOp{op.Code, op.Index, 0}
	case wasm.OpTableInit, wasm.OpTableCopy:
		return bulkOp{op.Code, op.Index, op.Index2}
	}
	return bulkOp{code: op.Code}
}

// One bulk instruction can move 4 GiB. It is metered by its length and done in pieces, between which the engine gets
// its turn, unless it cannot be longer than a piece.
const (
	pieceBytes = 256 << 10
	pieceElems = 32 << 10
	byteShift  = 6 // 64 bytes a unit
	elemShift  = 3 // 8 elements a unit

	// chargeCap bounds what a length can cost before it is known whether the instruction will do anything.
	chargeCap = 1 << 24
)

// bulkPlan says what stands for a bulk instruction: a call instead of it, or a call that charges before it.
type bulkPlan struct {
	function uint32
	instead  bool
}

// meterBulk rewrites the instruction when it is a bulk one.
func (e *emitter) meterBulk() bool {
	if e.op.Code < wasm.OpMemoryInit || e.op.Code > wasm.OpTableFill {
		return false
	}
	b, ok := e.p.bulk[bulkOf(&e.op)]
	if !ok {
		return false
	}
	if b.instead {
		e.replace()
	} else {
		e.before()
	}
	e.index(wasm.OpCall, b.function)
	return true
}

// planBulk gives every bulk instruction of the module the function that meters it.
func (p *plan) planBulk() {
	var ops []bulkOp
	for i := range p.chunks {
		for b := range p.chunks[i].bulk {
			ops = append(ops, b)
		}
	}
	slices.SortFunc(ops, func(x, y bulkOp) int {
		return cmp.Or(cmp.Compare(x.code, y.code), cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b))
	})
	ops = slices.Compact(ops)
	p.bulk = make(map[bulkOp]bulkPlan, len(ops))
	charges := map[uint]uint32{}
	for _, b := range ops {
		if l, short := p.shortBulk(b); short {
			if _, ok := charges[l]; !ok {
				charges[l] = p.addFunc("wherry.charge", i32ToI32, p.chargeFunc(l))
			}
			p.bulk[b] = bulkPlan{function: charges[l]}
			continue
		}
		p.bulk[b] = bulkPlan{p.addFunc("wherry."+b.code.String(), p.bulkType(b), p.bulkFunc(b)), true}
	}
}

// shortBulk tells whether a piece is all that b can ever move, or that it cannot be divided, and how it is charged.
func (p *plan) shortBulk(b bulkOp) (shift uint, short bool) {
	switch b.code {
	case wasm.OpTableGrow:
		return elemShift, true
	case wasm.OpMemoryInit:
		return byteShift, p.dataLen(b.a) <= pieceBytes
	case wasm.OpTableInit:
		return elemShift, p.elemLen(b.a) <= pieceElems
	}
	return 0, false
}

func (p *plan) dataLen(i uint32) int64 { return int64(p.mod.Datas[i].Bytes.Len()) }

func (p *plan) elemLen(i uint32) int64 {
	return int64(len(p.mod.Elems[i].Funcs) + len(p.mod.Elems[i].Exprs))
}

var i32ToI32 = wasm.FuncType{Params: []wasm.ValueType{wasm.I32}, Results: []wasm.ValueType{wasm.I32}}

// bulkType is the type of the function that stands for b: its operands.
func (p *plan) bulkType(b bulkOp) wasm.FuncType {
	second := wasm.I32
	if b.code == wasm.OpTableFill {
		t, _ := p.mod.TableType(b.a)
		second = t.Elem
	}
	return wasm.FuncType{Params: []wasm.ValueType{wasm.I32, second, wasm.I32}}
}

// chargeFunc charges for a length and returns it.
func (p *plan) chargeFunc(shift uint) []byte {
	const length, left = 0, 1
	var a asm
	a.put(1, 1, byte(wasm.I64))
	a.spend(p, left, func() {
		a.index(wasm.OpLocalGet, length)
		a.i32(chargeCap)
		a.index(wasm.OpLocalGet, length)
		a.i32(chargeCap)
		a.emit(wasm.OpI32LtU)
		a.emit(wasm.OpSelect)
		a.i32(int32(shift))
		a.emit(wasm.OpI32ShrU)
		a.emit(wasm.OpI64ExtendI32U)
	})
	a.index(wasm.OpLocalGet, length)
	a.emit(wasm.OpEnd)
	return a.Out
}

// bulkWriter writes the function that does one bulk instruction in pieces.
type bulkWriter struct {
	asm
	p     *plan
	b     bulkOp
	piece int32
	shift int32
}

// The parameters and locals of a bulk function.
const (
	bulkTo   = iota
	bulkFrom // for a fill, what to fill with
	bulkLen
	bulkLeft // scratch for fuel
	bulkPiece
)

// bulkFunc returns the body of the function that stands for b. Up to one piece the instruction itself is done. For
// more, the whole range is checked first, for nothing may be written when a part of it is out of bounds; a copy that
// moves upwards goes from the end, so that no piece overwrites what a later one reads.
func (p *plan) bulkFunc(b bulkOp) []byte {
	w := bulkWriter{p: p, b: b, piece: pieceBytes, shift: byteShift}
	if b.code >= wasm.OpTableInit {
		w.piece, w.shift = pieceElems, elemShift
	}
	w.put(2, 1, byte(wasm.I64), 1, byte(wasm.I32))
	w.index(wasm.OpLocalGet, bulkLen)
	w.i32(w.piece)
	w.emit(wasm.OpI32LeU)
	w.block(wasm.OpIf)
	w.spendFor(bulkLen)
	w.do(bulkLen)
	w.emit(wasm.OpReturn)
	w.emit(wasm.OpEnd)
	w.trapOutside()
	switch b.code {
	case wasm.OpMemoryCopy, wasm.OpTableCopy:
		w.index(wasm.OpLocalGet, bulkTo)
		w.index(wasm.OpLocalGet, bulkFrom)
		w.emit(wasm.OpI32GtU)
		w.block(wasm.OpIf)
		w.downwards()
		w.emit(wasm.OpReturn)
		w.emit(wasm.OpEnd)
	}
	w.upwards()
	w.emit(wasm.OpEnd)
	return w.Out
}

// do performs the instruction for the length in a local.
func (w *bulkWriter) do(length uint32) {
	w.index(wasm.OpLocalGet, bulkTo)
	w.index(wasm.OpLocalGet, bulkFrom)
	w.instruction(length)
}

func (w *bulkWriter) instruction(length uint32) {
	w.index(wasm.OpLocalGet, length)
	w.emit(w.b.code)
	switch w.b.code {
	case wasm.OpMemoryFill:
		w.put(0)
	case wasm.OpMemoryCopy:
		w.put(0, 0)
	case wasm.OpMemoryInit:
		w.Out = append(wasm.AppendU32(w.Out, w.b.a), 0)
	case wasm.OpTableFill:
		w.Out = wasm.AppendU32(w.Out, w.b.a)
	default:
		w.Out = wasm.AppendU32(wasm.AppendU32(w.Out, w.b.a), w.b.b)
	}
}

func (w *bulkWriter) spendFor(length uint32) {
	w.spend(w.p, bulkLeft, func() {
		w.index(wasm.OpLocalGet, length)
		w.i32(w.shift)
		w.emit(wasm.OpI32ShrU)
		w.emit(wasm.OpI64ExtendI32U)
	})
}

// trapOutside does the whole instruction when a range is out of bounds: it traps as it would have.
func (w *bulkWriter) trapOutside() {
	w.beyond(bulkTo, w.destination)
	switch w.b.code {
	case wasm.OpMemoryCopy, wasm.OpTableCopy, wasm.OpMemoryInit, wasm.OpTableInit:
		w.beyond(bulkFrom, w.source)
		w.emit(wasm.OpI32Or)
	}
	w.block(wasm.OpIf)
	w.do(bulkLen)
	w.emit(wasm.OpUnreachable)
	w.emit(wasm.OpEnd)
}

// beyond leaves whether the range from a local ends behind the size that size puts on the stack as an i64.
func (w *bulkWriter) beyond(from uint32, size func()) {
	w.index(wasm.OpLocalGet, from)
	w.emit(wasm.OpI64ExtendI32U)
	w.index(wasm.OpLocalGet, bulkLen)
	w.emit(wasm.OpI64ExtendI32U)
	w.emit(wasm.OpI64Add)
	size()
	w.emit(wasm.OpI64GtU)
}

func (w *bulkWriter) destination() {
	switch w.b.code {
	case wasm.OpTableFill, wasm.OpTableCopy:
		w.tableSize(w.b.a)
	case wasm.OpTableInit:
		w.tableSize(w.b.b)
	default:
		w.memorySize()
	}
}

func (w *bulkWriter) source() {
	switch w.b.code {
	case wasm.OpMemoryInit:
		w.i64(w.p.dataLen(w.b.a))
	case wasm.OpTableInit:
		w.i64(w.p.elemLen(w.b.a))
	case wasm.OpTableCopy:
		w.tableSize(w.b.b)
	default:
		w.memorySize()
	}
}

func (w *bulkWriter) memorySize() {
	w.emit(wasm.OpMemorySize)
	w.put(0)
	w.emit(wasm.OpI64ExtendI32U)
	w.i64(16)
	w.emit(wasm.OpI64Shl)
}

func (w *bulkWriter) tableSize(table uint32) {
	w.index(wasm.OpTableSize, table)
	w.emit(wasm.OpI64ExtendI32U)
}

// next sets bulkPiece to the length of the next piece and pays for it.
func (w *bulkWriter) next() {
	w.index(wasm.OpLocalGet, bulkLen)
	w.i32(w.piece)
	w.index(wasm.OpLocalGet, bulkLen)
	w.i32(w.piece)
	w.emit(wasm.OpI32LtU)
	w.emit(wasm.OpSelect)
	w.index(wasm.OpLocalSet, bulkPiece)
	w.spendFor(bulkPiece)
}

// advance changes a local by the length of the piece.
func (w *bulkWriter) advance(local uint32, c wasm.Opcode) {
	w.index(wasm.OpLocalGet, local)
	w.index(wasm.OpLocalGet, bulkPiece)
	w.emit(c)
	w.index(wasm.OpLocalSet, local)
}

func (w *bulkWriter) again() {
	w.index(wasm.OpLocalGet, bulkLen)
	w.index(wasm.OpBrIf, 0)
	w.emit(wasm.OpEnd)
}

func (w *bulkWriter) upwards() {
	w.block(wasm.OpLoop)
	w.next()
	w.do(bulkPiece)
	w.advance(bulkTo, wasm.OpI32Add)
	if w.b.code != wasm.OpMemoryFill && w.b.code != wasm.OpTableFill {
		w.advance(bulkFrom, wasm.OpI32Add)
	}
	w.advance(bulkLen, wasm.OpI32Sub)
	w.again()
}

func (w *bulkWriter) downwards() {
	w.block(wasm.OpLoop)
	w.next()
	w.advance(bulkLen, wasm.OpI32Sub)
	for _, at := range []uint32{bulkTo, bulkFrom} {
		w.index(wasm.OpLocalGet, at)
		w.index(wasm.OpLocalGet, bulkLen)
		w.emit(wasm.OpI32Add)
	}
	w.instruction(bulkPiece)
	w.again()
}
