package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
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

// A Difference is what a model answered otherwise than a golden case says.
type Difference struct {
	Output string `json:"output"`
	// Where is the element, as "[0 2]" or ".species"; "" for the output as a whole.
	Where string `json:"where,omitempty"`
	// Got and Want are the element, or what else differs.
	Got  string `json:"got"`
	Want string `json:"want"`
	// Error is |got-want|, and Relative that divided by |want|; both are 0 for what
	// is no number.
	Error    float64 `json:"error"`
	Relative float64 `json:"relative"`
	// Allowed is what Error may be; 0 for what is no number.
	Allowed float64 `json:"allowed"`
}

func (d *Difference) String() string {
	text := d.Output + d.Where + ": got " + d.Got + ", want " + d.Want
	if d.Error > 0 {
		text += fmt.Sprintf(" (off by %.3g", d.Error)
		if d.Relative > 0 && !math.IsInf(d.Relative, 0) {
			text += fmt.Sprintf(", relative %.3g", d.Relative)
		}
		text += ")"
	}
	return text
}

// Compare holds a response against a case. worst is the element that is farthest
// from what is written, by its tolerance; nil when all are exactly that. It passes
// when even that one is within the tolerance.
func (g *Golden) Compare(c *Case, s *Signature, answer *Response) (worst *Difference, passed bool) {
	cmp := comparison{}
	cmp.rtol, cmp.atol = g.Tolerance(c)
	cmp.free = c.ATol == nil && g.ATol == nil && c.RTol == nil && g.RTol == nil
	for _, name := range sorted(c.Outputs) {
		i := slices.IndexFunc(answer.Outputs, func(t Tensor) bool { return t.Name == name })
		if i < 0 {
			cmp.differ(Difference{Output: name, Got: "nothing", Want: shorten(c.Outputs[name])})
			continue
		}
		cmp.output(&answer.Outputs[i], s.Output(name), c.Outputs[name])
	}
	return cmp.worst, cmp.excess <= 1
}

// comparison collects the worst of the differences.
type comparison struct {
	rtol, atol float64
	free       bool    // nobody said any of them
	slack      float64 // allowed beside atol, in the tensor at hand
	worst      *Difference
	excess     float64 // of worst: its error as a multiple of the tolerance
}

// differ notes what is not a matter of tolerance.
func (c *comparison) differ(d Difference) { c.note(math.Inf(1), d) }

func (c *comparison) note(excess float64, d Difference) {
	if c.worst == nil || excess > c.excess {
		c.worst, c.excess = &d, excess
	}
}

// numbers compares two numbers.
func (c *comparison) numbers(got, want float64, describe func() Difference) {
	if got == want || got != got && want != want {
		return
	}
	d := describe()
	d.Error = math.Abs(got - want)
	d.Relative = d.Error / math.Abs(want)
	d.Allowed = c.atol + c.slack + c.rtol*math.Abs(want)
	switch {
	case d.Error != d.Error || math.IsInf(d.Error, 0): // one of them is no finite number
		d.Error, d.Relative, d.Allowed = 0, 0, 0
		c.differ(d)
	case d.Allowed == 0:
		c.differ(d)
	default:
		c.note(d.Error/d.Allowed, d)
	}
	if d := c.worst; math.IsInf(d.Relative, 0) || d.Relative != d.Relative {
		d.Relative = 0 // JSON has no such number
	}
}

// output compares a tensor with a value.
func (c *comparison) output(got *Tensor, f *Field, value []byte) {
	if err := got.Check(); err != nil {
		c.differ(Difference{Output: got.Name, Got: err.Error(), Want: shorten(value)})
		return
	}
	if doc, ok := got.document(f); ok {
		c.documents(got.Name, doc, value)
		return
	}
	like := Field{Name: got.Name, Type: got.Type, Shape: got.Shape}
	if f != nil {
		like.Parameters = f.Parameters
	}
	want, err := like.Parse(value)
	if err != nil || countOf(want.Shape) != countOf(got.Shape) { // one file, where the model gave several
		c.differ(Difference{Output: got.Name, Got: string(got.Type) + " " + showShape(got.Shape), Want: shorten(value)})
		return
	}
	if got.Type == Bytes {
		c.texts(got, &want)
		return
	}
	class, _ := got.Type.class()
	n := len(got.Data) / got.Type.Size()
	if c.slack = 0; c.free && class == floating {
		for i := range n {
			if v := math.Abs(want.scalar(i).asFloat()); v > c.slack && !math.IsInf(v, 0) {
				c.slack = v
			}
		}
		c.slack *= tensorATol
	}
	defer func() { c.slack = 0 }()
	for i := range n {
		describe := func() Difference {
			return Difference{Output: got.Name, Where: place(got.Shape, i), Got: got.text(i), Want: want.text(i)}
		}
		a, b := got.scalar(i), want.scalar(i)
		switch {
		case class == floating:
			c.numbers(a.asFloat(), b.asFloat(), describe)
		case a.integer != b.integer:
			d := describe()
			d.Error = math.Abs(a.asFloat() - b.asFloat())
			c.differ(d)
		}
	}
}

func (c *comparison) texts(got, want *Tensor) {
	next := want.Data
	i := 0
	for e := range got.elements() {
		n := 4 + int(uint32(next[0])|uint32(next[1])<<8|uint32(next[2])<<16|uint32(next[3])<<24)
		if w := next[4:n]; !bytes.Equal(e, w) {
			c.differ(Difference{Output: got.Name, Where: place(got.Shape, i), Got: quote(e), Want: quote(w)})
		}
		next = next[n:]
		i++
	}
}

// place shows where element i of a shape is.
func place(shape []int64, i int) string {
	if len(shape) == 0 {
		return ""
	}
	at := make([]int64, len(shape))
	n := int64(i)
	for d := len(shape) - 1; d >= 0; d-- {
		at[d] = n % shape[d]
		n /= shape[d]
	}
	return fmt.Sprint(at)
}

func shorten(value []byte) string {
	if len(value) <= maxQuoted {
		return string(value)
	}
	return string(bytes.ToValidUTF8(value[:maxQuoted], nil)) + "..."
}

// documents compares two JSON documents; numbers in them by the tolerance.
func (c *comparison) documents(name string, got, want []byte) {
	var a, b any
	if decode(got, &a) != nil || decode(want, &b) != nil {
		c.differ(Difference{Output: name, Got: shorten(got), Want: shorten(want)})
		return
	}
	c.nodes(name, "", a, b)
}

func decode(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(v)
}

func (c *comparison) nodes(name, where string, got, want any) {
	describe := func() Difference {
		return Difference{Output: name, Where: where, Got: shorten(marshal(got)), Want: shorten(marshal(want))}
	}
	switch w := want.(type) {
	case json.Number:
		g, ok := got.(json.Number)
		if ok && isInteger(string(g)) && isInteger(string(w)) {
			if g != w {
				c.differ(describe())
			}
			return
		}
		a, aerr := g.Float64()
		b, berr := w.Float64()
		if ok && aerr == nil && berr == nil {
			c.numbers(a, b, describe)
			return
		}
	case []any:
		if g, ok := got.([]any); ok && len(g) == len(w) {
			for i := range w {
				c.nodes(name, fmt.Sprintf("%s[%d]", where, i), g[i], w[i])
			}
			return
		}
	case map[string]any:
		if g, ok := got.(map[string]any); ok && len(g) == len(w) {
			c.members(name, where, g, w)
			return
		}
	default:
		if got == want {
			return
		}
	}
	c.differ(describe())
}

func (c *comparison) members(name, where string, got, want map[string]any) {
	keys := make([]string, 0, len(want))
	for k := range want {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		g, ok := got[k]
		if !ok {
			c.differ(Difference{Output: name, Where: where + "." + k, Got: "nothing", Want: shorten(marshal(want[k]))})
			continue
		}
		c.nodes(name, where+"."+k, g, want[k])
	}
}

func isInteger(s string) bool { return !strings.ContainsAny(s, ".eE") }

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte(err.Error())
	}
	return b
}
