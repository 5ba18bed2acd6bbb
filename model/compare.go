package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
)

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
