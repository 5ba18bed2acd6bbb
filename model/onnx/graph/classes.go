package graph

import "fmt"

// classes finds the labels of a classifier's outputs.
type classes struct{ l *lowering }

func (l *lowering) classes() *classes { return &classes{l} }

// of gives what is known of an output: the labels of the columns of a tensor of
// probabilities, or the choices of a tensor of labels.
func (c *classes) of(name string) (labels []string, choices []any) {
	if c.l.labels > maxLabelText {
		return nil, nil // no more are kept
	}
	for range 8 {
		n := c.l.maker(name)
		if n == nil {
			return nil, nil
		}
		if n.Domain == mlDomain {
			if found := classifier(n); found != nil && len(n.Outputs) > 0 {
				if n.Outputs[0] == name {
					return nil, found
				}
				return texts(found), nil
			}
			if n.Op == "ArrayFeatureExtractor" { // scikit-learn's way from an index to a label
				return nil, c.constants(n)
			}
		}
		if !passes[n.Op] || len(n.Inputs) == 0 {
			return nil, nil
		}
		name = n.Inputs[0]
	}
	return nil, nil
}

// passes are the operators whose output has the columns, or the labels, of their
// first input.
var passes = map[string]bool{
	"Identity": true, "Cast": true, "Normalizer": true, "Softmax": true, "Reshape": true, "Flatten": true, "Squeeze": true,
	"Clip": true, "Div": true, "Mul": true, "Sigmoid": true,
}

// classifier gives the labels of a node that is one.
func classifier(n *Node) []any {
	switch n.Op {
	case "LinearClassifier", "SVMClassifier", "TreeEnsembleClassifier":
	default:
		return nil
	}
	if s := n.Attribute("classlabels_strings").Strings(maxLabels); len(s) > 0 {
		return anys(s)
	}
	for _, name := range []string{"classlabels_int64s", "classlabels_ints"} {
		if v := n.Attribute(name).Ints(maxLabels); len(v) > 0 {
			return anys(v)
		}
	}
	return nil
}

// constants gives the labels that an ArrayFeatureExtractor chooses from.
func (c *classes) constants(n *Node) []any {
	if len(n.Inputs) == 0 {
		return nil
	}
	t := c.l.constant(n.Inputs[0])
	if t == nil {
		return nil
	}
	if s := t.Strings(maxLabels); len(s) > 0 {
		return anys(s)
	}
	if v := t.Ints(maxLabels); len(v) > 0 {
		return anys(v)
	}
	return nil
}

// texts spells labels.
func texts(labels []any) []string {
	var list []string
	for _, v := range labels {
		list = append(list, fmt.Sprint(v))
	}
	return list
}
