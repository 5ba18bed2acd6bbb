package model

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// Float16 is a number of IEEE 754 binary16, by its bits.
type Float16 uint16

// BFloat16 is the upper half of a binary32, by its bits.
type BFloat16 uint16

// An Element is what a Go program has a tensor's elements as.
type Element interface {
	bool | int8 | int16 | int32 | int64 | int | uint8 | uint16 | uint32 | uint64 | uint |
		float32 | float64 | Float16 | BFloat16 | string | []byte
}

// Of makes a tensor of Go values, which it copies. Without a shape it is a vector.
// int and uint have 64 bits in it. A shape that does not suit the values is found
// by Check, and so by Predict.
func Of[T Element](name string, values []T, shape ...int64) Tensor {
	if len(shape) == 0 {
		shape = []int64{int64(len(values))}
	}
	return Tensor{Name: name, Type: TypeOf[T](), Shape: shape, Data: encode(values)}
}

// Scalar makes a tensor of one value and no dimension.
func Scalar[T Element](name string, value T) Tensor {
	return Tensor{Name: name, Type: TypeOf[T](), Shape: []int64{}, Data: encode([]T{value})}
}

// TypeOf is the type that elements of T have in a tensor.
func TypeOf[T Element]() DataType {
	var v T
	switch any(v).(type) {
	case bool:
		return Bool
	case int8:
		return Int8
	case int16:
		return Int16
	case int32:
		return Int32
	case int64, int:
		return Int64
	case uint8:
		return Uint8
	case uint16:
		return Uint16
	case uint32:
		return Uint32
	case uint64, uint:
		return Uint64
	case float32:
		return FP32
	case float64:
		return FP64
	case Float16:
		return FP16
	case BFloat16:
		return BF16
	}
	return Bytes
}

func encode[T Element](values []T) []byte {
	switch v := any(values).(type) {
	case []string:
		return encodeBytes(v)
	case [][]byte:
		return encodeBytes(v)
	case []uint8:
		return append([]byte{}, v...)
	case []bool:
		out := make([]byte, len(v))
		for i, b := range v {
			if b {
				out[i] = 1
			}
		}
		return out
	case []int:
		return encode(widen[int64](v))
	case []uint:
		return encode(widen[uint64](v))
	}
	out, err := binary.Append(make([]byte, 0, len(values)*TypeOf[T]().Size()), binary.LittleEndian, values)
	if err != nil {
		panic(err) // all that are left have a fixed size
	}
	return out
}

func widen[W int64 | uint64, T int | uint](values []T) []W {
	out := make([]W, len(values))
	for i, v := range values {
		out[i] = W(v)
	}
	return out
}

func encodeBytes[T string | []byte](values []T) []byte {
	size := 0
	for _, v := range values {
		size += 4 + len(v)
	}
	out := make([]byte, 0, size)
	for _, v := range values {
		out = binary.LittleEndian.AppendUint32(out, uint32(len(v)))
		out = append(out, v...)
	}
	return out
}

// Values gives the elements of a tensor as Go values, row by row. T must hold
// every value of the tensor's type: float64 takes an FP32, float32 takes no FP64.
// Convert takes what fits.
func Values[T Element](t Tensor) ([]T, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	want := TypeOf[T]()
	if t.Type != want {
		if !holds(want, t.Type) {
			return nil, t.wrong("%s do not fit into %s", t.Type, reflect.TypeFor[T]())
		}
		var err error
		if t, err = t.Convert(want); err != nil {
			return nil, err
		}
	}
	n, _ := Elements(t.Shape)
	out := make([]T, n)
	switch v := any(out).(type) {
	case []string:
		i := 0
		for e := range t.elements() {
			v[i] = string(e)
			i++
		}
	case [][]byte:
		i := 0
		for e := range t.elements() {
			v[i] = append([]byte{}, e...)
			i++
		}
	case []int:
		for i := range v {
			v[i] = int(int64(binary.LittleEndian.Uint64(t.Data[8*i:])))
		}
	case []uint:
		for i := range v {
			v[i] = uint(binary.LittleEndian.Uint64(t.Data[8*i:]))
		}
	default:
		if _, err := binary.Decode(t.Data, binary.LittleEndian, out); err != nil {
			return nil, fmt.Errorf("decode %s: %w", t.Type, err)
		}
	}
	return out, nil
}

// elements are those of a sound tensor of Bytes, uncopied.
func (t *Tensor) elements() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for data := t.Data; len(data) >= 4; {
			n := int(binary.LittleEndian.Uint32(data))
			if !yield(data[4 : 4+n : 4+n]) {
				return
			}
			data = data[4+n:]
		}
	}
}

// class sorts the types of numbers.
type class int

const (
	other class = iota
	signed
	unsigned
	floating
)

// class gives the class of a type and the bits of its exact integers.
func (t DataType) class() (class, int) {
	switch t {
	case Int8, Int16, Int32, Int64:
		return signed, 8*t.Size() - 1
	case Uint8, Uint16, Uint32, Uint64:
		return unsigned, 8 * t.Size()
	case BF16:
		return floating, 8
	case FP16:
		return floating, 11
	case FP32:
		return floating, 24
	case FP64:
		return floating, 53
	}
	return other, 0
}

// holds tells whether every value of one type is one of another.
func holds(to, from DataType) bool {
	tc, tb := to.class()
	fc, fb := from.class()
	switch {
	case to == from:
		return true
	case tc == other || fc == other:
		return false
	case fc == floating:
		return tc == floating && tb >= fb && !(to == FP16 && from == BF16)
	case tc == unsigned && fc == signed:
		return false
	}
	return tb >= fb
}

// Convert makes a tensor of another type of numbers. Numbers become the nearest
// floating-point number; an integer that is out of range, and a fraction that
// should become an integer, are an *InputError.
func (t Tensor) Convert(to DataType) (Tensor, error) {
	if t.Type == to {
		return t, nil
	}
	if err := t.Check(); err != nil {
		return t, err
	}
	_, from := t.Type.class()
	class, _ := to.class()
	if from == 0 && t.Type != Bool || class == other {
		return t, t.wrong("%s cannot become %s", t.Type, to)
	}
	n := len(t.Data) / t.Type.Size()
	out := make([]byte, 0, n*to.Size())
	for i := range n {
		v := t.scalar(i)
		var ok bool
		if out, ok = appendNumber(out, to, v); !ok {
			return t, t.wrong("element %d is %s, which is no %s", i, v, to)
		}
	}
	t.Type, t.Data = to, out
	return t, nil
}

// scalar is a number without loss: an integer of either sign, or a float.
type scalar struct {
	float    float64
	integer  uint64 // two's complement
	negative bool
	whole    bool // integer counts, else float
}

func (s scalar) String() string {
	switch {
	case !s.whole:
		return number(s.float)
	case s.negative:
		return strconv.FormatInt(int64(s.integer), 10)
	}
	return strconv.FormatUint(s.integer, 10)
}

func (s scalar) asFloat() float64 {
	switch {
	case !s.whole:
		return s.float
	case s.negative:
		return float64(int64(s.integer))
	}
	return float64(s.integer)
}

func ofInt(v int64) scalar   { return scalar{integer: uint64(v), negative: v < 0, whole: true} }
func ofUint(v uint64) scalar { return scalar{integer: v, whole: true} }
func ofFloat(v float64) scalar {
	// What is a whole number is one, so that 3.0 can become an integer.
	switch {
	case v != math.Trunc(v) || v == 0 && math.Signbit(v):
	case v >= -1<<63 && v < 1<<63:
		s := ofInt(int64(v))
		s.float = v
		return s
	case v > 0 && v < 1<<64:
		s := ofUint(uint64(v))
		s.float = v
		return s
	}
	return scalar{float: v}
}

// scalar reads element i of a sound tensor of numbers or truths.
func (t *Tensor) scalar(i int) scalar {
	d, le := t.Data, binary.LittleEndian
	switch t.Type {
	case Bool, Uint8:
		return ofUint(uint64(d[i]))
	case Uint16:
		return ofUint(uint64(le.Uint16(d[2*i:])))
	case Uint32:
		return ofUint(uint64(le.Uint32(d[4*i:])))
	case Uint64:
		return ofUint(le.Uint64(d[8*i:]))
	case Int8:
		return ofInt(int64(int8(d[i])))
	case Int16:
		return ofInt(int64(int16(le.Uint16(d[2*i:]))))
	case Int32:
		return ofInt(int64(int32(le.Uint32(d[4*i:]))))
	case Int64:
		return ofInt(int64(le.Uint64(d[8*i:])))
	}
	return ofFloat(t.number(i))
}

// number reads element i of a sound tensor of numbers or truths.
func (t *Tensor) number(i int) float64 {
	d, le := t.Data, binary.LittleEndian
	switch t.Type {
	case FP16:
		return float64(Float16(le.Uint16(d[2*i:])).Float32())
	case BF16:
		return float64(BFloat16(le.Uint16(d[2*i:])).Float32())
	case FP32:
		return float64(math.Float32frombits(le.Uint32(d[4*i:])))
	case FP64:
		return math.Float64frombits(le.Uint64(d[8*i:]))
	}
	return t.scalar(i).asFloat()
}

// text shows element i of a sound tensor of numbers or truths.
func (t *Tensor) text(i int) string {
	class, _ := t.Type.class()
	switch {
	case t.Type == Bool:
		return strconv.FormatBool(t.Data[i] != 0)
	case class == floating:
		return strings.Trim(string(appendFloat(nil, t.number(i), t.Type)), `"`)
	}
	return t.scalar(i).String()
}

// appendNumber appends a number as an element; false when it is none of the type.
func appendNumber(b []byte, to DataType, v scalar) ([]byte, bool) {
	class, bits := to.class()
	le := binary.LittleEndian
	switch class {
	case floating:
		f := v.float
		if v.whole {
			f = v.asFloat()
		}
		switch to {
		case FP64:
			return le.AppendUint64(b, math.Float64bits(f)), true
		case FP32:
			return le.AppendUint32(b, math.Float32bits(float32(f))), true
		case FP16:
			return le.AppendUint16(b, uint16(ToFloat16(f))), true
		}
		return le.AppendUint16(b, uint16(ToBFloat16(f))), true
	case signed:
		if !v.whole || !v.negative && v.integer > 1<<bits-1 || v.negative && int64(v.integer) < -1<<bits {
			return b, false
		}
	case unsigned:
		if !v.whole || v.negative || bits < 64 && v.integer > 1<<bits-1 {
			return b, false
		}
	default:
		return b, false
	}
	switch to.Size() {
	case 1:
		return append(b, byte(v.integer)), true
	case 2:
		return le.AppendUint16(b, uint16(v.integer)), true
	case 4:
		return le.AppendUint32(b, uint32(v.integer)), true
	}
	return le.AppendUint64(b, v.integer), true
}

// Strings gives every element as text: numbers in as few digits as their type
// needs, truths as true and false.
func (t *Tensor) Strings() ([]string, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if t.Type == Bytes {
		return Values[string](*t)
	}
	list := make([]string, len(t.Data)/t.Type.Size())
	for i := range list {
		list[i] = t.text(i)
	}
	return list, nil
}
