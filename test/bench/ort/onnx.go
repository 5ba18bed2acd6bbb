package ort

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
)

// Element types of tensors, by ONNX's numbers.
const (
	Float   = 1
	Uint8   = 2
	Int8    = 3
	Uint16  = 4
	Int16   = 5
	Int32   = 6
	Int64   = 7
	String  = 8
	Bool    = 9
	Float16 = 10
	Double  = 11
	Uint32  = 12
	Uint64  = 13
)

// message is a protocol buffer that is being written.
type message []byte

func (m *message) tag(field, wire int) { *m = binary.AppendUvarint(*m, uint64(field<<3|wire)) }

func (m *message) number(field int, v int64) {
	m.tag(field, 0)
	*m = binary.AppendUvarint(*m, uint64(v))
}

func (m *message) bytes(field int, data []byte) {
	m.tag(field, 2)
	*m = binary.AppendUvarint(*m, uint64(len(data)))
	*m = append(*m, data...)
}

func (m *message) text(field int, s string) { m.bytes(field, []byte(s)) }

func (m *message) float(field int, f float32) {
	m.tag(field, 5)
	*m = binary.LittleEndian.AppendUint32(*m, math.Float32bits(f))
}

// Attribute is a named property of a node. Its number says which of AttributeProto's
// fields holds it.
type Attribute struct {
	Name  string
	Value any // int, float32, string, and lists of them
}

func (a Attribute) encode() []byte {
	var m message
	m.text(1, a.Name)
	const kind = 20
	switch v := a.Value.(type) {
	case float32:
		m.float(2, v)
		m.number(kind, 1)
	case int:
		m.number(3, int64(v))
		m.number(kind, 2)
	case string:
		m.text(4, v)
		m.number(kind, 3)
	case []float32:
		m.bytes(7, Floats(v))
		m.number(kind, 6)
	case []int:
		var packed message
		for _, n := range v {
			packed = binary.AppendUvarint(packed, uint64(n))
		}
		m.bytes(8, packed)
		m.number(kind, 7)
	case []string:
		for _, s := range v {
			m.text(9, s)
		}
		m.number(kind, 8)
	default:
		panic(fmt.Sprintf("ort: an attribute of type %T", v))
	}
	return m
}

// Floats are little-endian elements, as tensors and packed fields have them.
func Floats(list []float32) []byte {
	data := make([]byte, 0, 4*len(list))
	for _, f := range list {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(f))
	}
	return data
}

// Int64s are the same of integers.
func Int64s(list ...int64) []byte {
	data := make([]byte, 0, 8*len(list))
	for _, n := range list {
		data = binary.LittleEndian.AppendUint64(data, uint64(n))
	}
	return data
}

// Graph is a model that is being written. Its weights come from a generator with
// a fixed seed.
type Graph struct {
	body   message
	random *rand.Rand
	names  int
	opset  int64
}

func NewGraph() *Graph {
	g := &Graph{opset: 13, random: rand.New(rand.NewPCG(1, 2))}
	g.body.text(2, "bench")
	return g
}

func (g *Graph) name() string {
	g.names++
	return fmt.Sprintf("v%d", g.names)
}

// Node adds an operation with one output.
func (g *Graph) Node(operation string, inputs []string, attributes ...Attribute) string {
	out := g.name()
	g.NodeAs(operation, "", inputs, []string{out}, attributes...)
	return out
}

func (g *Graph) NodeAs(operation, domain string, inputs, outputs []string, attributes ...Attribute) {
	var m message
	for _, in := range inputs {
		m.text(1, in)
	}
	for _, out := range outputs {
		m.text(2, out)
	}
	m.text(4, operation)
	for _, a := range attributes {
		m.bytes(5, a.encode())
	}
	m.text(7, domain)
	g.body.bytes(1, m)
}

// External adds a tensor whose elements are in a file beside the model.
func (g *Graph) External(kind int, file string, offset, length int64, dims ...int) string {
	var m message
	for _, d := range dims {
		m.number(1, int64(d))
	}
	m.number(2, int64(kind))
	name := g.name()
	m.text(8, name)
	for _, entry := range [][2]string{{"location", file}, {"offset", fmt.Sprint(offset)}, {"length", fmt.Sprint(length)}} {
		var e message
		e.text(1, entry[0])
		e.text(2, entry[1])
		m.bytes(13, e)
	}
	m.number(14, 1) // external
	g.body.bytes(5, m)
	return name
}

// Constant adds a tensor that the model brings.
func (g *Graph) Constant(kind int, data []byte, dims ...int) string {
	var m message
	for _, d := range dims {
		m.number(1, int64(d))
	}
	m.number(2, int64(kind))
	name := g.name()
	m.text(8, name)
	m.bytes(9, data)
	g.body.bytes(5, m)
	return name
}

// Weights adds random numbers of a standard deviation.
func (g *Graph) Weights(deviation float64, dims ...int) string {
	n := 1
	for _, d := range dims {
		n *= d
	}
	list := make([]float32, n)
	for i := range list {
		list[i] = float32(deviation * g.random.NormFloat64())
	}
	return g.Constant(Float, Floats(list), dims...)
}

func (g *Graph) Filled(value float32, n int) string {
	list := make([]float32, n)
	for i := range list {
		list[i] = value
	}
	return g.Constant(Float, Floats(list), n)
}

func (g *Graph) Scalar(value float32) string { return g.Constant(Float, Floats([]float32{value})) }

func (g *Graph) Integers(list ...int64) string { return g.Constant(Int64, Int64s(list...), len(list)) }

// Input declares what goes in. A dimension below zero is of any length.
func (g *Graph) Input(name string, kind int, dims ...int) { g.value(11, name, kind, dims) }

// Output declares what comes out.
func (g *Graph) Output(name string, kind int, dims ...int) { g.value(12, name, kind, dims) }

func (g *Graph) value(field int, name string, kind int, dims []int) {
	var shape, tensor, typ, m message
	for i, d := range dims {
		var dim message
		if d < 0 {
			dim.text(2, fmt.Sprint("n", i))
		} else {
			dim.number(1, int64(d))
		}
		shape.bytes(1, dim)
	}
	tensor.number(1, int64(kind))
	tensor.bytes(2, shape)
	typ.bytes(1, tensor)
	m.text(1, name)
	m.bytes(2, typ)
	g.body.bytes(field, m)
}

// Versioned has the graph use another version of ONNX's operators than 13.
func (g *Graph) Versioned(opset int64) *Graph {
	g.opset = opset
	return g
}

// Model is the graph as a file of ONNX.
func (g *Graph) Model() []byte {
	var m message
	m.number(1, 8) // the format's version
	m.bytes(7, g.body)
	for _, operations := range []struct {
		domain  string
		version int64
	}{{"", g.opset}, {"ai.onnx.ml", 2}} {
		var set message
		set.text(1, operations.domain)
		set.number(2, operations.version)
		m.bytes(8, set)
	}
	return m
}
