package ort

import (
	"math"

	"github.com/wherry-run/wherry/model"
)

// Dense are the shapes of well-known networks.
func Dense() []Model { return []Model{resNet(), mobileNet(), miniLM(128)} }

// Tables are models of tables: a forest about a thousand rows, and each of two about
// one.
func Tables() []Model {
	one := trees(300, 6, 30, 1)
	one.Name = "trees300-row"
	return []Model{trees(300, 6, 30, 1000), one, linear(30)}
}

// Heavy has weights of so many megabytes, and does little with them.
func Heavy(megabytes int) Model {
	const width = 512 // a matrix of this side has one megabyte
	g := NewGraph()
	g.Input("x", Float, 1, width)
	x := "x"
	for range megabytes {
		x = g.Node("Tanh", []string{g.Node("MatMul", []string{x, g.Weights(1/math.Sqrt(width), width, width)})})
	}
	g.NodeAs("Identity", "", []string{x}, []string{"y"})
	g.Output("y", Float, 1, width)
	return Model{"heavy", g.Model(), []model.Tensor{uniform("x", 1, width)}, nil}
}

// resNet is ResNet-50 for pictures of 224 by 224, its normalizations folded into the
// convolutions, as they are in a model for inference.
func resNet() Model {
	const classes = 1000
	g := NewGraph()
	g.Input("x", Float, 1, 3, 224, 224)
	relu := func(x string) string { return g.Node("Relu", []string{x}) }
	x := relu(g.conv("x", 3, 64, 7, 2, 1, false))
	x = g.Node("MaxPool", []string{x}, Attribute{"kernel_shape", []int{3, 3}}, Attribute{"strides", []int{2, 2}}, Attribute{"pads", []int{1, 1, 1, 1}})
	in := 64
	for stage, blocks := range []int{3, 4, 6, 3} {
		width, stride := 64<<stage, 2
		if stage == 0 {
			stride = 1
		}
		for block := range blocks {
			if block > 0 {
				stride = 1
			}
			y := relu(g.conv(x, in, width, 1, 1, 1, false))
			y = relu(g.conv(y, width, width, 3, stride, 1, false))
			y = g.conv(y, width, 4*width, 1, 1, 1, false)
			if block == 0 {
				x = g.conv(x, in, 4*width, 1, stride, 1, false)
			}
			x, in = relu(g.Node("Add", []string{g.Node("Mul", []string{y, g.Scalar(0.2)}), x})), 4*width
		}
	}
	x = g.Node("Flatten", []string{g.Node("GlobalAveragePool", []string{x})})
	g.NodeAs("Gemm", "", []string{x, g.Weights(0.02, classes, in), g.Filled(0, classes)}, []string{"y"}, Attribute{"transB", 1})
	g.Output("y", Float, 1, classes)
	return Model{"resnet50", g.Model(), []model.Tensor{uniform("x", 1, 3, 224, 224)}, nil}
}

// linear is a scaled logistic regression, asked about one row.
func linear(features int) Model {
	g := NewGraph()
	list := func(of func(int) float32, n int) []float32 {
		made := make([]float32, n)
		for i := range made {
			made[i] = of(i)
		}
		return made
	}
	normal := func(int) float32 { return float32(g.random.NormFloat64()) }
	half := func(int) float32 { return 0.5 }
	g.Input("x", Float, 1, features)
	g.NodeAs("Scaler", "ai.onnx.ml", []string{"x"}, []string{"scaled"}, Attribute{"offset", list(half, features)}, Attribute{"scale", list(normal, features)})
	g.NodeAs("LinearClassifier", "ai.onnx.ml", []string{"scaled"}, []string{"label", "raw"},
		Attribute{"coefficients", list(normal, 3*features)}, Attribute{"intercepts", list(normal, 3)}, Attribute{"classlabels_ints", []int{0, 1, 2}},
		Attribute{"multi_class", 1}, Attribute{"post_transform", "SOFTMAX"})
	g.NodeAs("Normalizer", "ai.onnx.ml", []string{"raw"}, []string{"p"}, Attribute{"norm", "L1"})
	g.Output("label", Int64, 1)
	g.Output("p", Float, 1, 3)
	return Model{"linear-row", g.Model(), []model.Tensor{uniform("x", 1, features)}, nil}
}

// Perceptron has one hidden layer, and is asked about one row.
func Perceptron(features, hidden, classes int) Model {
	g := NewGraph()
	g.Input("x", Float, 1, features)
	x := g.Node("Relu", []string{g.Node("Gemm", []string{"x", g.Weights(0.2, features, hidden), g.Filled(0.1, hidden)})})
	x = g.Node("Gemm", []string{x, g.Weights(0.2, hidden, classes), g.Filled(0, classes)})
	g.NodeAs("Softmax", "", []string{x}, []string{"p"})
	g.Output("p", Float, 1, classes)
	return Model{"perceptron", g.Model(), []model.Tensor{uniform("x", 1, features)}, nil}
}
