package onnx

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/wherry-run/wherry/model"
)

// The element types that tensors have here, by ONNX's numbers.
var elementTypes = [...]model.DataType{
	1: model.FP32, 2: model.Uint8, 3: model.Int8, 4: model.Uint16, 5: model.Int16, 6: model.Int32, 7: model.Int64,
	8: model.Bytes, 9: model.Bool, 10: model.FP16, 11: model.FP64, 12: model.Uint32, 13: model.Uint64, 16: model.BF16,
}

// elementNumber is ONNX's number of a type; 0 for none.
func elementNumber(t model.DataType) uint32 {
	return uint32(max(0, slices.Index(elementTypes[:], t)))
}

// room is how many bytes a tensor needs in the guest: its elements, for strings their
// addresses and themselves with a zero behind each.
func room(t *model.Tensor) int64 {
	n, _ := model.Elements(t.Shape)
	if t.Type != model.Bytes {
		return n * int64(t.Type.Size())
	}
	return int64(len(t.Data)) + n // a length of 4 bytes makes place for an address
}

// put writes a tensor's elements to b, which lies at an address of the guest's and has
// their room.
func put(b []byte, at uint32, t *model.Tensor) error {
	if t.Type != model.Bytes {
		copy(b, t.Data)
		return nil
	}
	n, _ := model.Elements(t.Shape)
	addresses, free := b[:4*n], 4*n
	for data := t.Data; len(data) > 0; addresses = addresses[4:] {
		length := binary.LittleEndian.Uint32(data)
		word := data[4 : 4+length]
		if bytes.IndexByte(word, 0) >= 0 {
			return &model.InputError{Tensor: t.Name, Reason: "a string with a NUL in it, which ONNX Runtime cannot take"}
		}
		binary.LittleEndian.PutUint32(addresses, at+uint32(free))
		free += int64(copy(b[free:], word))
		b[free] = 0
		free++
		data = data[4+length:]
	}
	return nil
}

// putDims writes a tensor's dimensions.
func putDims(b []byte, t *model.Tensor) error {
	for i, d := range t.Shape {
		if d < 0 || d > math.MaxInt32 {
			return &model.InputError{Tensor: t.Name, Reason: fmt.Sprintf("a dimension of %d, more than the sandbox can count", d)}
		}
		binary.LittleEndian.PutUint32(b[4*i:], uint32(d))
	}
	return nil
}
