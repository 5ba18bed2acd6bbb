package graph

// A Model is an ONNX file that was read. Its big parts are slices of the file's
// bytes, which must stay as they are.
type Model struct {
	IRVersion int64
	// Producer wrote the file, as pytorch, skl2onnx, OnnxMLTools.
	Producer, ProducerVersion string
	Doc                       string
	// Opsets are the versions of the operator sets by domain; ONNX's own is "".
	Opsets    map[string]int64
	Graph     *Graph
	Functions []*Function
	Metadata  map[string]string

	raw []byte
}

// A Graph is the model's own, or one inside a node.
type Graph struct {
	Name            string
	Doc             string
	Nodes           []*Node
	Inputs, Outputs []*Value
	// Values are the types of values between nodes, as far as the file has them.
	Values       []*Value
	Initializers []*TensorProto
	// Sparse are the names of sparse initializers.
	Sparse []string

	raw []byte
}

// A Node is an operator at work.
type Node struct {
	Name, Op, Domain string
	Inputs, Outputs  []string
	Attributes       []*Attribute

	raw []byte
}

// Attribute finds an attribute; nil when the node has none of that name.
func (n *Node) Attribute(name string) *Attribute {
	for _, a := range n.Attributes {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// An Attribute is one of a node. Its values are read when they are asked for.
type Attribute struct {
	Name string
	// Ref names the attribute of the function that it takes its value from.
	Ref string
	// Graphs and Tensors are all that it holds of them, single or listed.
	Graphs  []*Graph
	Tensors []*TensorProto

	raw []byte
}

// A Value is an input, an output, or one between nodes.
type Value struct {
	Name, Doc string
	Type      *Type

	raw []byte
}

// A TensorProto is a constant: its data in the file, or in a file beside it.
type TensorProto struct {
	Name string
	Dims []int64
	Elem ElementType
	// Raw is the data when it is in one piece. Other forms stay in the file, Strings
	// gives those of strings.
	Raw []byte
	// External is where the data lies when it is not in the file; nil when it is.
	External *External

	raw []byte
}

// External is data of a tensor in a file of its own.
type External struct {
	// Name is the path of the file, relative to the model's folder, with slashes.
	Name string
	// Offset and Length are what of it. A Length of -1 reaches to the end.
	Offset, Length int64
}

// A Function is a part of the model that nodes name like an operator.
type Function struct {
	Name, Domain string
	Inputs       []string
	Outputs      []string
	Nodes        []*Node
	Values       []*Value
	Opsets       map[string]int64

	raw []byte
}
