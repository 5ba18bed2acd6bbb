package model_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
)

// do is a model that is a function.
type do struct {
	sig    *model.Signature
	f      func(in map[string][]float32) (map[string][]float32, error)
	wanted []string
	closed bool
}

func (d *do) Signature() *model.Signature { return d.sig }
func (d *do) Close(context.Context) error { d.closed = true; return nil }

func (d *do) Predict(_ context.Context, r *model.Request) (*model.Response, error) {
	d.wanted = r.Outputs
	if err := d.sig.Check(r); err != nil {
		return nil, err
	}
	in := map[string][]float32{}
	for _, t := range r.Inputs {
		v, err := model.Values[float32](t)
		if err != nil {
			return nil, err
		}
		in[t.Name] = v
	}
	out, err := d.f(in)
	if err != nil {
		return nil, err
	}
	response := &model.Response{Usage: model.Usage{Fuel: 5, Memory: 100, Accelerated: 2, Kernels: "some/1"}}
	for _, f := range d.sig.Outputs {
		if v, ok := out[f.Name]; ok {
			response.Outputs = append(response.Outputs, model.Of(f.Name, v))
		}
	}
	return response, nil
}

// vectors is a signature of FP32 [-1]; a name with ? is optional.
func vectors(in, out string) *model.Signature {
	fields := func(names string) (list []model.Field) {
		for _, n := range strings.Fields(names) {
			name, optional := strings.CutSuffix(n, "?")
			f := model.Field{Name: name, Type: model.FP32, Shape: []int64{-1}}
			if optional {
				f.Parameters = &model.FieldParameters{Optional: true}
			}
			list = append(list, f)
		}
		return list
	}
	return &model.Signature{Inputs: fields(in), Outputs: fields(out)}
}

func TestPipeline(t *testing.T) {
	pre := &do{sig: vectors("raw", "x extra"), f: func(in map[string][]float32) (map[string][]float32, error) {
		return map[string][]float32{"x": {in["raw"][0] * 2}, "extra": {7}}, nil
	}}
	net := &do{sig: vectors("input", "score"), f: func(in map[string][]float32) (map[string][]float32, error) {
		if in["input"][0] == 26 {
			return nil, &model.ModelError{Type: "ValueError", Message: "no"}
		}
		return map[string][]float32{"score": {in["input"][0] + 1}}, nil
	}}
	post := &do{sig: vectors("score raw bias?", "y"), f: func(in map[string][]float32) (map[string][]float32, error) {
		y := in["score"][0] + 100*in["raw"][0]
		if b := in["bias"]; b != nil {
			y += b[0]
		}
		return map[string][]float32{"y": {y}}, nil
	}}
	pre.sig = vectors("raw", "x") // one output, one input of another name
	p, err := model.NewPipeline("all", model.Step{Name: "pre.py", Predictor: pre}, model.Step{Name: "net.onnx", Predictor: net}, model.Step{Name: "post.py", Predictor: post})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Signature(); len(got.Inputs) != 2 || got.Inputs[0].Name != "raw" || got.Inputs[1].Name != "bias" || len(got.Outputs) != 1 || got.Platform != model.PlatformPipeline {
		t.Errorf("signature %+v", got)
	}
	ask := func(raw float32, more ...model.Tensor) (float32, *model.Response, error) {
		r, err := p.Predict(t.Context(), &model.Request{Inputs: append(more, model.Of("raw", []float32{raw})), Outputs: []string{"y"}})
		if err != nil {
			return 0, nil, err
		}
		v, err := model.Values[float32](r.Outputs[0])
		return v[0], r, err
	}
	if y, r, err := ask(3); err != nil || y != 307 || r.Usage != (model.Usage{Fuel: 15, Memory: 100, Accelerated: 6, Kernels: "some/1"}) {
		t.Errorf("%g, %+v, %v", y, r, err)
	}
	if y, _, err := ask(3, model.Of("bias", []float32{1000})); err != nil || y != 1307 {
		t.Errorf("with what is optional: %g, %v", y, err)
	}
	if len(pre.wanted) != 1 || pre.wanted[0] != "x" || len(post.wanted) != 1 {
		t.Errorf("asked for %v and %v", pre.wanted, post.wanted)
	}
	var refused *model.ModelError
	if _, _, err := ask(13); !errors.As(err, &refused) || refused.Error() != "ValueError: net.onnx: no" {
		t.Errorf("a step refuses: %v", err)
	}
	var wrong *model.InputError
	if _, err := p.Predict(t.Context(), &model.Request{}); !errors.As(err, &wrong) || wrong.Tensor != "raw" {
		t.Errorf("no input: %v", err)
	}
	parts := 0
	usage, err := p.Stream(t.Context(), &model.Request{Inputs: []model.Tensor{model.Of("raw", []float32{1})}}, func(*model.Response) error { parts++; return nil })
	if err != nil || parts != 1 || usage.Fuel != 15 {
		t.Errorf("streamed: %d, %+v, %v", parts, usage, err)
	}
	// A step that does not get what it takes from one before: no mistake of the client.
	net.f = func(map[string][]float32) (map[string][]float32, error) { return nil, nil }
	if _, _, err := ask(3); !errors.As(err, &refused) {
		t.Errorf("nothing given: %v", err)
	}
	net.f = func(map[string][]float32) (map[string][]float32, error) {
		return nil, &model.InputError{Tensor: "input", Reason: "no"}
	}
	if _, _, err := ask(3); !errors.As(err, &refused) || errors.As(err, &wrong) && wrong.Tensor == "input" {
		t.Errorf("an input that another step made: %v", err)
	}
	if err := p.Close(t.Context()); err != nil || !pre.closed || !net.closed || !post.closed {
		t.Errorf("close: %v", err)
	}
}

func TestJoinSignatures(t *testing.T) {
	ints := vectors("x", "y")
	ints.Inputs[0].Type = model.Int64
	short := vectors("x", "y")
	short.Inputs[0].Shape = []int64{4}
	long := vectors("a", "x")
	long.Outputs[0].Shape = []int64{5}
	for _, c := range []struct {
		name string
		list []*model.Signature
		in   string
		err  string
	}{
		{"by name", []*model.Signature{vectors("a", "x"), vectors("x b", "y")}, "a b", ""},
		{"by position", []*model.Signature{vectors("a", "p q"), vectors("r s", "y")}, "a", ""},
		{"nearest", []*model.Signature{vectors("a", "x"), vectors("x", "x"), vectors("x", "y")}, "a", ""},
		{"from afar", []*model.Signature{vectors("a", "x k"), vectors("x", "z"), vectors("k z", "y")}, "a", ""},
		{"asked twice", []*model.Signature{vectors("a", "x"), vectors("x a", "y")}, "a", ""},
		{"one", []*model.Signature{vectors("a", "x")}, "", "two steps"},
		{"type", []*model.Signature{vectors("a", "x"), ints}, "", "takes x INT64"},
		{"shape", []*model.Signature{long, short}, "", "gives x FP32 [5]"},
		{"not needed", []*model.Signature{vectors("a", "p q"), vectors("b", "y")}, "", "nothing of what one gives"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sig, err := model.JoinSignatures("all", []string{"one", "two", "three"}[:len(c.list)], c.list)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%v, want %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var in []string
			for _, f := range sig.Inputs {
				in = append(in, f.Name)
			}
			if got := strings.Join(in, " "); got != c.in {
				t.Errorf("takes %s, want %s", got, c.in)
			}
		})
	}
}
