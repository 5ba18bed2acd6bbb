package graph

import (
	"fmt"
	"strings"
)

// mlDomain is the set of classical machine learning, microsoftDomain that of
// ONNX Runtime's own operators.
const (
	mlDomain        = "ai.onnx.ml"
	microsoftDomain = "com.microsoft"
)

// operators checks that all operators are there, and lowers the version of
// ONNX's own as far as that is needed.
func (l *lowering) operators() error {
	top := int64(0)
	for _, set := range append(l.functionSets(), l.m.Opsets) {
		top = max(top, set[""])
	}
	var first error
	for version := int64(MaxOpset); version >= lowest; version-- {
		leave, err := l.try(version)
		if err == nil {
			for n, names := range leave {
				for _, name := range names {
					l.e.attribute(n, name, nil)
				}
			}
			if top > version {
				l.e.most[""] = version
			}
			return nil
		}
		if first == nil {
			first = err
		}
		if top < version { // nothing is lowered by trying less
			break
		}
	}
	return first
}

func (l *lowering) functionSets() (sets []map[string]int64) {
	for _, fn := range l.m.Functions {
		sets = append(sets, fn.Opsets)
	}
	return sets
}

// try looks whether all nodes mean the same with ONNX's own operators of at most
// a version, and what is to be left out of them then.
func (l *lowering) try(most int64) (leave map[*Node][]string, err error) {
	own := map[[2]string]bool{}
	for _, fn := range l.m.Functions {
		own[[2]string{fn.Domain, fn.Name}] = true
	}
	leave = map[*Node][]string{}
	l.m.walk(func(*Graph) {}, func(n *Node, opsets map[string]int64) {
		if err != nil || own[[2]string{n.Domain, n.Op}] {
			return
		}
		version, imported := opsets[n.Domain]
		if !imported {
			err = &FormatError{Where: l.spell(n), Reason: "the model names no version of its operator set"}
			return
		}
		var names []string
		if names, err = l.node(n, version, most); len(names) > 0 {
			leave[n] = names
		}
	})
	return leave, err
}

// node looks at one node.
func (l *lowering) node(n *Node, opset, most int64) ([]string, error) {
	o := operators()[[2]string{n.Domain, n.Op}]
	if o == nil {
		return nil, l.unknown(n)
	}
	if n.Domain == "" && opset > knownOpset {
		return nil, l.unsupported(n, fmt.Sprintf("it is of opset %d, and this version of wherry knows those up to %d", opset, knownOpset))
	}
	from := o.in(opset)
	if from < 0 {
		return nil, &FormatError{Where: l.spell(n), Reason: fmt.Sprintf("it is not in opset %d", opset)}
	}
	to := from
	if n.Domain == "" && opset > most {
		if to = o.in(most); to < 0 {
			return nil, l.unsupported(n, fmt.Sprintf("it is new in opset %d; ONNX Runtime 1.18 has opset %d", o.versions[0].since, MaxOpset))
		}
	}
	if o.versions[to].none {
		return nil, l.unsupported(n, "ONNX Runtime 1.18 has no implementation of it"+l.ofVersion(o, to))
	}
	if to < from && o.versions[to].old {
		return nil, l.unsupported(n, fmt.Sprintf("opset %d has another one of this name", most))
	}
	leave, why := o.lowered(n, from, to, func(t ElementType) bool { return l.has(n, t) })
	if why != "" {
		return nil, l.unsupported(n, fmt.Sprintf("%s; ONNX Runtime 1.18 has opset %d", why, MaxOpset))
	}
	if why := l.ceiling(n); why != "" {
		return nil, l.unsupported(n, why)
	}
	return leave, nil
}

// ofVersion says of which version there is none, when there are others.
func (l *lowering) ofVersion(o *operator, i int) string {
	for _, v := range o.versions {
		if !v.none && !v.old && v.since <= MaxOpset {
			return fmt.Sprintf(" as opset %d has it", o.versions[i].since)
		}
	}
	return ""
}

// has tells whether a node may work with elements of a type: what the file says of
// its inputs and outputs, or, where it says nothing of one, of the whole model.
func (l *lowering) has(n *Node, t ElementType) bool {
	if !l.used[t] {
		return false
	}
	for _, names := range [][]string{n.Inputs, n.Outputs} {
		for _, name := range names {
			if have, ok := l.types[name]; name != "" && (!ok || have == t) {
				return true
			}
		}
	}
	return false
}

// unknown says where an operator comes from that is not ours.
func (l *lowering) unknown(n *Node) error {
	switch {
	case n.Domain == "":
		return l.unsupported(n, "ONNX has no such operator")
	case n.Domain == microsoftDomain || n.Domain == mlDomain:
		return l.unsupported(n, "ONNX Runtime 1.18 has no such operator")
	case n.Domain == "ai.onnx.contrib" || n.Domain == "com.microsoft.extensions":
		e := l.unsupported(n, "it is of the package onnxruntime-extensions")
		e.Help = "export the model without pre- and post-processing, and do these in Python: FROM python"
		return e
	case strings.HasPrefix(n.Domain, "com.microsoft.nchwc"), strings.HasPrefix(n.Domain, "com.ms.internal"):
		e := l.unsupported(n, "ONNX Runtime made it for one machine when it saved an optimized model")
		e.Help = "use the model that was optimized, or save it with ORT_ENABLE_BASIC"
		return e
	}
	e := l.unsupported(n, "no operator set of ONNX has it, nor a function of the model")
	e.Help = "export without operators of your own"
	return e
}

func (l *lowering) unsupported(n *Node, reason string) *UnsupportedError {
	name := n.Op
	if n.Domain != "" {
		name = n.Domain + " " + n.Op
	}
	return &UnsupportedError{Operator: shorten(name), Node: n.Name, Reason: reason, Help: l.exportHelp()}
}

// spell names a node for a message.
func (l *lowering) spell(n *Node) string {
	return strings.TrimSpace(fmt.Sprintf("node %s (%s %s)", shorten(n.Name), shorten(n.Domain), shorten(n.Op)))
}

// exportHelp is the line that exports for this engine, with the tool that wrote
// the model.
func (l *lowering) exportHelp() string {
	producer := strings.ToLower(l.m.Producer)
	for _, known := range []struct{ producer, line string }{
		{"pytorch", "export with: torch.onnx.export(model, args, \"model.onnx\", opset_version=18)\nor: optimum-cli export onnx --opset 18 --model NAME FOLDER"},
		{"skl2onnx", "export with: skl2onnx.to_onnx(model, X[:1], target_opset={\"\": 18, \"ai.onnx.ml\": 3})"},
		{"onnxmltools", "export with target_opset=15, as in: onnxmltools.convert_xgboost(model, initial_types=types, target_opset=15)"},
		{"tf2onnx", "export with: python -m tf2onnx.convert --opset 18 ..."},
		{"keras", "export with: model.export(\"model.onnx\", format=\"onnx\", opset_version=18)"},
	} {
		if strings.Contains(producer, known.producer) {
			return known.line
		}
	}
	return "export with opset 18, or: onnx.save(onnx.version_converter.convert_version(onnx.load(\"model.onnx\"), 18), \"model18.onnx\")"
}
