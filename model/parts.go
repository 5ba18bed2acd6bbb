package model

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Bounds of an answer that is gathered from its parts.
const (
	maxParts = 1 << 20
	maxWhole = 256 << 20 // bytes
)

// AsStream makes a signature whose outputs are those of one part one of a model that
// streams: the outputs of a whole answer are the parts one after the other, along their
// first dimension. Nothing happens to a signature that is one already.
func (s *Signature) AsStream() error {
	s.Streams = true
	for i := range s.Outputs {
		f := &s.Outputs[i]
		switch {
		case f.Shape == nil || f.Part() != nil:
			continue
		case len(f.Shape) == 0:
			return fmt.Errorf("%q: an output of a model that streams has a dimension: make it [1]", f.Name)
		case f.Shape[0] < 0:
			continue
		}
		p := FieldParameters{}
		if f.Parameters != nil {
			p = *f.Parameters
		}
		p.Part = f.Shape
		f.Parameters = &p
		f.Shape = append([]int64{-1}, f.Shape[1:]...)
	}
	return nil
}

// Part is the shape of the field in one part of an answer; nil where it is that of the
// field.
func (f *Field) Part() []int64 {
	if f.Parameters == nil {
		return nil
	}
	return f.Parameters.Part
}

// OfParts is the signature of a part of an answer; its outputs have the shapes that they
// have there.
func (s *Signature) OfParts() *Signature {
	if !s.Streams || !slices.ContainsFunc(s.Outputs, func(f Field) bool { return f.Part() != nil }) {
		return s
	}
	part := *s
	part.Outputs = slices.Clone(s.Outputs)
	for i := range part.Outputs {
		if f := &part.Outputs[i]; f.Part() != nil {
			p := *f.Parameters
			f.Shape, p.Part = p.Part, nil
			f.Parameters = &p
		}
	}
	return &part
}

// Gather has a Streamer answer as a whole. Each output is those of the parts, one after
// the other along their first dimension; s is the signature.
func Gather(ctx context.Context, from Streamer, s *Signature, r *Request) (*Response, error) {
	g := gatherer{list: wantedOf(s, r.Outputs)}
	usage, err := from.Stream(ctx, r, g.add)
	if err != nil {
		return &Response{Usage: usage}, err
	}
	out := &Response{Usage: usage, Outputs: make([]Tensor, len(g.list))}
	for i := range g.list {
		out.Outputs[i] = g.list[i].whole()
	}
	return out, nil
}

// wantedOf are the outputs that are wanted of a signature.
func wantedOf(s *Signature, names []string) []gathered {
	var list []gathered
	for i := range s.Outputs {
		if len(names) == 0 {
			list = append(list, gathered{field: &s.Outputs[i]})
		}
	}
	for _, name := range names {
		if f := s.Output(name); f != nil {
			list = append(list, gathered{field: f})
		}
	}
	return list
}

// gatherer joins the parts of an answer.
type gatherer struct {
	list  []gathered
	parts int
	bytes int
}

// gathered is what has come of one output.
type gathered struct {
	field  *Field
	tensor Tensor // without a type: nothing yet
}

// add takes a part.
func (g *gatherer) add(part *Response) error {
	if g.parts++; g.parts > maxParts {
		return &ModelError{Message: fmt.Sprintf("the answer has more than %d parts: ask for them as they are made", maxParts)}
	}
	for i := range part.Outputs {
		t := &part.Outputs[i]
		if g.bytes += len(t.Data); g.bytes > maxWhole {
			return &ModelError{Message: fmt.Sprintf("the parts of the answer have more than %d bytes: ask for them as they are made", maxWhole)}
		}
		at := slices.IndexFunc(g.list, func(o gathered) bool { return o.field.Name == t.Name })
		if at < 0 {
			continue
		}
		if err := g.list[at].add(t); err != nil {
			return &ModelError{Message: err.Error() + ": ask for the parts as they are made"}
		}
	}
	return nil
}

// add puts a tensor below what there is.
func (o *gathered) add(t *Tensor) error {
	if err := t.Check(); err != nil {
		return err
	}
	if len(t.Shape) == 0 {
		return errors.New("a part without a dimension cannot be put below others")
	}
	if o.tensor.Type == "" {
		o.tensor = *t
		o.tensor.Shape, o.tensor.Data = slices.Clone(t.Shape), slices.Clone(t.Data)
		return nil
	}
	if o.tensor.Type != t.Type || !slices.Equal(o.tensor.Shape[1:], t.Shape[1:]) {
		return fmt.Errorf("parts of %q are %s%s and %s%s, which one tensor cannot be", o.field.Name, o.tensor.Type, showShape(o.tensor.Shape), t.Type, showShape(t.Shape))
	}
	o.tensor.Shape[0] += t.Shape[0]
	o.tensor.Data = append(o.tensor.Data, t.Data...)
	return nil
}

// whole is the tensor of all parts; of none it is empty.
func (o *gathered) whole() Tensor {
	if o.tensor.Type != "" {
		return o.tensor
	}
	shape := []int64{0}
	for i, d := range o.field.Shape {
		if i > 0 {
			shape = append(shape, max(d, 0))
		}
	}
	return Tensor{Name: o.field.Name, Type: o.field.Type, Shape: shape}
}
