package graph

import "fmt"

// maxLabels bounds the classes of a classifier.
const maxLabels = 1 << 16

// zipMaps replaces the ZipMaps that scikit-learn's and LightGBM's exporters put
// at the end by nothing: the probabilities come as the tensor that they are.
func (l *lowering) zipMaps() error {
	l.cut = map[string][]any{}
	g := l.m.Graph
	readBy := map[string]*Node{}
	l.m.walk(func(*Graph) {}, func(n *Node, _ map[string]int64) {
		for _, name := range n.Inputs {
			readBy[name] = n
		}
	})
	for _, n := range g.Nodes {
		if n.Domain != mlDomain || n.Op != "ZipMap" {
			continue
		}
		if len(n.Inputs) != 1 || len(n.Outputs) != 1 {
			return &FormatError{Where: l.spell(n), Reason: "a ZipMap has one input and one output"}
		}
		if by := readBy[n.Outputs[0]]; by != nil {
			e := l.unsupported(n, fmt.Sprintf("its list of maps is read by %s", l.spell(by)))
			e.Help = "export with: skl2onnx.to_onnx(model, X[:1], options={\"zipmap\": False})"
			return e
		}
		l.cutZipMap(n)
	}
	for _, v := range g.Outputs {
		if _, ok := l.cut[v.Name]; ok {
			l.e.values[v] = probabilities(v, len(l.cut[v.Name]))
		}
	}
	return nil
}

// cutZipMap puts an Identity where a ZipMap was.
func (l *lowering) cutZipMap(n *Node) {
	labels := []any{}
	if texts := n.Attribute("classlabels_strings").Strings(maxLabels); len(texts) > 0 {
		labels = anys(texts)
	} else {
		labels = anys(n.Attribute("classlabels_int64s").Ints(maxLabels))
	}
	l.cut[n.Outputs[0]] = labels
	l.e.nodes[n] = []*Blob{newNode("Identity", n.Name, n.Inputs[:1], n.Outputs[:1])}
	if _, ok := l.m.Opsets[""]; !ok {
		l.e.imports[""] = 13
	}
}

func anys[T any](list []T) []any {
	all := []any{}
	for _, v := range list {
		all = append(all, v)
	}
	return all
}

// probabilities is the description of an output that a ZipMap had: a tensor of
// float with a row for each input and a column for each class.
func probabilities(v *Value, classes int) *Blob {
	dims, column := &Blob{}, &Blob{}
	dims.message(1, &Blob{})
	if classes > 0 {
		column.number(1, int64(classes))
	}
	dims.message(1, column)
	tensor, typ, out := &Blob{}, &Blob{}, &Blob{}
	tensor.number(1, int64(Float))
	tensor.message(2, dims)
	typ.message(1, tensor)
	out.text(1, v.Name)
	out.message(2, typ)
	if v.Doc != "" {
		out.text(3, v.Doc)
	}
	return out
}
