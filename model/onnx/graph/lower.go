package graph

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/model"
)

// Lowered is a model as ONNX Runtime 1.18 can run it.
type Lowered struct {
	// Bytes are the model's file, without its external data.
	Bytes *Blob
	// Changed tells whether Bytes differ from the file that was read.
	Changed bool
	// Signature is what goes in and comes out. Its name is the graph's.
	Signature *model.Signature
	// External is what of which files holds weights, by name and offset.
	External []External
	// Notes say in one line each what was changed in a way that somebody could
	// notice.
	Notes []string
}

// Lower makes of the model what ONNX Runtime 1.18 can run: with the IR version
// and versions of operators that it has, without a ZipMap at the end, without
// locales. A model that needs nothing of this stays as it is, byte for byte. What
// cannot be run gives an *UnsupportedError; a model that contradicts itself a
// *FormatError.
func (m *Model) Lower() (*Lowered, error) {
	l := &lowering{m: m, e: newEdits(), out: &Lowered{}}
	for _, step := range []func() error{l.header, l.operators, l.zipMaps, l.widen, l.locales, l.signature, l.external} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	l.out.Bytes = &Blob{}
	l.out.Bytes.add(m.raw)
	if l.e.any() {
		b, err := l.e.model(m)
		if err != nil {
			return nil, err
		}
		if b.Size() > MaxBytes {
			return nil, &FormatError{Reason: "it has more than 2 GiB"}
		}
		l.out.Bytes, l.out.Changed = b, true
	}
	return l.out, nil
}

// lowering is one call of Lower.
type lowering struct {
	m   *Model
	e   *edits
	out *Lowered
	// cut are the outputs of ZipMaps that were cut, with the labels of their
	// columns.
	cut map[string][]any
	// types are the elements of values whose type the file has, in all graphs;
	// a name that is used for several is left out.
	types map[string]ElementType
	// shapes are those of values whose type the file has; like types.
	shapes map[string][]int64
	// makers and constants find nodes and constants of the main graph by name.
	makers    map[string]*Node
	constants map[string]*TensorProto
	// rows tells whether an input may have any number of rows.
	rows bool
	// labels is how much text of labels the signature has.
	labels int
	// used are all types of elements that the file speaks of.
	used map[ElementType]bool
}

func (l *lowering) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(l.out.Notes, text) {
		l.out.Notes = append(l.out.Notes, text)
	}
}

// header checks and lowers the IR version, and the types that came after it.
func (l *lowering) header() error {
	if l.m.IRVersion < 1 {
		return &FormatError{Reason: "this is no ONNX model: it has no IR version"}
	}
	if len(l.m.Opsets) == 0 {
		return &FormatError{Reason: "it names no operator set"}
	}
	l.types, l.shapes, l.used = map[string]ElementType{}, map[string][]int64{}, map[ElementType]bool{}
	twice := map[string]bool{}
	l.m.walkTypes(func(name string, t ElementType, shape []int64) {
		l.used[t] = true
		if have, ok := l.types[name]; ok && have != t {
			twice[name] = true
		}
		if have, ok := l.shapes[name]; ok && !slices.Equal(have, shape) {
			shape = nil
		}
		if name != "" {
			l.types[name], l.shapes[name] = t, shape
		}
	})
	for name := range twice {
		delete(l.types, name)
	}
	for t := range l.used {
		if t > lastElement || t < 0 {
			return &UnsupportedError{
				Reason: fmt.Sprintf("elements of the type %s are younger than ONNX Runtime 1.18", t),
				Help:   "quantize to int8 instead: onnxruntime.quantization.quantize_dynamic(\"model.onnx\", \"model.int8.onnx\")",
			}
		}
	}
	if l.m.IRVersion > MaxIR {
		l.e.ir = MaxIR
	}
	return nil
}

// walkTypes gives the elements of all named values and constants, and the types
// that attributes of nodes ask for.
func (m *Model) walkTypes(f func(name string, t ElementType, shape []int64)) {
	values := func(list []*Value) {
		for _, v := range list {
			if v.Type != nil && v.Type.Kind == Tensor {
				f(v.Name, v.Type.Elem, v.Type.Shape)
			}
			for t := v.Type; t != nil; t = t.Of {
				f("", t.Elem, nil)
			}
		}
	}
	m.walk(func(g *Graph) {
		for _, t := range g.Initializers {
			f(t.Name, t.Elem, t.Dims)
		}
		values(g.Inputs)
		values(g.Outputs)
		values(g.Values)
	}, func(n *Node, _ map[string]int64) {
		for _, a := range n.Attributes {
			for _, t := range a.Tensors {
				f("", t.Elem, nil)
			}
			switch a.Name {
			case "to", "dtype", "output_dtype", "output_datatype", "softmax_precision", "stash_type", "precision":
				if v, ok := a.Int(); ok && v == int64(ElementType(v)) {
					f("", ElementType(v), nil)
				}
			}
		}
	})
	for _, fn := range m.Functions {
		values(fn.Values)
	}
}

// walk calls for every graph, and for every node with the operator sets that it
// is in, the functions' too.
func (m *Model) walk(graph func(*Graph), node func(n *Node, opsets map[string]int64)) {
	var inside func(nodes []*Node, opsets map[string]int64)
	inside = func(nodes []*Node, opsets map[string]int64) {
		for _, n := range nodes {
			node(n, opsets)
			for _, a := range n.Attributes {
				for _, g := range a.Graphs {
					graph(g)
					inside(g.Nodes, opsets)
				}
			}
		}
	}
	graph(m.Graph)
	inside(m.Graph.Nodes, m.Opsets)
	for _, fn := range m.Functions {
		inside(fn.Nodes, fn.Opsets)
	}
}

// locales sets those of StringNormalizer to C: the engine has no other, and ends
// when it is asked for one.
func (l *lowering) locales() error {
	l.m.walk(func(*Graph) {}, func(n *Node, _ map[string]int64) {
		if n.Domain != "" || n.Op != "StringNormalizer" {
			return
		}
		a := n.Attribute("locale")
		if have, ok := a.Text(); ok && have == "C" {
			return
		}
		locale := &Blob{}
		locale.text(1, "locale")
		locale.text(4, "C")
		locale.number(20, kindString)
		l.e.attribute(n, "locale", locale)
		if change, _ := n.Attribute("case_change_action").Text(); change == "LOWER" || change == "UPPER" {
			l.note("StringNormalizer: the locale is C here; letters outside of ASCII keep their case")
		}
	})
	return nil
}

// maxMemory is what the engine's 32 bits reach: all weights, and where they lie in
// their files.
const maxMemory = 1<<32 - 1

// external lists the weights that lie outside.
func (l *lowering) external() error {
	total, far := int64(len(l.m.raw)), false
	add := func(t *TensorProto) {
		if t.External != nil && t.External.Length > 0 {
			l.out.External = append(l.out.External, *t.External)
			far = far || t.External.Offset > maxMemory || t.External.Length > maxMemory-t.External.Offset
			total = min(total+min(t.External.Length, maxMemory), 2*maxMemory)
		}
	}
	l.m.walk(func(g *Graph) {
		for _, t := range g.Initializers {
			add(t)
		}
	}, func(n *Node, _ map[string]int64) {
		for _, a := range n.Attributes {
			for _, t := range a.Tensors {
				add(t)
			}
		}
	})
	if far || total > maxMemory {
		return &UnsupportedError{
			Reason: "its weights have more than 4 GiB, or lie beyond that in their file, and the sandbox has 4 GiB of memory",
			Help:   "quantize them: onnxruntime.quantization.quantize_dynamic(\"model.onnx\", \"model.int8.onnx\", use_external_data_format=True)",
		}
	}
	slices.SortFunc(l.out.External, func(a, b External) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return int(min(max(a.Offset-b.Offset, -1), 1))
	})
	return nil
}

// ExternalFiles names the files that hold weights, once each.
func (l *Lowered) ExternalFiles() []string {
	var names []string
	for _, x := range l.External {
		if len(names) == 0 || names[len(names)-1] != x.Name {
			names = append(names, x.Name)
		}
	}
	return names
}

// CheckExternal checks that the files have what the model wants of them. size
// gives the length of a file in the model's folder.
func (l *Lowered) CheckExternal(size func(name string) (int64, error)) error {
	have := map[string]int64{}
	for _, x := range l.External {
		n, ok := have[x.Name]
		if !ok {
			var err error
			if n, err = size(x.Name); err != nil {
				return fmt.Errorf("the model keeps weights in %s: %w", x.Name, err)
			}
			have[x.Name] = n
		}
		if x.Offset > n || x.Length > n-x.Offset {
			return &FormatError{Where: x.Name, Reason: fmt.Sprintf("it has %d bytes, and the model wants %d from %d on; is it of another export?", n, x.Length, x.Offset)}
		}
	}
	return nil
}
