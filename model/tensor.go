package model

import (
	"encoding/binary"
	"fmt"
	"math"
)

// A Tensor is an array of elements of one type: an input of a request, or an
// output of its response.
type Tensor struct {
	Name string
	Type DataType
	// Shape has the length of each dimension; none for a scalar.
	Shape []int64
	// Data are the elements, row by row, little-endian and without gaps. An element
	// of Bytes is its length in 4 bytes and then itself. This is the raw form of the
	// protocol's binary extension, so that a tensor passes every door unconverted.
	Data []byte
	// Parameters say more of a tensor to those who know them, as content_type of
	// an image; nil for most.
	Parameters map[string]any
}

// MaxDims bounds the dimensions of a tensor.
const MaxDims = 32

// Elements gives the product of a shape. It is false when the shape is not one:
// a negative length, more than MaxDims dimensions, or more elements than can be.
func Elements(shape []int64) (n int64, ok bool) {
	if len(shape) > MaxDims {
		return 0, false
	}
	n, empty := 1, false
	for _, d := range shape {
		if d < 0 {
			return 0, false
		}
		if d == 0 {
			empty = true
			continue
		}
		if n > math.MaxInt64/d {
			return 0, false
		}
		n *= d
	}
	if empty {
		return 0, true
	}
	return n, true
}

// Check tells in which way a tensor contradicts itself: a type or shape that is
// none, or data of another length than they say. The error is an *InputError.
func (t *Tensor) Check() error {
	if !t.Type.Valid() {
		return t.wrong("%q is no type of elements", string(t.Type))
	}
	n, ok := Elements(t.Shape)
	if !ok {
		return t.wrong("%v is no shape", t.Shape)
	}
	if t.Type == Bytes {
		got := int64(0)
		for data := t.Data; len(data) > 0; got++ {
			if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data)) > uint64(len(data)-4) {
				return t.wrong("element %d is cut off", got)
			}
			data = data[4+binary.LittleEndian.Uint32(data):]
		}
		if got != n {
			return t.wrong("%d elements, where the shape %v has %d", got, t.Shape, n)
		}
		return nil
	}
	if size := int64(t.Type.Size()); n > math.MaxInt64/size || n*size != int64(len(t.Data)) {
		return t.wrong("%d bytes, where %s of shape %v has %d elements of %d", len(t.Data), t.Type, t.Shape, n, size)
	}
	if t.Type == Bool {
		for i, b := range t.Data {
			if b > 1 {
				return t.wrong("element %d is %d, a BOOL is 0 or 1", i, b)
			}
		}
	}
	return nil
}

func (t *Tensor) wrong(format string, args ...any) error {
	return &InputError{Tensor: t.Name, Reason: fmt.Sprintf(format, args...)}
}
