package page

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve"
	"github.com/wherry-run/wherry/serve/guard"
	"github.com/wherry-run/wherry/serve/repository"
)

// fake is a model made in Go, for what no example of ours does.
type fake struct {
	signature *model.Signature
	predict   func(ctx context.Context, r *model.Request) (*model.Response, error)
}

func (f *fake) Signature() *model.Signature { return f.signature }

func (f *fake) Predict(ctx context.Context, r *model.Request) (*model.Response, error) {
	if err := f.signature.Check(r); err != nil {
		return nil, err
	}
	return f.predict(ctx, r)
}

func (f *fake) Close(context.Context) error { return nil }

// teller is a fake that answers in parts.
type teller struct{ *fake }

func (f teller) Stream(ctx context.Context, r *model.Request, emit func(*model.Response) error) (model.Usage, error) {
	text, err := model.Values[string](r.Inputs[0])
	if err != nil {
		return model.Usage{}, err
	}
	for _, word := range strings.SplitAfter(text[0], " ") {
		if word == "stop" {
			return model.Usage{}, &model.ModelError{Type: "RuntimeError", Message: "it was told to stop"}
		}
		if err := emit(&model.Response{Outputs: []model.Tensor{model.Of("said", []string{word})}}); err != nil {
			return model.Usage{}, err
		}
		select {
		case <-time.After(40 * time.Millisecond):
		case <-ctx.Done():
			return model.Usage{}, context.Cause(ctx)
		}
	}
	return model.Usage{Fuel: 12345678, Memory: 3 << 20}, nil
}

// hostile is what a signature may say; none of it may come alive.
const hostile = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`

func ptr[T any](v T) *T { return &v }

func text(name string, p model.FieldParameters, shape ...int64) model.Field {
	p.Kind = model.KindText
	return model.Field{Name: name, Type: model.Bytes, Shape: shape, Parameters: &p}
}

func of(name, kind string, columns ...model.Column) model.Field {
	return model.Field{Name: name, Type: model.Bytes, Shape: []int64{1}, Parameters: &model.FieldParameters{Kind: kind, Columns: columns}}
}

// kinds takes an input of every kind and gives an output of every kind.
func kinds() *fake {
	s := &model.Signature{
		Name: "kinds", Platform: model.PlatformPython,
		Inputs: []model.Field{
			{Name: "real", Type: model.FP64, Shape: []int64{1}, Parameters: &model.FieldParameters{Minimum: ptr(0.0), Maximum: ptr(20.0), Description: hostile}},
			{Name: "whole", Type: model.Int64, Shape: []int64{1}, Parameters: &model.FieldParameters{Optional: true}},
			{Name: "truth", Type: model.Bool, Shape: []int64{1}, Parameters: &model.FieldParameters{Optional: true, Default: true}},
			text("colour", model.FieldParameters{Choices: []any{"red", "blue", hostile}, Optional: true, Default: "blue"}, 1),
			text("words", model.FieldParameters{Optional: true, Default: "good morning"}, 1),
			text("lines", model.FieldParameters{Optional: true}, -1),
			{Name: "rows", Type: model.FP32, Shape: []int64{-1, 3}, Parameters: &model.FieldParameters{Optional: true, Columns: []model.Column{{Name: "a", Type: model.FP32}, {Name: "b", Type: model.FP32}, {Name: "c", Type: model.FP32}}}},
			{Name: "tensor", Type: model.FP32, Shape: []int64{-1, 2, 2}, Parameters: &model.FieldParameters{Optional: true}},
			of("table", model.KindTable, model.Column{Name: "age", Type: model.FP64}, model.Column{Name: "city", Type: model.Bytes}),
			of("document", model.KindJSON),
			of("picture", model.KindImage),
			of("file", model.KindFile),
		},
		Outputs: []model.Field{
			{Name: "heard", Type: model.Bytes, Shape: []int64{1}, Parameters: &model.FieldParameters{Kind: model.KindJSON}},
			{Name: "classes", Type: model.FP32, Shape: []int64{-1, 3}, Parameters: &model.FieldParameters{Labels: []string{"setosa", hostile, "virginica"}}},
			{Name: "large", Type: model.Int64, Shape: []int64{1}},
			{Name: "map", Type: model.FP32, Shape: []int64{1, 1, 16, 24}},
			of("turned", model.KindImage),
			of("sheet", model.KindTable),
			text(hostile, model.FieldParameters{}, 1),
		},
	}
	for i := range s.Inputs {
		if k := s.Inputs[i].Parameters.Kind; k == model.KindTable || k == model.KindJSON || k == model.KindImage || k == model.KindFile {
			s.Inputs[i].Parameters.Optional = true
		}
	}
	return &fake{s, func(_ context.Context, r *model.Request) (*model.Response, error) {
		heard, pixels := map[string]json.RawMessage{}, []byte(nil)
		for i := range r.Inputs {
			t, f := &r.Inputs[i], s.Input(r.Inputs[i].Name)
			if f.Parameters.Kind == model.KindImage {
				all, err := model.Values[[]byte](*t)
				if err != nil {
					return nil, err
				}
				if pixels, err = invert(all[0]); err != nil {
					return nil, &model.ModelError{Type: "ValueError", Message: err.Error()}
				}
				heard[t.Name] = json.RawMessage(fmt.Sprint(len(all[0])))
				continue
			}
			v, err := t.AppendValue(nil, f)
			if err != nil {
				return nil, err
			}
			heard[t.Name] = v
		}
		doc, err := json.Marshal(heard)
		if err != nil {
			return nil, err
		}
		field := make([]float32, 16*24)
		for i := range field {
			field[i] = float32(i%24) / 24
		}
		return &model.Response{
			Outputs: []model.Tensor{
				model.Of("heard", [][]byte{doc}), model.Of("classes", []float32{0.7, 0.2, 0.1}, 1, 3), model.Of("large", []int64{9007199254740993}),
				model.Of("map", field, 1, 1, 16, 24), model.Of("turned", [][]byte{pixels}),
				model.Of("sheet", []string{`[{"age":36,"city":"London"},{"age":null,"city":"` + "<b>Porto</b>" + `"}]`}), model.Of(hostile, []string{hostile}),
			},
			Usage: model.Usage{Fuel: 1234567, Memory: 5 << 20},
		}, nil
	}}
}

// invert is a picture with its colours turned around.
func invert(content []byte) ([]byte, error) {
	in, err := png.Decode(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	out := image.NewRGBA(in.Bounds())
	for y := range in.Bounds().Dy() {
		for x := range in.Bounds().Dx() {
			r, g, b, _ := in.At(x, y).RGBA()
			out.Set(x, y, color.RGBA{byte(255 - r>>8), byte(255 - g>>8), byte(255 - b>>8), 255})
		}
	}
	var b bytes.Buffer
	err = png.Encode(&b, out)
	return b.Bytes(), err
}

// tells answers in parts.
func tells() teller {
	return teller{&fake{signature: &model.Signature{
		Name: "tells", Platform: model.PlatformPython, Streams: true, Inputs: []model.Field{text("words", model.FieldParameters{}, 1)}, Outputs: []model.Field{text("said", model.FieldParameters{}, 1)},
	}}}
}

// fails answers in the way that it is asked to fail in.
func fails() *fake {
	s := &model.Signature{Name: "fails", Platform: model.PlatformPython, Inputs: []model.Field{text("how", model.FieldParameters{}, 1)}, Outputs: []model.Field{text("said", model.FieldParameters{}, 1)}}
	return &fake{s, func(ctx context.Context, r *model.Request) (*model.Response, error) {
		how, err := model.Values[string](r.Inputs[0])
		if err != nil {
			return nil, err
		}
		switch how[0] {
		case "input":
			return nil, &model.InputError{Tensor: "how", Reason: "nobody fails like this"}
		case "model":
			return nil, &model.ModelError{Type: "ValueError", Message: "the model said no " + hostile}
		case "busy":
			return nil, &repository.OverloadedError{Model: "fails", Full: true, RetryAfter: 3 * time.Second}
		case "slow":
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		return &model.Response{Outputs: []model.Tensor{model.Of("said", how)}}, nil
	}}
}

// serveFakes serves models on loopback until the test ends. keys may be "".
func serveFakes(t *testing.T, keys string, models map[string]model.Predictor, order ...string) string {
	t.Helper()
	c := serve.Config{Version: "test", Repository: repository.Config{Timeout: 30 * time.Second}}
	for _, name := range order {
		c.Repository.Sources = append(c.Repository.Sources, serve.Source(name, models[name], 2))
	}
	var err error
	if c.Guard.Keys, err = guard.NewKeys(keys, "", nil); err != nil {
		t.Fatal(err)
	}
	s, err := serve.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		h.Close()
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return h.URL
}
