package openapi

import (
	"encoding/json"
	"math"
	"math/rand/v2"

	"github.com/wherry-run/wherry/model"
)

// ExampleOf is an object with made-up inputs by name, as RequestOf describes it. It
// is the same every time, and nil when the inputs cannot be made up or would be
// more than maxExample bytes.
func ExampleOf(sig *model.Signature) any {
	values, left := map[string]json.RawMessage{}, maxExample
	for i := range sig.Inputs {
		f := &sig.Inputs[i]
		if parameters(f).Optional {
			continue
		}
		v, ok := exampleOf(f)
		if left -= len(v); !ok || left < 0 {
			return nil
		}
		values[f.Name] = v
	}
	return values
}

// ExampleFrom is the inputs of the first golden case that are no more than maxExample
// bytes; nil when there are none.
func ExampleFrom(cases []model.Case) any {
	for _, c := range cases {
		size := 0
		for _, v := range c.Inputs {
			size += len(v)
		}
		if size <= maxExample {
			return c.Inputs
		}
	}
	return nil
}

// maxExample bounds an example: one of a picture as a tensor helps nobody.
const maxExample = 16 << 10

// A picture of one transparent point, for the inputs that take any.
const onePoint = `"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="`

// exampleOf is a value for one input.
func exampleOf(f *model.Field) (json.RawMessage, bool) {
	switch p := parameters(f); p.Kind {
	case model.KindImage:
		return json.RawMessage(onePoint), true
	case model.KindFile:
		return json.RawMessage(`"data:text/plain;base64,aGVsbG8K"`), true
	case model.KindJSON:
		return json.RawMessage(`{}`), true
	case model.KindTable:
		return exampleTable(p.Columns), true
	}
	if n, ok := model.Elements(positive(f.Shape)); !ok || n > maxExample {
		return nil, false
	}
	// A signature of this input alone: what another one is must not change it.
	own, needed := *f, parameters(f)
	needed.Optional = false
	own.Parameters = &needed
	alone := model.Signature{Inputs: []model.Field{own}}
	r, err := alone.Sample(rand.New(rand.NewPCG(1, 2)))
	if err != nil || len(r.Inputs) != 1 {
		return nil, false
	}
	b, err := short(r.Inputs[0], &needed).AppendValue(nil, f)
	return b, err == nil
}

// short rounds the numbers of a sample to three digits behind the point, where they
// stay within their bounds: nobody reads more.
func short(t model.Tensor, p *model.FieldParameters) *model.Tensor {
	values, err := model.Values[float64](t)
	if err != nil || len(p.Choices) > 0 {
		return &t
	}
	for i, v := range values {
		v = math.Round(v*1000) / 1000
		if (p.Minimum == nil || v >= *p.Minimum) && (p.Maximum == nil || v <= *p.Maximum) {
			values[i] = v
		}
	}
	rounded, err := model.Of(t.Name, values).Convert(t.Type)
	rounded.Shape = t.Shape // a scalar's, too
	if err != nil || rounded.Check() != nil || len(rounded.Data) != len(t.Data) {
		return &t
	}
	return &rounded
}

// positive is a shape whose free dimensions have one element.
func positive(shape []int64) []int64 {
	out := make([]int64, len(shape))
	for i, d := range shape {
		out[i] = max(d, 1)
	}
	return out
}

func exampleTable(columns []model.Column) json.RawMessage {
	record := make(map[string]any, len(columns))
	for _, c := range columns {
		switch c.Type {
		case model.Bytes:
			record[c.Name] = "sample"
		case model.Bool:
			record[c.Name] = true
		default:
			record[c.Name] = 1
		}
	}
	b, err := json.Marshal([]any{record})
	if err != nil {
		return json.RawMessage(`[]`)
	}
	return b
}
