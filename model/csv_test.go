package model_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
)

func TestFieldParseCSV(t *testing.T) {
	matrix := &model.Field{Name: "x", Type: model.FP32, Shape: []int64{-1, 2}}
	named := &model.Field{Name: "x", Type: model.FP32, Shape: []int64{-1, 2}, Parameters: &model.FieldParameters{
		Columns: []model.Column{{Name: "a"}, {Name: "b"}}}}
	table := &model.Field{Name: "x", Type: model.Bytes, Shape: []int64{1}, Parameters: &model.FieldParameters{Kind: model.KindTable}}
	texts := &model.Field{Name: "x", Type: model.Bytes, Shape: []int64{-1}}
	pairs := &model.Field{Name: "x", Type: model.Bytes, Shape: []int64{-1, 2}}
	vector := &model.Field{Name: "x", Type: model.Int64, Shape: []int64{3}}
	for _, c := range []struct {
		name  string
		field *model.Field
		text  string
		want  model.Tensor
		fail  string
	}{
		{"plain", matrix, "1,2\n3,4\n", model.Of("x", []float32{1, 2, 3, 4}, 2, 2), ""},
		{"head", matrix, "a,b\n1,2\n", model.Of("x", []float32{1, 2}, 1, 2), ""},
		{"semicolons", matrix, "a;b\r\n1;2\r\n", model.Of("x", []float32{1, 2}, 1, 2), ""},
		{"tabs", matrix, "1\t2", model.Of("x", []float32{1, 2}, 1, 2), ""},
		{"an empty cell between tabs", pairs, "p\tq\na\t\n\tb\n", model.Of("x", []string{"a", "", "", "b"}, 2, 2), ""},
		{"mark", matrix, "\ufeff1,2", model.Of("x", []float32{1, 2}, 1, 2), ""},
		{"by name", named, "b,c,a\n1,2,3\n", model.Of("x", []float32{3, 1}, 1, 2), ""},
		{"no such", named, "b,c\n1,2\n", model.Tensor{}, `no column "a"; it has "b", "c"`},
		{"word", matrix, "a,b\n1,2\n3,four\n", model.Tensor{}, `line 3, column "b": "four" is no FP32`},
		{"columns", matrix, "1,2,3\n", model.Tensor{}, "shape [1 3], the model takes FP32 [-1 2]"},
		{"ragged", matrix, "1,2\n3\n", model.Tensor{}, "wrong number of fields"},
		{"empty", matrix, "", model.Tensor{}, "empty"},
		{"table", table, "a,b\n1,x\n", model.Of("x", []string{"a,b\n1,x\n"}), ""},
		{"texts", texts, "one\ntwo\n", model.Of("x", []string{"one", "two"}), ""},
		{"texts with head", texts, "x\none\n", model.Of("x", []string{"one"}), ""},
		{"column", vector, "1\n2\n3\n", model.Of("x", []int64{1, 2, 3}), ""},
		{"row", vector, "1,2,3\n", model.Of("x", []int64{1, 2, 3}), ""},
		{"blank lines of one column", texts, "x\none\n\n\r\n\"\"\n\"t\n\nwo\"\n\n\n", model.Of("x", []string{"one", "", "", "", "t\n\nwo"}), ""},
		{"a blank line of integers", vector, "1\n\n3\n", model.Tensor{}, `line 2, column 1: "" is no INT64`},
		{"blank lines of two columns", matrix, "\n1,2\n\n3,4\n\n", model.Of("x", []float32{1, 2, 3, 4}, 2, 2), ""},
		{"missing integer", vector, "1,,3\n", model.Tensor{}, `line 1, column 2: "" is no INT64`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.field.ParseCSV([]byte(c.text))
			switch {
			case c.fail != "":
				if !errors.As(err, new(*model.InputError)) || !strings.Contains(err.Error(), c.fail) {
					t.Errorf("got %v, want %s", err, c.fail)
				}
			case err != nil || !reflect.DeepEqual(got, c.want):
				t.Errorf("got %v, %v; want %v", got, err, c.want)
			}
		})
	}
	x, err := matrix.ParseCSV([]byte("1,\n"))
	if v, verr := model.Values[float32](x); err != nil || verr != nil || !math.IsNaN(float64(v[1])) {
		t.Errorf("an empty cell: got %v, %v, %v", v, err, verr)
	}
}

func TestSignatureParseCSV(t *testing.T) {
	optional := &model.FieldParameters{Optional: true}
	columns := &model.Signature{Inputs: []model.Field{
		{Name: "a", Type: model.FP32, Shape: []int64{-1, 1}}, {Name: "b", Type: model.Bytes, Shape: []int64{-1}},
	}}
	rows := &model.Signature{Inputs: []model.Field{
		{Name: "a", Type: model.FP64, Shape: []int64{}}, {Name: "b", Type: model.Bytes, Shape: []int64{1}},
		{Name: "c", Type: model.Int64, Shape: []int64{}, Parameters: optional},
	}}
	sole := &model.Signature{Inputs: []model.Field{{Name: "x", Type: model.FP32, Shape: []int64{-1, 2}}}}
	for _, c := range []struct {
		name string
		s    *model.Signature
		text string
		want []*model.Request
		fail string
	}{
		{"sole", sole, "1,2\n", []*model.Request{{Inputs: []model.Tensor{model.Of("x", []float32{1, 2}, 1, 2)}}}, ""},
		{"columns", columns, "id,b,a\n1,x,2\n2,y,3\n", []*model.Request{
			{Inputs: []model.Tensor{model.Of("b", []string{"x", "y"}), model.Of("a", []float32{2, 3}, 2, 1)}}}, ""},
		{"rows", rows, "a,b,c\n1.5,x,\n2.5,y,7\n", []*model.Request{
			{Inputs: []model.Tensor{model.Scalar("a", 1.5), model.Of("b", []string{"x"})}},
			{Inputs: []model.Tensor{model.Scalar("a", 2.5), model.Of("b", []string{"y"}), model.Scalar("c", int64(7))}}}, ""},
		{"missing", rows, "a,c\n1,2\n", nil, "b: the file has no such column"},
		{"wrong", rows, "a,b\n1,2\nx,2\n", nil, `a: line 3, column "a": "x" is no FP64`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.s.ParseCSV([]byte(c.text))
			switch {
			case c.fail != "":
				if err == nil || !strings.Contains(err.Error(), c.fail) {
					t.Errorf("got %v, want %s", err, c.fail)
				}
			case err != nil || !reflect.DeepEqual(got, c.want):
				t.Errorf("got %v, %v; want %v", got, err, c.want)
			}
		})
	}
}

func FuzzSignatureParseCSV(f *testing.F) {
	f.Add([]byte("a,b,c\n1.5,x,\n2.5,y,7\n"))
	f.Add([]byte("a;b\n"))
	f.Add([]byte("\"\n\",b\n"))
	s := &model.Signature{Inputs: []model.Field{
		{Name: "a", Type: model.FP64, Shape: []int64{}}, {Name: "b", Type: model.Bytes, Shape: []int64{-1}},
		{Name: "c", Type: model.Int64, Shape: []int64{1}, Parameters: &model.FieldParameters{Optional: true}},
	}}
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := s.ParseCSV(text)
		if err != nil {
			return
		}
		for _, r := range list {
			for _, x := range r.Inputs {
				if err := x.Check(); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// TestFrameOfOneColumn writes empty cells so that those who skip blank lines see them.
func TestFrameOfOneColumn(t *testing.T) {
	for _, c := range []struct {
		frame model.Frame
		want  string
	}{
		{model.Frame{Head: []string{"a"}, Rows: [][]string{{"1"}, {""}, {"two,"}, {""}}}, "a\n1\n\"\"\n\"two,\"\n\"\"\n"},
		{model.Frame{Head: []string{"a", "b"}, Rows: [][]string{{"1", ""}, {"", ""}}}, "a,b\n1,\n,\n"},
	} {
		var b strings.Builder
		if err := c.frame.CSV(&b); err != nil || b.String() != c.want {
			t.Errorf("%q, %v, want %q", b.String(), err, c.want)
		}
	}
}
