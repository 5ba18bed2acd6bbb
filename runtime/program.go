package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/internal/shell"
	"github.com/wherry-run/wherry/internal/wasm"
)

// maxInterpreters bounds a chain of #! lines, as Linux does.
const maxInterpreters = 4

// maxInterpreterLine bounds a #! line in bytes, as Linux does.
const maxInterpreterLine = 255

// executable is a program as it was found: a module in a file of the
// container, or one of the shell's.
type executable struct {
	path    string
	args    []string // the program's arguments, interpreters resolved
	file    *rootfs.File
	builtin shell.Builtin
}

func (e *executable) close() {
	if e.file != nil {
		e.file.Close()
	}
}

// find looks a program up as a kernel and a shell would together: by PATH when
// its name has no slash, following #! lines, and at last among the programs
// that every container has.
func (c *Container) find(p Process) (*executable, error) {
	name, args := p.Args[0], p.Args
	search := pathOf(p.Env)
	for depth := 0; ; depth++ {
		file, full, err := c.lookup(name, p.Dir, search)
		if err != nil {
			var missing *NotFoundError
			if b, ok := builtin(name); ok && errors.As(err, &missing) {
				return &executable{path: name, args: args, builtin: b}, nil
			}
			return nil, err
		}
		next, err := inspect(file, full)
		if err != nil {
			file.Close()
			return nil, err
		}
		if next == nil {
			return &executable{path: full, args: args, file: file}, nil
		}
		file.Close()
		if depth == maxInterpreters {
			return nil, &FormatError{Program: full, Reason: "more than 4 interpreters deep (#! lines)"}
		}
		args = slices.Concat(next, []string{full}, args[1:])
		name = next[0]
	}
}

// builtin finds one of the programs that every container has, when name is
// such a program's bare name or its usual path.
func builtin(name string) (shell.Builtin, bool) {
	dir, base := path.Split(name)
	switch dir {
	case "", "/bin/", "/usr/bin/":
		return shell.Lookup(base)
	}
	return nil, false
}

func pathOf(env []string) []string {
	search := DefaultPath
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			search = v
		}
	}
	return strings.Split(search, ":")
}

// lookup opens the executable file that name means.
func (c *Container) lookup(name, dir string, search []string) (*rootfs.File, string, error) {
	if strings.Contains(name, "/") {
		full := name
		if !path.IsAbs(full) {
			full = path.Join(dir, name)
		}
		f, err := c.openExecutable(full)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, "", &NotFoundError{Program: name}
		}
		return f, full, err
	}
	var denied error
	for _, d := range search {
		if d == "" {
			d = dir
		}
		full := path.Join("/", d, name)
		f, err := c.openExecutable(full)
		if err == nil {
			return f, full, nil
		}
		var format *FormatError
		if errors.As(err, &format) {
			denied = err
		}
	}
	if denied != nil {
		return nil, "", denied
	}
	return nil, "", &NotFoundError{Program: name, Path: search}
}

func (c *Container) openExecutable(full string) (*rootfs.File, error) {
	f, err := c.tree.Open(c.tree.Root(), relative(full), rootfs.How{Read: true})
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	switch {
	case err != nil:
	case st.Kind == rootfs.KindDir:
		err = &FormatError{Program: full, Reason: "is a directory"}
	case st.Mode&0o111 == 0:
		err = &FormatError{Program: full, Reason: "permission denied: the file is not executable (chmod +x it in the recipe)"}
	default:
		return f, nil
	}
	f.Close()
	return nil, err
}

// relative turns an absolute path of the container into one from its root.
func relative(p string) string {
	r := strings.TrimLeft(p, "/")
	if r == "" {
		return "."
	}
	return r
}

// inspect tells what a file is: nil for a module that can run, the interpreter
// and its argument for a script, else why it cannot run here.
func inspect(f *rootfs.File, full string) (interpreter []string, err error) {
	head := make([]byte, maxInterpreterLine+1)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", full, err)
	}
	head = head[:n]
	switch wasm.Detect(head) {
	case wasm.CoreModule:
		return nil, nil
	case wasm.Script:
		return parseInterpreter(head, full)
	case wasm.Component:
		return nil, &FormatError{full, "exec format error: a WebAssembly component (WASI 0.2 or later); build it as a core module for wasm32-wasip1"}
	case wasm.ELF:
		return nil, &FormatError{full, "exec format error: a native Linux program; compile it for wasm32-wasip1 (FROM toolchain:go or toolchain:c)"}
	case wasm.MachO:
		return nil, &FormatError{full, "exec format error: a native macOS program; compile it for wasm32-wasip1"}
	case wasm.PE:
		return nil, &FormatError{full, "exec format error: a native Windows program; compile it for wasm32-wasip1"}
	}
	return nil, &FormatError{full, "exec format error: neither a WebAssembly module nor a script that begins with #!"}
}

// parseInterpreter reads a #! line: the interpreter and at most one argument.
func parseInterpreter(head []byte, full string) ([]string, error) {
	line, _, ended := bytes.Cut(head[2:], []byte("\n"))
	if !ended && len(head) > maxInterpreterLine {
		return nil, &FormatError{full, "exec format error: the #! line is longer than 255 bytes"}
	}
	name, arg, _ := strings.Cut(strings.Trim(string(line), " \t\r"), " ")
	if name == "" {
		return nil, &FormatError{full, "exec format error: the #! line names no interpreter"}
	}
	if arg = strings.Trim(arg, " \t"); arg != "" {
		return []string{name, arg}, nil
	}
	return []string{name}, nil
}
