package graph

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// What ONNX Runtime 1.18 takes.
const (
	// MaxIR is the last IR version that it reads.
	MaxIR = 10
	// MaxOpset is the last version of ONNX's own operators that it has.
	MaxOpset = 21
	// knownOpset is the last version whose changes operators.txt knows.
	knownOpset = 28
)

// operatorText has a line for each operator: its domain, its name, and the
// versions of the operator set in which it was new or changed. After a version
// stand what is to be said of it:
//
//	7-             ONNX Runtime 1.18 has no implementation of it
//	7x             it is deprecated since
//	7+TYPE         a type of elements that it takes since
//	7@NAME=VALUE   an attribute that it has since; with VALUE it does what it did
//	               before, and with * it never does else for the types from before
//	7!             it is another since
//
// Of versions up to 20 the changes are left out, because nothing is lowered
// below them. TestOperators of test/onnx makes it of the schemas of ONNX, and by
// asking the engine for every operator, version and type.
//
//go:embed operators.txt
var operatorText string

// lowest is the lowest version that a model is lowered to.
const lowest = 20

// operator is what is known of one.
type operator struct{ versions []version }

// version is what changed in an operator with one version of its set.
type version struct {
	since              int64
	none, old, another bool
	types              []ElementType
	attributes         []attributeSince
}

type attributeSince struct{ name, plain string }

// operators has all operators, by domain and name.
var operators = sync.OnceValue(func() map[[2]string]*operator {
	all := map[[2]string]*operator{}
	for line := range strings.Lines(operatorText) {
		words := strings.Fields(line)
		if len(words) < 3 {
			continue
		}
		o := &operator{}
		for _, w := range words[2:] {
			o.versions = append(o.versions, parseVersion(w))
		}
		all[[2]string{plainDomain(words[0]), words[1]}] = o
	}
	return all
})

func parseVersion(word string) version {
	digits := len(word)
	if i := strings.IndexAny(word, "-x!+@"); i >= 0 {
		digits = i
	}
	since, _ := strconv.ParseInt(word[:digits], 10, 64)
	v := version{since: since}
	for rest := word[digits:]; rest != ""; {
		end := len(rest)
		if i := strings.IndexAny(rest[1:], "+@!"); i >= 0 {
			end = i + 1
		}
		arg := rest[1:end]
		switch rest[0] {
		case '-':
			v.none = true
		case 'x':
			v.old = true
		case '!':
			v.another = true
		case '+':
			v.types = append(v.types, elementNamed(arg))
		case '@':
			name, plain, _ := strings.Cut(arg, "=")
			v.attributes = append(v.attributes, attributeSince{name, plain})
		}
		rest = rest[end:]
	}
	return v
}

func elementNamed(name string) ElementType {
	return ElementType(slices.IndexFunc(elements, func(e element) bool { return e.name == name }))
}

// in finds the version of an operator that a version of its set means; -1 when it
// came later.
func (o *operator) in(opset int64) int {
	i := slices.IndexFunc(o.versions, func(v version) bool { return v.since > opset })
	if i < 0 {
		i = len(o.versions)
	}
	return i - 1
}

// lowered tells whether a node means the same in an earlier version of its
// operator: which attributes are to be left out then, or why it does not.
func (o *operator) lowered(n *Node, from, to int, has func(ElementType) bool) (leave []string, why string) {
	for _, v := range slices.Backward(o.versions[to+1 : from+1]) {
		if v.another {
			return nil, fmt.Sprintf("it is another operator since opset %d", v.since)
		}
		for _, t := range v.types {
			if has(t) {
				return nil, fmt.Sprintf("elements of the type %s, which it takes since opset %d", t, v.since)
			}
		}
		for _, a := range v.attributes {
			have := n.Attribute(a.name)
			if have == nil {
				continue
			}
			if a.plain != "*" && have.spell() != a.plain {
				return nil, fmt.Sprintf("%s=%s, which it has since opset %d", a.name, shorten(have.spell()), v.since)
			}
			leave = append(leave, a.name)
		}
	}
	return leave, ""
}

// spell gives the value of an attribute that is a number or a text.
func (a *Attribute) spell() string {
	if v, ok := a.Text(); ok && a.kind() != kindInt {
		return v
	}
	if v, ok := a.Int(); ok {
		return strconv.FormatInt(v, 10)
	}
	return "?"
}
