package ort

import (
	"bytes"
	"context"
	"fmt"
)

// Element types of tensors, by ONNX's numbers.
const (
	Float = 1
	Int64 = 7
)

// A Tensor is an input or output: little-endian elements, row by row.
type Tensor struct {
	Name string
	Type int
	Dims []int
	Data []byte
}

// A Session is a loaded model.
type Session struct {
	r       *Runtime
	handle  uint32
	inputs  map[string]uint32 // where the guest keeps the name
	outputs []name
}

type name struct {
	text string
	at   uint32
}

// Load makes a session of a model.
func (r *Runtime) Load(ctx context.Context, model []byte) (*Session, error) {
	c := r.calls(ctx)
	id := c.store([]byte("bench\x00"))
	options := c.handle("OrtCreateSessionOptions", optimizeAll, 1, 1, 0, 0, 0, uint64(id), logErrors, 0, 0)
	data := c.store(model)
	s := &Session{r: r, inputs: map[string]uint32{}}
	s.handle = c.handle("OrtCreateSession", uint64(data), uint64(len(model)), uint64(options))
	c.do("free", uint64(data))
	counts := c.alloc(8)
	c.do("OrtGetInputOutputCount", uint64(s.handle), uint64(counts), uint64(counts+4))
	for i := range c.count(counts) {
		at := c.handle("OrtGetInputName", uint64(s.handle), uint64(i))
		s.inputs[c.text(at)] = at
	}
	for i := range c.count(counts + 4) {
		at := c.handle("OrtGetOutputName", uint64(s.handle), uint64(i))
		s.outputs = append(s.outputs, name{c.text(at), at})
	}
	c.do("free", uint64(counts))
	if c.err != nil {
		return nil, fmt.Errorf("load a model: %w", c.err)
	}
	return s, nil
}

// maxCount bounds inputs, outputs and dimensions.
const maxCount = 256

func (c *calls) count(p uint32) uint32 {
	n := c.word(p)
	if n > maxCount && c.err == nil {
		c.err = fmt.Errorf("a count of %d", n)
	}
	if c.err != nil {
		return 0
	}
	return n
}

// Close releases the model.
func (s *Session) Close(ctx context.Context) error {
	c := s.r.calls(ctx)
	c.do("OrtReleaseSession", uint64(s.handle))
	return c.err
}

// A Feed is a set of inputs that lie in the guest's memory, to be run any number
// of times.
type Feed struct {
	s                   *Session
	names, values       uint32
	outNames, outValues uint32
	options             uint32
	inputs              int
}

// Feed puts the inputs into the guest's memory.
func (s *Session) Feed(ctx context.Context, in []Tensor) (*Feed, error) {
	c := s.r.calls(ctx)
	var names, values, outs []uint32
	for _, t := range in {
		at, ok := s.inputs[t.Name]
		if !ok {
			return nil, fmt.Errorf("the model has no input %s", t.Name)
		}
		dims := make([]uint32, len(t.Dims))
		for i, d := range t.Dims {
			dims[i] = uint32(d)
		}
		const onCPU = 1
		data := c.store(t.Data)
		names = append(names, at)
		values = append(values, c.handle("OrtCreateTensor", uint64(t.Type), uint64(data), uint64(len(t.Data)), uint64(c.storeWords(dims)), uint64(len(dims)), onCPU))
	}
	for _, n := range s.outputs {
		outs = append(outs, n.at)
	}
	f := &Feed{s: s, inputs: len(in), names: c.storeWords(names), values: c.storeWords(values), outNames: c.storeWords(outs), outValues: c.storeWords(make([]uint32, len(outs)))}
	f.options = c.handle("OrtCreateRunOptions", logErrors, 0, 0, 0)
	if c.err != nil {
		return nil, fmt.Errorf("feed a model: %w", c.err)
	}
	return f, nil
}

// Run runs the model and forgets its outputs, unless keep is set.
func (f *Feed) Run(ctx context.Context, keep bool) ([]Tensor, error) {
	c := f.s.r.calls(ctx)
	n := uint64(len(f.s.outputs))
	if c.do("OrtRun", uint64(f.s.handle), uint64(f.names), uint64(f.values), uint64(f.inputs), uint64(f.outNames), n, uint64(f.outValues), uint64(f.options)) != 0 {
		c.fail()
	}
	var outs []Tensor
	for i, o := range f.s.outputs {
		slot := f.outValues + uint32(4*i)
		t := c.word(slot)
		if keep {
			outs = append(outs, c.tensor(t, o.text))
		}
		c.do("OrtReleaseTensor", uint64(t))
		if c.err == nil {
			f.s.r.instance.Memory().WriteUint32Le(slot, 0)
		}
	}
	if c.err != nil {
		return nil, fmt.Errorf("run a model: %w", c.err)
	}
	return outs, nil
}

// tensor copies an output.
func (c *calls) tensor(handle uint32, name string) Tensor {
	t := Tensor{Name: name}
	at := c.alloc(16)
	if c.do("OrtGetTensorData", uint64(handle), uint64(at), uint64(at+4), uint64(at+8), uint64(at+12)) != 0 {
		c.fail()
	}
	t.Type = int(c.word(at))
	data, dims, count := c.word(at+4), c.word(at+8), c.count(at+12)
	size := uint32(4)
	if t.Type == Int64 {
		size = 8
	}
	for i := range count {
		d := c.word(dims + 4*i)
		t.Dims = append(t.Dims, int(d))
		size *= d
	}
	if view, ok := c.r.instance.Memory().Read(data, size); ok {
		t.Data = bytes.Clone(view)
	} else if c.err == nil {
		c.err = errOutside
	}
	c.do("OrtFree", uint64(dims))
	c.do("free", uint64(at))
	return t
}
