// Package toolchain knows how to call the host's compilers so that the same
// sources give the same WebAssembly module: which few commands are allowed, with
// which flags, in which environment.
package toolchain

import (
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
)

// Job is one RUN line of a toolchain stage.
type Job struct {
	// Lang is the toolchain: go, rust, c or node.
	Lang string
	// Pinned is the release that the stage names (go1.26.8, rust1.95); empty means the
	// host's own.
	Pinned string
	// Script is the shell text, or Args the words of the exec form.
	Script string
	Args   []string
	// Root are the stage's files.
	Root fs.FS
	// Dir is the working directory, absolute within the stage.
	Dir string
	// Env is the stage's environment, as NAME=value.
	Env []string
	// Epoch is the time that compilers are told.
	Epoch          time.Time
	Stdout, Stderr io.Writer
}

// Output is a file that a compiler made, or a folder that mkdir made.
type Output struct {
	// Path is relative to the stage's root.
	Path string
	Dir  bool
	Data []byte
	// Plain says that it is no program: its mode follows its content.
	Plain bool
}

// Error is a toolchain that cannot do what is asked: what, why, what to type.
type Error struct {
	What   string
	Why    string
	Advice string
}

func (e *Error) Error() string {
	return strings.TrimRight(fmt.Sprintf("%s: %s\n%s", e.What, e.Why, e.Advice), "\n")
}
