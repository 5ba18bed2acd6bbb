package graph

import (
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/wherry-run/wherry/model"
)

// ParseTensor reads a file with one tensor, as ONNX's test data has them. The
// error is a *FormatError or an *UnsupportedError.
func ParseTensor(data []byte) (*model.Tensor, error) {
	r := &reader{parts: maxParts, bytes: maxNames}
	t, err := r.tensor(data)
	if err != nil {
		return nil, err
	}
	return t.Value()
}

// Value gives a constant that lies in the file as a tensor of the protocol.
func (t *TensorProto) Value() (*model.Tensor, error) {
	typ, ok := t.Elem.DataType()
	if !ok || t.External != nil {
		return nil, &UnsupportedError{Field: t.Name, Reason: fmt.Sprintf("elements of the type %s, or in another file, cannot be read here", t.Elem)}
	}
	v := &model.Tensor{Name: t.Name, Type: typ, Shape: append([]int64{}, t.Dims...), Data: t.Raw}
	if t.Raw == nil {
		var err error
		if v.Data, err = t.gather(typ.Size()); err != nil {
			return nil, err
		}
	}
	if err := v.Check(); err != nil {
		return nil, &FormatError{Where: shorten(t.Name), Reason: err.Error()}
	}
	return v, nil
}

// gather reads the elements from the field of their type: int32_data has those
// of up to 32 bits that are no float, each as a number of its own.
func (t *TensorProto) gather(size int) ([]byte, error) {
	var out []byte
	err := fields(t.raw, func(f field) error {
		switch f.num {
		case 4: // float
			out = appendFixed(out, f, 4)
		case 10: // double
			out = appendFixed(out, f, 8)
		case 5, 7, 11: // int32, int64, uint64
			return f.ints(func(v int64) error {
				out = appendInt(out, v, size)
				return nil
			})
		case 6: // string
			if f.typ == protowire.BytesType {
				out = append(binary.LittleEndian.AppendUint32(out, uint32(len(f.data))), f.data...)
			}
		}
		return nil
	})
	return out, err
}

// appendFixed adds one number, or a list of them.
func appendFixed(out []byte, f field, size int) []byte {
	switch f.typ {
	case protowire.BytesType:
		return append(out, f.data...)
	case protowire.Fixed32Type, protowire.Fixed64Type:
		return appendInt(out, int64(f.v), size)
	}
	return out
}

func appendInt(out []byte, v int64, size int) []byte {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(v))
	return append(out, b[:size]...)
}
