package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/native"
)

// The types of elements by their numbers (ONNXTensorElementDataType).
var elementTypes = map[uint32]model.DataType{
	1: model.FP32, 2: model.Uint8, 3: model.Int8, 4: model.Uint16, 5: model.Int16, 6: model.Int32, 7: model.Int64,
	8: model.Bytes, 9: model.Bool, 10: model.FP16, 11: model.FP64, 12: model.Uint32, 13: model.Uint64, 16: model.BF16,
}

func numberOf(t model.DataType) (uint32, bool) {
	for n, known := range elementTypes {
		if known == t {
			return n, true
		}
	}
	return 0, false
}

// session is a model that is loaded.
type session struct {
	api    *api
	handle uintptr
}

// Load implements native.Engine.
func (a *api) Load(file string, threads int) (native.Session, error) {
	var m pinned
	defer m.Unpin()
	options, made := m.word(), m.word()
	if err := a.do(fnCreateSessionOptions, at(options)); err != nil {
		return nil, err
	}
	defer a.call(fnReleaseSessionOptions, *options)
	if threads > 0 {
		if err := a.do(fnSetIntraOpNumThreads, *options, uintptr(threads)); err != nil {
			return nil, err
		}
	}
	if err := a.do(fnCreateSession, a.env, m.bytes(pathText(file)), *options, at(made)); err != nil {
		return nil, err
	}
	return &session{a, *made}, nil
}

// Run implements native.Session.
func (s *session) Run(inputs []model.Tensor, wanted []string) (_ []model.Tensor, err error) {
	var m pinned
	defer m.Unpin()
	var names, values, outNames []uintptr
	defer func() {
		for _, v := range values {
			s.api.call(fnReleaseValue, v)
		}
	}()
	for i := range inputs {
		v, err := s.value(&m, &inputs[i])
		if err != nil {
			return nil, err
		}
		values = append(values, v)
		names = append(names, m.text(inputs[i].Name))
	}
	for _, name := range wanted {
		outNames = append(outNames, m.text(name))
	}
	results := make([]uintptr, max(len(wanted), 1))
	err = s.api.do(fnRun, s.handle, 0, m.words(names), m.words(values), uintptr(len(values)), m.words(outNames), uintptr(len(wanted)), m.words(results))
	defer func() {
		for _, v := range results {
			if v != 0 {
				s.api.call(fnReleaseValue, v)
			}
		}
	}()
	if err != nil {
		return nil, err
	}
	outputs := make([]model.Tensor, len(wanted))
	for i, name := range wanted {
		if outputs[i], err = s.tensor(results[i]); err != nil {
			return nil, fmt.Errorf("output %s: %w", name, err)
		}
		outputs[i].Name = name
	}
	return outputs, nil
}

// value makes a value of a tensor, over its bytes.
func (s *session) value(m *pinned, t *model.Tensor) (uintptr, error) {
	kind, ok := numberOf(t.Type)
	if !ok {
		return 0, &model.InputError{Tensor: t.Name, Reason: "ONNX Runtime has no tensors of " + string(t.Type)}
	}
	v := m.word()
	if t.Type != model.Bytes {
		err := s.api.do(fnCreateTensorWithData, s.api.info, m.bytes(aligned(t.Data)), uintptr(len(t.Data)), m.numbers(t.Shape), uintptr(len(t.Shape)), uintptr(kind), at(v))
		return *v, err
	}
	if err := s.api.do(fnCreateTensorAsValue, s.api.strings, m.numbers(t.Shape), uintptr(len(t.Shape)), uintptr(kind), at(v)); err != nil {
		return 0, err
	}
	var texts []uintptr
	for data := t.Data; len(data) > 0; {
		n := binary.LittleEndian.Uint32(data)
		e := data[4 : 4+n]
		if bytes.IndexByte(e, 0) >= 0 {
			s.api.call(fnReleaseValue, *v)
			return 0, &model.InputError{Tensor: t.Name, Reason: "a text with a NUL in it"}
		}
		texts = append(texts, m.text(string(e)))
		data = data[4+n:]
	}
	if err := s.api.do(fnFillStringTensor, *v, m.words(texts), uintptr(len(texts))); err != nil {
		s.api.call(fnReleaseValue, *v)
		return 0, err
	}
	return *v, nil
}

// aligned is data where elements of 8 bytes may lie.
func aligned(data []byte) []byte {
	const to = 8
	if len(data) == 0 || uintptr(unsafe.Pointer(&data[0]))%to == 0 {
		return data
	}
	words := make([]uint64, (len(data)+to-1)/to)
	b := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(words)*to)[:len(data)]
	copy(b, data)
	return b
}

// tensor copies a value.
func (s *session) tensor(v uintptr) (t model.Tensor, err error) {
	a := s.api
	var m pinned
	defer m.Unpin()
	is := m.word() // an int
	if v == 0 {
		return t, &model.ModelError{Type: "NOT_IMPLEMENTED", Message: "it is not there"}
	}
	if err := a.do(fnIsTensor, v, at(is)); err != nil {
		return t, err
	}
	if uint32(*is) == 0 {
		return t, &model.ModelError{Type: "NOT_IMPLEMENTED", Message: "it is no tensor"}
	}
	info := m.word()
	if err := a.do(fnGetTensorTypeAndShape, v, at(info)); err != nil {
		return t, err
	}
	defer a.call(fnReleaseTensorTypeAndShape, *info)
	kind, rank := m.word(), m.word()
	if err := a.do(fnGetTensorElementType, *info, at(kind)); err != nil {
		return t, err
	}
	if err := a.do(fnGetDimensionsCount, *info, at(rank)); err != nil {
		return t, err
	}
	t.Type = elementTypes[uint32(*kind)]
	if !t.Type.Valid() || *rank > model.MaxDims {
		return t, &model.ModelError{Type: "NOT_IMPLEMENTED", Message: fmt.Sprintf("a tensor of elements of type %d with %d dimensions", uint32(*kind), *rank)}
	}
	t.Shape = make([]int64, *rank)
	if err := a.do(fnGetDimensions, *info, m.numbers(t.Shape), *rank); err != nil {
		return t, err
	}
	n, ok := model.Elements(t.Shape)
	if !ok {
		return t, &model.ModelError{Type: "FAIL", Message: fmt.Sprintf("%v is no shape", t.Shape)}
	}
	if t.Type == model.Bytes {
		t.Data, err = s.texts(v, n)
		return t, err
	}
	data := m.word()
	if err := a.do(fnGetTensorMutableData, v, at(data)); err != nil {
		return t, err
	}
	t.Data = make([]byte, n*int64(t.Type.Size()))
	if len(t.Data) > 0 {
		copy(t.Data, unsafe.Slice((*byte)(pointer(*data)), len(t.Data)))
	}
	return t, nil
}

// texts copies the elements of a tensor of strings.
func (s *session) texts(v uintptr, n int64) ([]byte, error) {
	if n == 0 {
		return []byte{}, nil
	}
	var m pinned
	defer m.Unpin()
	length := m.word()
	if err := s.api.do(fnGetStringTensorDataLength, v, at(length)); err != nil {
		return nil, err
	}
	all, offsets := make([]byte, *length), make([]uintptr, n)
	if err := s.api.do(fnGetStringTensorContent, v, m.bytes(all), *length, m.words(offsets), uintptr(n)); err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(all)+4*len(offsets))
	for i, from := range offsets {
		to := *length
		if i+1 < len(offsets) {
			to = offsets[i+1]
		}
		out = binary.LittleEndian.AppendUint32(out, uint32(to-from))
		out = append(out, all[from:to]...)
	}
	return out, nil
}
