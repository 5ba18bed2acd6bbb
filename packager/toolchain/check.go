package toolchain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// command is one checked command of a RUN line.
type command interface {
	run(ctx context.Context, w *workshop) error
}

// allowed says what a toolchain stage can run.
var allowed = map[string]string{
	"go":   "go build -o FILE [-tags T] [-ldflags '-X name=value'] PACKAGE, go mod download, mkdir -p and cd, joined by &&",
	"rust": "cargo build [--release] [--locked] [--features F] [-p CRATE], cargo fetch, mkdir -p and cd, joined by &&",
	"node": "npm ci, npm run SCRIPT [-- ARGS], mkdir -p and cd, joined by &&",
	"c":    "clang [-O3] [-msimd128] [-I DIR] [-D NAME] -o FILE SOURCES, mkdir -p and cd, joined by &&",
}

// maxScript bounds the shell text, and with it the depth of parsing.
const maxScript = 64 << 10

// refuse is an error about one command of the line.
func refuse(lang, what, format string, args ...any) error {
	return &Error{What: what, Why: fmt.Sprintf(format, args...), Advice: "a toolchain stage runs: " + allowed[lang]}
}

// checker turns a RUN line into commands, none of which is executed unless all
// are allowed.
type checker struct {
	job  Job
	dir  string
	cmds []command
}

func check(job Job) ([]command, error) {
	c := &checker{job: job, dir: path.Join("/", job.Dir)}
	if err := c.environment(job.Env); err != nil {
		return nil, err
	}
	if len(job.Args) > 0 {
		return c.cmds, errors.Join(c.command(nil, job.Args))
	}
	if len(job.Script) > maxScript {
		return nil, refuse(job.Lang, "RUN", "the line is longer than %d bytes", maxScript)
	}
	prog, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(job.Script), "")
	if err != nil {
		return nil, refuse(job.Lang, "RUN", "the shell cannot read it: %v", err)
	}
	for _, stmt := range prog.Stmts {
		if err := c.stmt(stmt, 0); err != nil {
			return nil, err
		}
	}
	if len(c.cmds) == 0 {
		return nil, refuse(job.Lang, "RUN", "it has no command")
	}
	return c.cmds, nil
}

func (c *checker) stmt(s *syntax.Stmt, depth int) error {
	if len(s.Redirs) > 0 || s.Negated || s.Background || s.Coprocess || depth > 1000 {
		return refuse(c.job.Lang, "RUN", "pipes, redirections and background commands are not possible here")
	}
	switch cmd := s.Cmd.(type) {
	case *syntax.BinaryCmd:
		if cmd.Op != syntax.AndStmt {
			return refuse(c.job.Lang, "RUN", "commands can be joined by && alone, no pipes")
		}
		if err := c.stmt(cmd.X, depth+1); err != nil {
			return err
		}
		return c.stmt(cmd.Y, depth+1)
	case *syntax.CallExpr:
		return c.call(cmd)
	}
	return refuse(c.job.Lang, "RUN", "loops, conditions and functions are not possible here")
}

func (c *checker) call(call *syntax.CallExpr) error {
	cfg := &expand.Config{Env: expand.ListEnviron(append(c.job.Env, "PWD="+c.dir)...), ReadDir2: c.readDir}
	argv, err := expand.Fields(cfg, call.Args...)
	if err != nil {
		return refuse(c.job.Lang, "RUN", "%v", err)
	}
	var env []string
	for _, a := range call.Assigns {
		value, err := expand.Literal(cfg, a.Value)
		if err != nil || a.Append || a.Array != nil {
			return refuse(c.job.Lang, a.Name.Value, "cannot be set like this")
		}
		env = append(env, a.Name.Value+"="+value)
	}
	if len(argv) == 0 {
		return refuse(c.job.Lang, "RUN", "variables are set with ENV")
	}
	return c.command(env, argv)
}

// readDir lists a folder of the stage, for patterns such as *.c.
func (c *checker) readDir(name string) ([]fs.DirEntry, error) {
	if c.job.Root == nil {
		return nil, fs.ErrNotExist
	}
	return fs.ReadDir(c.job.Root, local(strings.ReplaceAll(name, `\`, "/")))
}

func (c *checker) command(env, argv []string) error {
	if err := c.environment(env); err != nil {
		return err
	}
	var cmd command
	var err error
	switch name := argv[0]; {
	case name == "cd":
		return c.cd(argv)
	case name == "mkdir":
		cmd, err = c.mkdir(argv)
	case name == "go" && c.job.Lang == "go":
		cmd, err = c.golang(argv)
	case name == "cargo" && c.job.Lang == "rust":
		cmd, err = c.cargo(env, argv)
	case name == "npm" && c.job.Lang == "node":
		cmd, err = c.npm(argv)
	case (name == "clang" || name == "cc") && c.job.Lang == "c":
		cmd, err = c.clang(argv)
	default:
		err = refuse(c.job.Lang, name, "this is not run on the host")
	}
	if err != nil {
		return err
	}
	c.cmds = append(c.cmds, cmd)
	return nil
}

// pinned are the variables of which a stage may repeat the only possible value.
var pinned = map[string]string{
	"GOOS": "wasip1", "GOARCH": "wasm", "CGO_ENABLED": "0", "GO111MODULE": "on", "GOWORK": "off",
	"GOFLAGS": "", "GOTOOLCHAIN": "local", "GOEXPERIMENT": "",
}

func (c *checker) environment(env []string) error {
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		if want, ok := pinned[name]; ok && value != want {
			return refuse(c.job.Lang, kv, "the sandbox wants %s=%s, which is set already", name, want)
		}
	}
	return nil
}

func (c *checker) cd(argv []string) error {
	if len(argv) != 2 {
		return refuse(c.job.Lang, "cd", "expected one folder")
	}
	dir, err := c.inside(argv[1])
	c.dir = dir
	return err
}

// inside makes a path of the stage absolute; one that leads out is an error,
// since compilers would follow it.
func (c *checker) inside(name string) (string, error) {
	name = strings.ReplaceAll(name, `\`, "/")
	if strings.ContainsAny(name, "\x00\n\r") {
		return "", refuse(c.job.Lang, fmt.Sprintf("%q", name), "the name is not allowed")
	}
	rel := strings.TrimPrefix(name, "/")
	if !strings.HasPrefix(name, "/") {
		rel = strings.TrimPrefix(c.dir, "/") + "/" + name
	}
	if rel = path.Clean("./" + strings.TrimPrefix(rel, "/")); rel == ".." || strings.HasPrefix(rel, "../") {
		return "", refuse(c.job.Lang, name, "leads out of the stage")
	}
	return path.Join("/", rel), nil
}

// mkdir is "mkdir -p DIR...".
type mkdir struct{ dirs []string }

func (c *checker) mkdir(argv []string) (command, error) {
	var m mkdir
	for _, arg := range argv[1:] {
		if arg == "-p" || arg == "-pv" || arg == "-v" {
			continue
		}
		if strings.HasPrefix(arg, "-") {
			return nil, refuse(c.job.Lang, "mkdir "+arg, "no such flag here")
		}
		dir, err := c.inside(arg)
		if err != nil {
			return nil, err
		}
		m.dirs = append(m.dirs, dir)
	}
	return m, nil
}

func (m mkdir) run(_ context.Context, w *workshop) error {
	for _, dir := range m.dirs {
		if err := w.root.MkdirAll(local(dir), 0o700); err != nil {
			return err
		}
		w.outputs = append(w.outputs, Output{Path: local(dir), Dir: true})
	}
	return nil
}
