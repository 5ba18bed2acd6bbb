package model_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
)

func TestTensorJSON(t *testing.T) {
	for _, c := range []struct {
		x    model.Tensor
		want string // of data, as it is written
	}{
		{model.Of("x", []float32{0.1, -2, 1e-7, 3e38, 1e20}), `[0.1,-2,1e-07,3e+38,100000000000000000000]`},
		{model.Of("x", []float64{0.1, float64(float32(0.1))}, 2, 1), `[0.1,0.10000000149011612]`},
		{model.Of("x", []float32{float32(math.Inf(1)), float32(math.Inf(-1))}), `["Infinity","-Infinity"]`},
		{model.Of("x", []int64{math.MinInt64, math.MaxInt64}), `[-9223372036854775808,9223372036854775807]`},
		{model.Of("x", []uint64{math.MaxUint64}), `[18446744073709551615]`},
		{model.Of("x", []bool{true, false}), `[true,false]`},
		{model.Of("x", []model.Float16{0x3c00, 0x2e66}), `[1,0.099975586]`},
		{model.Of("x", []model.BFloat16{0x3f80}), `[1]`},
		{model.Of("x", []string{"a<\"\\\n", "ü"}), `["a\u003c\"\\\n","ü"]`},
		{model.Of("x", [][]byte{{0xff}, []byte("a")}), `["/w==","YQ=="]`},
		{model.Scalar("x", int8(-1)), `[-1]`},
		{model.Of("x", []float32{}, 0, 3), `[]`},
	} {
		text, err := json.Marshal(c.x)
		if err != nil || !strings.Contains(string(text), `"data":`+c.want) {
			t.Errorf("got %s, %v; want data %s", text, err, c.want)
			continue
		}
		var back model.Tensor
		if err := json.Unmarshal(text, &back); err != nil || !bytes.Equal(back.Data, c.x.Data) || back.Type != c.x.Type || !reflect.DeepEqual(back.Shape, c.x.Shape) {
			t.Errorf("%s: got %v, %v", text, back, err)
		}
	}
}

func TestParseTensorJSON(t *testing.T) {
	for _, c := range []struct {
		kind, shape, data string
		fail              string
	}{
		{"FP32", "[2,2]", "[[1,2],[3,4]]", ""},
		{"FP32", "[2,2]", " [ 1, 2 ,3,\n4 ] ", ""},
		{"FP32", "[2,2]", "[[1,2,3,4]]", "have the shape [1 4]"},
		{"FP32", "[2,2]", "[[1,2],[3]]", "same length"},
		{"FP32", "[2,2]", "[[1,2],3]", "same depth"},
		{"FP32", "[2,2]", "[1,[2,3]]", "same depth"},
		{"FP32", "[]", "[1]", ""},
		{"FP32", "[]", "1", ""},
		{"FP32", "[1]", "1e39", "no FP32"},
		{"FP32", "[1]", "[null]", "null is no FP32"},
		{"FP32", "[1]", "[true]", "true is no FP32"},
		{"FP32", "[1]", `["1"]`, `"1" is no FP32`},
		{"FP32", "[1]", `[{}]`, "object"},
		{"INT8", "[1]", "[128]", "128 is no INT8"},
		{"INT8", "[1]", "[1.0]", ""},
		{"INT8", "[1]", "[1.5]", "no INT8"},
		{"INT64", "[1]", "[9223372036854775808]", "no INT64"},
		{"UINT64", "[1]", "[-1]", "no UINT64"},
		{"INT64", "[1]", `["NaN"]`, "no INT64"},
		{"BOOL", "[3]", "[true,0,1]", ""},
		{"BOOL", "[1]", "[2]", "no BOOL"},
		{"BYTES", "[1]", "[1]", "no string"},
		{"BYTES", "[2]", `["\ud83d\ude00","a]\"["]`, ""},
		{"BYTES", "[1]", `[{"base64":"/w=="}]`, ""},
		{"BYTES", "[1]", `[{"base64":"!"}]`, "no base64"},
		{"BYTES", "[1]", `[{"base65":"/w=="}]`, "object"},
		{"FP32", "[-1]", "[1]", "no shape"},
		{"FP32", "[4611686018427387904,4]", "[1]", "no shape"},
		{"FP32", "[0]", "[]", ""},
		{"FP32", "[0,2]", "[]", ""},
		{"FP32", "[2,0]", "[[],[]]", ""},
		{"what", "[1]", "[1]", "no type"},
		{"FP32", "[1]", strings.Repeat("[", 40) + "1" + strings.Repeat("]", 40), "nested more than 32"},
		{"FP32", "1", "[1]", "no tensor"},
	} {
		var x model.Tensor
		err := json.Unmarshal([]byte(`{"name":"x","datatype":"`+c.kind+`","shape":`+c.shape+`,"data":`+c.data+`}`), &x)
		switch {
		case c.fail == "" && err != nil:
			t.Errorf("%s %s %s: %v", c.kind, c.shape, c.data, err)
		case c.fail != "" && (err == nil || !strings.Contains(err.Error(), c.fail) || !errors.As(err, new(*model.InputError))):
			t.Errorf("%s %s %s: got %v, want %s", c.kind, c.shape, c.data, err, c.fail)
		}
	}
}

func TestRequestJSON(t *testing.T) {
	const text = `{"id":"7","inputs":[{"name":"x","shape":[1],"datatype":"INT8","data":[1]}],"outputs":[{"name":"y"}]}`
	var r model.Request
	if err := json.Unmarshal([]byte(text), &r); err != nil || r.ID != "7" || r.Inputs[0].Name != "x" || r.Outputs[0] != "y" {
		t.Fatalf("got %+v, %v", r, err)
	}
	if back, err := json.Marshal(r); err != nil || string(back) != text {
		t.Errorf("got %s, %v", back, err)
	}
}

func TestFieldParse(t *testing.T) {
	field := func(kind model.DataType, shape ...int64) *model.Field {
		return &model.Field{Name: "x", Type: kind, Shape: shape}
	}
	of := func(k string) *model.Field {
		return &model.Field{Name: "x", Type: model.Bytes, Shape: []int64{1}, Parameters: &model.FieldParameters{Kind: k}}
	}
	scalar := field(model.FP32)
	scalar.Shape = []int64{}
	anything := field(model.FP32)
	for _, c := range []struct {
		field *model.Field
		json  string
		want  model.Tensor
		fail  string
	}{
		{field(model.FP32, -1, 2), "[[1,2],[3,4]]", model.Of("x", []float32{1, 2, 3, 4}, 2, 2), ""},
		{field(model.FP32, -1, 2), "[1,2]", model.Of("x", []float32{1, 2}, 1, 2), ""},
		{field(model.FP32, -1, 2), "[1,2,3,4]", model.Of("x", []float32{1, 2, 3, 4}, 2, 2), ""},
		{field(model.FP32, -1, 2), "[1,2,3]", model.Tensor{}, "shape [3], the model takes FP32 [-1 2]"},
		{field(model.FP32, -1, 1), "[1,2,3]", model.Of("x", []float32{1, 2, 3}, 3, 1), ""},
		{field(model.FP32, -1, -1), "[1,2,3]", model.Of("x", []float32{1, 2, 3}, 1, 3), ""},
		{field(model.FP32, 1, 1), "3.5", model.Of("x", []float32{3.5}, 1, 1), ""},
		{field(model.FP32, 1), "[[[3.5]]]", model.Of("x", []float32{3.5}, 1), ""},
		{scalar, "[[3.5]]", model.Scalar("x", float32(3.5)), ""},
		{scalar, "[1,2]", model.Tensor{}, "shape [2]"},
		{anything, "[[1],[2]]", model.Of("x", []float32{1, 2}, 2, 1), ""},
		{of(model.KindText), `"a"`, model.Of("x", []string{"a"}), ""},
		{of(model.KindJSON), `{"a": [1, 2]}`, model.Of("x", []string{`{"a":[1,2]}`}), ""},
		{of(model.KindJSON), `"a"`, model.Of("x", []string{`"a"`}), ""},
		{of(model.KindTable), `[{"a": 1}]`, model.Of("x", []string{`[{"a":1}]`}), ""},
		{of(model.KindTable), `"a,b\n1,2"`, model.Of("x", []string{"a,b\n1,2"}), ""},
		{of(model.KindImage), `"data:image/png;base64,/w=="`, model.Of("x", [][]byte{{0xff}}), ""},
		{of(model.KindImage), `{"base64":"/w=="}`, model.Of("x", [][]byte{{0xff}}), ""},
		{field(model.FP32, 1), `[`, model.Tensor{}, "no JSON"},
	} {
		got, err := c.field.Parse([]byte(c.json))
		switch {
		case c.fail != "":
			if !errors.As(err, new(*model.InputError)) || !strings.Contains(err.Error(), c.fail) {
				t.Errorf("%s: got %v, want %s", c.json, err, c.fail)
			}
		case err != nil || !reflect.DeepEqual(got, c.want):
			t.Errorf("%s: got %v, %v; want %v", c.json, got, err, c.want)
		default:
			if err := c.field.Check(&got); err != nil {
				t.Errorf("%s: %v", c.json, err)
			}
			text, err := got.AppendValue(nil, c.field)
			if err != nil {
				t.Errorf("%s: %v", c.json, err)
			}
			if back, err := c.field.Parse(text); err != nil || !reflect.DeepEqual(back, got) {
				t.Errorf("%s: written %s, which is %v, %v", c.json, text, back, err)
			}
		}
	}
}

func TestFieldParseText(t *testing.T) {
	text := &model.FieldParameters{Kind: model.KindText}
	doc := &model.FieldParameters{Kind: model.KindJSON}
	for _, c := range []struct {
		kind   model.DataType
		shape  []int64
		params *model.FieldParameters
		word   string
		want   model.Tensor
		fail   string
	}{
		{model.FP32, []int64{}, nil, "3.5", model.Scalar("x", float32(3.5)), ""},
		{model.FP32, []int64{-1, 2}, nil, "1, 2,3,4", model.Of("x", []float32{1, 2, 3, 4}, 2, 2), ""},
		{model.FP32, []int64{-1, 2}, nil, "[[1,2]]", model.Of("x", []float32{1, 2}, 1, 2), ""},
		{model.FP32, []int64{}, nil, "nan", model.Scalar("x", float32(math.NaN())), ""},
		{model.FP32, []int64{}, nil, "three", model.Tensor{}, `"three" is no FP32: the model takes FP32 []`},
		{model.FP32, []int64{}, nil, "0x10", model.Tensor{}, "no FP32"},
		{model.FP32, []int64{}, nil, "1_0", model.Tensor{}, "no FP32"},
		{model.Int64, []int64{1}, nil, "007", model.Of("x", []int64{7}), ""},
		{model.Int64, []int64{1}, nil, "", model.Tensor{}, "no INT64"},
		{model.Bool, []int64{}, nil, "Yes", model.Scalar("x", true), ""},
		{model.Bool, []int64{}, nil, "maybe", model.Tensor{}, "no BOOL"},
		{model.Bytes, []int64{1}, text, "a, b", model.Of("x", []string{"a, b"}), ""},
		{model.Bytes, []int64{-1}, text, `["a","b"]`, model.Of("x", []string{"a", "b"}), ""},
		{model.Bytes, []int64{-1}, text, `[not json`, model.Of("x", []string{"[not json"}), ""},
		{model.Bytes, []int64{}, text, "a", model.Scalar("x", "a"), ""},
		{model.Bytes, []int64{1}, doc, `{"a":1}`, model.Of("x", []string{`{"a":1}`}), ""},
		{model.Bytes, []int64{1}, doc, `word`, model.Of("x", []string{`"word"`}), ""},
	} {
		f := &model.Field{Name: "x", Type: c.kind, Shape: c.shape, Parameters: c.params}
		got, err := f.ParseText(c.word)
		if c.fail != "" {
			if !errors.As(err, new(*model.InputError)) || !strings.Contains(err.Error(), c.fail) {
				t.Errorf("%q: got %v, want %s", c.word, err, c.fail)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: got %v, %v; want %v", c.word, got, err, c.want)
		}
	}
}

func FuzzTensorJSON(f *testing.F) {
	f.Add([]byte(`{"name":"x","datatype":"FP32","shape":[2,2],"data":[[1,2],[3,4]]}`))
	f.Add([]byte(`{"name":"x","datatype":"BYTES","shape":[1],"data":[{"base64":"/w=="}]}`))
	f.Add([]byte(`{"name":"x","datatype":"BYTES","shape":[1],"parameters":{"content_type":"base64"},"data":["/w=="]}`))
	f.Add([]byte(`{"name":"x","datatype":"FP16","shape":[3],"data":["NaN",1e-9,-0.0]}`))
	f.Add([]byte(`{"name":"x","datatype":"BOOL","shape":[0,1],"data":[[]]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var x model.Tensor
		if json.Unmarshal(text, &x) != nil {
			return
		}
		if err := x.Check(); err != nil {
			t.Fatalf("read what contradicts itself: %v", err)
		}
		out, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		var back model.Tensor
		if err := json.Unmarshal(out, &back); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if again, err := json.Marshal(back); err != nil || !bytes.Equal(out, again) {
			t.Fatalf("%s became %s, %v", out, again, err)
		}
	})
}

func FuzzFieldParse(f *testing.F) {
	for _, s := range []string{"[[1,2],[3,4]]", "3.5", `["a",{"base64":"/w=="}]`, `{"a":[]}`, `"data:a;base64,YQ=="`, "[[],[]]", "1,2", "true"} {
		for kind := range 5 {
			f.Add([]byte(s), byte(kind))
		}
	}
	fields := []*model.Field{
		{Type: model.FP32, Shape: []int64{-1, 2}}, {Type: model.Int64}, {Type: model.Bytes, Shape: []int64{-1}},
		{Type: model.Bytes, Shape: []int64{1}, Parameters: &model.FieldParameters{Kind: model.KindJSON}},
		{Type: model.Bytes, Shape: []int64{1}, Parameters: &model.FieldParameters{Kind: model.KindImage}},
	}
	f.Fuzz(func(t *testing.T, text []byte, kind byte) {
		field := fields[int(kind)%len(fields)]
		for _, parse := range []func() (model.Tensor, error){
			func() (model.Tensor, error) { return field.Parse(text) },
			func() (model.Tensor, error) { return field.ParseText(string(text)) },
			func() (model.Tensor, error) { return field.ParseCSV(text) },
		} {
			x, err := parse()
			if err != nil {
				continue
			}
			if err := x.Check(); err != nil {
				t.Fatal(err)
			}
			if _, err := x.AppendValue(nil, field); err != nil && !strings.Contains(err.Error(), "nothing in them") {
				t.Fatal(err)
			}
		}
	})
}

func BenchmarkTensorJSON(b *testing.B) {
	values := make([]float32, 3*224*224)
	for i := range values {
		values[i] = float32(i) / 1000
	}
	text, err := json.Marshal(model.Of("x", values, 1, 3, 224, 224))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			var x model.Tensor
			if err := x.UnmarshalJSON(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("write", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		x := model.Of("x", values, 1, 3, 224, 224)
		for b.Loop() {
			if _, err := x.MarshalJSON(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
