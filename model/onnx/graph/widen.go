package graph

import (
	"fmt"
	"slices"
)

// wide says with which type of elements an operator is computed that ONNX Runtime
// 1.18 does not have for a narrower one. It is exact: what comes out is cut to the
// narrow type as arithmetic in it would be, or is no number.
type wide struct {
	// first is the first version of the operator for which it holds.
	first int64
	// types has the wide type for each narrow one.
	types map[ElementType]ElementType
	// from and to are the inputs that have the type; to -1 is the last one.
	from, to int
	// back says that the output has the type, too.
	back bool
}

// The types of integers, beside Int64.
const (
	uint8Type  ElementType = 2
	int8Type   ElementType = 3
	uint16Type ElementType = 4
	int16Type  ElementType = 5
	int32Type  ElementType = 6
	uint32Type ElementType = 12
	uint64Type ElementType = 13
)

// widened are the operators that are computed with wider elements.
func widened() map[string]wide {
	small := map[ElementType]ElementType{uint8Type: int32Type, int8Type: int32Type, uint16Type: int32Type, int16Type: int32Type}
	to32 := map[ElementType]ElementType{uint8Type: int32Type, int8Type: int32Type, uint16Type: Int64, int16Type: Int64, uint32Type: Int64}
	all := map[ElementType]ElementType{uint8Type: int32Type, int8Type: int32Type, uint16Type: Int64, int16Type: Int64, uint32Type: Int64, uint64Type: Int64}
	ring, order := wide{7, all, 0, -1, true}, wide{9, to32, 0, -1, false}
	return map[string]wide{
		"Add": ring, "Sub": ring, "Mul": ring, "Div": {7, to32, 0, -1, true},
		"Max": {8, small, 0, -1, true}, "Min": {8, small, 0, -1, true},
		"Less": order, "Greater": order, "LessOrEqual": {12, to32, 0, -1, false}, "GreaterOrEqual": {12, to32, 0, -1, false},
		"Equal":    {11, all, 0, -1, false},
		"BitShift": {11, map[ElementType]ElementType{uint16Type: uint32Type}, 0, -1, true},
		"Where":    {9, map[ElementType]ElementType{int8Type: int32Type, uint16Type: int32Type, int16Type: int32Type, uint32Type: Int64, uint64Type: Int64}, 1, -1, true},
		"Pow":      {12, to32, 1, 1, false},
	}
}

// Nodes with more inputs, or longer names, stay as they are: what is written for
// them would be many times as long.
const (
	mostCasts = 64
	longest   = 1 << 10
)

// widen puts Casts around operators on narrow integers, where the file says that
// they are such, and mends ReverseSequence.
func (l *lowering) widen() error {
	table := widened()
	l.m.walk(func(*Graph) {}, func(n *Node, opsets map[string]int64) {
		if n.Domain != "" || len(n.Outputs) != 1 || len(n.Inputs) < 2 || len(n.Inputs) > mostCasts || n.Outputs[0] == "" || len(n.Outputs[0]) > longest {
			return
		}
		if n.Op == "ReverseSequence" {
			l.reverse(n)
			return
		}
		w, ok := table[n.Op]
		if !ok || opsets[""] < w.first {
			return
		}
		last := w.to
		if last < 0 {
			last = len(n.Inputs) - 1
		}
		for _, name := range n.Inputs[w.from : last+1] {
			if narrow := l.types[name]; w.types[narrow] != Undefined {
				l.cast(n, w, last, narrow, w.types[narrow])
				return
			}
		}
	})
	return nil
}

// cast computes a node with a wider type.
func (l *lowering) cast(n *Node, w wide, last int, narrow, to ElementType) {
	var list []*Blob
	inputs := append([]string{}, n.Inputs...)
	for i := w.from; i <= last; i++ {
		if inputs[i] != "" {
			inputs[i] = fmt.Sprintf("wherry/%s/%d", n.Outputs[0], i)
			list = append(list, castNode(n.Inputs[i], inputs[i], to))
		}
	}
	if !w.back {
		l.e.nodes[n] = append(list, renamed(n, inputs, n.Outputs))
		return
	}
	out := fmt.Sprintf("wherry/%s", n.Outputs[0])
	list = append(list, renamed(n, inputs, []string{out}))
	l.e.nodes[n] = append(list, castNode(out, n.Outputs[0], narrow))
}

// reverse has ReverseSequence reverse one element where it is to reverse none: the
// same, and ONNX Runtime 1.18 leaves out the whole row when it is none.
func (l *lowering) reverse(n *Node) {
	name := func(part string) string { return fmt.Sprintf("wherry/%s/%s", n.Outputs[0], part) }
	if n.Inputs[1] == name("lengths") {
		return // it was done before
	}
	if t := l.constant(n.Inputs[1]); t != nil {
		if lengths := t.Ints(maxLabels); len(lengths) > 0 && !slices.Contains(lengths, 0) {
			return
		}
	}
	zero := newNode("Constant", "", nil, []string{name("zero")})
	value, tensor := &Blob{}, &Blob{}
	tensor.number(2, int64(Int64))
	tensor.number(7, 0)
	value.text(1, "value")
	value.message(5, tensor)
	value.number(20, 4)
	zero.message(5, value)
	l.e.nodes[n] = []*Blob{
		zero,
		newNode("Equal", "", []string{n.Inputs[1], name("zero")}, []string{name("none")}),
		castNode(name("none"), name("one"), Int64),
		newNode("Add", "", []string{n.Inputs[1], name("one")}, []string{name("lengths")}),
		renamed(n, []string{n.Inputs[0], name("lengths")}, n.Outputs),
	}
}

// newNode is a node without attributes.
func newNode(op, name string, inputs, outputs []string) *Blob {
	b := &Blob{}
	for _, in := range inputs {
		b.text(1, in)
	}
	for _, out := range outputs {
		b.text(2, out)
	}
	if name != "" {
		b.text(3, name)
	}
	b.text(4, op)
	return b
}

func castNode(from, to string, t ElementType) *Blob {
	b, a := newNode("Cast", "", []string{from}, []string{to}), &Blob{}
	a.text(1, "to")
	a.number(3, int64(t))
	a.number(20, kindInt)
	b.message(5, a)
	return b
}

// renamed is a node with other inputs and outputs.
func renamed(n *Node, inputs, outputs []string) *Blob {
	b := &Blob{}
	for _, in := range inputs {
		b.text(1, in)
	}
	for _, out := range outputs {
		b.text(2, out)
	}
	// The node was read, so that it can be read again.
	rest, _ := copied(n.raw, func(f field, _ *Blob) (bool, error) { return f.num == 1 || f.num == 2, nil })
	b.parts, b.size = append(b.parts, rest.parts...), b.size+rest.size
	return b
}
