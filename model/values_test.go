package model_test

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
)

func TestFloat16(t *testing.T) {
	for bits := range 1 << 16 {
		h := model.Float16(bits)
		f := float64(h.Float32())
		if f != f {
			if g := model.ToFloat16(f); g.Float32() == g.Float32() {
				t.Errorf("%#x: a NaN became %#x", bits, g)
			}
			continue
		}
		if got := model.ToFloat16(f); got != h {
			t.Fatalf("%#x is %v, and that is %#x", bits, f, got)
		}
		b := model.BFloat16(bits)
		f = float64(b.Float32())
		if f == f && model.ToBFloat16(f) != b {
			t.Fatalf("bfloat16 %#x is %v, and that is %#x", bits, f, model.ToBFloat16(f))
		}
	}
	for _, c := range []struct {
		v    float64
		want model.Float16
	}{
		{1, 0x3c00}, {-2, 0xc000}, {65504, 0x7bff}, {65519.99, 0x7bff}, {65520, 0x7c00}, {-1e9, 0xfc00},
		{1 + 1.0/2048, 0x3c00}, {1 + 3.0/2048, 0x3c02}, {1 + 1.0/2048 + 1e-12, 0x3c01}, // of two the even one
		{math.Ldexp(1, -25), 0}, {math.Ldexp(1.0001, -25), 1}, {math.Ldexp(3, -25), 2}, {math.Ldexp(1023.5, -24), 0x400},
		{math.Copysign(0, -1), 0x8000},
	} {
		if got := model.ToFloat16(c.v); got != c.want {
			t.Errorf("%v: got %#x, want %#x", c.v, got, c.want)
		}
	}
	// Half-way in float32, and not in float64.
	if got := model.ToBFloat16(1 + 1.0/256 + 1e-12); got != 0x3f81 {
		t.Errorf("rounded twice: %#x", got)
	}
	if got := model.ToBFloat16(1 + 3.0/256 - 1e-12); got != 0x3f81 {
		t.Errorf("rounded twice: %#x", got)
	}
}

func TestOfValues(t *testing.T) {
	round(t, []bool{true, false}, model.Bool)
	round(t, []int8{-128, 127}, model.Int8)
	round(t, []uint8{0, 255}, model.Uint8)
	round(t, []int16{math.MinInt16, 7}, model.Int16)
	round(t, []uint16{math.MaxUint16}, model.Uint16)
	round(t, []int32{math.MinInt32}, model.Int32)
	round(t, []uint32{math.MaxUint32}, model.Uint32)
	round(t, []int64{math.MinInt64, math.MaxInt64}, model.Int64)
	round(t, []uint64{math.MaxUint64}, model.Uint64)
	round(t, []int{math.MinInt64, -1}, model.Int64)
	round(t, []uint{math.MaxUint64}, model.Uint64)
	round(t, []float32{1.5, float32(math.Inf(-1))}, model.FP32)
	round(t, []float64{math.Pi, math.SmallestNonzeroFloat64}, model.FP64)
	round(t, []model.Float16{1, 0x7c00}, model.FP16)
	round(t, []model.BFloat16{0x3f80}, model.BF16)
	round(t, []string{"", "ä", "b\x00c"}, model.Bytes)
	round(t, [][]byte{{}, {0xff, 0}}, model.Bytes)
	round(t, []float32{}, model.FP32)
}

func round[T model.Element](t *testing.T, values []T, kind model.DataType) {
	t.Helper()
	x := model.Of("x", values)
	if err := x.Check(); err != nil || x.Type != kind || !slices.Equal(x.Shape, []int64{int64(len(values))}) {
		t.Errorf("got %+v, %v", x, err)
	}
	if got, err := model.Values[T](x); err != nil || !reflect.DeepEqual(got, values) {
		t.Errorf("got %v, %v; want %v", got, err, values)
	}
}

func TestValuesWiden(t *testing.T) {
	if got, err := model.Values[float64](model.Of("x", []float32{1.5})); err != nil || got[0] != 1.5 {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := model.Values[int](model.Of("x", []uint8{200})); err != nil || got[0] != 200 {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := model.Values[float32](model.Of("x", []model.Float16{0x3c00})); err != nil || got[0] != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, x := range []model.Tensor{
		model.Of("x", []float64{1}), model.Of("x", []int32{1}), model.Of("x", []string{"1"}), model.Of("x", []bool{true}),
		model.Of("x", []float32{1, 2, 3}, 2),
	} {
		if got, err := model.Values[float32](x); !errors.As(err, new(*model.InputError)) {
			t.Errorf("%s: got %v, %v", x.Type, got, err)
		}
	}
}

func TestConvert(t *testing.T) {
	for _, c := range []struct {
		from model.Tensor
		to   model.Tensor
		fail string
	}{
		{model.Of("x", []float64{3, -4}), model.Of("x", []int8{3, -4}), ""},
		{model.Of("x", []float64{3.5}), model.Of("x", []int8{}), "element 0 is 3.5, which is no INT8"},
		{model.Of("x", []int64{128}), model.Of("x", []int8{}), "element 0 is 128, which is no INT8"},
		{model.Of("x", []int64{-128, 127}), model.Of("x", []int8{-128, 127}), ""},
		{model.Of("x", []int64{0, -1}), model.Of("x", []uint64{}), "element 1 is -1, which is no UINT64"},
		{model.Of("x", []uint64{math.MaxUint64}), model.Of("x", []int64{}), "which is no INT64"},
		{model.Of("x", []uint64{math.MaxUint64}), model.Of("x", []float32{1 << 63 * 2}), ""},
		{model.Of("x", []float64{1 << 63}), model.Of("x", []uint64{1 << 63}), ""},
		{model.Of("x", []float64{math.NaN()}), model.Of("x", []int32{}), "element 0 is NaN"},
		{model.Of("x", []float64{math.Copysign(0, -1)}), model.Of("x", []float32{float32(math.Copysign(0, -1))}), ""},
		{model.Of("x", []bool{true}), model.Of("x", []int32{1}), ""},
		{model.Of("x", []string{"1"}), model.Of("x", []int32{1}), "BYTES cannot become INT32"},
		{model.Of("x", []int32{1}), model.Of("x", []bool{true}), "INT32 cannot become BOOL"},
	} {
		got, err := c.from.Convert(c.to.Type)
		switch {
		case c.fail == "":
			if err != nil || !reflect.DeepEqual(got, c.to) {
				t.Errorf("%v: got %v, %v", c.from, got, err)
			}
		case err == nil || !strings.Contains(err.Error(), c.fail):
			t.Errorf("%v: got %v, want %s", c.from, err, c.fail)
		}
	}
}

func TestCheckTensor(t *testing.T) {
	for _, c := range []struct {
		x    model.Tensor
		want string
	}{
		{model.Tensor{Type: "FP31"}, "no type"},
		{model.Of("x", []int8{1}, -1), "no shape"},
		{model.Of("x", []int8{1}, slices.Repeat([]int64{1}, 33)...), "no shape"},
		{model.Of("x", []int8{1}, 1<<40, 1<<40), "no shape"},
		{model.Of("x", []int64{1}, 1<<62), "8 bytes"},
		{model.Of("x", []string{"a"}, 2), "1 elements"},
		{model.Tensor{Type: model.Bytes, Shape: []int64{1}, Data: []byte{9, 0, 0, 0, 1}}, "cut off"},
		{model.Tensor{Type: model.Bytes, Shape: []int64{1}, Data: []byte{1, 0, 0}}, "cut off"},
		{model.Tensor{Type: model.Bool, Shape: []int64{1}, Data: []byte{2}}, "0 or 1"},
	} {
		if err := c.x.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: got %v, want %s", c.x, err, c.want)
		}
	}
}

func ptr[T any](v T) *T { return &v }

var checked = &model.Signature{
	Inputs: []model.Field{
		{Name: "x", Type: model.FP32, Shape: []int64{-1, 2}},
		{Name: "age", Type: model.Int32, Shape: []int64{}, Parameters: &model.FieldParameters{Optional: true, Minimum: ptr(0.0), Maximum: ptr(150.0)}},
		{Name: "sort", Type: model.Bytes, Shape: []int64{1}, Parameters: &model.FieldParameters{Optional: true, Kind: model.KindText, Choices: []any{"a", "b"}}},
		{Name: "size", Type: model.FP64, Shape: nil, Parameters: &model.FieldParameters{Optional: true, Choices: []any{1.0, 2.5}}},
	},
	Outputs: []model.Field{{Name: "y", Type: model.FP32, Shape: []int64{-1}}},
}

func TestSignatureCheck(t *testing.T) {
	x := model.Of("x", []float32{1, 2}, 1, 2)
	for _, c := range []struct {
		name   string
		inputs []model.Tensor
		out    []string
		tensor string
		want   string
	}{
		{"fits", []model.Tensor{x}, []string{"y"}, "", ""},
		{"all", []model.Tensor{model.Scalar("age", int32(150)), model.Of("sort", []string{"b"}), model.Of("size", []float64{2.5, 1}, 1, 2), x}, nil, "", ""},
		{"none", nil, nil, "x", "needs it: FP32 [-1 2]"},
		{"twice", []model.Tensor{x, x}, nil, "x", "twice"},
		{"unknown", []model.Tensor{model.Of("z", []int8{1})}, nil, "z", `no such input; it takes "x", "age", "sort", "size"`},
		{"type", []model.Tensor{model.Of("x", []float64{1, 2}, 1, 2)}, nil, "x", "type FP64, the model takes FP32 [-1 2]"},
		{"rank", []model.Tensor{model.Of("x", []float32{1, 2})}, nil, "x", "shape [2], the model takes FP32 [-1 2]"},
		{"length", []model.Tensor{model.Of("x", []float32{1, 2}, 2, 1)}, nil, "x", "shape [2 1]"},
		{"data", []model.Tensor{model.Of("x", []float32{1}, 1, 2)}, nil, "x", "4 bytes"},
		{"least", []model.Tensor{x, model.Scalar("age", int32(-1))}, nil, "age", "element 0 is -1, the model takes INT32 [], from 0 to 150"},
		{"most", []model.Tensor{x, model.Scalar("age", int32(151))}, nil, "age", "is 151"},
		{"choice", []model.Tensor{x, model.Of("sort", []string{"c"})}, nil, "sort", `"c", the model takes BYTES [1] (text), one of "a", "b"`},
		{"number", []model.Tensor{x, model.Of("size", []float64{1, 2})}, nil, "size", "element 1 is 2"},
		{"output", []model.Tensor{x}, []string{"z"}, "z", `no such output; it gives "y"`},
		{"outputs", []model.Tensor{x}, []string{"y", "y"}, "y", "twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := checked.Check(&model.Request{Inputs: c.inputs, Outputs: c.out})
			var wrong *model.InputError
			switch {
			case c.want == "":
				if err != nil {
					t.Error(err)
				}
			case !errors.As(err, &wrong) || wrong.Tensor != c.tensor || !strings.Contains(wrong.Reason, c.want):
				t.Errorf("got %v, want %s: %s", err, c.tensor, c.want)
			}
		})
	}
	if err := checked.Check(nil); !errors.As(err, new(*model.InputError)) {
		t.Errorf("no request: got %v", err)
	}
	bounded := &model.Field{Name: "v", Type: model.FP32, Shape: []int64{1}, Parameters: &model.FieldParameters{Minimum: ptr(0.0)}}
	nan := model.Of("v", []float32{float32(math.NaN())})
	if err := bounded.Check(&nan); err == nil {
		t.Error("NaN is taken for at least 0")
	}
}
