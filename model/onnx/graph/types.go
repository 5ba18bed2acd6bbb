package graph

import (
	"strconv"

	"github.com/wherry-run/wherry/model"
)

// An ElementType is the type of a tensor's elements, as onnx.proto numbers them
// (TensorProto.DataType).
type ElementType int32

// The types of elements that this package treats in some way of their own.
const (
	Undefined ElementType = 0
	Float     ElementType = 1
	Int64     ElementType = 7
	String    ElementType = 8
	Bool      ElementType = 9
)

// element says of a type its name in messages, the bits of one element (0 when
// they differ), and what it is in the Open Inference Protocol ("" for nothing).
type element struct {
	name string
	bits int64
	oip  model.DataType
}

// elements are by their number.
var elements = []element{
	0:  {"undefined", 0, ""},
	1:  {"float", 32, model.FP32},
	2:  {"uint8", 8, model.Uint8},
	3:  {"int8", 8, model.Int8},
	4:  {"uint16", 16, model.Uint16},
	5:  {"int16", 16, model.Int16},
	6:  {"int32", 32, model.Int32},
	7:  {"int64", 64, model.Int64},
	8:  {"string", 0, model.Bytes},
	9:  {"bool", 8, model.Bool},
	10: {"float16", 16, model.FP16},
	11: {"double", 64, model.FP64},
	12: {"uint32", 32, model.Uint32},
	13: {"uint64", 64, model.Uint64},
	14: {"complex64", 64, ""},
	15: {"complex128", 128, ""},
	16: {"bfloat16", 16, model.BF16},
	17: {"float8e4m3fn", 8, ""},
	18: {"float8e4m3fnuz", 8, ""},
	19: {"float8e5m2", 8, ""},
	20: {"float8e5m2fnuz", 8, ""},
	21: {"uint4", 4, ""},
	22: {"int4", 4, ""},
	23: {"float4e2m1", 4, ""},
	24: {"float8e8m0", 8, ""},
	25: {"uint2", 2, ""},
	26: {"int2", 2, ""},
}

// lastElement is the last type that IR version 10 has.
const lastElement ElementType = 22

func (t ElementType) String() string {
	if t >= 0 && int(t) < len(elements) {
		return elements[t].name
	}
	return "type " + strconv.Itoa(int(t))
}

// DataType is the same type in the Open Inference Protocol; false when it has none.
func (t ElementType) DataType() (model.DataType, bool) {
	if t < 0 || int(t) >= len(elements) || elements[t].oip == "" {
		return "", false
	}
	return elements[t].oip, true
}

// ElementTypeOf is the type of ONNX for one of the protocol.
func ElementTypeOf(d model.DataType) (ElementType, bool) {
	for t := range elements {
		if elements[t].oip == d && d != "" {
			return ElementType(t), true
		}
	}
	return Undefined, false
}

// bytes is how many bytes n elements take; false for strings and unknown types.
func (t ElementType) bytes(n int64) (int64, bool) {
	if t < 0 || int(t) >= len(elements) || elements[t].bits == 0 {
		return 0, false
	}
	bits := elements[t].bits
	if bits >= 8 {
		return n * (bits / 8), n <= 1<<56
	}
	per := 8 / bits
	return n/per + min(n%per, 1), true
}

// Kind says what a value is.
type Kind int

// The kinds of values.
const (
	None Kind = iota // the file does not say
	Tensor
	Sparse
	Sequence
	Map
	Optional
	Opaque
)

func (k Kind) String() string {
	return [...]string{"untyped", "tensor", "sparse tensor", "sequence", "map", "optional", "opaque"}[k]
}

// A Type is the type of a value.
type Type struct {
	Kind Kind
	// Elem is of tensors; the keys of a map.
	Elem ElementType
	// Shape is of tensors: -1 is a dimension of any length. It is nil when the rank
	// is not given.
	Shape []int64
	// Symbols has the names of those dimensions, "" for none.
	Symbols []string
	// Of is what a sequence, map or optional holds.
	Of *Type
}

// String spells a type as ONNX does: seq(map(int64,tensor(float))).
func (t *Type) String() string {
	switch {
	case t == nil || t.Kind == None:
		return "untyped"
	case t.Kind == Tensor:
		return "tensor(" + t.Elem.String() + ")"
	case t.Kind == Sparse:
		return "sparse_tensor(" + t.Elem.String() + ")"
	case t.Kind == Sequence:
		return "seq(" + t.Of.String() + ")"
	case t.Kind == Map:
		return "map(" + t.Elem.String() + "," + t.Of.String() + ")"
	case t.Kind == Optional:
		return "optional(" + t.Of.String() + ")"
	}
	return "opaque"
}
