package model

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
)

// freeLength is what Sample takes for a dimension of any length that is not the
// first.
const freeLength = 1

// Sample makes a request that fits the signature of made-up values: numbers between
// the field's bounds, or else from 0 to 1, the first of choices, short texts. It is
// an *InputError when an input is of a kind that cannot be made up.
func (s *Signature) Sample(r *rand.Rand) (*Request, error) {
	out, left := &Request{}, int64(maxSample)
	for i := range s.Inputs { // before anything is made
		f := &s.Inputs[i]
		if f.Optional() {
			continue
		}
		shape, size, err := f.sampleShape(left)
		if err != nil {
			return nil, err
		}
		left -= size
		out.Inputs = append(out.Inputs, Tensor{Name: f.Name, Type: f.Type, Shape: shape})
	}
	for i := range out.Inputs {
		t := &out.Inputs[i]
		t.Data = []byte{}
		for range countOf(t.Shape) {
			t.Data = s.Input(t.Name).sampleElement(t.Data, r)
		}
	}
	return out, s.Check(out)
}

// maxSample bounds what is made up for a request, in bytes: a signature may ask for
// anything.
const maxSample = 256 << 20

// sampleShape is the shape that a sample of the field has, and its size in bytes.
func (f *Field) sampleShape(most int64) (shape []int64, size int64, err error) {
	switch k := f.Kind(); k {
	case KindFile, KindImage, KindTable, KindJSON:
		return nil, 0, &InputError{f.Name, "a " + k + " cannot be made up"}
	}
	shape = slices.Clone(f.Shape)
	for i := range shape {
		if shape[i] < 0 {
			shape[i] = freeLength
		}
	}
	if shape == nil {
		shape = []int64{1}
	}
	each := int64(max(f.Type.Size(), 4+len(f.sampleWord())))
	n, ok := Elements(shape)
	if !ok || n > most/each {
		return nil, 0, &InputError{f.Name, fmt.Sprintf("%s is too much to make up", showShape(shape))}
	}
	return shape, n * each, nil
}

// sampleWord is an element of Bytes; of another type it is none.
func (f *Field) sampleWord() string {
	switch {
	case f.Type != Bytes:
		return ""
	case f.Parameters != nil && len(f.Parameters.Choices) > 0:
		return fmt.Sprint(f.Parameters.Choices[0])
	}
	return "sample"
}

func (f *Field) sampleElement(b []byte, r *rand.Rand) []byte {
	p := f.Parameters
	if p == nil {
		p = &FieldParameters{}
	}
	if f.Type == Bytes {
		word := f.sampleWord()
		b = binary.LittleEndian.AppendUint32(b, uint32(len(word)))
		return append(b, word...)
	}
	if len(p.Choices) > 0 {
		if text, err := json.Marshal(p.Choices[0]); err == nil {
			if out, ok := appendWord(b, f.Type, string(text)); ok {
				return out
			}
		}
	}
	class, _ := f.Type.class()
	if f.Type == Bool {
		return append(b, b2i(r.IntN(2) == 1))
	}
	low, high := 0.0, 1.0
	if p.Minimum != nil {
		low, high = *p.Minimum, *p.Minimum+1
	}
	if p.Maximum != nil {
		high = *p.Maximum
		if p.Minimum == nil {
			low = high - 1
		}
	}
	v := ofFloat(low + r.Float64()*(high-low))
	if class != floating { // 0 is an index of any table
		v = ofInt(int64(low))
	}
	out, ok := appendNumber(b, f.Type, v)
	if !ok {
		out, _ = appendNumber(b, f.Type, scalar{whole: true})
	}
	return out
}

// Batches tells whether inputs are rows, of which a request may have any number:
// each of them has a first dimension of any length.
func (s *Signature) Batches() bool {
	for i := range s.Inputs {
		if f := &s.Inputs[i]; !f.Optional() && !f.batches() {
			return false
		}
	}
	return len(s.Inputs) > 0
}

func (f *Field) batches() bool { return len(f.Shape) > 0 && f.Shape[0] < 0 }

// Batch makes a request of n times the first row of another. It is an *InputError
// when those are too many bytes.
func (s *Signature) Batch(r *Request, n int64) (*Request, error) {
	out, left := &Request{ID: r.ID, Outputs: r.Outputs}, int64(maxBatch)
	for _, t := range r.Inputs {
		f := s.Input(t.Name)
		if f == nil || !f.batches() || len(t.Shape) == 0 || t.Shape[0] < 1 || t.Check() != nil {
			out.Inputs = append(out.Inputs, t)
			continue
		}
		row := t.firstRow()
		if n > left/max(int64(len(row)), 1) {
			return nil, t.wrong("%d rows of %d bytes are too many", n, len(row))
		}
		left -= n * int64(len(row))
		t.Shape = slices.Clone(t.Shape)
		t.Shape[0] = n
		t.Data = slices.Repeat(row, int(n))
		out.Inputs = append(out.Inputs, t)
	}
	return out, nil
}

// maxBatch bounds what Batch makes, in bytes.
const maxBatch = 2 << 30

// firstRow is the data of the first row of a sound tensor that has one.
func (t *Tensor) firstRow() []byte {
	if t.Type != Bytes {
		return t.Data[:len(t.Data)/int(t.Shape[0])]
	}
	size := 0
	for range countOf(t.Shape[1:]) {
		size += 4 + int(binary.LittleEndian.Uint32(t.Data[size:]))
	}
	return t.Data[:size]
}
