// Package scaffold knows what data scientists leave in a folder - a pickled
// model with its notebook, an ONNX export, a model of MLflow or Hugging Face -
// and writes what an image of it needs: predict.py, a Wasmfile, golden cases.
//
// Whatever reads a model or a table runs in the sandbox, as programs of ours in
// the base python: a pickle is a program, and nobody knows whose. What comes
// back is checked here before a line is written with it.
package scaffold

import (
	"context"
	"embed"
	"io"
	"strings"
)

//go:embed guest/*.py
var guest embed.FS

// A Sandbox runs Python where it can harm nothing.
type Sandbox interface {
	// Python runs a program in a container of the base python, without network,
	// until it ends or stdin does.
	Python(ctx context.Context, p Program, stdin io.Reader, stdout io.Writer) error
}

// A Program is one run of Python.
type Program struct {
	// Args are the program's path in the container and its arguments.
	Args []string
	// Files are laid into the container, by path.
	Files map[string][]byte
	// Folder of this machine is seen at Work, read-only; "" is none.
	Folder string
}

// Work is where programs of a Sandbox see the folder, and what generated files
// are written for.
const Work = "/app"

// A File is one to be written.
type File struct {
	Name string
	Data []byte
}

// A Draft is what was found and what to write for it.
type Draft struct {
	// Found says in one line what the model is.
	Found string
	// Files are to be written into the folder.
	Files []File
	// Notes are for the user to read, the most important first.
	Notes []string
	// Edits counts the lines of the files that are marked for a look.
	Edits int
}

// A RefusedError says that nothing can be written for a model, and what to do.
type RefusedError struct {
	Reason string
	// Advice is what to type, or "".
	Advice string
}

func (e *RefusedError) Error() string { return e.Reason }

// Hint is the next thing to type.
func (e *RefusedError) Hint() string { return e.Advice }

// Mark is at the end of every generated line that holds a guess.
const Mark = "# EDIT"

// marked counts the lines with a mark.
func marked(files []File) int {
	n := 0
	for _, f := range files {
		for line := range strings.Lines(string(f.Data)) {
			if strings.Contains(line, Mark) && !strings.Contains(line, quoted(Mark)) || strings.Contains(line, `"EDIT: `) {
				n++
			}
		}
	}
	return n
}
