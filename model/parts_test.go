package model_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
)

func TestAsStream(t *testing.T) {
	const text = `{"name":"m","platform":"python","streams":true,"inputs":[],"outputs":[
		{"name":"one","datatype":"BYTES","shape":[1],"parameters":{"kind":"text"}},
		{"name":"many","datatype":"FP32","shape":[-1,4]},
		{"name":"pair","datatype":"FP32","shape":[2,3]},
		{"name":"any","datatype":"FP32","shape":null}]}`
	s, err := model.ParseSignature([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	shapes := func(s *model.Signature) string {
		var list []any
		for _, f := range s.Outputs {
			list = append(list, f.Shape, f.Part())
		}
		return fmt.Sprint(list...)
	}
	if got := shapes(s); got != "[-1] [1] [-1 4] [] [-1 3] [2 3] [] []" || s.Outputs[0].Kind() != model.KindText {
		t.Errorf("whole: %s", got)
	}
	if got := shapes(s.OfParts()); got != "[1] [] [-1 4] [] [2 3] [] [] []" || s.OfParts().Outputs[0].Kind() != model.KindText {
		t.Errorf("a part: %s", got)
	}
	if err := s.AsStream(); err != nil || shapes(s) != "[-1] [1] [-1 4] [] [-1 3] [2 3] [] []" {
		t.Errorf("twice: %s, %v", shapes(s), err)
	}
	plain := &model.Signature{Outputs: []model.Field{{Name: "y", Type: model.FP32, Shape: []int64{1}}}}
	if plain.OfParts() != plain {
		t.Error("a signature that does not stream has other parts")
	}
	if _, err := model.ParseSignature([]byte(`{"name":"m","platform":"wasm","streams":true,"inputs":[],"outputs":[{"name":"y","datatype":"FP32","shape":[]}]}`)); err == nil || !strings.Contains(err.Error(), "[1]") {
		t.Errorf("without a dimension: %v", err)
	}
}

// parts is a Streamer of some parts.
type parts struct {
	list [][]model.Tensor
	err  error
}

func (p parts) Stream(_ context.Context, _ *model.Request, emit func(*model.Response) error) (model.Usage, error) {
	for _, outputs := range p.list {
		if err := emit(&model.Response{Outputs: outputs}); err != nil {
			return model.Usage{Fuel: 1}, err
		}
	}
	return model.Usage{Fuel: 2}, p.err
}

func TestGather(t *testing.T) {
	s := &model.Signature{Name: "m", Outputs: []model.Field{
		{Name: "word", Type: model.Bytes, Shape: []int64{1}, Parameters: &model.FieldParameters{Kind: model.KindText}},
		{Name: "doc", Type: model.Bytes, Shape: []int64{1}, Parameters: &model.FieldParameters{Kind: model.KindJSON}},
		{Name: "rows", Type: model.FP32, Shape: []int64{-1, 2}},
	}}
	if err := s.AsStream(); err != nil {
		t.Fatal(err)
	}
	word := func(w string) model.Tensor { return model.Of("word", []string{w}) }
	doc := func(d string) model.Tensor { return model.Of("doc", []string{d}) }
	rows := func(n int64) model.Tensor { return model.Of("rows", make([]float32, 2*n), n, 2) }
	failed := errors.New("failed")
	for _, tt := range []struct {
		name   string
		parts  parts
		wanted []string
		want   string // the answer as JSON, or of the error
	}{
		{"all", parts{list: [][]model.Tensor{{word("a"), doc(`{"x":1}`), rows(1)}, {word("b"), doc(`[2]`), rows(2)}}}, nil, `{"word":["a","b"],"doc":[{"x":1},[2]],"rows":[[0,0],[0,0],[0,0]]}`},
		{"one", parts{list: [][]model.Tensor{{word("a"), doc(`3`), rows(0)}}}, nil, `{"word":["a"],"doc":[3],"rows":[]}`},
		{"none", parts{}, nil, `{"word":[],"doc":[],"rows":[]}`},
		{"some are missing", parts{list: [][]model.Tensor{{word("a")}, {rows(1)}}}, nil, `{"word":["a"],"doc":[],"rows":[[0,0]]}`},
		{"wanted", parts{list: [][]model.Tensor{{word("a"), rows(1)}}}, []string{"rows"}, `{"rows":[[0,0]]}`},
		{"no JSON", parts{list: [][]model.Tensor{{doc("{")}}}, []string{"doc"}, `{"doc":["{"]}`},
		{"other shapes", parts{list: [][]model.Tensor{{rows(1)}, {model.Of("rows", []float32{1}, 1, 1)}}}, nil, "one tensor cannot be"},
		{"other types", parts{list: [][]model.Tensor{{word("a")}, {model.Of("word", []int32{1})}}}, nil, "one tensor cannot be"},
		{"no tensor", parts{list: [][]model.Tensor{{{Name: "word", Type: model.FP32, Shape: []int64{1}}}}}, nil, "word"},
		{"an error", parts{list: [][]model.Tensor{{word("a")}}, err: failed}, nil, "failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := model.Gather(t.Context(), tt.parts, s, &model.Request{Outputs: tt.wanted})
			if err != nil {
				if !strings.Contains(err.Error(), tt.want) || r == nil || r.Usage.Fuel == 0 {
					t.Errorf("%v, %+v", err, r)
				}
				return
			}
			got, err := r.AppendObject(nil, s)
			if err != nil || string(got) != tt.want || r.Usage.Fuel != 2 {
				t.Errorf("%s, %v, %+v", got, err, r.Usage)
			}
			for i := range r.Outputs { // what is written is read as the same
				o := &r.Outputs[i]
				value, _ := o.AppendValue(nil, s.Output(o.Name))
				back, err := s.Output(o.Name).Parse(value)
				if err != nil && tt.name != "no JSON" && len(o.Data) > 0 || err == nil && len(o.Data) > 0 && tt.name != "no JSON" && string(back.Data) != string(o.Data) {
					t.Errorf("%s is read as %+v, %v", value, back, err)
				}
			}
		})
	}
	endless := parts{list: make([][]model.Tensor, 1<<20+1)}
	if _, err := model.Gather(t.Context(), endless, s, &model.Request{}); err == nil || !strings.Contains(err.Error(), "parts") {
		t.Errorf("more parts than there may be: %v", err)
	}
}
