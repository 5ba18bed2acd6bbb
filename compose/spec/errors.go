package spec

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// ErrNoFile is the cause when there is no compose file.
var ErrNoFile = errors.New("no compose file: there is none in this folder, nor above it")

// An Error is what is wrong with a compose file, and where.
type Error struct {
	File string // as it was named, or found
	Line int    // 0: of the whole file
	Path string // as services.web.ports[0]; "": none
	Text string
	More int // how many others there are
	Err  error
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(shown(e.File))
		if e.Line > 0 {
			fmt.Fprintf(&b, ":%d", e.Line)
		}
		b.WriteString(": ")
	}
	if e.Path != "" {
		b.WriteString(e.Path)
		b.WriteString(": ")
	}
	b.WriteString(e.Text)
	switch e.More {
	case 0:
	case 1:
		b.WriteString(" (and one more error)")
	default:
		fmt.Fprintf(&b, " (and %d more errors)", e.More)
	}
	return b.String()
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// shown is a file's name as people know it: below the working directory, without it.
func shown(name string) string {
	if !filepath.IsAbs(name) {
		return name
	}
	here, err := filepath.Abs(".")
	if err != nil {
		return name
	}
	if rel, err := filepath.Rel(here, name); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return name
}

// guard calls what is the library's, which has values asserted to be of the types that a
// checked file has: what it panics with on another is an error of the file.
func guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("a value of another type is expected here (%v)", r)
		}
	}()
	return f()
}
