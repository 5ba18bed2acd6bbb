package ux

import (
	"fmt"
	"io"
	"strings"
)

// A UsageError is a command line that cannot be understood.
type UsageError struct{ Text string }

func (e *UsageError) Error() string { return e.Text }

// A Message is an error as people read it: what happened (and where), and what
// to type next.
type Message struct {
	Text string
	Hint string
}

// PrintError writes a message in at most three lines: `wherry: what`, then the
// hint.
func PrintError(w io.Writer, m Message) {
	text := Printable(strings.TrimRight(m.Text, ".\n"))
	fmt.Fprintf(w, "wherry: %s\n", text)
	if m.Hint != "" {
		fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(Printable(m.Hint), "\n", "\n  "))
	}
}
