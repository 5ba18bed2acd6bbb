package onnx_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/test/bench/ort"
)

// mixed is a model of operators that ONNX Runtime folds together with their constants:
// normalizations into convolutions, scales into products, transposed weights, int8 ones.
// Its constants are in its file, or what goes in besides x.
func mixed(inside bool) ([]byte, []model.Tensor) {
	random := rand.New(rand.NewPCG(1, 2))
	g := ort.NewGraph()
	inputs := []model.Tensor{}
	weights := func(name string, low, high float64, dims ...int) string {
		n, shape := 1, []int64{}
		for _, d := range dims {
			n *= d
			shape = append(shape, int64(d))
		}
		list := make([]float32, n)
		for i := range list {
			list[i] = float32(low + (high-low)*random.Float64())
		}
		if inside {
			return g.Constant(ort.Float, ort.Floats(list), dims...)
		}
		g.Input(name, ort.Float, dims...)
		inputs = append(inputs, model.Of(name, list, shape...))
		return name
	}
	const side, in, out = 6, 160, 192
	g.Input("x", ort.Float, 1, in, side, side)
	pads := ort.Attribute{Name: "pads", Value: []int{1, 1, 1, 1}}
	x := g.Node("Conv", []string{"x", weights("w", -0.05, 0.05, out, in, 3, 3), weights("b", -1, 1, out)}, pads)
	x = g.Node("BatchNormalization", []string{x, weights("s", 0.5, 1.5, out), weights("o", -1, 1, out), weights("m", -1, 1, out), weights("v", 0.5, 1.5, out)})
	x = g.Node("Relu", []string{x})
	x = g.Node("Mul", []string{x, weights("k", 0.5, 1.5, 1, out, side, side)})
	x = g.Node("Reshape", []string{x, g.Integers(side*side, out)})
	t := g.Node("Transpose", []string{weights("p", -0.1, 0.1, 320, out)})
	x = g.Node("MatMul", []string{x, t})
	x = g.Node("Gemm", []string{x, weights("q", -0.1, 0.1, 256, 320), weights("c", -1, 1, 256)}, ort.Attribute{Name: "transB", Value: 1}, ort.Attribute{Name: "alpha", Value: float32(0.5)})
	x = g.Node("Add", []string{x, weights("a", -1, 1, side*side, 256)})
	g.NodeAs("Softmax", "", []string{x}, []string{"y"})
	g.Output("y", ort.Float, side*side, 256)
	pixels := make([]float32, in*side*side)
	for i := range pixels {
		pixels[i] = float32(math.Sin(float64(i)))
	}
	return g.Model(), append(inputs, model.Of("x", pixels, 1, in, side, side))
}

// TestLargeConstants has a model fetch its constants from its own file, and compares it
// with one that is given them with each request.
func TestLargeConstants(t *testing.T) {
	rt := newRuntime(t)
	file, inputs := mixed(true)
	if len(file) < 1<<20 {
		t.Fatalf("a model of %d bytes is read as a whole", len(file))
	}
	got := ask(t, load(t, rt, file), inputs...)
	file, inputs = mixed(false)
	want := ask(t, load(t, rt, file), inputs...)
	x, err := model.Values[float32](got[0])
	if err != nil {
		t.Fatal(err)
	}
	y, err := model.Values[float32](want[0])
	if err != nil || len(x) != len(y) {
		t.Fatalf("%d values, want %d: %v", len(x), len(y), err)
	}
	for i := range x {
		if d := math.Abs(float64(x[i] - y[i])); !(d <= 1e-5*math.Abs(float64(y[i]))+1e-7) {
			t.Fatalf("value %d is %g, want %g", i, x[i], y[i])
		}
	}
}
