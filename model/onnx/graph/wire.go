package graph

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// A field is one of a protobuf message.
type field struct {
	num protowire.Number
	typ protowire.Type
	// v is a number, data are the bytes of a string or message.
	v    uint64
	data []byte
	// whole is the field with its tag.
	whole []byte
}

// fields calls f for every field of a message.
func fields(b []byte, f func(f field) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return &FormatError{Reason: "this is no protobuf, or it is cut off"}
		}
		at := field{num: num, typ: typ}
		var m int
		switch rest := b[n:]; typ {
		case protowire.VarintType:
			at.v, m = protowire.ConsumeVarint(rest)
		case protowire.Fixed32Type:
			var v uint32
			v, m = protowire.ConsumeFixed32(rest)
			at.v = uint64(v)
		case protowire.Fixed64Type:
			at.v, m = protowire.ConsumeFixed64(rest)
		case protowire.BytesType:
			at.data, m = protowire.ConsumeBytes(rest)
		default:
			return &FormatError{Reason: "this is no protobuf of ONNX: it has a group"}
		}
		if m < 0 {
			return &FormatError{Reason: "it is cut off"}
		}
		at.whole = b[: n+m : n+m]
		at.data = at.data[:len(at.data):len(at.data)]
		if err := f(at); err != nil {
			return err
		}
		b = b[n+m:]
	}
	return nil
}

// is tells whether a field has the number and the wire type; a field of another
// wire type is one that is not known.
func (f field) is(num protowire.Number, typ protowire.Type) bool {
	return f.num == num && f.typ == typ
}

// ints gives the numbers of a repeated field, packed or not, to do.
func (f field) ints(do func(v int64) error) error {
	switch f.typ {
	case protowire.VarintType:
		return do(int64(f.v))
	case protowire.BytesType:
		for b := f.data; len(b) > 0; {
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return &FormatError{Reason: "a list of numbers is cut off"}
			}
			if err := do(int64(v)); err != nil {
				return err
			}
			b = b[n:]
		}
	}
	return nil
}

func (f field) float() float32 { return math.Float32frombits(uint32(f.v)) }
