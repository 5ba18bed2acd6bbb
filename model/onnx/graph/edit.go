package graph

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// edits are what is written differently from how it was read. All the rest is
// copied byte by byte, known fields and unknown ones.
type edits struct {
	// ir is the IR version; 0 keeps it.
	ir int64
	// most lowers versions of operator sets, by domain.
	most map[string]int64
	// imports are operator sets to add.
	imports map[string]int64
	// nodes are replaced by others, attributes alone: one that is nil is left out.
	nodes      map[*Node][]*Blob
	attributes map[*Node]map[string]*Blob
	values     map[*Value]*Blob
}

func newEdits() *edits {
	return &edits{
		most: map[string]int64{}, imports: map[string]int64{},
		nodes: map[*Node][]*Blob{}, attributes: map[*Node]map[string]*Blob{}, values: map[*Value]*Blob{},
	}
}

// attribute replaces an attribute of a node; nil leaves it out.
func (e *edits) attribute(n *Node, name string, b *Blob) {
	if e.attributes[n] == nil {
		e.attributes[n] = map[string]*Blob{}
	}
	e.attributes[n][name] = b
}

// any tells whether there is something to write differently.
func (e *edits) any() bool {
	return e.ir != 0 || len(e.most)+len(e.imports)+len(e.nodes)+len(e.attributes)+len(e.values) > 0
}

// copied writes a message field by field: change writes one differently and says
// so, or leaves it to be copied.
func copied(raw []byte, change func(f field, out *Blob) (bool, error)) (*Blob, error) {
	out := &Blob{}
	start, at := 0, 0 // of what is to be copied
	err := fields(raw, func(f field) error {
		scratch := &Blob{}
		done, err := change(f, scratch)
		if err != nil {
			return err
		}
		if done {
			out.add(raw[start:at:at])
			out.parts, out.size = append(out.parts, scratch.parts...), out.size+scratch.size
			start = at + len(f.whole)
		}
		at += len(f.whole)
		return nil
	})
	out.add(raw[start:at:at])
	return out, err
}

func (e *edits) model(m *Model) (*Blob, error) {
	functions := 0
	out, err := copied(m.raw, func(f field, out *Blob) (bool, error) {
		switch {
		case f.is(1, protowire.VarintType) && e.ir != 0:
			out.number(1, e.ir)
			return true, nil
		case f.is(7, protowire.BytesType) && e.inGraph(m.Graph):
			g, err := e.graph(m.Graph)
			if err == nil {
				out.message(7, g)
			}
			return true, err
		case f.is(8, protowire.BytesType):
			return e.opset(8, f, out)
		case f.is(25, protowire.BytesType):
			fn := m.Functions[functions]
			functions++
			b, err := e.function(fn)
			if err == nil {
				out.message(25, b)
			}
			return true, err
		}
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	for _, domain := range slices.Sorted(maps.Keys(e.imports)) {
		set := &Blob{}
		set.text(1, domain)
		set.number(2, e.imports[domain])
		out.message(8, set)
	}
	return out, nil
}

// opset writes an import with a lower version.
func (e *edits) opset(num protowire.Number, f field, out *Blob) (bool, error) {
	have := map[string]int64{}
	r := &reader{parts: 4, bytes: maxName}
	if err := r.opset(have, f.data); err != nil {
		return false, err
	}
	for domain, version := range have {
		most, ok := e.most[domain]
		if !ok || version <= most {
			return false, nil
		}
		set := &Blob{}
		set.text(1, domain)
		set.number(2, most)
		out.message(num, set)
	}
	return true, nil
}

func (e *edits) function(fn *Function) (*Blob, error) {
	nodes, values := 0, 0
	return copied(fn.raw, func(f field, out *Blob) (bool, error) {
		if f.typ != protowire.BytesType {
			return false, nil
		}
		switch f.num {
		case 7:
			nodes++
			return e.node(7, fn.Nodes[nodes-1], out)
		case 9:
			return e.opset(9, f, out)
		case 12:
			values++
			return e.value(12, fn.Values[values-1], out)
		}
		return false, nil
	})
}

func (e *edits) graph(g *Graph) (*Blob, error) {
	var nodes, inputs, outputs, values int
	return copied(g.raw, func(f field, out *Blob) (bool, error) {
		if f.typ != protowire.BytesType {
			return false, nil
		}
		switch f.num {
		case 1:
			nodes++
			return e.node(1, g.Nodes[nodes-1], out)
		case 11:
			inputs++
			return e.value(11, g.Inputs[inputs-1], out)
		case 12:
			outputs++
			return e.value(12, g.Outputs[outputs-1], out)
		case 13:
			values++
			return e.value(13, g.Values[values-1], out)
		}
		return false, nil
	})
}

func (e *edits) value(num protowire.Number, v *Value, out *Blob) (bool, error) {
	b, ok := e.values[v]
	if ok {
		out.message(num, b)
	}
	return ok, nil
}

func (e *edits) node(num protowire.Number, n *Node, out *Blob) (bool, error) {
	if list, ok := e.nodes[n]; ok {
		for _, b := range list {
			out.message(num, b)
		}
		return true, nil
	}
	if !e.inNode(n) {
		return false, nil
	}
	change, done, at := e.attributes[n], map[string]bool{}, 0
	b, err := copied(n.raw, func(f field, out *Blob) (bool, error) {
		if !f.is(5, protowire.BytesType) {
			return false, nil
		}
		a := n.Attributes[at]
		at++
		if b, ok := change[a.Name]; ok {
			done[a.Name] = true
			if b != nil {
				out.message(5, b)
			}
			return true, nil
		}
		return e.graphsOf(a, out)
	})
	if err != nil {
		return false, err
	}
	for _, name := range slices.Sorted(maps.Keys(change)) {
		if a := change[name]; !done[name] && a != nil {
			b.message(5, a)
		}
	}
	out.message(num, b)
	return true, nil
}

// graphsOf writes an attribute with graphs that are written differently.
func (e *edits) graphsOf(a *Attribute, out *Blob) (bool, error) {
	if !e.inAttribute(a) {
		return false, nil
	}
	graphs := 0
	b, err := copied(a.raw, func(f field, out *Blob) (bool, error) {
		if !f.is(6, protowire.BytesType) && !f.is(11, protowire.BytesType) {
			return false, nil
		}
		graphs++
		g, err := e.graph(a.Graphs[graphs-1])
		if err == nil {
			out.message(f.num, g)
		}
		return true, err
	})
	if err == nil {
		out.message(5, b)
	}
	return true, err
}

// inGraph, inNode and inAttribute tell whether something in them is changed.
func (e *edits) inGraph(g *Graph) bool {
	for _, list := range [][]*Value{g.Inputs, g.Outputs, g.Values} {
		for _, v := range list {
			if _, ok := e.values[v]; ok {
				return true
			}
		}
	}
	for _, n := range g.Nodes {
		if _, ok := e.nodes[n]; ok || e.inNode(n) {
			return true
		}
	}
	return false
}

func (e *edits) inNode(n *Node) bool {
	if len(e.attributes[n]) > 0 {
		return true
	}
	for _, a := range n.Attributes {
		if e.inAttribute(a) {
			return true
		}
	}
	return false
}

func (e *edits) inAttribute(a *Attribute) bool {
	for _, g := range a.Graphs {
		if e.inGraph(g) {
			return true
		}
	}
	return false
}
