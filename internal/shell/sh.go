package shell

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync/atomic"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// invocation is a command line of sh, taken apart.
type invocation struct {
	options     []string // for interp.Params: -e, -u, -x, -o name ...
	command     string   // text of -c
	hasCommand  bool
	interactive bool
	script      string // path of a script; empty reads standard input
	name        string // $0
	args        []string
}

func parseArgs(args []string) (invocation, error) {
	inv := invocation{name: args[0]}
	rest := args[1:]
	wantCommand := false
	for len(rest) > 0 {
		a := rest[0]
		if a == "--" || a == "-" {
			rest = rest[1:]
			break
		}
		if len(a) < 2 || (a[0] != '-' && a[0] != '+') {
			break
		}
		rest = rest[1:]
		for i, f := range a[1:] {
			switch {
			case a == "--login" || a == "--norc" || a == "--noprofile" || a == "--posix":
			case f == 'c' && a[0] == '-':
				wantCommand = true
			case f == 'i':
				inv.interactive = true
			case f == 'l' || f == 's' || f == 'm' || f == 'h':
			case f == 'o':
				if i != len(a)-2 || len(rest) == 0 {
					return inv, fmt.Errorf("%s: option -o needs a name", args[0])
				}
				inv.options = append(inv.options, a[:1]+"o", rest[0])
				rest = rest[1:]
			case strings.ContainsRune("aefnuvxC", f):
				inv.options = append(inv.options, a[:1]+string(f))
			default:
				return inv, fmt.Errorf("%s: unknown option %s", args[0], a)
			}
			if strings.HasPrefix(a, "--") {
				break
			}
		}
	}
	switch {
	case wantCommand:
		if len(rest) == 0 {
			return inv, fmt.Errorf("%s: option -c needs a command", args[0])
		}
		inv.command, inv.hasCommand, rest = rest[0], true, rest[1:]
		if len(rest) > 0 {
			inv.name, inv.args = rest[0], rest[1:]
		}
	case len(rest) > 0:
		inv.script, inv.name, inv.args = rest[0], rest[0], rest[1:]
	}
	return inv, nil
}

// Sh runs one invocation of the shell, as the program /bin/sh, and returns its
// exit status. The error is a cancelled context or one that World's Exec
// returned: something that ends more than the script.
func Sh(ctx context.Context, w World, p Process) (int, error) {
	inv, err := parseArgs(p.Args)
	if err != nil {
		fmt.Fprintln(p.Stderr, err)
		return 2, nil
	}
	// What ends more than the script ends what else the script has running: a
	// pipeline's other programs may wait for input that never comes.
	inner, stop := context.WithCancel(ctx)
	defer stop()
	p.Stdout, p.Stderr = oneAtATime(p.Stdout, p.Stderr)
	p.Stderr = discreet{p.Stderr}
	theirs, done, err := p.shared(inv)
	if err != nil {
		fmt.Fprintf(p.Stderr, "%s: %v\n", p.Args[0], err)
		return 2, nil
	}
	defer done()
	if theirs != nil && inv.prompts(p) {
		p.Stdin = theirs
	}
	programs := p
	programs.Stdin = theirs
	r, h, err := newRunner(inner, w, programs, inv, stop)
	if err != nil {
		fmt.Fprintf(p.Stderr, "%s: %v\n", p.Args[0], err)
		return 2, nil
	}
	status, err := h.run(inner, r, p, inv)
	if first := h.fatal.Load(); first != nil {
		return status, *first
	}
	if why := h.refused.Load(); why != nil && ctx.Err() == nil {
		fmt.Fprintf(p.Stderr, "%s: %v\n", p.Args[0], *why)
		return 1, nil
	}
	return status, err
}

// prompts tells whether what is typed is run line by line.
func (inv invocation) prompts(p Process) bool {
	return !inv.hasCommand && inv.script == "" && (p.Terminal || inv.interactive)
}

// shared is the input of the programs of a script. The interpreter copies what is no file
// ahead, and would take from a script that comes from there what the parser has not
// read yet: so such a script has all of it, and at a prompt both read one pipe.
func (p Process) shared(inv invocation) (in io.Reader, done func(), err error) {
	done = func() {}
	switch _, file := p.Stdin.(*os.File); {
	case inv.hasCommand, inv.script != "", p.Stdin == nil, file:
		return p.Stdin, done, nil
	case !inv.prompts(p):
		return null{}, done, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	go func() {
		_, _ = io.Copy(w, p.Stdin)
		_ = w.Close()
	}()
	return r, func() { _ = r.Close() }, nil
}

func (h *handlers) run(ctx context.Context, r *interp.Runner, p Process, inv invocation) (int, error) {
	switch {
	case inv.hasCommand:
		return h.runText(ctx, r, p, inv.name, strings.NewReader(inv.command))
	case inv.script != "":
		f, err := h.world.OpenFile(absolute(p.Dir, inv.script), os.O_RDONLY, 0)
		if err != nil {
			fmt.Fprintf(p.Stderr, "%s: %s: %v\n", p.Args[0], inv.script, reason(err))
			return 127, nil
		}
		defer f.Close()
		return h.runText(ctx, r, p, inv.name, f)
	case inv.prompts(p):
		return h.interact(ctx, r, p)
	}
	return h.runText(ctx, r, p, inv.name, p.Stdin)
}

// runText parses the whole text first, so that a syntax error runs nothing.
func (h *handlers) runText(ctx context.Context, r *interp.Runner, p Process, name string, text io.Reader) (int, error) {
	file, err := h.parse(text, name)
	if err != nil {
		fmt.Fprintf(p.Stderr, "%s: %v\n", p.Args[0], err)
		return 2, nil
	}
	return outcome(ctx, p, r.Run(ctx, file))
}

func (h *handlers) parse(text io.Reader, name string) (*syntax.File, error) {
	script, err := readScript(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(bytes.NewReader(script), name)
	if err != nil {
		return nil, err
	}
	return file, h.own(file)
}

func outcome(ctx context.Context, p Process, err error) (int, error) {
	var status interp.ExitStatus
	switch {
	case err == nil:
		return 0, ctx.Err()
	case errors.As(err, &status):
		return int(status), ctx.Err()
	case ctx.Err() != nil:
		return 130, ctx.Err()
	}
	fmt.Fprintf(p.Stderr, "%s: %v\n", p.Args[0], err)
	return 1, nil
}

// maxTyped bounds what one session at a prompt may read.
const maxTyped = 64 << 20

// interact is the prompt of a terminal.
func (h *handlers) interact(ctx context.Context, r *interp.Runner, p Process) (int, error) {
	prompt := func(s string) { fmt.Fprint(p.Stderr, s) }
	prompt("$ ")
	status := 0
	parser := syntax.NewParser(syntax.Variant(syntax.LangBash))
	in := bufio.NewReader(&io.LimitedReader{R: p.Stdin, N: maxTyped})
	var runErr error
	err := parser.Interactive(in, func(stmts []*syntax.Stmt) bool {
		if parser.Incomplete() {
			prompt("> ")
			return true
		}
		for _, stmt := range stmts {
			if err := h.own(stmt); err != nil {
				fmt.Fprintln(p.Stderr, err)
				status = 2
				continue
			}
			status, runErr = outcome(ctx, p, r.Run(ctx, stmt))
			if runErr != nil || r.Exited() {
				return false
			}
		}
		prompt("$ ")
		return true
	})
	if err != nil && runErr == nil {
		fmt.Fprintln(p.Stderr, err)
		return 2, nil
	}
	return status, runErr
}

// noTemp is what the interpreter is told its folder for named pipes is. It
// opens names below that folder on the host without asking the open handler,
// so the folder has to be one that no script can name.
const noTemp = "/\x00"

func newRunner(ctx context.Context, w World, p Process, inv invocation, stop func()) (*interp.Runner, *handlers, error) {
	h := &handlers{world: w, terminal: p.Terminal, inOrder: p.InOrder, fatal: new(atomic.Pointer[error]), stop: stop, tmpdir: "unset TMPDIR"}
	env := make([]string, 0, len(p.Env)+1)
	for _, kv := range p.Env {
		if v, ok := strings.CutPrefix(kv, "TMPDIR="); ok {
			quoted, err := syntax.Quote(v, syntax.LangBash)
			if err != nil {
				continue
			}
			h.tmpdir = "export TMPDIR=" + quoted
			continue
		}
		env = append(env, kv)
	}
	env = append(env, "TMPDIR="+hostPath(noTemp))
	r, err := interp.New(
		interp.Env(environment{expand.ListEnviron(env...)}),
		interp.StdIO(p.Stdin, p.Stdout, p.Stderr),
		interp.OpenHandler(h.open),
		interp.StatHandler(h.stat),
		interp.ReadDirHandler2(h.readDir),
		interp.AccessHandler(h.access),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return h.exec }),
		interp.CallHandler(h.call),
		interp.Params(append(append(append([]string{}, inv.options...), "--"), inv.args...)...),
	)
	if err != nil {
		return nil, nil, err
	}
	r.Dir = hostPath(p.Dir)
	r.Reset()
	prelude, err := syntax.NewParser().Parse(strings.NewReader(h.tmpdir), "")
	if err != nil {
		return nil, nil, err
	}
	if err := r.Run(ctx, prelude); err != nil {
		return nil, nil, err
	}
	return r, h, nil
}

// environment is what a shell begins with. The interpreter would ask the host
// for what is not in it: whose home is where, and who runs it.
type environment struct{ expand.Environ }

func (e environment) Get(name string) expand.Variable {
	if user, ok := strings.CutPrefix(name, "HOME "); ok {
		return expand.Variable{Set: true, Kind: expand.String, Str: "~" + user}
	}
	if v := e.Environ.Get(name); v.IsSet() {
		return v
	}
	switch name {
	case "HOME":
		return expand.Variable{Set: true, Kind: expand.String, Str: "/"}
	case "UID", "EUID", "GID":
		return expand.Variable{Set: true, Kind: expand.String, Str: "0", ReadOnly: true}
	}
	return expand.Variable{}
}

func absolute(dir, name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join(dir, name)
}

// reason is an error without the operation and path around it.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
