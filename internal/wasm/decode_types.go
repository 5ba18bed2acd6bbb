package wasm

import (
	"encoding/binary"
	"fmt"
)

// size reads the limits of a table or memory; flags is its byte, whose meaning is the caller's.
func (r *reader) size(what string, flags byte, at int) (s Size) {
	if flags >= 4 && flags <= 7 {
		r.failWith(unsupported(at, "memory64", "a "+what+" with 64-bit addresses"))
		return s
	}
	if flags > 3 {
		r.fail(at, "limits flag %#x", flags)
		return s
	}
	s.Min = r.u32()
	if flags&1 != 0 {
		s.HasMax = true
		s.Max = r.u32()
	}
	return s
}

func (r *reader) tableType() (t TableType) {
	t.Elem = r.refType()
	at := r.pos
	flags := r.byte()
	if flags == 2 || flags == 3 {
		r.failWith(unsupported(at, "shared-everything-threads", "a shared table"))
		return t
	}
	t.Size = r.size("table", flags, at)
	return t
}

func (r *reader) memoryType() (t MemoryType) {
	at := r.pos
	flags := r.byte()
	t.Shared = flags&2 != 0
	t.Size = r.size("memory", flags, at)
	return t
}

func (r *reader) globalType() (t GlobalType) {
	t.Type = r.valueType()
	at := r.pos
	switch mut := r.byte(); {
	case mut == 1:
		t.Mutable = true
	case mut == 2 || mut == 3:
		r.failWith(unsupported(at, "shared-everything-threads", "a shared global"))
	case mut != 0:
		r.fail(at, "mutability %#x", mut)
	}
	return t
}

func (r *reader) tagType() uint32 {
	at := r.pos
	if a := r.byte(); a != 0 {
		r.fail(at, "tag attribute %#x", a)
	}
	return r.u32()
}

// constExpr steps over a constant expression and returns its span, the end included. What may stand in it and what it
// gives is checked by Validate.
func (r *reader) constExpr() Span {
	start := r.pos
	var op Op
	for r.left() > 0 {
		r.next(&op)
		switch {
		case r.fault != nil:
			return Span{}
		case op.Code == OpEnd:
			return Span{uint32(start), uint32(r.pos)}
		case !isConstOp(op.Code):
			r.fail(op.Start, "%s in a constant expression", op.Code)
			return Span{}
		}
	}
	r.fail(start, "constant expression without end")
	return Span{}
}

func isConstOp(c Opcode) bool {
	switch c {
	case OpI32Const, OpI64Const, OpF32Const, OpF64Const, OpV128Const, OpGlobalGet, OpRefNull, OpRefFunc,
		OpI32Add, OpI32Sub, OpI32Mul, OpI64Add, OpI64Sub, OpI64Mul:
		return true
	}
	return false
}

func (d *decoder) elems(r *reader) {
	m := d.m
	r.list("element segments", "Elems", d.lim.Elems, 2, func(n int) { m.Elems = make([]Elem, n) }, func(i int) { d.elem(r, &m.Elems[i]) })
}

// elem reads an element segment. Bit 0 of the flags: not active; bit 1: a table index, or declared; bit 2: expressions.
func (d *decoder) elem(r *reader, e *Elem) {
	at := r.pos
	e.Flags, e.Type = r.u32(), FuncRef
	if e.Flags > 7 {
		r.fail(at, "element segment flags %#x", e.Flags)
		return
	}
	switch {
	case e.Flags&1 == 0:
		if e.Flags&2 != 0 {
			e.Table = r.u32()
		}
		e.Offset = r.constExpr()
	case e.Flags&2 != 0:
		e.Mode = Declared
	default:
		e.Mode = Passive
	}
	exprs := e.Flags&4 != 0
	if e.Flags&3 != 0 {
		if exprs {
			e.Type = r.refType()
		} else if at := r.pos; r.byte() != 0 {
			r.fail(at, "element kind must be 0x00")
		}
	}
	if e.Flags&4 == 0 {
		// A list of functions has no null.
		e.Type = FuncRef.AsNonNull()
	}
	if e.Flags == 4 {
		e.Type = FuncRef
	}
	size := 1
	if exprs {
		size = 2
	}
	most := d.lim.Elements - min(uint32(d.elements), d.lim.Elements)
	r.list("elements", "Elements", most, size, func(n int) {
		d.elements += n
		if exprs {
			e.Exprs = make([]Span, n)
		} else {
			e.Funcs = make([]uint32, n)
		}
	}, func(i int) {
		if exprs {
			e.Exprs[i] = r.constExpr()
		} else {
			e.Funcs[i] = r.u32()
		}
	})
}

func (d *decoder) datas(r *reader) {
	m := d.m
	r.list("data segments", "Datas", d.lim.Datas, 2, func(n int) { m.Datas = make([]Data, n) }, func(i int) {
		s := &m.Datas[i]
		at := r.pos
		switch flags := r.u32(); flags {
		case 0:
			s.Offset = r.constExpr()
		case 1:
			s.Mode = Passive
		case 2:
			r.memoryZero()
			s.Offset = r.constExpr()
		default:
			r.fail(at, "data segment flags %#x", flags)
			return
		}
		s.Bytes = r.span("bytes of the data segment")
	})
}

// canonicalTypes maps each type to the first one of the same structure. A type may refer to itself and to earlier
// types; later ones are refused by Validate and only have to give some answer here.
func canonicalTypes(types []FuncType) []uint32 {
	canon := make([]uint32, len(types))
	seen := make(map[string]uint32, len(types))
	var key []byte
	for i, t := range types {
		key = binary.AppendUvarint(key[:0], uint64(len(t.Params)))
		for _, list := range [2][]ValueType{t.Params, t.Results} {
			for _, v := range list {
				if ref, ok := v.TypeIndex(); ok && ref < uint32(i) {
					v = TypedRef(canon[ref], v.Nullable())
				} else if ok && ref == uint32(i) {
					v = TypedRef(maxTypeIndex, v.Nullable())
				}
				key = binary.AppendUvarint(key, uint64(v))
			}
		}
		first, ok := seen[string(key)]
		if !ok {
			first = uint32(i)
			seen[string(key)] = first
		}
		canon[i] = first
	}
	return canon
}

// checkTypeRef tells whether a value type only refers to types below n.
func checkTypeRef(t ValueType, n int) error {
	if i, ok := t.TypeIndex(); ok && int64(i) >= int64(n) {
		return fmt.Errorf("unknown type %d", i)
	}
	return nil
}
