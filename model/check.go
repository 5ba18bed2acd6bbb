package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Check tells in which way a request does not fit the signature: inputs that it
// does not know, lacks or has twice, of another type or shape, or against their
// constraints; outputs that there are not. The error is an *InputError that says
// what would fit.
func (s *Signature) Check(r *Request) error {
	if r == nil {
		return &InputError{Reason: "there is no request"}
	}
	seen := make(map[string]bool, len(r.Inputs))
	for i := range r.Inputs {
		t := &r.Inputs[i]
		f := s.Input(t.Name)
		switch {
		case f == nil:
			return &InputError{t.Name, "the model has no such input; it takes " + names(s.Inputs)}
		case seen[t.Name]:
			return t.wrong("it is there twice")
		}
		seen[t.Name] = true
		if err := f.Check(t); err != nil {
			return err
		}
	}
	for i := range s.Inputs {
		if f := &s.Inputs[i]; !seen[f.Name] && !f.Optional() {
			return &InputError{f.Name, "the model needs it: " + f.Describe()}
		}
	}
	return s.checkOutputs(r.Outputs)
}

func (s *Signature) checkOutputs(wanted []string) error {
	for i, name := range wanted {
		switch {
		case s.Output(name) == nil:
			return &InputError{name, "the model has no such output; it gives " + names(s.Outputs)}
		case slices.Contains(wanted[:i], name):
			return &InputError{name, "the output is asked for twice"}
		}
	}
	return nil
}

// Check tells in which way a tensor does not fit the field.
func (f *Field) Check(t *Tensor) error {
	if err := t.Check(); err != nil {
		return err
	}
	if t.Type != f.Type {
		return t.wrong("it is of type %s, the model takes %s", t.Type, f.Describe())
	}
	if !fits(t.Shape, f.Shape) {
		return t.wrong("it has the shape %s, the model takes %s", showShape(t.Shape), f.Describe())
	}
	if f.Parameters == nil {
		return nil
	}
	return f.constrain(t)
}

func fits(have, want []int64) bool {
	if want == nil {
		return true
	}
	return slices.EqualFunc(have, want, func(h, w int64) bool { return h == w || w < 0 })
}

// constrain holds the elements against the constraints.
func (f *Field) constrain(t *Tensor) error {
	p := f.Parameters
	if t.Type == Bytes {
		return f.constrainTexts(t)
	}
	if p.Minimum == nil && p.Maximum == nil && len(p.Choices) == 0 {
		return nil
	}
	n := len(t.Data) / t.Type.Size()
	for i := range n {
		v := t.number(i)
		switch {
		case p.Minimum != nil && !(v >= *p.Minimum):
			return t.wrong("element %d is %s, the model takes %s", i, number(v), f.Describe())
		case p.Maximum != nil && !(v <= *p.Maximum):
			return t.wrong("element %d is %s, the model takes %s", i, number(v), f.Describe())
		case len(p.Choices) > 0 && !chosen(p.Choices, v, t.Type == Bool):
			return t.wrong("element %d is %s, the model takes %s", i, t.text(i), f.Describe())
		}
	}
	return nil
}

func (f *Field) constrainTexts(t *Tensor) error {
	p := f.Parameters
	if p.Kind != KindText && p.Kind != KindJSON && len(p.Choices) == 0 {
		return nil
	}
	n := 0
	for e := range t.elements() {
		switch {
		case p.Kind == KindText && !utf8.Valid(e):
			return t.wrong("element %d is no text in UTF-8", n)
		case p.Kind == KindJSON && !json.Valid(e):
			return t.wrong("element %d is no JSON", n)
		case len(p.Choices) > 0 && !slices.ContainsFunc(p.Choices, func(c any) bool { s, ok := c.(string); return ok && s == string(e) }):
			return t.wrong("element %d is %s, the model takes %s", n, quote(e), f.Describe())
		}
		n++
	}
	return nil
}

// chosen tells whether a number is among choices as JSON has them.
func chosen(choices []any, v float64, truth bool) bool {
	return slices.ContainsFunc(choices, func(c any) bool {
		switch c := c.(type) {
		case bool:
			return truth && c == (v != 0)
		case float64:
			return c == v
		case int:
			return float64(c) == v
		case int64:
			return float64(c) == v
		case json.Number:
			x, err := c.Float64()
			return err == nil && x == v
		}
		return false
	})
}

// Describe says in a few words what the field is, as "FP32 [-1 4], at least 0".
func (f *Field) Describe() string {
	var b strings.Builder
	b.WriteString(string(f.Type))
	if f.Shape == nil {
		b.WriteString(" of any shape")
	} else {
		b.WriteString(" " + showShape(f.Shape))
	}
	p := f.Parameters
	if p == nil {
		return b.String()
	}
	if p.Kind != "" {
		b.WriteString(" (" + p.Kind + ")")
	}
	switch {
	case p.Minimum != nil && p.Maximum != nil:
		fmt.Fprintf(&b, ", from %s to %s", number(*p.Minimum), number(*p.Maximum))
	case p.Minimum != nil:
		fmt.Fprintf(&b, ", at least %s", number(*p.Minimum))
	case p.Maximum != nil:
		fmt.Fprintf(&b, ", at most %s", number(*p.Maximum))
	}
	if len(p.Choices) > 0 {
		b.WriteString(", one of " + listing(p.Choices))
	}
	if len(p.Columns) > 0 {
		columns := make([]any, len(p.Columns))
		for i, c := range p.Columns {
			columns[i] = c.Name
		}
		b.WriteString(", columns " + listing(columns))
	}
	if p.Optional {
		b.WriteString(", optional")
	}
	return b.String()
}

// String is the field in a line, as "x FP32 [-1 4]".
func (f *Field) String() string { return f.Name + " " + f.Describe() }

const (
	maxListed = 12 // of what a message lists
	maxQuoted = 40 // bytes of a text in a message
)

func listing(list []any) string {
	var b strings.Builder
	for i, v := range list {
		if i == maxListed {
			fmt.Fprintf(&b, " and %d more", len(list)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		if s, ok := v.(string); ok {
			b.WriteString(quote([]byte(s)))
			continue
		}
		fmt.Fprint(&b, v)
	}
	return b.String()
}

func names(fields []Field) string {
	if len(fields) == 0 {
		return "none"
	}
	list := make([]any, len(fields))
	for i := range fields {
		list[i] = fields[i].Name
	}
	return listing(list)
}

// quote shows a text, or the beginning of it.
func quote(b []byte) string {
	if len(b) <= maxQuoted {
		return strconv.Quote(string(b))
	}
	return strconv.Quote(string(bytes.ToValidUTF8(b[:maxQuoted], nil))) + "..."
}

func showShape(shape []int64) string { return fmt.Sprint(shape) }

func number(v float64) string {
	if math.Abs(v) < 1e15 && v == math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
