package model_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
)

func TestParseSignature(t *testing.T) {
	for _, c := range []struct{ text, fail string }{
		{`{"name":"m","platform":"python","inputs":[{"name":"x","datatype":"FP32","shape":[-1,2]}],"outputs":[{"name":"y","datatype":"BYTES","shape":null}]}`, ""},
		{`{"outputs":[]}`, "no output"},
		{`{"outputs":[{"name":"","datatype":"FP32","shape":[]}]}`, "no name"},
		{`{"outputs":[{"name":"y","datatype":"FP32"},{"name":"y","datatype":"FP32"}]}`, "twice"},
		{`{"outputs":[{"name":"y","datatype":"FP31"}]}`, "no type"},
		{`{"outputs":[{"name":"y","datatype":"FP32","shape":[` + strings.Repeat("1,", 40) + `1]}]}`, "dimensions"},
		{`{"outputs":[` + strings.Repeat(`{"name":"y","datatype":"FP32"},`, 5000) + `{"name":"y","datatype":"FP32"}]}`, "more than 4096"},
		{`[`, "read signature"},
	} {
		_, err := model.ParseSignature([]byte(c.text))
		if (c.fail == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.fail) {
			t.Errorf("%.80s: got %v, want %q", c.text, err, c.fail)
		}
	}
}

// FuzzSignature does with a signature what all do: describe it, make up a request,
// write that down as a golden case and read it again.
func FuzzSignature(f *testing.F) {
	f.Add([]byte(`{"inputs":[{"name":"x","datatype":"FP32","shape":[-1,2],"parameters":{"minimum":1,"maximum":2,"columns":[{"name":"a"}]}}],"outputs":[{"name":"y","datatype":"FP32","shape":[1]}]}`))
	f.Add([]byte(`{"inputs":[{"name":"x","datatype":"BYTES","shape":[1],"parameters":{"kind":"text","choices":["a",1,null]}},{"name":"b","datatype":"BOOL","shape":null}],"outputs":[{"name":"y","datatype":"BYTES","parameters":{"kind":"json","labels":["a"]}}]}`))
	f.Add([]byte(`{"inputs":[{"name":"x","datatype":"INT8","shape":[0,-5],"parameters":{"minimum":1e300,"choices":[7]}}],"outputs":[{"name":"y","datatype":"FP16"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := model.ParseSignature(text)
		if err != nil {
			return
		}
		for i := range s.Inputs {
			_ = s.Inputs[i].String()
			for _, d := range s.Inputs[i].Shape {
				if d > 1000 {
					return // it takes long, and is bounded
				}
			}
		}
		r, err := s.Sample(rand.New(rand.NewPCG(1, 2)))
		if err != nil {
			return
		}
		if s.Batches() {
			if _, err := s.Batch(r, 3); err != nil {
				t.Fatal(err)
			}
		}
		c, err := model.NewCase("", s, r, &model.Response{Outputs: []model.Tensor{{Name: s.Outputs[0].Name, Type: model.FP32, Shape: []int64{0}, Data: nil}}})
		if err != nil {
			return // too many lists with nothing in them
		}
		g := &model.Golden{Cases: []model.Case{c}}
		file, err := g.Text()
		if err != nil {
			t.Fatal(err)
		}
		back, err := model.ParseGolden(file)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if _, err := back.Cases[0].Request(s); err != nil && elements(r) > 0 {
			t.Fatalf("%s: %v", file, err)
		}
	})
}

// elements is 0 when an input has none, else 1.
func elements(r *model.Request) (n int64) {
	n = 1
	for _, t := range r.Inputs {
		e, _ := model.Elements(t.Shape)
		n *= min(e, 1)
	}
	return n
}
