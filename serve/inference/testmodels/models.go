// Package testmodels has models in Go that the tests of the Open Inference Protocol's
// ways ask.
package testmodels

import (
	"context"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/repository"
)

// Adder is Triton's example "simple": the sum and the difference of two tensors.
type Adder struct{ signature *model.Signature }

// NewAdder makes an Adder.
func NewAdder() *Adder {
	field := func(name string) model.Field { return model.Field{Name: name, Type: model.FP32, Shape: []int64{-1, 4}} }
	sum := field("SUM")
	sum.Parameters = &model.FieldParameters{Labels: []string{"a", "b", "c"}}
	return &Adder{&model.Signature{Platform: model.PlatformONNX, Inputs: []model.Field{field("A"), field("B")}, Outputs: []model.Field{sum, field("DIFF")}}}
}

// Signature is model.Predictor.
func (a *Adder) Signature() *model.Signature { return a.signature }

// Predict is model.Predictor.
func (a *Adder) Predict(_ context.Context, r *model.Request) (*model.Response, error) {
	if err := a.signature.Check(r); err != nil {
		return nil, err
	}
	one, two := r.Inputs[0], r.Inputs[1]
	if one.Name == "B" {
		one, two = two, one
	}
	x, _ := model.Values[float32](one)
	y, _ := model.Values[float32](two)
	sum, diff := make([]float32, len(x)), make([]float32, len(x))
	for i := range x {
		sum[i], diff[i] = x[i]+y[i], x[i]-y[i]
	}
	all := map[string]model.Tensor{"SUM": model.Of("SUM", sum, one.Shape...), "DIFF": model.Of("DIFF", diff, one.Shape...)}
	names := r.Outputs
	if names == nil {
		names = []string{"SUM", "DIFF"}
	}
	out := &model.Response{}
	for _, n := range names {
		out.Outputs = append(out.Outputs, all[n])
	}
	return out, nil
}

// Close is model.Predictor.
func (a *Adder) Close(context.Context) error { return nil }

// Words answers with what it was asked, word by word.
type Words struct{ signature *model.Signature }

// NewWords makes Words.
func NewWords() *Words {
	return &Words{&model.Signature{Platform: model.PlatformPython, Streams: true, Inputs: []model.Field{{Name: "prompt", Type: model.Bytes, Shape: []int64{1}}},
		Outputs: []model.Field{{Name: "said", Type: model.Bytes, Shape: []int64{1}}}}}
}

// Signature is model.Predictor.
func (m *Words) Signature() *model.Signature { return m.signature }

// Predict is model.Predictor.
func (m *Words) Predict(_ context.Context, r *model.Request) (*model.Response, error) {
	if err := m.signature.Check(r); err != nil {
		return nil, err
	}
	t := r.Inputs[0]
	t.Name = "said"
	if strings.Contains(string(t.Data), "refuse") {
		return nil, &model.ModelError{Type: "ValueError", Message: "no"}
	}
	return &model.Response{Outputs: []model.Tensor{t}}, nil
}

// Stream is model.Streamer.
func (m *Words) Stream(ctx context.Context, r *model.Request, emit func(*model.Response) error) (model.Usage, error) {
	text := string(r.Inputs[0].Data[4:])
	for _, w := range strings.Fields(text) {
		if w == "break" {
			return model.Usage{}, &model.ModelError{Type: "ValueError", Message: "no"}
		}
		if err := emit(&model.Response{Outputs: []model.Tensor{model.Of("said", []string{w})}}); err != nil {
			return model.Usage{}, err
		}
	}
	return model.Usage{}, nil
}

// Close is model.Predictor.
func (m *Words) Close(context.Context) error { return nil }

// Repository has both: two versions of an Adder, "simple", and "words".
func Repository(t testing.TB) *repository.Repository {
	t.Helper()
	source := func(name, version string, p model.Predictor) repository.Source {
		return repository.Source{Name: name, Version: version, Open: func(context.Context) (*repository.Loaded, error) {
			return &repository.Loaded{Predictor: p, Instances: 2, Digest: "sha256:0"}, nil
		}}
	}
	r, err := repository.New(t.Context(), repository.Config{Sources: []repository.Source{
		source("simple", "1", NewAdder()), source("simple", "2", NewAdder()), source("words", "", NewWords()),
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(context.WithoutCancel(t.Context())) })
	return r
}
