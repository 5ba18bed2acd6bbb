// Package tasktest has models of texts for tests: what they answer can be worked out
// on paper.
package tasktest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// Dims is the length of the embedders' vectors.
const Dims = 4

// Fake is a Predictor that answers with a function.
type Fake struct {
	Says   *model.Signature
	Answer func(r *model.Request) ([]model.Tensor, error)
	Parts  int // how many times a stream gives the answer; 0 is once

	mu    sync.Mutex
	calls int
}

// Signature says what it takes and gives.
func (f *Fake) Signature() *model.Signature { return f.Says }

// Predict answers a request that fits.
func (f *Fake) Predict(_ context.Context, r *model.Request) (*model.Response, error) {
	f.mu.Lock()
	f.calls++
	f.mu.Unlock()
	if err := f.Says.Check(r); err != nil {
		return nil, err
	}
	out, err := f.Answer(r)
	if err != nil {
		return nil, err
	}
	return &model.Response{Outputs: out, Usage: model.Usage{Fuel: 7, Memory: 9}}, nil
}

// Stream answers a request in parts that are all the same.
func (f *Fake) Stream(ctx context.Context, r *model.Request, emit func(*model.Response) error) (model.Usage, error) {
	response, err := f.Predict(ctx, r)
	for range max(f.Parts, 1) {
		if err == nil {
			err = emit(response)
		}
	}
	return model.Usage{Fuel: 7, Memory: 9}, err
}

// Calls is how many requests came to it.
func (f *Fake) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// Close does nothing.
func (f *Fake) Close(context.Context) error { return nil }

// Text is a field of texts.
func Text(name string, shape ...int64) model.Field {
	return model.Field{Name: name, Type: model.Bytes, Shape: shape, Parameters: &model.FieldParameters{Kind: model.KindText}}
}

// Optional is the field, which may be left out.
func Optional(f model.Field) model.Field {
	f.Parameters.Optional = true
	return f
}

// Floats is a field of numbers.
func Floats(name string, shape ...int64) model.Field {
	return model.Field{Name: name, Type: model.FP32, Shape: shape}
}

// Vector is the vector of a text: its length, its words, its letters e, 1.
func Vector(text string) []float32 {
	return []float32{float32(len(text)), float32(len(strings.Fields(text))), float32(strings.Count(text, "e")), 1}
}

func texts(r *model.Request, name string) []string {
	for _, t := range r.Inputs {
		if t.Name == name {
			list, _ := model.Values[string](t)
			return list
		}
	}
	return nil
}

// Embedder makes vectors of many texts at once. One that says "fail" is refused.
func Embedder(name string) *Fake {
	return &Fake{
		Says: &model.Signature{Name: name, Inputs: []model.Field{Text("sentences", -1)}, Outputs: []model.Field{Floats("embeddings", -1, Dims), {Name: "tokens", Type: model.Int64, Shape: []int64{-1}}}},
		Answer: func(r *model.Request) ([]model.Tensor, error) {
			var all []float32
			var tokens []int64
			list := texts(r, "sentences")
			for _, t := range list {
				if t == "fail" {
					return nil, &model.ModelError{Type: "ValueError", Message: "no"}
				}
				all, tokens = append(all, Vector(t)...), append(tokens, int64(len(strings.Fields(t))))
			}
			return []model.Tensor{model.Of("embeddings", all, int64(len(list)), Dims), model.Of("tokens", tokens)}, nil
		},
	}
}

// Single makes the vector of one text.
func Single(name string) *Fake {
	return &Fake{
		Says: &model.Signature{Name: name, Inputs: []model.Field{Text("text", 1)}, Outputs: []model.Field{{Name: "embedding", Type: model.FP64, Shape: []int64{-1}}}},
		Answer: func(r *model.Request) ([]model.Tensor, error) {
			t := model.Of("embedding", Vector(texts(r, "text")[0]))
			wide, err := t.Convert(model.FP64)
			return []model.Tensor{wide}, err
		},
	}
}

// Tokens makes vectors of tokens: their sum, and their count.
func Tokens(name string) *Fake {
	ids := func(name string) model.Field {
		return model.Field{Name: name, Type: model.Int64, Shape: []int64{-1, -1}}
	}
	return &Fake{
		Says: &model.Signature{Name: name, Inputs: []model.Field{ids("input_ids"), ids("attention_mask")}, Outputs: []model.Field{Floats("embedding", -1, 2)}},
		Answer: func(r *model.Request) ([]model.Tensor, error) {
			sum, n := float32(0), float32(0)
			for _, t := range r.Inputs {
				list, err := model.Values[int64](t)
				if err != nil {
					return nil, err
				}
				for _, v := range list {
					if t.Name == "input_ids" {
						sum += float32(v)
					} else {
						n += float32(v)
					}
				}
			}
			return []model.Tensor{model.Of("embedding", []float32{sum, n}, 1, 2)}, nil
		},
	}
}

// Classifier tells texts with "good" in them from others.
func Classifier(name string) *Fake {
	f := &Fake{
		Says: &model.Signature{Name: name, Inputs: []model.Field{Text("text", 1), Optional(Text("pair", 1))}, Outputs: []model.Field{Text("label", 1), Floats("scores", -1)}},
		Answer: func(r *model.Request) ([]model.Tensor, error) {
			label, scores := "bad", []float32{0.75, 0.25}
			if strings.Contains(texts(r, "text")[0]+strings.Join(texts(r, "pair"), ""), "good") {
				label, scores = "good", []float32{0.125, 0.875}
			}
			return []model.Tensor{model.Of("label", []string{label}), model.Of("scores", scores)}, nil
		},
	}
	f.Says.Outputs[1].Parameters = &model.FieldParameters{Labels: []string{"bad", "good"}}
	return f
}

// Ranker scores a text by how many words of the query are in it.
func Ranker(name string) *Fake {
	return &Fake{
		Says: &model.Signature{Name: name, Inputs: []model.Field{Text("text", 1), Optional(Text("pair", 1))}, Outputs: []model.Field{{Name: "score", Type: model.FP64, Shape: []int64{1}}}},
		Answer: func(r *model.Request) ([]model.Tensor, error) {
			n := 0.0
			for _, w := range strings.Fields(texts(r, "text")[0]) {
				if strings.Contains(texts(r, "pair")[0], w) {
					n++
				}
			}
			return []model.Tensor{model.Of("score", []float64{n})}, nil
		},
	}
}

// Other is no model of texts.
func Other(name string) *Fake {
	return &Fake{
		Says:   &model.Signature{Name: name, Inputs: []model.Field{Floats("x", -1)}, Outputs: []model.Field{Floats("y", -1)}},
		Answer: func(*model.Request) ([]model.Tensor, error) { return nil, errors.New("not asked") },
	}
}

// Open makes a repository of models, the first by default.
func Open(t testing.TB, list ...*Fake) *repository.Repository {
	var c repository.Config
	for _, f := range list {
		c.Sources = append(c.Sources, repository.Source{Name: f.Says.Name, Open: func(context.Context) (*repository.Loaded, error) {
			return &repository.Loaded{Predictor: f, Digest: "sha256:ab", Instances: 2}, nil
		}})
	}
	r, err := repository.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(context.WithoutCancel(t.Context())) })
	return r
}

// Handler joins routes as a server does, each below /m/{model} too.
func Handler(routes []route.Route) http.Handler {
	mux := http.NewServeMux()
	serve := func(pattern string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for _, one := range routes {
				if one.Pattern == pattern && (one.When == nil || one.When(r)) {
					one.Handler.ServeHTTP(w, r)
					return
				}
			}
			http.NotFound(w, r)
		}
	}
	done := map[string]bool{}
	for _, one := range routes {
		if done[one.Pattern] {
			continue
		}
		done[one.Pattern] = true
		mux.HandleFunc(one.Pattern, serve(one.Pattern))
		if one.PerModel {
			method, path, _ := strings.Cut(one.Pattern, " ")
			mux.HandleFunc(method+" /m/{model}"+path, serve(one.Pattern))
		}
	}
	return mux
}
