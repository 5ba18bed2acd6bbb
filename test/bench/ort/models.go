package ort

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/wherry-run/wherry/model"
)

// A Model is a file of ONNX and inputs for it.
type Model struct {
	Name   string
	File   []byte
	Inputs []model.Tensor
	// Check holds the outputs against what they must be; nil where that is not known.
	Check func(outputs []model.Tensor) error
}

// Models writes the models: the shapes of well-known ones, with random weights.
func Models() []Model {
	return []Model{matmul(512), mobileNet(), miniLM(128), trees(300, 6, 30, 1000)}
}

// inputs are drawn of another stream than weights are.
func uniform(name string, dims ...int) model.Tensor {
	random := rand.New(rand.NewPCG(3, 4))
	n := 1
	for _, d := range dims {
		n *= d
	}
	list := make([]float32, n)
	for i := range list {
		list[i] = random.Float32()
	}
	return model.Of(name, list, shape(dims)...)
}

// matmul is one product of two square matrices.
func matmul(n int) Model {
	g := NewGraph()
	for _, name := range []string{"a", "b"} {
		g.Input(name, Float, n, n)
	}
	g.NodeAs("MatMul", "", []string{"a", "b"}, []string{"y"})
	g.Output("y", Float, n, n)
	a, b := uniform("a", n, n), uniform("b", n, n)
	check := func(outputs []model.Tensor) error {
		if len(outputs) != 1 || len(outputs[0].Data) != 4*n*n {
			return errors.New("no matrix of that size")
		}
		for row := range n {
			for column := range n {
				want := 0.0
				for k := range n {
					want += float64(at(&a, row*n+k)) * float64(at(&b, k*n+column))
				}
				if got := float64(at(&outputs[0], row*n+column)); math.Abs(got-want) > 1e-4*want {
					return fmt.Errorf("row %d, column %d is %g, want %g", row, column, got, want)
				}
			}
		}
		return nil
	}
	return Model{"matmul512", g.Model(), []model.Tensor{a, b}, check}
}

func shape(dims []int) []int64 {
	list := make([]int64, len(dims))
	for i, d := range dims {
		list[i] = int64(d)
	}
	return list
}

// at is an element of a tensor of floats.
func at(t *model.Tensor, i int) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
}

// conv adds a convolution with weights that keep the size of what flows through,
// and cuts its result to 0..6 when that is asked for.
func (g *Graph) conv(x string, in, out, size, stride, groups int, cut bool) string {
	fan := in / groups * size * size
	pad := size / 2
	y := g.Node("Conv", []string{x, g.Weights(math.Sqrt(2/float64(fan)), out, in/groups, size, size), g.Filled(0, out)},
		Attribute{"kernel_shape", []int{size, size}}, Attribute{"strides", []int{stride, stride}},
		Attribute{"pads", []int{pad, pad, pad, pad}}, Attribute{"group", groups})
	if cut {
		y = g.Node("Clip", []string{y, g.Scalar(0), g.Scalar(6)})
	}
	return y
}

// mobileNet is MobileNetV2 for pictures of 224 by 224.
func mobileNet() Model {
	const classes = 1000
	g := NewGraph()
	g.Input("x", Float, 1, 3, 224, 224)
	width := 32
	x := g.conv("x", 3, width, 3, 2, 1, true)
	for _, stage := range []struct{ expand, width, blocks, stride int }{
		{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1},
	} {
		stride := stage.stride
		for range stage.blocks {
			y, middle := x, width*stage.expand
			if stage.expand > 1 {
				y = g.conv(y, width, middle, 1, 1, 1, true)
			}
			y = g.conv(y, middle, middle, 3, stride, middle, true)
			y = g.conv(y, middle, stage.width, 1, 1, 1, false)
			if stride == 1 && width == stage.width {
				y = g.Node("Add", []string{x, y})
			}
			x, width, stride = y, stage.width, 1
		}
	}
	x = g.conv(x, width, 1280, 1, 1, 1, true)
	x = g.Node("Flatten", []string{g.Node("GlobalAveragePool", []string{x})})
	g.NodeAs("Gemm", "", []string{x, g.Weights(0.05, classes, 1280), g.Weights(0.05, classes)}, []string{"y"}, Attribute{"transB", 1})
	g.Output("y", Float, 1, classes)
	return Model{"mobilenetv2", g.Model(), []model.Tensor{uniform("x", 1, 3, 224, 224)}, nil}
}

// miniLM is MiniLM-L6: six layers of a transformer, as exporters write it.
func miniLM(tokens int) Model {
	const layers, hidden, heads, wide, words = 6, 384, 12, 1536, 30522
	t := transformer{NewGraph(), hidden}
	for _, name := range []string{"ids", "mask", "types"} {
		t.Input(name, Int64, 1, tokens)
	}
	x := t.Node("Add", []string{
		t.Node("Gather", []string{t.Weights(0.05, words, hidden), "ids"}),
		t.Node("Gather", []string{t.Weights(0.05, 2, hidden), "types"}),
	})
	x = t.normalize(t.Node("Add", []string{x, t.Weights(0.05, tokens, hidden)}))
	mask := t.Node("Cast", []string{t.Node("Unsqueeze", []string{"mask", t.Integers(1, 2)})}, Attribute{"to", Float})
	mask = t.Node("Mul", []string{t.Node("Sub", []string{t.Scalar(1), mask}), t.Scalar(-10000)})
	for range layers {
		y := t.attention(x, mask, heads)
		x = t.normalize(t.Node("Add", []string{t.linear(y, hidden, hidden), x}))
		y = t.gelu(t.linear(x, hidden, wide))
		x = t.normalize(t.Node("Add", []string{t.linear(y, wide, hidden), x}))
	}
	t.NodeAs("Identity", "", []string{x}, []string{"y"})
	t.Output("y", Float, 1, tokens, hidden)
	ids, mask1 := make([]int64, tokens), make([]int64, tokens)
	for i := range ids {
		ids[i], mask1[i] = int64(1+i*31%997), 1
	}
	n := int64(tokens)
	return Model{"minilm", t.Model(), []model.Tensor{
		model.Of("ids", ids, 1, n), model.Of("mask", mask1, 1, n), model.Of("types", make([]int64, tokens), 1, n),
	}, nil}
}

type transformer struct {
	*Graph
	hidden int
}

func (t transformer) linear(x string, in, out int) string {
	return t.Node("Add", []string{t.Node("MatMul", []string{x, t.Weights(0.05, in, out)}), t.Weights(0.05, out)})
}

// normalize is a layer norm, spelt out as opset 13 has it.
func (t transformer) normalize(x string) string {
	last := Attribute{"axes", []int{2}}
	d := t.Node("Sub", []string{x, t.Node("ReduceMean", []string{x}, last)})
	v := t.Node("ReduceMean", []string{t.Node("Pow", []string{d, t.Scalar(2)})}, last)
	s := t.Node("Sqrt", []string{t.Node("Add", []string{v, t.Scalar(1e-12)})})
	x = t.Node("Mul", []string{t.Node("Div", []string{d, s}), t.Filled(1, t.hidden)})
	return t.Node("Add", []string{x, t.Filled(0, t.hidden)})
}

func (t transformer) attention(x, mask string, heads int) string {
	part := func(order ...int) string {
		y := t.Node("Reshape", []string{t.linear(x, t.hidden, t.hidden), t.Integers(0, 0, int64(heads), int64(t.hidden/heads))})
		return t.Node("Transpose", []string{y}, Attribute{"perm", order})
	}
	q, k, v := part(0, 2, 1, 3), part(0, 2, 3, 1), part(0, 2, 1, 3)
	scores := t.Node("Div", []string{t.Node("MatMul", []string{q, k}), t.Scalar(float32(math.Sqrt(float64(t.hidden / heads))))})
	share := t.Node("Softmax", []string{t.Node("Add", []string{scores, mask})}, Attribute{"axis", 3})
	y := t.Node("Transpose", []string{t.Node("MatMul", []string{share, v})}, Attribute{"perm", []int{0, 2, 1, 3}})
	return t.Node("Reshape", []string{y, t.Integers(0, 0, int64(t.hidden))})
}

func (t transformer) gelu(x string) string {
	e := t.Node("Erf", []string{t.Node("Div", []string{x, t.Scalar(math.Sqrt2)})})
	y := t.Node("Mul", []string{x, t.Node("Add", []string{e, t.Scalar(1)})})
	return t.Node("Mul", []string{y, t.Scalar(0.5)})
}

// trees is a boosted classifier: complete binary trees, asked about many rows.
func trees(count, depth, features, rows int) Model {
	g := NewGraph()
	ints := map[string][]int{}
	reals := map[string][]float32{}
	var modes []string
	add := func(name string, n int) { ints[name] = append(ints[name], n) }
	for tree := range count {
		for n := range 1<<(depth+1) - 1 {
			leaf := n >= 1<<depth-1
			feature, left, right, value, mode := g.random.IntN(features), 2*n+1, 2*n+2, g.random.Float32(), "BRANCH_LT"
			if leaf {
				feature, left, right, value, mode = 0, 0, 0, 0, "LEAF"
				add("class_treeids", tree)
				add("class_nodeids", n)
				add("class_ids", 0)
				reals["class_weights"] = append(reals["class_weights"], float32(0.1*g.random.NormFloat64()))
			}
			add("nodes_treeids", tree)
			add("nodes_nodeids", n)
			add("nodes_featureids", feature)
			add("nodes_truenodeids", left)
			add("nodes_falsenodeids", right)
			reals["nodes_values"] = append(reals["nodes_values"], value)
			modes = append(modes, mode)
		}
	}
	attributes := []Attribute{
		{"nodes_modes", modes}, {"classlabels_int64s", []int{0, 1}}, {"post_transform", "LOGISTIC"}, {"base_values", []float32{0.1}},
	}
	for _, name := range slices.Sorted(maps.Keys(ints)) {
		attributes = append(attributes, Attribute{name, ints[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(reals)) {
		attributes = append(attributes, Attribute{name, reals[name]})
	}
	g.Input("x", Float, rows, features)
	g.NodeAs("TreeEnsembleClassifier", "ai.onnx.ml", []string{"x"}, []string{"label", "p"}, attributes...)
	g.Output("label", Int64, rows)
	g.Output("p", Float, rows, 2)
	return Model{"trees300", g.Model(), []model.Tensor{uniform("x", rows, features)}, nil}
}
