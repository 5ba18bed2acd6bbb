package model_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
)

var bound = &model.Signature{
	Inputs: []model.Field{
		{Name: "petal_length", Type: model.FP64, Shape: []int64{}},
		{Name: "x", Type: model.FP32, Shape: []int64{-1, 2}},
		{Name: "name", Type: model.Bytes, Shape: []int64{1}, Parameters: &model.FieldParameters{Kind: model.KindText, Optional: true}},
		{Name: "rows", Type: model.Bytes, Shape: []int64{1}, Parameters: &model.FieldParameters{Kind: model.KindTable, Optional: true}},
		{Name: "picture", Type: model.Bytes, Shape: []int64{1}, Parameters: &model.FieldParameters{Kind: model.KindImage, Optional: true}},
		{Name: "half", Type: model.FP16, Shape: []int64{-1}, Parameters: &model.FieldParameters{Optional: true}},
	},
	Outputs: []model.Field{
		{Name: "label", Type: model.Int64, Shape: []int64{-1}},
		{Name: "probabilities", Type: model.FP32, Shape: []int64{-1, 2}},
		{Name: "text", Type: model.Bytes, Shape: []int64{1}},
		{Name: "more", Type: model.Bytes, Shape: []int64{1}, Parameters: &model.FieldParameters{Kind: model.KindJSON}},
	},
}

func TestNewRequest(t *testing.T) {
	type row struct{ A int }
	for _, c := range []struct {
		name  string
		value any
		want  []model.Tensor
		fail  string
	}{
		{"names", struct {
			PetalLength float32
			X           [][]float64
			Who         string `wherry:"name"`
			unseen      int
			Skipped     int `wherry:"-"`
		}{1.5, [][]float64{{1, 2}, {3, 4}}, "a", 0, 0}, []model.Tensor{
			model.Scalar("petal_length", 1.5), model.Of("x", []float32{1, 2, 3, 4}, 2, 2), model.Of("name", []string{"a"}),
		}, ""},
		{"one row", struct{ X []float32 }{[]float32{1, 2}}, []model.Tensor{model.Of("x", []float32{1, 2}, 1, 2)}, ""},
		{"arrays", struct{ X [1][2]int }{[1][2]int{{1, 2}}}, []model.Tensor{model.Of("x", []float32{1, 2}, 1, 2)}, ""},
		{"table", struct{ Rows []row }{[]row{{1}}}, []model.Tensor{model.Of("rows", []string{`[{"A":1}]`})}, ""},
		{"row", struct{ Rows row }{row{1}}, []model.Tensor{model.Of("rows", []string{`[{"A":1}]`})}, ""},
		{"bytes", struct{ Picture []byte }{[]byte{1}}, []model.Tensor{model.Of("picture", [][]byte{{1}})}, ""},
		{"absent", struct {
			PetalLength *float64
			X           [][]float32
		}{nil, nil}, nil, ""},
		{"pointer", struct{ PetalLength *int }{ptr(3)}, []model.Tensor{model.Scalar("petal_length", 3.0)}, ""},
		{"tensor", struct{ X model.Tensor }{model.Of("y", []int32{1, 2})}, []model.Tensor{model.Of("x", []float32{1, 2}, 1, 2)}, ""},
		{"half", struct{ Half []float64 }{[]float64{1}}, []model.Tensor{model.Of("half", []model.Float16{0x3c00})}, ""},
		{"unknown", struct{ Width int }{1}, nil, "Width: the model has no such input"},
		{"tag", struct {
			X int `wherry:"y"`
		}{1}, nil, "y: the model has no such input"},
		{"shape", struct{ X []float32 }{[]float32{1, 2, 3}}, nil, "x: it has the shape [3], the model takes FP32 [-1 2]"},
		{"ragged", struct{ X [][]float32 }{[][]float32{{1, 2}, {3}}}, nil, "same length"},
		{"type", struct{ X [][]string }{[][]string{{"a"}}}, nil, "x: a string is no FP32"},
		{"not a struct", 3, nil, "it must be a struct"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := model.NewRequest(bound, c.value)
			switch {
			case c.fail != "":
				if !errors.As(err, new(*model.InputError)) || !strings.Contains(err.Error(), c.fail) {
					t.Errorf("got %v, want %s", err, c.fail)
				}
			case err != nil || !reflect.DeepEqual(got.Inputs, c.want):
				t.Errorf("got %v, %v; want %v", got, err, c.want)
			}
		})
	}
	sole := &model.Signature{Inputs: bound.Inputs[1:2]}
	if r, err := model.NewRequest(sole, []float32{1, 2}); err != nil || !reflect.DeepEqual(r.Inputs[0], model.Of("x", []float32{1, 2}, 1, 2)) {
		t.Errorf("got %v, %v", r, err)
	}
}

func TestInto(t *testing.T) {
	response := &model.Response{Outputs: []model.Tensor{
		model.Of("label", []int64{1, 0}), model.Of("probabilities", []float32{0.25, 0.75, 1, 0}, 2, 2),
		model.Of("text", []string{"a"}), model.Of("more", []string{`{"a": [1, 2]}`}),
	}}
	var got struct {
		Label         []int
		Probabilities [][]float64
		Text          string
		More          struct{ A []int }
	}
	if err := response.Into(bound, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Label, []int{1, 0}) || !reflect.DeepEqual(got.Probabilities, [][]float64{{0.25, 0.75}, {1, 0}}) || got.Text != "a" || got.More.A[1] != 2 {
		t.Errorf("got %+v", got)
	}
	one := &model.Response{Outputs: response.Outputs[:1]}
	for _, c := range []struct {
		r    *model.Response
		into any
		want any
		fail string
	}{
		{one, new([]int8), []int8{1, 0}, ""},
		{one, new([2]uint16), [2]uint16{1, 0}, ""},
		{one, new([]float32), []float32{1, 0}, ""},
		{one, new(int), nil, "2 elements"},
		{one, new([]string), nil, "number"},
		{one, new([]bool), nil, "number"},
		{one, new(model.Tensor), one.Outputs[0], ""},
		{&model.Response{Outputs: response.Outputs[3:]}, new(struct{ A []int }), struct{ A []int }{[]int{1, 2}}, ""},
		{&model.Response{Outputs: response.Outputs[3:]}, new(map[string]any), map[string]any{"a": []any{1.0, 2.0}}, ""},
		{&model.Response{Outputs: response.Outputs[3:]}, new(json.RawMessage), json.RawMessage(`{"a": [1, 2]}`), ""},
		{&model.Response{Outputs: response.Outputs[2:3]}, new([]string), []string{"a"}, ""},
		{&model.Response{Outputs: []model.Tensor{model.Of("label", []int64{300})}}, new(uint8), nil, "300"},
		{&model.Response{Outputs: []model.Tensor{model.Of("label", []int64{-1})}}, new(uint8), nil, "-1"},
		{&model.Response{Outputs: []model.Tensor{model.Of("label", []uint64{1 << 63})}}, new(int64), nil, "9223372036854775808"},
		{&model.Response{Outputs: []model.Tensor{model.Of("label", []float32{}, 1<<40, 0)}}, new([][]float32), nil, "nothing in them"},
		{response, new([]int), nil, "must be a struct"},
		{response, new(struct{ Labels int }), nil, "Labels: the model has no such output"},
	} {
		err := c.r.Into(bound, c.into)
		switch got := reflect.ValueOf(c.into).Elem().Interface(); {
		case c.fail != "":
			if err == nil || !strings.Contains(err.Error(), c.fail) {
				t.Errorf("%T: got %v, want %s", c.into, err, c.fail)
			}
		case err != nil || !reflect.DeepEqual(got, c.want):
			t.Errorf("%T: got %v, %v; want %v", c.into, got, err, c.want)
		}
	}
	if err := one.Into(bound, 3); err == nil {
		t.Error("stored in what is no pointer")
	}
}
