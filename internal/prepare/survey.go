package prepare

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/wherry-run/wherry/internal/wasm"
)

// Facts is what has to be known of a whole module before parts of it can be prepared without reading the rest. It is
// found once, by [Survey], and can travel with an image: nothing in it is trusted. Facts that lie make parts of the
// module fail to load; they cannot take a check, a limit or a fix away.
type Facts struct {
	// Bodies says where in the module the body of each defined function lies.
	Bodies []wasm.Span
	// Pinned lists, ascending, the functions, imports counted, that use a segment, which only the primary has.
	Pinned []uint32
	// Exceptions tells whether the module uses them anywhere.
	Exceptions bool
	// Throwing lists, ascending, the functions, imports counted, out of which an exception can come. Every part is held
	// against it: what lets an exception through must be in it.
	Throwing []uint32
	// Whole says why the module cannot be split; it is empty when it can.
	Whole string
}

// Survey validates a module and finds its facts. It walks all of it.
func Survey(ctx context.Context, bin []byte, o Options) (*Facts, error) {
	m, err := wasm.Decode(bin, o.limits())
	if err != nil {
		return nil, fmt.Errorf("decode module: %w", err)
	}
	if err := wasm.Validate(ctx, m, o.workers()); err != nil {
		return nil, fmt.Errorf("validate module: %w", err)
	}
	p := &plan{mod: m, opts: o, imported: uint32(m.ImportedFuncs())}
	if err := p.scan(ctx); err != nil {
		return nil, err
	}
	f := &Facts{Bodies: m.Code, Exceptions: p.usesExceptions(), Whole: unsplittable(m)}
	for i := range p.facts {
		switch t := p.facts[i].traits; {
		case t.has(usesTable) && f.Whole == "":
			f.Whole = fmt.Sprintf("function %d handles the table or a reference to a function", uint32(i)+p.imported)
		case t.has(usesSegment):
			f.Pinned = append(f.Pinned, uint32(i)+p.imported)
		}
	}
	if f.Exceptions && f.Whole == "" {
		throwing, err := p.findThrowing()
		if err != nil {
			return nil, err
		}
		for i, may := range throwing.funcs {
			if may {
				f.Throwing = append(f.Throwing, uint32(i)+p.imported)
			}
		}
	}
	return f, ctx.Err()
}

// unsplittable says what there is around the functions that stands in the way of a split; it is empty when nothing does.
func unsplittable(m *wasm.Module) string {
	for _, im := range m.Imports {
		if im.Kind != wasm.ExternFunc {
			return fmt.Sprintf("it imports %q.%q, which is no function", im.Module, im.Name)
		}
	}
	for i, g := range m.Globals {
		switch g.Type.Type {
		case wasm.I32, wasm.I64, wasm.F32, wasm.F64:
		default:
			return fmt.Sprintf("global %d is of type %s", i, g.Type.Type)
		}
	}
	switch {
	case len(m.Tables) > 1:
		return fmt.Sprintf("it has %d tables", len(m.Tables))
	case len(m.Tables) == 1 && (m.Tables[0].Type.Elem != wasm.FuncRef || m.Tables[0].Init.Len() > 0):
		return "its table does not begin as one of null function references"
	case len(m.Memories) > 0 && m.Memories[0].Shared:
		return "its memory is shared"
	}
	if _, err := tableSlots(m); err != nil {
		return err.Error()
	}
	return ""
}

// noFunc is the function of an empty slot.
const noFunc = ^uint32(0)

// tableSlots lists the function in every slot of the table as it is after instantiation.
func tableSlots(m *wasm.Module) ([]uint32, error) {
	if len(m.Tables) == 0 {
		if len(m.Elems) > 0 {
			return nil, errors.New("it has element segments and no table")
		}
		return nil, nil
	}
	slots := make([]uint32, m.Tables[0].Type.Size.Min)
	for i := range slots {
		slots[i] = noFunc
	}
	for i, e := range m.Elems {
		if e.Mode != wasm.Active || e.Table != 0 || e.Flags&4 != 0 {
			return nil, fmt.Errorf("element segment %d is not a plain list that is there from the start", i)
		}
		at, ok := constOffset(m, e.Offset)
		if !ok || uint64(at)+uint64(len(e.Funcs)) > uint64(len(slots)) {
			return nil, fmt.Errorf("element segment %d does not lie at a fixed place of the table", i)
		}
		copy(slots[at:], e.Funcs)
	}
	return slots, nil
}

// constOffset reads an offset that is one i32.const.
func constOffset(m *wasm.Module, expr wasm.Span) (uint32, bool) {
	var op wasm.Op
	w := wasm.NewWalker(m.Bytes(expr), 0)
	if !w.Next(&op) || op.Code != wasm.OpI32Const {
		return 0, false
	}
	at := uint32(op.Value)
	return at, w.Next(&op) && op.Code == wasm.OpEnd
}

// The encoding of facts: magic and version, exceptions, the reason, the pinned functions and those that throw as
// differences, the bodies as the gap before each and its length. All numbers are unsigned LEB128.
const (
	factsMagic = "WFCT\x02"
	maxBodies  = 1_000_000
)

var errFacts = errors.New("the facts of a module are damaged")

// MarshalBinary encodes the facts: the same facts are the same bytes.
func (f *Facts) MarshalBinary() ([]byte, error) {
	b := append(make([]byte, 0, 4*len(f.Bodies)+64), factsMagic...)
	e := uint64(0)
	if f.Exceptions {
		e = 1
	}
	b = binary.AppendUvarint(b, e)
	b = binary.AppendUvarint(b, uint64(len(f.Whole)))
	b = append(b, f.Whole...)
	b = appendFuncs(appendFuncs(b, f.Pinned), f.Throwing)
	b = binary.AppendUvarint(b, uint64(len(f.Bodies)))
	last := uint32(0)
	for _, s := range f.Bodies {
		b = binary.AppendUvarint(b, uint64(s.Start-last))
		b = binary.AppendUvarint(b, uint64(s.Len()))
		last = s.End
	}
	return b, nil
}

// appendFuncs writes an ascending list.
func appendFuncs(b []byte, list []uint32) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	last := uint32(0)
	for _, f := range list {
		b = binary.AppendUvarint(b, uint64(f-last))
		last = f
	}
	return b
}

// UnmarshalBinary decodes facts. What it allocates is bounded by the length of b.
func (f *Facts) UnmarshalBinary(b []byte) error {
	if !bytes.HasPrefix(b, []byte(factsMagic)) {
		if bytes.HasPrefix(b, []byte(factsMagic[:4])) {
			return errors.New("the facts of a module are those of another version of Wherry; build the image again to have it start sooner")
		}
		return errFacts
	}
	r := varints{b: b[len(factsMagic):]}
	f.Exceptions = r.next() == 1
	f.Whole = string(r.bytes(r.count(1)))
	f.Pinned, f.Throwing = r.funcs(), r.funcs()
	n := r.count(2)
	if n > maxBodies {
		return errFacts
	}
	f.Bodies = make([]wasm.Span, n)
	last := uint64(0)
	for i := range n {
		start := last + r.next()
		last = start + r.next()
		if last > 1<<32-1 {
			return errFacts
		}
		f.Bodies[i] = wasm.Span{Start: uint32(start), End: uint32(last)}
	}
	if r.bad || len(r.b) > 0 {
		return errFacts
	}
	return nil
}

// varints reads unsigned LEB128 numbers. After the first fault it gives zeros.
type varints struct {
	b   []byte
	bad bool
}

func (r *varints) next() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > 1<<32-1 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// funcs reads an ascending list.
func (r *varints) funcs() []uint32 {
	n := r.count(1)
	if n == 0 {
		return nil
	}
	list, last := make([]uint32, n), uint64(0)
	for i := range list {
		last += r.next()
		list[i] = uint32(last)
	}
	r.bad = r.bad || last > 1<<32-1
	return list
}

// count reads a number of items that take at least size bytes each.
func (r *varints) count(size int) int {
	n := r.next()
	if n > uint64(len(r.b)/size) {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

func (r *varints) bytes(n int) []byte {
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}
