package graph

import (
	"fmt"

	"github.com/wherry-run/wherry/model"
)

// maxFields bounds the inputs, and the outputs, of a model.
const maxFields = 4096

// signature says what goes in and comes out of the model.
func (l *lowering) signature() error {
	g := l.m.Graph
	s := &model.Signature{Name: g.Name, Platform: model.PlatformONNX, Inputs: []model.Field{}, Outputs: []model.Field{}}
	if len(g.Inputs) > maxFields || len(g.Outputs) > maxFields {
		return &FormatError{Reason: fmt.Sprintf("it has more than %d inputs or outputs", maxFields)}
	}
	if len(g.Outputs) == 0 {
		return &FormatError{Reason: "it has no output"}
	}
	sparse := map[string]bool{}
	for _, name := range g.Sparse {
		sparse[name] = true
	}
	seen := map[string]bool{}
	for _, v := range g.Inputs {
		if sparse[v.Name] || l.constant(v.Name) != nil {
			continue
		}
		f, err := l.field(v, "input")
		if err != nil {
			return err
		}
		if seen[v.Name] {
			return &FormatError{Reason: fmt.Sprintf("two inputs are called %q", shorten(v.Name))}
		}
		seen[v.Name] = true
		l.rows = l.rows || len(f.Shape) > 0 && f.Shape[0] < 0
		s.Inputs = append(s.Inputs, f)
	}
	clear(seen)
	classes := l.classes()
	for _, v := range g.Outputs {
		f, err := l.output(v, classes)
		if err != nil {
			return err
		}
		if seen[v.Name] {
			return &FormatError{Reason: fmt.Sprintf("two outputs are called %q", shorten(v.Name))}
		}
		seen[v.Name] = true
		s.Outputs = append(s.Outputs, f)
	}
	l.out.Signature = s
	return nil
}

// output describes one output.
func (l *lowering) output(v *Value, c *classes) (model.Field, error) {
	if labels, ok := l.cut[v.Name]; ok {
		f := model.Field{Name: v.Name, Type: model.FP32, Shape: []int64{-1, -1}}
		if len(labels) > 0 {
			f.Shape[1] = int64(len(labels))
		}
		l.describe(&f, v, texts(labels), nil)
		return f, nil
	}
	f, err := l.field(v, "output")
	if err != nil {
		return f, err
	}
	labels, choices := c.of(v.Name)
	if len(choices) > 0 && len(f.Shape) == 1 && l.rows {
		f.Shape = []int64{-1} // LightGBM's exporter writes 1
	}
	l.describe(&f, v, labels, choices)
	return f, nil
}

// describe adds what is known beyond the protocol.
func (l *lowering) describe(f *model.Field, v *Value, labels []string, choices []any) {
	if n := len(f.Shape); n > 0 && f.Shape[n-1] >= 0 && f.Shape[n-1] != int64(len(labels)) {
		labels = nil
	}
	if l.labels += textLength(labels) + textLength(choices); l.labels > maxLabelText {
		labels, choices = nil, nil
		l.note("the names of the classes are too long to be kept in the signature")
	}
	p := model.FieldParameters{Description: shortDoc(v.Doc), Labels: labels, Choices: choices}
	if p.Description != "" || len(labels) > 0 || len(choices) > 0 {
		f.Parameters = &p
	}
}

// maxLabelText bounds the labels of all outputs: a signature is a label of the
// image.
const maxLabelText = 32 << 10

func textLength[T any](list []T) (n int) {
	for _, v := range list {
		n += len(fmt.Sprint(v)) + 4
	}
	return n
}

// shortDoc leaves out texts that are no sentence.
func shortDoc(doc string) string {
	if len(doc) > 300 {
		return ""
	}
	return shortenTo(doc, 300)
}

// field describes an input or output that is a tensor; others cannot pass.
func (l *lowering) field(v *Value, what string) (model.Field, error) {
	f := model.Field{Name: v.Name}
	t := v.Type
	if t == nil || t.Kind == None || t.Kind == Tensor && t.Elem == Undefined {
		var ok bool
		if t, ok = l.inferred(v.Name); !ok {
			return f, &UnsupportedError{
				Field: what + " " + v.Name, Reason: "the file does not say what type it has",
				Help: "write it into the file: onnx.save(onnx.shape_inference.infer_shapes(onnx.load(\"model.onnx\")), \"model.onnx\")",
			}
		}
	}
	if t.Kind != Tensor {
		return f, &UnsupportedError{
			Field: fmt.Sprintf("%s %s", what, v.Name), Reason: fmt.Sprintf("it is a %s; models take and give tensors here", t),
			Help: kindHelp(t, what == "input"),
		}
	}
	d, ok := t.Elem.DataType()
	if !ok {
		return f, &UnsupportedError{
			Field: what + " " + v.Name, Reason: fmt.Sprintf("the Open Inference Protocol has no elements of the type %s", t.Elem),
			Help: "add a Cast to float at this end of the graph",
		}
	}
	f.Type, f.Shape = d, t.Shape
	if len(f.Shape) > model.MaxDims {
		return f, &FormatError{Where: what + " " + shorten(v.Name), Reason: fmt.Sprintf("it has more than %d dimensions", model.MaxDims)}
	}
	if what == "input" {
		l.describe(&f, v, nil, nil)
	}
	return f, nil
}

// kindHelp says how to export without a value of some kind.
func kindHelp(t *Type, input bool) string {
	switch {
	case t.Kind == Map && input:
		return "turn the dicts into columns before, as DictVectorizer.transform does, and export the steps after it"
	case t.Kind == Sequence && t.Of != nil && t.Of.Kind == Map:
		return "export with: skl2onnx.to_onnx(model, X[:1], options={\"zipmap\": False})"
	case t.Kind == Sequence && input:
		return "take one tensor and split it in the model, or each of them as an input of its own"
	case t.Kind == Sequence:
		return "end with torch.stack or torch.cat of the list (ConcatFromSequence), or return its tensors one by one"
	case t.Kind == Optional && input:
		return "export with this input always given, or without it"
	case t.Kind == Optional:
		return "end with the value itself (OptionalGetElement)"
	case t.Kind == Sparse:
		return "export with a dense tensor"
	}
	return "export with tensors alone"
}

// inferred finds the type of an output that the file does not give: that of the
// value which a node passes on, or of a value between nodes.
func (l *lowering) inferred(name string) (*Type, bool) {
	for range 8 {
		if t, ok := l.types[name]; ok && t != Undefined {
			return &Type{Kind: Tensor, Elem: t}, true
		}
		n := l.maker(name)
		if n == nil || len(n.Inputs) == 0 || n.Domain != "" {
			return nil, false
		}
		switch n.Op {
		case "Cast":
			to, ok := n.Attribute("to").Int()
			return &Type{Kind: Tensor, Elem: ElementType(to)}, ok && to == int64(ElementType(to))
		case "ArgMax", "ArgMin", "Shape", "Size", "NonZero":
			return &Type{Kind: Tensor, Elem: Int64}, true
		case "Equal", "Greater", "Less", "Not", "And", "Or", "Xor", "IsNaN", "IsInf", "GreaterOrEqual", "LessOrEqual":
			return &Type{Kind: Tensor, Elem: Bool}, true
		case "If", "Loop", "Scan", "Constant", "Where":
			return nil, false
		}
		name = n.Inputs[0]
	}
	return nil, false
}

// maker finds the node of the main graph that makes a value; nil when none does.
func (l *lowering) maker(name string) *Node {
	if l.makers == nil {
		l.makers = map[string]*Node{}
		for _, n := range l.m.Graph.Nodes {
			for _, out := range n.Outputs {
				l.makers[out] = n
			}
		}
	}
	if name == "" {
		return nil
	}
	return l.makers[name]
}

// constant finds a constant of the main graph; nil when there is none.
func (l *lowering) constant(name string) *TensorProto {
	if l.constants == nil {
		l.constants = map[string]*TensorProto{}
		for _, t := range l.m.Graph.Initializers {
			l.constants[t.Name] = t
		}
	}
	return l.constants[name]
}
