package ort

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
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

// attribute is a named property of a node. Its number says which of AttributeProto's
// fields holds it.
type attribute struct {
	name  string
	value any // int, float32, string, and lists of them
}

func (a attribute) encode() []byte {
	var m message
	m.text(1, a.name)
	const kind = 20
	switch v := a.value.(type) {
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
		m.bytes(7, floats(v))
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

// floats are little-endian elements, as tensors and packed fields have them.
func floats(list []float32) []byte {
	data := make([]byte, 0, 4*len(list))
	for _, f := range list {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(f))
	}
	return data
}

func int64s(list ...int64) []byte {
	data := make([]byte, 0, 8*len(list))
	for _, n := range list {
		data = binary.LittleEndian.AppendUint64(data, uint64(n))
	}
	return data
}

// graph is a model that is being written. Its weights come from a generator with
// a fixed seed.
type graph struct {
	body   message
	random *rand.Rand
	names  int
}

func newGraph() *graph {
	g := &graph{random: rand.New(rand.NewPCG(1, 2))}
	g.body.text(2, "bench")
	return g
}

func (g *graph) name() string {
	g.names++
	return fmt.Sprintf("v%d", g.names)
}

// node adds an operation with one output.
func (g *graph) node(operation string, inputs []string, attributes ...attribute) string {
	out := g.name()
	g.nodeAs(operation, "", inputs, []string{out}, attributes...)
	return out
}

func (g *graph) nodeAs(operation, domain string, inputs, outputs []string, attributes ...attribute) {
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

// constant adds a tensor that the model brings.
func (g *graph) constant(kind int, data []byte, dims ...int) string {
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

// weights adds random numbers of a standard deviation.
func (g *graph) weights(deviation float64, dims ...int) string {
	n := 1
	for _, d := range dims {
		n *= d
	}
	list := make([]float32, n)
	for i := range list {
		list[i] = float32(deviation * g.random.NormFloat64())
	}
	return g.constant(Float, floats(list), dims...)
}

func (g *graph) filled(value float32, n int) string {
	list := make([]float32, n)
	for i := range list {
		list[i] = value
	}
	return g.constant(Float, floats(list), n)
}

func (g *graph) scalar(value float32) string { return g.constant(Float, floats([]float32{value})) }

func (g *graph) integers(list ...int64) string { return g.constant(Int64, int64s(list...), len(list)) }

// The fields of GraphProto for what goes in and out.
const (
	inputField  = 11
	outputField = 12
)

func (g *graph) value(field int, name string, kind int, dims ...int) {
	var shape, tensor, typ, m message
	for _, d := range dims {
		var dim message
		dim.number(1, int64(d))
		shape.bytes(1, dim)
	}
	tensor.number(1, int64(kind))
	tensor.bytes(2, shape)
	typ.bytes(1, tensor)
	m.text(1, name)
	m.bytes(2, typ)
	g.body.bytes(field, m)
}

// model is the graph as a file of ONNX.
func (g *graph) model() []byte {
	var m message
	m.number(1, 8) // the format's version
	m.bytes(7, g.body)
	for _, operations := range []struct {
		domain  string
		version int64
	}{{"", 13}, {"ai.onnx.ml", 2}} {
		var set message
		set.text(1, operations.domain)
		set.number(2, operations.version)
		m.bytes(8, set)
	}
	return m
}
