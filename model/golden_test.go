package model_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
)

var goldenSignature = &model.Signature{
	Inputs: []model.Field{{Name: "x", Type: model.FP32, Shape: []int64{-1, 2}}},
	Outputs: []model.Field{
		{Name: "y", Type: model.FP32, Shape: []int64{-1}}, {Name: "n", Type: model.Int64, Shape: []int64{-1}},
		{Name: "s", Type: model.Bytes, Shape: []int64{-1}},
		{Name: "j", Type: model.Bytes, Shape: []int64{1}, Parameters: &model.FieldParameters{Kind: model.KindJSON}},
	},
}

func TestGolden(t *testing.T) {
	doc := func(v string) model.Tensor { return model.Of("j", []string{v}) }
	for _, c := range []struct {
		name, outputs string
		answer        model.Tensor
		want          string // of the worst difference; "" when there is none
		passed        bool
	}{
		{"same", `{"y":[1,2]}`, model.Of("y", []float32{1, 2}), "", true},
		{"near", `{"y":[1,2]}`, model.Of("y", []float32{1, 2.000002}), "y[1]: got 2.000002", true},
		{"far", `{"y":[1,2]}`, model.Of("y", []float32{1, 2.1}), "y[1]: got 2.1", false},
		{"cancelled", `{"y":[1000,0.001]}`, model.Of("y", []float32{1000, 0.0015}), "y[1]: got 0.0015", true},
		{"not cancelled", `{"y":[1000,0.001]}`, model.Of("y", []float32{1000, 0.0025}), "y[1]: got 0.0025", false},
		{"worst", `{"y":[1,200]}`, model.Of("y", []float32{1.1, 201}), "y[0]", false},
		{"nan", `{"y":["NaN","Infinity"]}`, model.Of("y", []float32{float32(math.NaN()), float32(math.Inf(1))}), "", true},
		{"not nan", `{"y":["NaN"]}`, model.Of("y", []float32{1}), "y[0]: got 1, want NaN", false},
		{"shape", `{"y":[1,2]}`, model.Of("y", []float32{1}), "y: got FP32 [1], want [1,2]", false},
		{"nonsense", `{"y":[]}`, model.Tensor{Name: "y", Type: model.FP32, Shape: []int64{0}, Data: make([]byte, 4)}, "y: got y: 4 bytes", false},
		{"missing", `{"y":[1]}`, model.Of("z", []float32{1}), "y: got nothing, want [1]", false},
		{"integer", `{"n":[1000000]}`, model.Of("n", []int64{1000001}), "n[0]: got 1000001, want 1000000 (off by 1)", false},
		{"text", `{"s":["a","b"]}`, model.Of("s", []string{"a", "c"}), `s[1]: got "c", want "b"`, false},
		{"texts", `{"s":["a","b"]}`, model.Of("s", []string{"a", "b"}), "", true},
		{"document", `{"j":{"a":[1,2.5],"b":"x","c":null}}`, doc(`{"c":null,"b":"x","a":[1,2.5000001]}`), "j.a[1]", true},
		{"document differs", `{"j":{"a":[1,2.5]}}`, doc(`{"a":[1,2.6]}`), "j.a[1]: got 2.6, want 2.5", false},
		{"document's integer", `{"j":{"a":100000000}}`, doc(`{"a":100000001}`), "j.a: got 100000001", false},
		{"document's key", `{"j":{"a":1}}`, doc(`{"b":1}`), "j.a: got nothing, want 1", false},
		{"document's kind", `{"j":{"a":1}}`, doc(`{"a":"1"}`), `j.a: got "1", want 1`, false},
		{"document's length", `{"j":[1,2]}`, doc(`[1]`), `j: got [1], want [1,2]`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := model.ParseGolden([]byte(`{"cases":[{"inputs":{"x":[1,2]},"outputs":` + c.outputs + `}]}`))
			if err != nil {
				t.Fatal(err)
			}
			r, err := g.Cases[0].Request(goldenSignature)
			if err != nil || len(r.Inputs) != 1 || len(r.Outputs) != 1 {
				t.Fatalf("got %v, %v", r, err)
			}
			worst, passed := g.Compare(&g.Cases[0], goldenSignature, &model.Response{Outputs: []model.Tensor{c.answer}})
			got := ""
			if worst != nil {
				got = worst.String()
				if _, err := json.Marshal(worst); err != nil {
					t.Error(err)
				}
			}
			if passed != c.passed || (c.want == "") != (got == "") || !strings.HasPrefix(got, c.want) {
				t.Errorf("got %v, %q; want %v, %q", passed, got, c.passed, c.want)
			}
		})
	}
}

func TestParseGolden(t *testing.T) {
	for _, c := range []struct{ text, fail string }{
		{`{"cases":[]}`, ""},
		{`{"cases":[{"inputs":{},"outputs":{"y":1},"rtol":0.1,"atol":0}],"made":{"by":"me","count":1}}`, ""},
		{`{"cases":[{"inputs":{},"expected":{"y":1}}]}`, `unknown field "expected"`},
		{`{"cases":[{"inputs":{}}]}`, "case 1: it expects no output"},
		{`{"cases":[{"name":"n","outputs":{"y":1},"rtol":-1}]}`, "n: its tolerance is negative"},
		{`{"cases":[]}{}`, "stands behind"},
		{`[]`, "read golden cases"},
	} {
		_, err := model.ParseGolden([]byte(c.text))
		if (c.fail == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.fail) {
			t.Errorf("%s: got %v, want %q", c.text, err, c.fail)
		}
	}
	g, err := model.ParseGolden([]byte(`{"cases":[{"inputs":{"z":1},"outputs":{"y":1}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Cases[0].Request(goldenSignature); err == nil || !strings.Contains(err.Error(), "no such input") {
		t.Errorf("got %v", err)
	}
}

const oneCase = `{"name":"one","inputs":{"x":[[1,2]]},"outputs":{"j":{"a":1},"y":[0.1]}}`

// TestAnswersOfSeveral compares answers of several documents or files, which a model
// may give whatever it says, with the one that is written.
func TestAnswersOfSeveral(t *testing.T) {
	for _, kind := range []string{model.KindJSON, model.KindTable, model.KindFile, model.KindImage} {
		s := &model.Signature{Outputs: []model.Field{{Name: "y", Type: model.Bytes, Shape: []int64{-1}, Parameters: &model.FieldParameters{Kind: kind}}}}
		c := model.Case{Outputs: map[string]json.RawMessage{"y": json.RawMessage(`"data:;base64,MQ=="`)}}
		g := &model.Golden{Cases: []model.Case{c}}
		for _, got := range []model.Tensor{model.Of("y", []string{}), model.Of("y", []string{"1", "2"})} {
			if worst, passed := g.Compare(&c, s, &model.Response{Outputs: []model.Tensor{got}}); passed || worst == nil {
				t.Errorf("%s of %v passes: %v", kind, got.Shape, worst)
			}
		}
	}
}

func TestNewCase(t *testing.T) {
	request := &model.Request{Inputs: []model.Tensor{model.Of("x", []float32{1, 2}, 1, 2)}}
	answer := &model.Response{Outputs: []model.Tensor{model.Of("y", []float32{0.1}), model.Of("j", []string{`{"a": 1}`})}}
	c, err := model.NewCase("one", goldenSignature, request, answer)
	if err != nil {
		t.Fatal(err)
	}
	for _, made := range []map[string]any{nil, {"by": "<me>"}} {
		text, err := (&model.Golden{Cases: []model.Case{c, c}, Made: made}).Text()
		if err != nil {
			t.Fatal(err)
		}
		want := "{\"cases\": [\n " + oneCase + ",\n " + oneCase + "\n]"
		if made != nil {
			want += ",\n\"made\":{\"by\":\"<me>\"}"
		}
		if string(text) != want+"}\n" {
			t.Errorf("got %s, want %s", text, want)
		}
		if g, err := model.ParseGolden(text); err != nil || len(g.Cases) != 2 || len(g.Made) != len(made) {
			t.Errorf("%s: got %+v, %v", text, g, err)
		}
	}
	text, err := (&model.Golden{Cases: []model.Case{c}}).Text()
	if err != nil {
		t.Fatal(err)
	}
	g, err := model.ParseGolden(text)
	if err != nil {
		t.Fatal(err)
	}
	if worst, ok := g.Compare(&g.Cases[0], goldenSignature, answer); worst != nil || !ok {
		t.Errorf("got %v", worst)
	}
}

func FuzzGolden(f *testing.F) {
	f.Add([]byte(`{"cases":[{"inputs":{"x":[1,2]},"outputs":{"y":[1],"n":[2],"s":["a"],"j":{"a":[1.5,null]}}}],"made":{}}`))
	f.Add([]byte(`{"cases":[{"inputs":{"x":[1,2]},"outputs":{"y":["NaN"],"j":1e400},"rtol":1e300,"atol":0}]}`))
	answer := &model.Response{Outputs: []model.Tensor{
		model.Of("y", []float32{1}), model.Of("n", []int64{2}), model.Of("s", []string{"a"}), model.Of("j", []string{`{"a":[1.25,null]}`}),
	}}
	f.Fuzz(func(t *testing.T, text []byte) {
		g, err := model.ParseGolden(text)
		if err != nil {
			return
		}
		for i := range g.Cases {
			c := &g.Cases[i]
			if r, err := c.Request(goldenSignature); err == nil {
				if err := goldenSignature.Check(r); err != nil {
					t.Fatal(err)
				}
			}
			worst, passed := g.Compare(c, goldenSignature, answer)
			if worst == nil && !passed {
				t.Fatal("it fails with no difference")
			}
			if worst != nil {
				if _, err := json.Marshal(worst); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
