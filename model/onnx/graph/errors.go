package graph

import (
	"fmt"
	"strings"
)

// A FormatError is a file that is no ONNX model, or a damaged one.
type FormatError struct {
	// Where names the part of the file, as "node 3 of the graph"; "" is the file.
	Where  string
	Reason string
}

func (e *FormatError) Error() string {
	if e.Where == "" {
		return e.Reason
	}
	return e.Where + ": " + e.Reason
}

// An UnsupportedError is a model that is right, and that this engine cannot run.
type UnsupportedError struct {
	// Operator is the operator, its domain first when that is not ONNX's own; "" when it
	// is not about one. Node is the name of the node.
	Operator, Node string
	// Field names the input or output that it is about.
	Field string
	// Reason says what of it cannot be run.
	Reason string
	// Help is what to type or change; it may have several lines.
	Help string
}

func (e *UnsupportedError) Error() string {
	var b strings.Builder
	switch {
	case e.Operator != "":
		fmt.Fprintf(&b, "operator %s", e.Operator)
		if e.Node != "" {
			fmt.Fprintf(&b, " (node %s)", shorten(e.Node))
		}
		b.WriteString(": ")
	case e.Field != "":
		fmt.Fprintf(&b, "%s: ", shorten(e.Field))
	}
	b.WriteString(e.Reason)
	if e.Help != "" {
		b.WriteString("\n" + e.Help)
	}
	return b.String()
}

// shorten makes a name of the model fit for a message.
func shorten(name string) string { return shortenTo(name, 80) }

func shortenTo(name string, most int) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(name, "?"))
	if r := []rune(clean); len(r) > most {
		return string(r[:most]) + "..."
	}
	return clean
}
