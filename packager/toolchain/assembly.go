package toolchain

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/wherry-run/wherry/internal/pattern"
)

// Go's assembler follows #include to any file of the machine that it runs on.
// So sources in assembly may include plain headers beside them and of Go, and
// these are looked through as well.

// listAssembly is a template of go list: the sources in assembly and the
// headers of packages that are not Go's own, one a line.
const listAssembly = `{{if not .Standard}}{{$d := .Dir}}{{range .SFiles}}{{$d}}` + "\t" + `{{.}}{{"\n"}}{{end}}{{range .HFiles}}{{$d}}` + "\t" + `{{.}}{{"\n"}}{{end}}{{end}}`

// maxAssembly bounds a source in assembly, in bytes.
const maxAssembly = 16 << 20

var (
	anyInclude   = pattern.New(`\binclude\b`)
	plainInclude = pattern.New(`(?m)^[ \t]*#include[ \t]+"[A-Za-z0-9_]+\.h"[ \t]*\r?$`)
	lineComment  = pattern.New(`(?m)^([^"'\n]*|[ \t]*#include[ \t]+"[A-Za-z0-9_]+\.h"[ \t]*)//.*$`)
)

// checkAssembly refuses to build packages whose assembly could take in a file
// of the host.
func (g goBuild) checkAssembly(ctx context.Context, w *workshop, tool *gotool) error {
	argv := []string{tool.path, "list", "-e", "-deps", "-f", listAssembly}
	for _, f := range g.flags {
		if strings.HasPrefix(f, "-tags=") || strings.HasPrefix(f, "-mod=") {
			argv = append(argv, f)
		}
	}
	out, err := call(ctx, w.path(g.dir), w.host.environment(w.tmp, tool.env...), w.job.Stderr, append(append(argv, "--"), g.packages...)...)
	if err != nil {
		return err
	}
	for line := range strings.Lines(out) {
		dir, name, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "\t")
		if !ok {
			continue
		}
		at := filepath.Join(dir, name)
		if info, err := os.Stat(at); err == nil && info.Size() > maxAssembly {
			return &Error{What: name, Why: "assembly of that size is not read", Advice: "write it in Go"}
		}
		text, err := os.ReadFile(at)
		if err != nil {
			return err
		}
		if !includesPlainly(text) {
			return &Error{What: name, Why: "assembly may include headers by their name alone", Advice: `write #include "NAME.h", with the header beside it`}
		}
	}
	return nil
}

// includesPlainly reports whether every mention of include is a plain one. It
// refuses more than it must: where comments of several lines or quotes could
// hide what a line is, it counts all of it.
func includesPlainly(text []byte) bool {
	if !bytes.Contains(text, []byte("/*")) {
		text = lineComment.ReplaceAll(text, []byte("$1"))
	}
	return !anyInclude.Match(plainInclude.ReplaceAll(text, nil))
}
