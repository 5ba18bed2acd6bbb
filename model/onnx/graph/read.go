package graph

import (
	"bytes"
	"fmt"
	"math"
	"path"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// The most that a model may have. They are far above what exporters write, and
// bound what reading takes beside the file.
const (
	MaxBytes  = math.MaxInt32 // of protobuf, too
	maxNodes  = 1 << 19       // in all graphs and functions
	maxParts  = 1 << 21       // attributes, values, initializers and names of them
	maxNames  = 1 << 27       // bytes of all names and texts
	maxDims   = 1 << 8        // of a shape
	maxGraphs = 32            // one in another
	maxTypes  = 16            // one in another
	maxName   = 1 << 16       // bytes of a name
	maxText   = 1 << 16       // bytes of a text for people
)

// Read reads a model. The result holds slices of data, which must stay as it is.
// The error is a *FormatError, or an *UnsupportedError for a file that is a model
// of another kind.
func Read(data []byte) (*Model, error) {
	if len(data) > MaxBytes {
		return nil, &FormatError{Reason: "it has more than 2 GiB; save it with its weights as external data"}
	}
	if err := recognise(data); err != nil {
		return nil, err
	}
	m := &Model{raw: data, Opsets: map[string]int64{}, Metadata: map[string]string{}}
	r := &reader{nodes: maxNodes, parts: maxParts, bytes: maxNames}
	if err := r.model(m, data); err != nil {
		return nil, err
	}
	if m.Graph == nil {
		return nil, &FormatError{Reason: "this is no ONNX model: there is no graph in it"}
	}
	return m, nil
}

// recognise names files that are taken for ONNX models.
func recognise(data []byte) error {
	head := data[:min(len(data), 64)]
	other := func(kind, help string) error {
		return &UnsupportedError{Reason: "this is " + kind + ", not an ONNX model", Help: help}
	}
	switch {
	case len(data) == 0:
		return &FormatError{Reason: "the file is empty"}
	case len(head) >= 8 && string(head[4:8]) == "ORTM":
		return other("a model in ONNX Runtime's own format", "use the .onnx file that it was made from")
	case bytes.HasPrefix(head, []byte("version https://git-lfs")):
		return other("a pointer of Git LFS", "fetch the file itself: git lfs pull")
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return other("a zip archive, as PyTorch writes", "export it: torch.onnx.export(model, example, \"model.onnx\", opset_version=17)")
	case bytes.HasPrefix(head, []byte("\x80\x04\x95")), bytes.HasPrefix(head, []byte("\x80\x05\x95")), bytes.HasPrefix(head, []byte("\x80\x03c")):
		return other("a pickle", "export it, as with skl2onnx.to_onnx(model, X[:1]), or serve it with FROM python")
	case len(head) >= 8 && string(head[4:8]) == "TFL3":
		return other("a model of TensorFlow Lite", "export it: python -m tf2onnx.convert --tflite MODEL --output model.onnx --opset 17")
	case bytes.HasPrefix(head, []byte("\x89HDF\r\n")):
		return other("an HDF5 file, as Keras writes", "export it: python -m tf2onnx.convert --saved-model DIR --output model.onnx --opset 17")
	}
	return nil
}

// reader counts down what a model may still have.
type reader struct {
	nodes, parts, bytes int
	// graphs is how deep the graph lies that is read.
	graphs int
}

func (r *reader) part() error {
	if r.parts--; r.parts < 0 {
		return &FormatError{Reason: fmt.Sprintf("it has more than %d parts", maxParts)}
	}
	return nil
}

// name reads a name of the model, which counts.
func (r *reader) name(f field) (string, error) {
	if len(f.data) > maxName {
		return "", &FormatError{Reason: fmt.Sprintf("a name has more than %d bytes", maxName)}
	}
	s, err := r.text(f)
	if err != nil {
		return "", err
	}
	return s, r.part()
}

// text reads what is for people, cut when it is long.
func (r *reader) text(f field) (string, error) {
	cut := f.data[:min(len(f.data), maxText)]
	if r.bytes -= len(cut); r.bytes < 0 {
		return "", &FormatError{Reason: fmt.Sprintf("its names and texts have more than %d bytes", maxNames)}
	}
	return string(cut), nil
}

// at says where an error is.
func at(err error, format string, args ...any) error {
	if e, ok := err.(*FormatError); ok {
		where := fmt.Sprintf(format, args...)
		if e.Where != "" {
			where += ", " + e.Where
		}
		return &FormatError{Where: where, Reason: e.Reason}
	}
	return err
}

func (r *reader) model(m *Model, b []byte) error {
	return fields(b, func(f field) (err error) {
		switch {
		case f.is(1, protowire.VarintType):
			m.IRVersion = int64(f.v)
		case f.is(2, protowire.BytesType):
			m.Producer, err = r.text(f)
		case f.is(3, protowire.BytesType):
			m.ProducerVersion, err = r.text(f)
		case f.is(6, protowire.BytesType):
			m.Doc, err = r.text(f)
		case f.is(7, protowire.BytesType):
			if m.Graph != nil {
				return &FormatError{Reason: "it has two graphs"}
			}
			m.Graph, err = r.graph(f.data)
			return at(err, "the graph")
		case f.is(8, protowire.BytesType):
			return at(r.opset(m.Opsets, f.data), "an operator set")
		case f.is(14, protowire.BytesType):
			return r.metadata(m.Metadata, f.data)
		case f.is(25, protowire.BytesType):
			fn, err := r.function(f.data)
			if err != nil {
				return at(err, "function %d", len(m.Functions))
			}
			m.Functions = append(m.Functions, fn)
		}
		return nil
	})
}

// opset reads the version of one operator set.
func (r *reader) opset(into map[string]int64, b []byte) error {
	var domain string
	var version int64
	err := fields(b, func(f field) (err error) {
		switch {
		case f.is(1, protowire.BytesType):
			domain, err = r.name(f)
		case f.is(2, protowire.VarintType):
			version = int64(f.v)
		}
		return err
	})
	if err != nil {
		return err
	}
	domain = plainDomain(domain)
	if have, ok := into[domain]; ok && have != version {
		return &FormatError{Reason: fmt.Sprintf("the set %q is named with the versions %d and %d", shorten(domain), have, version)}
	}
	if version < 1 || version > 1<<20 {
		return &FormatError{Reason: fmt.Sprintf("the set %q has the version %d", shorten(domain), version)}
	}
	into[domain] = version
	return r.part()
}

// plainDomain spells the domain of ONNX's own operators in one way.
func plainDomain(domain string) string {
	if domain == "ai.onnx" {
		return ""
	}
	return domain
}

func (r *reader) metadata(into map[string]string, b []byte) error {
	var key, value string
	err := fields(b, func(f field) (err error) {
		switch {
		case f.is(1, protowire.BytesType):
			key, err = r.name(f)
		case f.is(2, protowire.BytesType):
			value, err = r.text(f)
		}
		return err
	})
	into[key] = value
	return err
}

func (r *reader) function(b []byte) (*Function, error) {
	fn := &Function{Opsets: map[string]int64{}, raw: b}
	err := fields(b, func(f field) (err error) {
		if f.typ != protowire.BytesType {
			return nil
		}
		switch f.num {
		case 1:
			fn.Name, err = r.name(f)
		case 4:
			err = r.appendName(&fn.Inputs, f)
		case 5:
			err = r.appendName(&fn.Outputs, f)
		case 7:
			err = r.appendNode(&fn.Nodes, f)
		case 9:
			err = r.opset(fn.Opsets, f.data)
		case 10:
			fn.Domain, err = r.name(f)
			fn.Domain = plainDomain(fn.Domain)
		case 12:
			err = r.appendValue(&fn.Values, f)
		}
		return err
	})
	return fn, err
}

func (r *reader) graph(b []byte) (*Graph, error) {
	if r.graphs++; r.graphs > maxGraphs {
		return nil, &FormatError{Reason: fmt.Sprintf("graphs lie more than %d deep in each other", maxGraphs)}
	}
	defer func() { r.graphs-- }()
	g := &Graph{raw: b}
	err := fields(b, func(f field) (err error) {
		if f.typ != protowire.BytesType {
			return nil
		}
		switch f.num {
		case 1:
			err = r.appendNode(&g.Nodes, f)
		case 2:
			g.Name, err = r.name(f)
		case 5:
			var t *TensorProto
			if t, err = r.tensor(f.data); err == nil {
				g.Initializers = append(g.Initializers, t)
			}
			err = at(err, "initializer %d", len(g.Initializers))
		case 10:
			g.Doc, err = r.text(f)
		case 11:
			err = r.appendValue(&g.Inputs, f)
		case 12:
			err = r.appendValue(&g.Outputs, f)
		case 13:
			err = r.appendValue(&g.Values, f)
		case 15:
			err = r.sparse(g, f.data)
		}
		return err
	})
	return g, err
}

// sparse reads the name of a sparse initializer: that of its values.
func (r *reader) sparse(g *Graph, b []byte) error {
	return fields(b, func(f field) error {
		if !f.is(1, protowire.BytesType) {
			return nil
		}
		t, err := r.tensor(f.data)
		if err == nil {
			g.Sparse = append(g.Sparse, t.Name)
		}
		return err
	})
}

func (r *reader) appendName(list *[]string, f field) error {
	s, err := r.name(f)
	*list = append(*list, s)
	return err
}

func (r *reader) appendNode(list *[]*Node, f field) error {
	if r.nodes--; r.nodes < 0 {
		return &FormatError{Reason: fmt.Sprintf("it has more than %d nodes", maxNodes)}
	}
	n := &Node{raw: f.data}
	err := fields(f.data, func(f field) (err error) {
		if f.typ != protowire.BytesType {
			return nil
		}
		switch f.num {
		case 1:
			err = r.appendName(&n.Inputs, f)
		case 2:
			err = r.appendName(&n.Outputs, f)
		case 3:
			n.Name, err = r.name(f)
		case 4:
			n.Op, err = r.name(f)
		case 5:
			var a *Attribute
			if a, err = r.attribute(f.data); err == nil {
				n.Attributes = append(n.Attributes, a)
			}
		case 7:
			n.Domain, err = r.name(f)
			n.Domain = plainDomain(n.Domain)
		}
		return err
	})
	*list = append(*list, n)
	return at(err, "node %d", len(*list)-1)
}

func (r *reader) attribute(b []byte) (*Attribute, error) {
	a := &Attribute{raw: b}
	if err := r.part(); err != nil {
		return nil, err
	}
	single := 0
	err := fields(b, func(f field) (err error) {
		if f.typ != protowire.BytesType {
			return nil
		}
		switch f.num {
		case 1:
			a.Name, err = r.name(f)
		case 21:
			a.Ref, err = r.name(f)
		case 5, 10:
			var t *TensorProto
			if t, err = r.tensor(f.data); err == nil {
				a.Tensors = append(a.Tensors, t)
			}
		case 6, 11:
			var g *Graph
			if g, err = r.graph(f.data); err == nil {
				a.Graphs = append(a.Graphs, g)
			}
		}
		if f.num == 5 || f.num == 6 {
			if single++; single > 1 {
				return &FormatError{Reason: "it holds two things"}
			}
		}
		return err
	})
	return a, at(err, "attribute %q", shorten(a.Name))
}

func (r *reader) appendValue(list *[]*Value, f field) error {
	v := &Value{raw: f.data}
	err := fields(f.data, func(f field) (err error) {
		switch {
		case f.is(1, protowire.BytesType):
			v.Name, err = r.name(f)
		case f.is(2, protowire.BytesType):
			if v.Type != nil {
				return &FormatError{Reason: "it has two types"}
			}
			v.Type, err = r.typ(f.data, 0)
		case f.is(3, protowire.BytesType):
			v.Doc, err = r.text(f)
		}
		return err
	})
	*list = append(*list, v)
	return at(err, "value %q", shorten(v.Name))
}

func (r *reader) tensor(b []byte) (*TensorProto, error) {
	t := &TensorProto{raw: b}
	if err := r.part(); err != nil {
		return nil, err
	}
	external, place := false, map[string]string{}
	err := fields(b, func(f field) (err error) {
		switch f.num {
		case 1:
			return f.ints(func(v int64) error {
				if len(t.Dims) >= maxDims || v < 0 {
					return &FormatError{Reason: "it has no shape that can be"}
				}
				t.Dims = append(t.Dims, v)
				return nil
			})
		case 2:
			if f.typ == protowire.VarintType {
				t.Elem = ElementType(int32(f.v))
			}
		case 8:
			if f.typ == protowire.BytesType {
				t.Name, err = r.name(f)
			}
		case 9:
			if f.typ == protowire.BytesType {
				t.Raw = f.data
			}
		case 13:
			if f.typ == protowire.BytesType {
				err = r.metadata(place, f.data)
			}
		case 14:
			external = f.typ == protowire.VarintType && f.v == 1
		}
		return err
	})
	if err == nil && external {
		t.External, err = t.place(place)
	}
	return t, at(err, "tensor %q", shorten(t.Name))
}

// cleanLocation checks the path of a file with external data: relative, in the
// model's folder or below it.
func cleanLocation(name string) (string, error) {
	clean := path.Clean(name)
	switch {
	case name == "":
		return "", &FormatError{Reason: "its data is external, and no file is named"}
	case strings.ContainsAny(name, "\x00\\:") || path.IsAbs(name) || clean == "." || clean == ".." || strings.HasPrefix(clean, "../"),
		strings.HasPrefix(name, "*/"): // ONNX Runtime's name for its own memory
		return "", &FormatError{Reason: fmt.Sprintf("its data is said to be in %q, which is no file in the model's folder", shorten(name))}
	}
	return clean, nil
}
