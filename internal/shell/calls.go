package shell

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// printfProgram is what printf runs: the interpreter's own knows neither widths
// nor precisions.
const printfProgram = "/bin/printf"

// call sees every command of a script before it runs, and may put another in
// its place.
func (h *handlers) call(ctx context.Context, args []string) ([]string, error) {
	hc := interp.HandlerCtx(ctx)
	if err := h.bounded(ctx, hc, args); err != nil {
		return nil, err
	}
	// What "command" and "builtin" run is not shown to us again.
	n := 0
	for n+1 < len(args) && (args[n] == "command" || args[n] == "builtin") && (args[n+1] == "--" || !strings.HasPrefix(args[n+1], "-")) {
		n++
		if args[n] == "--" && n+1 < len(args) {
			n++
		}
	}
	if n == 0 && h.isFunction(args[0]) {
		return args, nil
	}
	own, err := h.replace(ctx, hc, args[n:])
	switch {
	case err != nil:
		return nil, err
	case n == 0 || strings.HasPrefix(own[0], "\x01") || own[0] == printfProgram:
		return hosted(own), nil
	}
	return append(args[:n:n], hosted(own)...), nil
}

// replace is what runs in the place of a builtin that would reach the host,
// parse text that nobody has looked at, or hold what has no bound.
func (h *handlers) replace(ctx context.Context, hc interp.HandlerContext, args []string) ([]string, error) {
	switch args[0] {
	case "eval":
		if len(args) > 1 {
			text, err := h.rewriteText(strings.Join(args[1:], " "))
			return []string{"eval", text}, err
		}
	case "trap":
		if len(args) > 2 && !strings.HasPrefix(args[1], "-") {
			text, err := h.rewriteText(args[1])
			return append([]string{"trap", text}, args[2:]...), err
		}
	case "source", ".":
		if len(args) > 1 {
			return h.source(hc, args)
		}
	case "test", "[":
		if len(args) > maxOperands {
			return nil, errNesting
		}
	case "alias", "pushd":
		return args, h.keep(int(listSize(args)) + 256)
	case "shopt":
		for _, a := range args[1:] {
			if a == "expand_aliases" && args[1] != "-u" {
				return failing("shopt: aliases are not expanded in scripts here; use a function"), nil
			}
		}
	case "echo":
		return append([]string{echoCommand}, args[1:]...), nil
	case "pwd":
		if len(args) > 1 && args[1] == "-P" {
			return []string{echoCommand, "-E", h.realDir(hc)}, nil
		}
		return []string{echoCommand, "-E", guestPath(hc.Dir)}, nil
	case "printf":
		if len(args) > 2 && args[1] == "-v" {
			return h.printfVariable(ctx, hc, args[2:])
		}
		return append([]string{printfProgram}, args[1:]...), nil
	case "read":
		return h.read(ctx, hc, args)
	case "mapfile", "readarray":
		return h.mapfile(ctx, hc, args)
	}
	return args, nil
}

func failing(text string) []string { return []string{failCommand, text} }

// realDir is the working directory without symbolic links.
func (h *handlers) realDir(hc interp.HandlerContext) string {
	dir := guestPath(hc.Dir)
	c := &call{w: h.world, Process: Process{Dir: dir}}
	if real, err := c.resolve(dir, true); err == nil {
		return real
	}
	return dir
}

// source has the shell read a script into itself from a copy that was
// rewritten: what is looked at is what runs, whatever becomes of the file.
func (h *handlers) source(hc interp.HandlerContext, args []string) ([]string, error) {
	name := guestPath(args[1])
	names := []string{absolute(guestPath(hc.Dir), name)}
	if !strings.Contains(name, "/") {
		names = nil
		for _, dir := range strings.Split(hc.Env.Get("PATH").String(), ":") {
			names = append(names, path.Join("/", guestPath(dir), name))
		}
		names = append(names, absolute(guestPath(hc.Dir), name))
	}
	for _, full := range names {
		text, ok, err := h.readSource(full)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if !ok {
			continue
		}
		if text, err = h.rewriteText(text); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		copied, err := h.held.hold(strings.NewReader(text))
		return append([]string{args[0], hostPath(copied)}, args[2:]...), err
	}
	return failing(args[0] + ": " + name + ": no such file"), nil
}

// readSource reads a script, if there is one of that name.
func (h *handlers) readSource(name string) (text string, ok bool, err error) {
	f, err := h.world.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return "", false, nil
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return "", false, nil
	}
	data, err := readScript(f)
	return string(data), err == nil, err
}

// printfVariable is printf -v.
func (h *handlers) printfVariable(ctx context.Context, hc interp.HandlerContext, args []string) ([]string, error) {
	if !syntax.ValidName(args[0]) {
		return failing("printf: " + args[0] + ": not a valid name"), nil
	}
	c := &call{Process: Process{Stderr: hc.Stderr}, ctx: ctx, w: h.world, name: "printf"}
	if c.Stderr == nil {
		c.Stderr = null{}
	}
	text, err := formatted(c, args[1:])
	if err != nil {
		return failing("printf: " + err.Error()), nil
	}
	return setting([]string{args[0]}, []string{text}, c.status)
}

// setting is a command that sets variables and ends with a status.
func setting(names, values []string, status int) ([]string, error) {
	var b strings.Builder
	for i, name := range names {
		quoted, err := quote(values[i])
		if err != nil {
			return nil, err
		}
		b.WriteString(name + "=" + quoted + "\n")
	}
	fmt.Fprintf(&b, "%s %d && :", statusCommand, status)
	return []string{"eval", b.String()}, nil
}

func quote(s string) (string, error) {
	return syntax.Quote(strings.ReplaceAll(s, "\x00", ""), syntax.LangBash)
}

// ownCommand runs the commands that rewriting puts into a script.
func (h *handlers) ownCommand(ctx context.Context, hc interp.HandlerContext, args []string) error {
	switch args[0] {
	case sizeCheck:
		n, err := sized(hc, args[1:])
		if err != nil {
			return h.refuse(err)
		}
		if err := h.world.Spend(ctx, n/8, time.Duration(n/8)); err != nil {
			return h.end(err)
		}
		return h.scan(hc, n)
	case tickCommand:
		return exitStatus(hc.LastExitStatus)
	case statusCommand:
		n := 0
		if len(args) == 2 && len(args[1]) < 4 {
			fmt.Sscan(args[1], &n)
		}
		return exitStatus(n)
	case failCommand:
		if hc.Stderr != nil {
			fmt.Fprintln(hc.Stderr, strings.Join(args[1:], " "))
		}
		return interp.ExitStatus(1)
	case echoCommand:
		return echo(ctx, hc, args[1:])
	case copyCommand:
		return h.copyInput(ctx, hc)
	case mapfileCommand:
		return hc.Builtin(ctx, append([]string{"mapfile"}, args[1:]...))
	case forkCommand:
		return h.fork(ctx, hc, args)
	}
	return interp.ExitStatus(127)
}

func exitStatus(n int) error {
	if n == 0 {
		return nil
	}
	return interp.ExitStatus(n)
}

// fork runs what stands beside the script, as one more subshell.
func (h *handlers) fork(ctx context.Context, hc interp.HandlerContext, args []string) error {
	text, err := forked(args)
	if err != nil {
		return interp.ExitStatus(127)
	}
	leave, err := h.world.Fork()
	if err != nil {
		return h.end(err)
	}
	defer leave()
	h.live.Add(1)
	defer h.live.Add(-1)
	return hc.Builtin(ctx, []string{"eval", text})
}

// statusPipe is the status of what ended because nobody reads its output.
const statusPipe = 141

// broken ends the shell whose output nobody reads, as a signal would.
func broken(ctx context.Context, hc interp.HandlerContext) error {
	return hc.Builtin(ctx, []string{"exit", fmt.Sprint(statusPipe)})
}

// echo is the builtin: one write, whose failure is heeded.
func echo(ctx context.Context, hc interp.HandlerContext, args []string) error {
	newline, escapes := "\n", false
options:
	for len(args) > 0 {
		switch args[0] {
		case "-n":
			newline = ""
		case "-e":
			escapes = true
		case "-E":
		default:
			break options
		}
		args = args[1:]
	}
	text := strings.Join(args, " ")
	if escapes {
		text, _, _ = expand.Format(&expand.Config{}, text, nil)
	}
	if hc.Stdout == nil {
		return nil
	}
	_, err := io.WriteString(hc.Stdout, text+newline)
	switch {
	case err == nil:
		return nil
	case isBroken(err):
		return broken(ctx, hc)
	}
	if hc.Stderr != nil {
		fmt.Fprintf(hc.Stderr, "echo: write: %v\n", reason(err))
	}
	return interp.ExitStatus(1)
}

// copyInput prints the input into a substitution.
func (h *handlers) copyInput(ctx context.Context, hc interp.HandlerContext) error {
	out := hc.Stdout
	var text substitution
	if b, ok := out.(*strings.Builder); ok {
		text.text, out = b, &text
	}
	if hc.Stdin == nil || out == nil {
		return nil
	}
	_, err := io.Copy(out, cancellable{&call{ctx: ctx, w: h.world}, hc.Stdin})
	if text.full {
		return h.refuse(errInMemory)
	}
	if err != nil {
		return interp.ExitStatus(1)
	}
	return nil
}
