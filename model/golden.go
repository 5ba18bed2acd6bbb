package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Golden are cases that a model must answer as written: what an image carries to
// prove itself on any machine. It is one JSON file:
//
//	{"cases": [{"name": "setosa",
//	            "inputs": {"x": [[5.1, 3.5, 1.4, 0.2]]},
//	            "outputs": {"label": ["setosa"], "probability": [[0.98, 0.02, 0]]}}],
//	 "rtol": 1e-5, "atol": 1e-8,
//	 "made": {"by": "scikit-learn 1.9.1, native"}}
//
// Values are what [Field.Parse] reads, and outputs may be some of the model's.
type Golden struct {
	Cases []Case `json:"cases"`
	// RTol and ATol hold for cases that have none of their own.
	RTol *float64 `json:"rtol,omitempty"`
	ATol *float64 `json:"atol,omitempty"`
	// Made says who computed the outputs: by, and what else is known.
	Made map[string]any `json:"made,omitempty"`
}

// A Case is one request and its answer.
type Case struct {
	Name    string                     `json:"name,omitempty"`
	Inputs  map[string]json.RawMessage `json:"inputs"`
	Outputs map[string]json.RawMessage `json:"outputs"`
	// A number a equals what is written, b, when |a-b| <= atol + rtol*|b|. Where
	// nobody says any of the two, elements of a tensor may differ by a millionth of its
	// largest as well: a sum that all but cancels out has no more digits than that left,
	// and which they are differs between processors.
	// Integers, texts and truths are equal or not.
	RTol *float64 `json:"rtol,omitempty"`
	ATol *float64 `json:"atol,omitempty"`
}

// The tolerances of golden cases that say nothing.
const (
	DefaultRTol = 1e-5
	DefaultATol = 1e-8
	tensorATol  = 1e-6 // of the largest number of a tensor
)

// Bounds on golden cases.
const (
	MaxGolden = 64 << 20 // bytes of the file
	MaxCases  = 10_000
)

// ParseGolden reads golden cases. Fields that it does not know are mistakes.
func ParseGolden(text []byte) (*Golden, error) {
	if len(text) > MaxGolden {
		return nil, fmt.Errorf("golden cases of %d bytes, more than %d", len(text), MaxGolden)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var g Golden
	if err := d.Decode(&g); err != nil {
		return nil, fmt.Errorf("read golden cases: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("read golden cases: something stands behind them")
	}
	if len(g.Cases) > MaxCases {
		return nil, fmt.Errorf("read golden cases: %d of them, more than %d", len(g.Cases), MaxCases)
	}
	for i := range g.Cases {
		if err := g.check(&g.Cases[i]); err != nil {
			return nil, fmt.Errorf("read golden cases: %s: %w", g.Name(i), err)
		}
	}
	return &g, nil
}

func (g *Golden) check(c *Case) error {
	if len(c.Outputs) == 0 {
		return errors.New("it expects no output")
	}
	rtol, atol := g.Tolerance(c)
	if !(rtol >= 0) || !(atol >= 0) {
		return errors.New("its tolerance is negative")
	}
	return nil
}

// Text writes the cases as ParseGolden reads them, each on a line of its own.
func (g *Golden) Text() ([]byte, error) {
	head := *g
	head.Cases = nil
	rest, err := marshalLine(head)
	if err != nil {
		return nil, err
	}
	out := []byte(`{"cases": [`)
	for i, c := range g.Cases {
		line, err := marshalLine(c)
		if err != nil {
			return nil, fmt.Errorf("write golden cases: %s: %w", g.Name(i), err)
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, "\n "...), line...)
	}
	out = append(out, "\n]"...)
	if rest = bytes.TrimPrefix(rest, []byte(`{"cases":null`)); len(rest) > 1 {
		out = append(out, ",\n"...)
		rest = rest[1:]
	}
	return append(append(out, rest...), '\n'), nil
}

func marshalLine(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// Name is what case i is called: its name, or its number from 1.
func (g *Golden) Name(i int) string {
	if n := g.Cases[i].Name; n != "" {
		return n
	}
	return fmt.Sprintf("case %d", i+1)
}

// Tolerance gives the relative and the absolute tolerance of a case.
func (g *Golden) Tolerance(c *Case) (rtol, atol float64) {
	return first(DefaultRTol, c.RTol, g.RTol), first(DefaultATol, c.ATol, g.ATol)
}

func first(otherwise float64, list ...*float64) float64 {
	for _, p := range list {
		if p != nil {
			return *p
		}
	}
	return otherwise
}

// Request makes the request of a case. The error is an *InputError when it does
// not fit the signature.
func (c *Case) Request(s *Signature) (*Request, error) {
	r := &Request{}
	for _, name := range sorted(c.Inputs) {
		f := s.Input(name)
		if f == nil {
			return nil, &InputError{name, "the model has no such input; it takes " + names(s.Inputs)}
		}
		t, err := f.Parse(c.Inputs[name])
		if err != nil {
			return nil, err
		}
		r.Inputs = append(r.Inputs, t)
	}
	for _, name := range sorted(c.Outputs) {
		r.Outputs = append(r.Outputs, name)
	}
	return r, s.Check(r)
}

func sorted(m map[string]json.RawMessage) []string {
	list := make([]string, 0, len(m))
	for name := range m {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// NewCase writes down a request and its answer. The outputs are those of the
// response.
func NewCase(name string, s *Signature, r *Request, answer *Response) (Case, error) {
	c := Case{Name: name, Inputs: map[string]json.RawMessage{}, Outputs: map[string]json.RawMessage{}}
	for i := range r.Inputs {
		t := &r.Inputs[i]
		v, err := t.AppendValue(nil, s.Input(t.Name))
		if err != nil {
			return c, err
		}
		c.Inputs[t.Name] = v
	}
	for i := range answer.Outputs {
		t := &answer.Outputs[i]
		v, err := t.AppendValue(nil, s.Output(t.Name))
		if err != nil {
			return c, err
		}
		c.Outputs[t.Name] = v
	}
	return c, nil
}
