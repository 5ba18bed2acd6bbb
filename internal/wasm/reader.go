package wasm

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// reader reads the primitive values of the format. It keeps the first fault and then stands at the end of its bytes,
// so that callers may read on and look at the fault once per item.
type reader struct {
	b     []byte
	pos   int
	fault *fault
}

func (r *reader) fail(at int, format string, args ...any) {
	r.failWith(&fault{at: at, msg: fmt.Sprintf(format, args...)})
}

func (r *reader) failWith(f *fault) {
	if r.fault == nil {
		r.fault = f
	}
	r.pos = len(r.b)
}

func (r *reader) left() int { return len(r.b) - r.pos }

func (r *reader) byte() byte {
	if r.pos < len(r.b) {
		c := r.b[r.pos]
		r.pos++
		return c
	}
	r.fail(r.pos, "unexpected end")
	return 0
}

// u32 reads an unsigned LEB128 of at most 32 bits. One byte is the common case and is inlined.
func (r *reader) u32() uint32 {
	if r.pos < len(r.b) {
		if c := r.b[r.pos]; c < 0x80 {
			r.pos++
			return uint32(c)
		}
	}
	return r.u32Slow()
}

func (r *reader) u32Slow() uint32 {
	start := r.pos
	var v uint32
	for shift := uint(0); shift < 35; shift += 7 {
		if r.pos >= len(r.b) {
			r.fail(start, "unexpected end")
			return 0
		}
		c := r.b[r.pos]
		r.pos++
		if shift == 28 && c > 0x0f {
			break
		}
		v |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	r.fail(start, "number does not fit 32 bits")
	return 0
}

// signed reads a signed LEB128 of at most the given bits: 32, 33 or 64.
func (r *reader) signed(bits uint) int64 {
	if r.pos < len(r.b) {
		if c := r.b[r.pos]; c < 0x80 {
			r.pos++
			return int64(c<<1) << 56 >> 57
		}
	}
	return r.signedSlow(bits)
}

func (r *reader) signedSlow(bits uint) int64 {
	start := r.pos
	var v int64
	for shift := uint(0); shift < bits; shift += 7 {
		if r.pos >= len(r.b) {
			r.fail(start, "unexpected end")
			return 0
		}
		c := r.b[r.pos]
		r.pos++
		if rest := bits - shift; rest < 7 {
			// The bits above the value must all equal its sign bit.
			if top := int8(c<<1) >> rest; c >= 0x80 || top != 0 && top != -1 {
				break
			}
		}
		v |= int64(c&0x7f) << shift
		if c < 0x80 {
			if shift+7 < 64 && c&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			return v
		}
	}
	r.fail(start, "number does not fit %d bits", bits)
	return 0
}

func (r *reader) skip(n int) {
	if n > r.left() {
		r.fail(r.pos, "unexpected end")
		return
	}
	r.pos += n
}

func (r *reader) fixed32() uint32 {
	if r.left() < 4 {
		r.fail(r.pos, "unexpected end")
		return 0
	}
	r.pos += 4
	return binary.LittleEndian.Uint32(r.b[r.pos-4:])
}

func (r *reader) fixed64() uint64 {
	if r.left() < 8 {
		r.fail(r.pos, "unexpected end")
		return 0
	}
	r.pos += 8
	return binary.LittleEndian.Uint64(r.b[r.pos-8:])
}

// count reads the length of a vector whose elements take at least size bytes each, and refuses one that cannot be in
// the bytes that are left, so that callers may allocate by it.
func (r *reader) count(size int, what string) int {
	at := r.pos
	n := r.u32()
	if int64(n)*int64(size) > int64(r.left()) {
		r.fail(at, "%d %s do not fit the %d bytes that are left", n, what, r.left())
		return 0
	}
	return int(n)
}

// span reads a length and steps over that many bytes.
func (r *reader) span(what string) Span {
	n := r.count(1, what)
	start := r.pos
	r.pos += n
	return Span{uint32(start), uint32(r.pos)}
}

func (r *reader) name(what string) string {
	at := r.pos
	s := r.span("bytes of " + what)
	b := r.b[s.Start:s.End]
	if !utf8.Valid(b) {
		r.fail(at, "%s is not UTF-8", what)
		return ""
	}
	return string(b)
}

// valueType reads a value type.
func (r *reader) valueType() ValueType {
	at := r.pos
	c := r.byte()
	switch t := ValueType(c); t {
	case I32, I64, F32, F64, V128, FuncRef, ExternRef, ExnRef:
		return t
	case 0x63:
		return r.heapType()
	case 0x64:
		return r.heapType().AsNonNull()
	}
	if r.fault == nil {
		r.badType(at, c)
	}
	return Bottom
}

// badType tells the types of the GC proposal from nonsense.
func (r *reader) badType(at int, c byte) {
	if c >= 0x6a && c <= 0x74 || c == 0x78 || c == 0x77 {
		r.failWith(unsupported(at, "gc", fmt.Sprintf("type %#x", c)))
		return
	}
	r.fail(at, "%#x is no value type", c)
}

// heapType reads a heap type and returns the nullable reference to it.
func (r *reader) heapType() ValueType {
	at := r.pos
	v := r.signed(33)
	switch {
	case r.fault != nil:
		return Bottom
	case v > maxTypeIndex:
		r.fail(at, "type index %d is too large", v)
		return Bottom
	case v >= 0:
		return TypedRef(uint32(v), true)
	}
	switch t := ValueType(v & 0x7f); t {
	case FuncRef, ExternRef, ExnRef:
		if v >= -64 {
			return t
		}
	}
	if v >= -64 {
		r.badType(at, byte(v&0x7f))
	} else {
		r.fail(at, "%d is no heap type", v)
	}
	return Bottom
}

// refType reads a value type that must be a reference.
func (r *reader) refType() ValueType {
	at := r.pos
	t := r.valueType()
	if r.fault == nil && !t.IsRef() {
		r.fail(at, "%s is no reference type", t)
	}
	return t
}

// blockType reads the immediate of a block.
func (r *reader) blockType() BlockType {
	if r.pos < len(r.b) {
		switch c := r.b[r.pos]; {
		case c == 0x40:
			r.pos++
			return BlockType{}
		case c >= 0x63 && c < 0x80:
			return ValueBlock(r.valueType())
		}
	}
	at := r.pos
	v := r.signed(33)
	if v < 0 || v > 1<<32-1 {
		r.fail(at, "%d is no block type", v)
		return BlockType{}
	}
	return TypedBlock(uint32(v))
}
