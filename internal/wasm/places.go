package wasm

import (
	"encoding/binary"
	"math/bits"
)

// Places say where the code of a rewritten module was in its original, so that a trace can name the offset that a
// person finds in the file. They lie behind the names in the same sidecar:
//
//	names                    as Names makes them, which do not look behind their own end
//	first, count             the first function with a body, and how many there are, added ones included
//	per function that the original has:
//	  size, head             of its new body, and how much of that are locals
//	  gap                    between its old body and the end of the one before, the first from the start of the file
//	  old, locals, runs      the size of its old body, how much of it were locals, and how many runs of it were copied
//	  runs x (new, old, n)   what is between two runs behind the locals, in the new body and in the old, and the
//	                         length of the run; in the old modulo 2^32, for code that is there several times
//	length                   uint32, little endian: of all that follows the names
//	"WPLC"
//
// All numbers but the last are of variable length. A look-up walks over them; it is for programs that trapped.
const placesMagic = "WPLC"

// A Run is a part of a function's body that was copied: N bytes from Old to New.
type Run struct{ New, Old, N int }

// AppendPlace appends what is known of one function: the spans of its body in the original and of the one before, the
// size of its new body, how much of the old and the new one are locals, and the runs of the rest: New counts from
// behind the locals.
func AppendPlace(out []byte, before, old Span, size, locals, head int, runs []Run) []byte {
	for _, n := range []int{size, head, int(old.Start) - int(before.End), old.Len(), locals, len(runs)} {
		out = binary.AppendUvarint(out, uint64(n))
	}
	from, to := locals, 0
	for _, r := range runs {
		for _, n := range []int{r.New - to, int(uint32(r.Old - from)), r.N} {
			out = binary.AppendUvarint(out, uint64(n))
		}
		to, from = r.New+r.N, r.Old+r.N
	}
	return out
}

// AddPlaces puts places behind the names of a sidecar. first is the index of the first function with a body in the new
// module and count how many it has.
func AddPlaces(sidecar []byte, first, count int, places ...[]byte) []byte {
	from := len(sidecar)
	out := binary.AppendUvarint(sidecar, uint64(first))
	out = binary.AppendUvarint(out, uint64(count))
	for _, p := range places {
		out = append(out, p...)
	}
	out = binary.LittleEndian.AppendUint32(out, uint32(len(out)-from))
	return append(out, placesMagic...)
}

// HasPlaces reports whether a sidecar holds places.
func HasPlaces(sidecar []byte) bool { return placesOf(sidecar) != nil }

func placesOf(sidecar []byte) []byte {
	end := len(sidecar) - len(placesMagic) - 4
	if end < 0 || string(sidecar[end+4:]) != placesMagic {
		return nil
	}
	n := uint64(binary.LittleEndian.Uint32(sidecar[end:]))
	if n > uint64(end) {
		return nil
	}
	return sidecar[end-int(n) : end]
}

// PlaceOf turns a position in the code section of the new module, which lies in the function with this index there,
// into one in the file of the original. It reports false when the sidecar does not know.
func PlaceOf(sidecar []byte, index uint32, at uint64) (uint64, bool) {
	r := placeReader{b: placesOf(sidecar)}
	first, count := r.next(), r.next()
	if uint64(index) < first {
		return 0, false
	}
	start, file := leb(count), uint64(0) // of the body: in the new code section, in the old file
	for f := first; r.b != nil; f++ {
		size, head, gap, old, locals, runs := r.next(), r.next(), r.next(), r.next(), r.next(), r.next()
		start, file = start+leb(size), file+gap
		if f == uint64(index) {
			if at < start+head || at >= start+size {
				return 0, false
			}
			return r.find(at-start-head, file, locals, runs)
		}
		for ; runs > 0 && r.b != nil; runs-- {
			r.next()
			r.next()
			r.next()
		}
		start, file = start+size, file+old
	}
	return 0, false
}

// find walks over the runs of a function. What stands between two runs belongs to what was there before.
func (r *placeReader) find(at, file, from, runs uint64) (uint64, bool) {
	to := uint64(0)
	for ; runs > 0; runs-- {
		gapTo, gapFrom, n := r.next(), r.next(), r.next()
		switch {
		case r.b == nil:
			return 0, false
		case at < to+gapTo:
			return file + from, true
		case at < to+gapTo+n:
			return file + uint64(uint32(from+gapFrom)) + at - to - gapTo, true
		}
		to, from = to+gapTo+n, uint64(uint32(from+gapFrom+n))
	}
	return file + from, true
}

// leb is how many bytes n takes.
func leb(n uint64) uint64 { return uint64(max(bits.Len64(n)+6, 7) / 7) }

// placeReader reads numbers; at the first that cannot be read b is nil, and stays so.
type placeReader struct{ b []byte }

func (r *placeReader) next() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > 1<<40 {
		r.b = nil
		return 0
	}
	r.b = r.b[n:]
	return v
}
