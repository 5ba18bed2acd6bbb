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
	// One row and several take different kernels. What wants pictures or sounds refuses
	// what is too short for it.
	answered := false
	for at, n := range []int64{1, 4, 64, 224, 288, 576, 512, 1024, 16000} {
		if answered && at > 1 {
			break
		}
		for _, first := range []int64{1, n} {
			inputs, ok := invent(d.signature, first, n)
			if !ok {
				continue
			}
			err := d.try(ctx, inputs)
			if answered = answered || err == nil; fatal(err) {
				return err
			}
			if inputs, ok = misshapen(inputs); ok && n == 1 { // and what it takes to refuse one
				if err := d.try(ctx, inputs); fatal(err) {
					return err
				}
			}
			if err == nil && n > 4 {
				break // it takes long
			}
		}
	}
	return nil
}

// try answers an invented request, twice if it is answered: the second of a shape goes
// another way.
func (d *driver) try(ctx context.Context, inputs []model.Tensor) error {
	_, err := d.session.Run(ctx, inputs, nil)
	if err == nil {
		_, err = d.session.Run(ctx, inputs, nil)
	}
	return err
}

// fatal tells whether an error is neither the model's nor the request's.
func fatal(err error) bool {
	var input *model.InputError
	return err != nil && !refusal(err) && !errors.As(err, &input)
}

// maxInvented bounds what is invented for one request, in elements.
const maxInvented = 4 << 20

// invent makes inputs that fit a signature, with n for dimensions of any length, and
// another number for those that come first: they often count what is asked.
func invent(s *model.Signature, first, n int64) ([]model.Tensor, bool) {
	var list []model.Tensor
	left := int64(maxInvented)
	for _, f := range s.Inputs {
		t := model.Tensor{Name: f.Name, Type: f.Type, Shape: []int64{}}
		for k, d := range f.Shape {
			if d < 0 && k == 0 {
				d = first
			} else if d < 0 {
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
