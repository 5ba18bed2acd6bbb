package ort

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
)

// A Model is a file of ONNX and inputs for it.
type Model struct {
	Name   string
	File   []byte
	Inputs []Tensor
	// Check holds the outputs against what they must be; nil where that is not known.
	Check func(outputs []Tensor) error
}

// Models writes the models: the shapes of well-known ones, with random weights.
func Models() []Model {
	return []Model{matmul(512), mobileNet(), miniLM(128), trees(300, 6, 30, 1000)}
}

// inputs are drawn of another stream than weights are.
func uniform(name string, dims ...int) Tensor {
	random := rand.New(rand.NewPCG(3, 4))
	n := 1
	for _, d := range dims {
		n *= d
	}
	list := make([]float32, n)
	for i := range list {
		list[i] = random.Float32()
	}
	return Tensor{name, Float, dims, floats(list)}
}

// matmul is one product of two square matrices.
func matmul(n int) Model {
	g := newGraph()
	for _, name := range []string{"a", "b"} {
		g.value(inputField, name, Float, n, n)
	}
	g.nodeAs("MatMul", "", []string{"a", "b"}, []string{"y"})
	g.value(outputField, "y", Float, n, n)
	a, b := uniform("a", n, n), uniform("b", n, n)
	check := func(outputs []Tensor) error {
		if len(outputs) != 1 || len(outputs[0].Data) != 4*n*n {
			return errors.New("no matrix of that size")
		}
		for row := range n {
			for column := range n {
				want := 0.0
				for k := range n {
					want += float64(a.at(row*n+k)) * float64(b.at(k*n+column))
				}
				if got := float64(outputs[0].at(row*n + column)); math.Abs(got-want) > 1e-4*want {
					return fmt.Errorf("row %d, column %d is %g, want %g", row, column, got, want)
				}
			}
		}
		return nil
	}
	return Model{"matmul512", g.model(), []Tensor{a, b}, check}
}

// at is an element of a tensor of floats.
func (t Tensor) at(i int) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
}

// conv adds a convolution with weights that keep the size of what flows through,
// and cuts its result to 0..6 when that is asked for.
func (g *graph) conv(x string, in, out, size, stride, groups int, cut bool) string {
	fan := in / groups * size * size
	pad := size / 2
	y := g.node("Conv", []string{x, g.weights(math.Sqrt(2/float64(fan)), out, in/groups, size, size), g.filled(0, out)},
		attribute{"kernel_shape", []int{size, size}}, attribute{"strides", []int{stride, stride}},
		attribute{"pads", []int{pad, pad, pad, pad}}, attribute{"group", groups})
	if cut {
		y = g.node("Clip", []string{y, g.scalar(0), g.scalar(6)})
	}
	return y
}

// mobileNet is MobileNetV2 for pictures of 224 by 224.
func mobileNet() Model {
	const classes = 1000
	g := newGraph()
	g.value(inputField, "x", Float, 1, 3, 224, 224)
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
				y = g.node("Add", []string{x, y})
			}
			x, width, stride = y, stage.width, 1
		}
	}
	x = g.conv(x, width, 1280, 1, 1, 1, true)
	x = g.node("Flatten", []string{g.node("GlobalAveragePool", []string{x})})
	g.nodeAs("Gemm", "", []string{x, g.weights(0.05, classes, 1280), g.weights(0.05, classes)}, []string{"y"}, attribute{"transB", 1})
	g.value(outputField, "y", Float, 1, classes)
	return Model{"mobilenetv2", g.model(), []Tensor{uniform("x", 1, 3, 224, 224)}, nil}
}

// miniLM is MiniLM-L6: six layers of a transformer, as exporters write it.
func miniLM(tokens int) Model {
	const layers, hidden, heads, wide, words = 6, 384, 12, 1536, 30522
	t := transformer{newGraph(), hidden}
	for _, name := range []string{"ids", "mask", "types"} {
		t.value(inputField, name, Int64, 1, tokens)
	}
	x := t.node("Add", []string{
		t.node("Gather", []string{t.weights(0.05, words, hidden), "ids"}),
		t.node("Gather", []string{t.weights(0.05, 2, hidden), "types"}),
	})
	x = t.normalize(t.node("Add", []string{x, t.weights(0.05, tokens, hidden)}))
	mask := t.node("Cast", []string{t.node("Unsqueeze", []string{"mask", t.integers(1, 2)})}, attribute{"to", Float})
	mask = t.node("Mul", []string{t.node("Sub", []string{t.scalar(1), mask}), t.scalar(-10000)})
	for range layers {
		y := t.attention(x, mask, heads)
		x = t.normalize(t.node("Add", []string{t.linear(y, hidden, hidden), x}))
		y = t.gelu(t.linear(x, hidden, wide))
		x = t.normalize(t.node("Add", []string{t.linear(y, wide, hidden), x}))
	}
	t.nodeAs("Identity", "", []string{x}, []string{"y"})
	t.value(outputField, "y", Float, 1, tokens, hidden)
	ids, mask1 := make([]int64, tokens), make([]int64, tokens)
	for i := range ids {
		ids[i], mask1[i] = int64(1+i*31%997), 1
	}
	dims := []int{1, tokens}
	return Model{"minilm", t.model(), []Tensor{
		{"ids", Int64, dims, int64s(ids...)}, {"mask", Int64, dims, int64s(mask1...)}, {"types", Int64, dims, int64s(make([]int64, tokens)...)},
	}, nil}
}

type transformer struct {
	*graph
	hidden int
}

func (t transformer) linear(x string, in, out int) string {
	return t.node("Add", []string{t.node("MatMul", []string{x, t.weights(0.05, in, out)}), t.weights(0.05, out)})
}

// normalize is a layer norm, spelt out as opset 13 has it.
func (t transformer) normalize(x string) string {
	last := attribute{"axes", []int{2}}
	d := t.node("Sub", []string{x, t.node("ReduceMean", []string{x}, last)})
	v := t.node("ReduceMean", []string{t.node("Pow", []string{d, t.scalar(2)})}, last)
	s := t.node("Sqrt", []string{t.node("Add", []string{v, t.scalar(1e-12)})})
	x = t.node("Mul", []string{t.node("Div", []string{d, s}), t.filled(1, t.hidden)})
	return t.node("Add", []string{x, t.filled(0, t.hidden)})
}

func (t transformer) attention(x, mask string, heads int) string {
	part := func(order ...int) string {
		y := t.node("Reshape", []string{t.linear(x, t.hidden, t.hidden), t.integers(0, 0, int64(heads), int64(t.hidden/heads))})
		return t.node("Transpose", []string{y}, attribute{"perm", order})
	}
	q, k, v := part(0, 2, 1, 3), part(0, 2, 3, 1), part(0, 2, 1, 3)
	scores := t.node("Div", []string{t.node("MatMul", []string{q, k}), t.scalar(float32(math.Sqrt(float64(t.hidden / heads))))})
	share := t.node("Softmax", []string{t.node("Add", []string{scores, mask})}, attribute{"axis", 3})
	y := t.node("Transpose", []string{t.node("MatMul", []string{share, v})}, attribute{"perm", []int{0, 2, 1, 3}})
	return t.node("Reshape", []string{y, t.integers(0, 0, int64(t.hidden))})
}

func (t transformer) gelu(x string) string {
	e := t.node("Erf", []string{t.node("Div", []string{x, t.scalar(math.Sqrt2)})})
	y := t.node("Mul", []string{x, t.node("Add", []string{e, t.scalar(1)})})
	return t.node("Mul", []string{y, t.scalar(0.5)})
}

// trees is a boosted classifier: complete binary trees, asked about many rows.
func trees(count, depth, features, rows int) Model {
	g := newGraph()
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
	attributes := []attribute{
		{"nodes_modes", modes}, {"classlabels_int64s", []int{0, 1}}, {"post_transform", "LOGISTIC"}, {"base_values", []float32{0.1}},
	}
	for _, name := range slices.Sorted(maps.Keys(ints)) {
		attributes = append(attributes, attribute{name, ints[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(reals)) {
		attributes = append(attributes, attribute{name, reals[name]})
	}
	g.value(inputField, "x", Float, rows, features)
	g.nodeAs("TreeEnsembleClassifier", "ai.onnx.ml", []string{"x"}, []string{"label", "p"}, attributes...)
	g.value(outputField, "label", Int64, rows)
	g.value(outputField, "p", Float, rows, 2)
	return Model{"trees300", g.model(), []Tensor{uniform("x", rows, features)}, nil}
}
