package onnx

import (
	"context"
	"encoding/binary"
	"errors"
	"math"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/runtime"
)

// Rehearse answers requests of its own invention, by which is seen what of ONNX
// Runtime the model needs. What the model thinks of them does not matter.
func (d *driver) Rehearse(ctx context.Context, m *runtime.Machine) error {
	if d.session.Session == 0 || d.signature == nil {
		return nil
	}
	// One row and several take different kernels. What wants pictures refuses small ones.
	answered := false
	for _, n := range []int64{1, 4, 64, 224} {
		if answered && n > 4 {
			break
		}
		inputs, ok := invent(d.signature, n)
		if !ok {
			break
		}
		_, err := d.session.Run(ctx, inputs, nil)
		answered = answered || err == nil
		var input *model.InputError
		if err != nil && !refusal(err) && !errors.As(err, &input) {
			return err
		}
		if inputs, ok = misshapen(inputs); ok && n == 1 { // and what it takes to refuse one
			if _, err := d.session.Run(ctx, inputs, nil); err != nil && !refusal(err) {
				return err
			}
		}
	}
	return nil
}

// maxInvented bounds what is invented for one request, in elements.
const maxInvented = 16 << 20

// invent makes inputs that fit a signature, with n for dimensions of any length.
func invent(s *model.Signature, n int64) ([]model.Tensor, bool) {
	var list []model.Tensor
	left := int64(maxInvented)
	for _, f := range s.Inputs {
		t := model.Tensor{Name: f.Name, Type: f.Type, Shape: []int64{}}
		for _, d := range f.Shape {
			if d < 0 {
				d = n
			}
			t.Shape = append(t.Shape, d)
		}
		count, ok := model.Elements(t.Shape)
		if !ok || count > left || !f.Type.Valid() {
			return nil, false
		}
		left -= count
		one := element(f.Type)
		for range count {
			t.Data = append(t.Data, one...)
		}
		list = append(list, t)
	}
	return list, true
}

// misshapen gives the first input a dimension more.
func misshapen(inputs []model.Tensor) ([]model.Tensor, bool) {
	if len(inputs) == 0 {
		return nil, false
	}
	inputs[0].Shape = append([]int64{1}, inputs[0].Shape...)
	return inputs, true
}

// element is a value that most models can do something with: one, for a number of a
// word or a row of a table may be it, too.
func element(t model.DataType) []byte {
	switch t {
	case model.FP16:
		return []byte{0, 0x3c}
	case model.BF16:
		return []byte{0x80, 0x3f}
	case model.FP32:
		return binary.LittleEndian.AppendUint32(nil, math.Float32bits(1))
	case model.FP64:
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(1))
	case model.Bytes:
		return []byte{1, 0, 0, 0, 'a'}
	}
	b := make([]byte, t.Size())
	b[0] = 1
	return b
}
