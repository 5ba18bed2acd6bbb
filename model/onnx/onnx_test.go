package onnx_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/onnx"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/test/bench/ort"
)

// identity is a model that gives back what it gets.
func identity(kind int, rank int) []byte {
	g := ort.NewGraph()
	dims := make([]int, rank)
	for i := range dims {
		dims[i] = -1
	}
	g.Input("x", kind, dims...)
	g.NodeAs("Identity", "", []string{"x"}, []string{"y"})
	g.Output("y", kind, dims...)
	return g.Model()
}

func TestElementTypes(t *testing.T) {
	rt := newRuntime(t)
	half := model.Tensor{Name: "x", Type: model.FP16, Shape: []int64{2}, Data: []byte{0, 0x3c, 0, 0xc0}}
	for _, c := range []struct {
		kind int
		x    model.Tensor
	}{
		{ort.Float, model.Of("x", []float32{1.5, -2, 3, 4, 5, 6}, 2, 3)},
		{ort.Float, model.Scalar("x", float32(7))},
		{ort.Float, model.Of("x", []float32{}, 2, 0)},
		{ort.Double, model.Of("x", []float64{0.1, -1e300})},
		{ort.Int8, model.Of("x", []int8{-128, 127})},
		{ort.Uint8, model.Of("x", []uint8{0, 255})},
		{ort.Int16, model.Of("x", []int16{-32768, 32767})},
		{ort.Uint16, model.Of("x", []uint16{1, 65535})},
		{ort.Int32, model.Of("x", []int32{-1 << 31, 1<<31 - 1})},
		{ort.Uint32, model.Of("x", []uint32{1<<32 - 1})},
		{ort.Int64, model.Of("x", []int64{-1 << 63, 1<<63 - 1}, 2, 1)},
		{ort.Uint64, model.Of("x", []uint64{1<<64 - 1})},
		{ort.Bool, model.Of("x", []bool{true, false, true})},
		{ort.Float16, half},
		{ort.String, model.Of("x", []string{"", "one", "", "zwölf ☃", ""}, 5)},
		{ort.String, model.Of("x", []string{}, 0)},
		{ort.String, model.Scalar("x", strings.Repeat("long ", 1000))},
	} {
		t.Run(fmt.Sprint(c.x.Type, c.x.Shape), func(t *testing.T) {
			i := load(t, rt, identity(c.kind, len(c.x.Shape)))
			for range 2 {
				got := ask(t, i, c.x)
				if len(got) != 1 || got[0].Name != "y" || got[0].Type != c.x.Type || fmt.Sprint(got[0].Shape) != fmt.Sprint(c.x.Shape) || !bytes.Equal(got[0].Data, c.x.Data) {
					t.Fatalf("%v comes back as %v", c.x, got)
				}
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	i := load(t, newRuntime(t), identity(ort.Float, 2))
	right := model.Of("x", []float32{1, 2}, 1, 2)
	for _, c := range []struct {
		name    string
		request model.Request
		input   bool // an InputError, else a ModelError
		says    string
	}{
		{"nothing", model.Request{}, true, "x"},
		{"twice", model.Request{Inputs: []model.Tensor{right, right}}, true, "twice"},
		{"another name", model.Request{Inputs: []model.Tensor{model.Of("z", []float32{1})}}, true, "no such input"},
		{"another output", model.Request{Inputs: []model.Tensor{right}, Outputs: []string{"z"}}, true, "no such output"},
		{"another rank", model.Request{Inputs: []model.Tensor{model.Of("x", []float32{1})}}, false, "rank"},
		{"another type", model.Request{Inputs: []model.Tensor{model.Of("x", []int64{1}, 1, 1)}}, false, "int64"},
		{"less data", model.Request{Inputs: []model.Tensor{{Name: "x", Type: model.FP32, Shape: []int64{1, 2}, Data: []byte{1}}}}, true, "bytes"},
		{"no shape", model.Request{Inputs: []model.Tensor{{Name: "x", Type: model.FP32, Shape: []int64{0, 1 << 40}}}}, true, "1099511627776"},
		{"a NUL", model.Request{Inputs: []model.Tensor{model.Of("x", []string{"a\x00b"}, 1, 1)}}, true, "NUL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := i.Predict(t.Context(), &c.request)
			var input *model.InputError
			var own *model.ModelError
			if c.input != errors.As(err, &input) || c.input == errors.As(err, &own) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
			if got := ask(t, i, right); !bytes.Equal(got[0].Data, right.Data) {
				t.Errorf("after that it answers %v", got)
			}
		})
	}
}

func TestNoModel(t *testing.T) {
	rt := newRuntime(t)
	unknown := ort.NewGraph()
	unknown.Input("x", ort.Float, 1)
	unknown.NodeAs("NoSuchOperator", "", []string{"x"}, []string{"y"})
	unknown.Output("y", ort.Float, 1)
	for name, c := range map[string]struct {
		file []byte
		says string
	}{
		"garbage":             {[]byte("this is no protobuf"), "INVALID_PROTOBUF"},
		"nothing":             {nil, ""},
		"an unknown operator": {unknown.Model(), "NoSuchOperator"},
	} {
		t.Run(name, func(t *testing.T) {
			c0 := create(t, rt, newImage(t, map[string][]byte{modelPath: c.file}), runtime.Spec{})
			_, err := onnx.Open(t.Context(), c0, onnx.Options{})
			var own *model.ModelError
			if !errors.As(err, &own) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
		})
	}
	c := create(t, rt, newImage(t, map[string][]byte{modelPath: identity(ort.Float, 1), "/other.wasm": []byte("\x00asm\x01\x00\x00\x00")}), runtime.Spec{})
	var other *onnx.UnknownBuildError
	if _, err := onnx.Open(t.Context(), c, onnx.Options{Module: "/other.wasm"}); err == nil || errors.As(err, &other) != strings.Contains(err.Error(), "no build") {
		t.Errorf("another module: %v", err)
	}
	if _, err := onnx.Open(t.Context(), c, onnx.Options{Model: "/none.onnx"}); err == nil {
		t.Error("a file that is not there is a model")
	}
}

// backwards is a recurrent network in a layout that this release has no kernel for: it
// throws when it is loaded or run.
func backwards() []byte {
	g := ort.NewGraph()
	g.Input("x", ort.Float, 1, 1, 2)
	w, r := g.Constant(ort.Float, ort.Floats(make([]float32, 6)), 1, 3, 2), g.Constant(ort.Float, ort.Floats(make([]float32, 9)), 1, 3, 3)
	g.NodeAs("RNN", "", []string{"x", w, r}, []string{"y"}, ort.Attribute{Name: "hidden_size", Value: 3}, ort.Attribute{Name: "layout", Value: 1})
	g.Output("y", ort.Float, 1, 1, 1, 3)
	return g.Versioned(14).Model()
}

// TestThrow has ONNX Runtime throw what its build cannot catch: that is the model's
// error, and the instance answers the next request.
func TestThrow(t *testing.T) {
	rt := newRuntime(t)
	c := create(t, rt, newImage(t, map[string][]byte{modelPath: backwards()}), runtime.Spec{})
	i, err := onnx.Open(t.Context(), c, onnx.Options{})
	request := &model.Request{Inputs: []model.Tensor{model.Of("x", []float32{1, 2}, 1, 1, 2)}}
	for range 3 {
		if err == nil {
			_, err = i.Predict(t.Context(), request)
		}
		var own *model.ModelError
		if !errors.As(err, &own) || own.Type != "EXCEPTION" || !strings.Contains(own.Message, "layout") {
			t.Fatalf("%v", err)
		}
		if i != nil {
			err = nil
		}
	}
	if i != nil {
		i.Close(t.Context())
	}
}

// weighted is a model that adds a vector from a file beside it.
func weighted() []byte {
	g := ort.NewGraph()
	g.Input("x", ort.Float, 4)
	g.NodeAs("Add", "", []string{"x", g.External(ort.Float, "weights/part.bin", 8, 16, 4)}, []string{"y"})
	g.Output("y", ort.Float, 4)
	return g.Model()
}

func TestExternalWeights(t *testing.T) {
	rt := newRuntime(t)
	answer := func(files map[string][]byte) (string, error) {
		files[modelPath] = weighted()
		c := create(t, rt, newImage(t, files), runtime.Spec{})
		i, err := onnx.Open(t.Context(), c, onnx.Options{})
		if err != nil {
			return "", err
		}
		t.Cleanup(func() { i.Close(t.Context()) })
		v, err := model.Values[float32](ask(t, i, model.Of("x", []float32{1, 2, 3, 4}))[0])
		return fmt.Sprint(v), err
	}
	one := append(make([]byte, 8), ort.Floats([]float32{10, 20, 30, 40})...)
	two := append(make([]byte, 8), ort.Floats([]float32{-1, -2, -3, -4})...)
	if got, err := answer(map[string][]byte{"/models/weights/part.bin": one}); got != "[11 22 33 44]" {
		t.Errorf("%v %v", got, err)
	}
	// Of the same model with other weights nothing is shared.
	if got, err := answer(map[string][]byte{"/models/weights/part.bin": two}); got != "[0 0 0 0]" {
		t.Errorf("%v %v", got, err)
	}
	for name, files := range map[string]map[string][]byte{
		"no file":    {},
		"a cut file": {"/models/weights/part.bin": one[:20]},
	} {
		var own *model.ModelError
		if _, err := answer(files); !errors.As(err, &own) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// product multiplies two square matrices.
func product(n int) ([]byte, []model.Tensor) {
	g := ort.NewGraph()
	g.Input("a", ort.Float, n, n)
	g.Input("b", ort.Float, n, n)
	g.NodeAs("MatMul", "", []string{"a", "b"}, []string{"y"})
	g.Output("y", ort.Float, n, n)
	ones := make([]float32, n*n)
	for i := range ones {
		ones[i] = 1
	}
	return g.Model(), []model.Tensor{model.Of("a", ones, int64(n), int64(n)), model.Of("b", ones, int64(n), int64(n))}
}

func TestCancel(t *testing.T) {
	rt := newRuntime(t)
	t.Run("by the module", func(t *testing.T) { testCancel(t, rt, 1536, runtime.Spec{NoAcceleration: true}) })
	t.Run("by the host", func(t *testing.T) { testCancel(t, rt, 3072, runtime.Spec{}) })
}

// testCancel gives up a product that takes a second or more.
func testCancel(t *testing.T, rt *runtime.Runtime, n int, spec runtime.Spec) {
	file, inputs := product(n)
	i := open(t, create(t, rt, newImage(t, map[string][]byte{modelPath: file}), spec), onnx.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := i.Predict(ctx, &model.Request{Inputs: inputs})
	if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 10*time.Second {
		t.Fatalf("%v after %v", err, took)
	}
	var broken *runtime.BrokenError
	if _, err := i.Predict(t.Context(), &model.Request{}); !errors.As(err, &broken) {
		t.Errorf("after that: %v", err)
	}
	if err := i.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	v, err := model.Values[float32](ask(t, i, inputs...)[0])
	if err != nil || v[0] != float32(n) || v[len(v)-1] != float32(n) {
		t.Errorf("after a reset: %v %v", v[:2], err)
	}
}

func TestLimits(t *testing.T) {
	rt := newRuntime(t)
	var limit *runtime.LimitError
	for n, spec := range map[int]runtime.Spec{1024: {NoAcceleration: true}, 2048: {}} {
		file, inputs := product(n)
		c := create(t, rt, newImage(t, map[string][]byte{modelPath: file}), spec)
		i := open(t, c, onnx.Options{Limits: runtime.Limits{Fuel: 400_000_000}})
		if _, err := i.Predict(t.Context(), &model.Request{Inputs: inputs}); !errors.As(err, &limit) || limit.Resource != "fuel" {
			t.Errorf("fuel: %v", err)
		}
	}
	// Memory: the request has no room.
	c := create(t, rt, newImage(t, map[string][]byte{modelPath: identity(ort.Float, 1)}), runtime.Spec{Limits: runtime.Limits{Memory: 40 << 20}})
	i := open(t, c, onnx.Options{})
	big := model.Of("x", make([]float32, 16<<20))
	var own *model.ModelError
	if _, err := i.Predict(t.Context(), &model.Request{Inputs: []model.Tensor{big}}); !errors.As(err, &own) || !strings.Contains(err.Error(), "memory") {
		t.Errorf("memory: %v", err)
	}
	if got := ask(t, i, model.Of("x", []float32{3})); len(got[0].Data) != 4 {
		t.Errorf("after that: %v", got)
	}
}

// TestCrowd has many instances of one model at once: their answers are their own, and
// the first of them alone loads it.
func TestCrowd(t *testing.T) {
	rt := newRuntime(t)
	file, _ := product(64)
	c := create(t, rt, newImage(t, map[string][]byte{modelPath: file}), runtime.Spec{})
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			i, err := onnx.Open(t.Context(), c, onnx.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			defer i.Close(t.Context())
			a := make([]float32, 64*64)
			for k := range a {
				a[k] = float32(n)
			}
			for round := range 6 {
				got, err := i.Predict(t.Context(), &model.Request{Inputs: []model.Tensor{model.Of("a", a, 64, 64), model.Of("b", a, 64, 64)}})
				if err != nil {
					t.Error(err)
					return
				}
				if v, _ := model.Values[float32](got.Outputs[0]); v[0] != float32(64*n*n) || v[64*64-1] != v[0] {
					t.Errorf("%d: %v", n, v[:2])
				}
				if round%2 == 1 {
					if err := i.Reset(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
}

// TestShapesInTurn asks one instance in all shapes after one another, some twice: what a
// request leaves for the next of its shape is nobody else's.
func TestShapesInTurn(t *testing.T) {
	g := ort.NewGraph()
	g.Input("a", ort.Float, -1, -1)
	g.Input("b", ort.Float, -1, -1)
	g.NodeAs("Add", "", []string{"a", "b"}, []string{"sum"})
	g.NodeAs("Sub", "", []string{"a", "b"}, []string{"difference"})
	g.Output("sum", ort.Float, -1, -1)
	g.Output("difference", ort.Float, -1, -1)
	i := load(t, newRuntime(t), g.Model())
	for n, shape := range [][]int64{{1, 2}, {1, 2}, {2, 1}, {1, 2}, {0, 3}, {0, 3}, {300, 300}, {300, 300}, {1, 2}, {1, 2}} {
		size := shape[0] * shape[1]
		a, b := make([]float32, size), make([]float32, size)
		for k := range a {
			a[k], b[k] = float32(k+n), float32(k*n)
		}
		inputs := []model.Tensor{model.Of("a", a, shape...), model.Of("b", b, shape...)}
		wanted := []string{"difference", "sum"}[:1+n%2]
		if n%3 == 0 {
			wanted = nil
		}
		if n%4 == 1 { // one that the model refuses, in between
			bad := []model.Tensor{model.Of("a", a, shape...), model.Of("b", make([]float32, 5*7), 5, 7)}
			if _, err := i.Predict(t.Context(), &model.Request{Inputs: bad}); err == nil && size > 0 {
				t.Error("shapes that do not go together")
			}
		}
		got, err := i.Predict(t.Context(), &model.Request{Inputs: inputs, Outputs: wanted})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range got.Outputs {
			v, err := model.Values[float32](o)
			if err != nil || int64(len(v)) != size {
				t.Fatalf("%v: %d elements, %v", shape, len(v), err)
			}
			for k := range v {
				want := a[k] + b[k]
				if o.Name == "difference" {
					want = a[k] - b[k]
				}
				if v[k] != want {
					t.Fatalf("request %d, %s[%d] = %g, want %g", n, o.Name, k, v[k], want)
				}
			}
		}
		if n == 4 {
			if err := i.Reset(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestOutputsOfAnyShape asks a model whose output has another shape every time, though its
// input has not.
func TestOutputsOfAnyShape(t *testing.T) {
	g := ort.NewGraph()
	g.Input("x", ort.Float, 4)
	g.NodeAs("NonZero", "", []string{"x"}, []string{"at"})
	g.NodeAs("Identity", "", []string{"x"}, []string{"same"})
	g.Output("at", ort.Int64, 1, -1)
	g.Output("same", ort.Float, 4)
	i := load(t, newRuntime(t), g.Model())
	for n, x := range [][]float32{{1, 0, 0, 2}, {1, 0, 0, 2}, {0, 3, 0, 2}, {0, 0, 0, 0}, {1, 1, 1, 1}, {1, 1, 1, 1}, {0, 0, 0, 1}, {0, 0, 0, 1}} {
		var want []int64
		for k, v := range x {
			if v != 0 {
				want = append(want, int64(k))
			}
		}
		got := ask(t, i, model.Of("x", x))
		at, err := model.Values[int64](got[0])
		same, err2 := model.Values[float32](got[1])
		if err != nil || err2 != nil || fmt.Sprint(at) != fmt.Sprint(want) || fmt.Sprint(same) != fmt.Sprint(x) || fmt.Sprint(got[0].Shape) != fmt.Sprint([]int{1, len(want)}) {
			t.Errorf("request %d: %v is not zero at %v (%v), and is %v; %v %v", n, x, at, got[0].Shape, same, err, err2)
		}
	}
}
