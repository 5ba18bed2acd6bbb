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

// reading is a command line of read.
type reading struct {
	raw, array, silent bool
	prompt             string
	names              []string
}

// parseRead takes it apart; ok is false for one that read itself refuses.
func parseRead(args []string) (r reading, ok bool) {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		flags := args[0][1:]
		args = args[1:]
		if flags == "-" || flags == "" {
			break
		}
		for i, f := range flags {
			switch f {
			case 'r':
				r.raw = true
			case 's':
				r.silent = true
			case 'a':
				r.array = true
			case 'p':
				if i+1 < len(flags) || len(args) == 0 {
					return r, false
				}
				r.prompt, args = args[0], args[1:]
			default:
				return r, false
			}
		}
	}
	for _, name := range args {
		if !syntax.ValidName(name) {
			return r, false
		}
	}
	r.names = args
	return r, !r.array || len(args) == 1
}

// read is the builtin, for a line that is not longer than what may be held.
func (h *handlers) read(ctx context.Context, hc interp.HandlerContext, args []string) ([]string, error) {
	r, ok := parseRead(args[1:])
	if hc.Stdin == nil || r.silent && isTerminal(hc.Stdin) {
		return args, nil // it asks the terminal not to echo
	}
	if !ok {
		return failing("read: it is known with -r, -s, -a NAME, -p TEXT and names of variables"), nil
	}
	if hc.Stdout != nil {
		io.WriteString(hc.Stdout, r.prompt)
	}
	line, err := readLine(ctx, hc.Stdin, r.raw)
	status := 0
	switch {
	case err == errLine:
		return nil, h.refuse(err)
	case err != nil:
		status = 1
	}
	if err := h.world.Spend(ctx, uint64(len(line))*readFuel, time.Duration(len(line))*readTime); err != nil {
		return nil, h.end(err)
	}
	h.grown.Add(int64(len(line)))
	cfg := &expand.Config{Env: hc.Env}
	switch {
	case r.array:
		fields := expand.ReadFields(cfg, line, -1, r.raw)
		for i, f := range fields {
			if fields[i], err = quote(f); err != nil {
				return nil, err
			}
		}
		return []string{"eval", fmt.Sprintf("%s=(%s)\n%s %d && :", r.names[0], strings.Join(fields, " "), statusCommand, status)}, nil
	case len(r.names) == 0:
		if !r.raw {
			line = unescape(line)
		}
		return setting([]string{"REPLY"}, []string{line}, status)
	}
	values := make([]string, len(r.names))
	copy(values, expand.ReadFields(cfg, line, len(r.names), r.raw))
	return setting(r.names, values, status)
}

// unescape leaves backslashes away, except those that one stands before.
func unescape(s string) string {
	var b strings.Builder
	escaped := false
	for i := range len(s) {
		if s[i] == '\\' && !escaped {
			escaped = true
			continue
		}
		b.WriteByte(s[i])
		escaped = false
	}
	return b.String()
}

func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// maxRead bounds a line that read reads, byte by byte.
const maxRead = 1 << 20

// What a byte of it costs.
const (
	readFuel = 500
	readTime = 500 * time.Nanosecond
)

var errLine = fmt.Errorf("read: a line of more than %d bytes", maxRead)

// readLine reads a line and not a byte more: the next command reads on.
func readLine(ctx context.Context, r io.Reader, raw bool) (string, error) {
	if f, ok := r.(*os.File); ok {
		done := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			f.SetReadDeadline(time.Now())
			close(done)
		})
		defer func() {
			if !stop() {
				<-done
				f.SetReadDeadline(time.Time{})
			}
		}()
	}
	var line []byte
	escaped := false
	var b [1]byte
	for {
		n, err := r.Read(b[:])
		switch {
		case n == 0:
		case !raw && b[0] == '\\':
			line = append(line, b[0])
			escaped = !escaped
		case b[0] == '\n' && escaped: // the line goes on
			line = line[:len(line)-1]
			escaped = false
		case b[0] == '\n':
			return string(line), nil
		default:
			line = append(line, b[0])
			escaped = false
		}
		if len(line) > maxRead {
			return "", errLine
		}
		if err != nil {
			return string(line), err
		}
	}
}

// mapfile is the builtin over what its input holds, if that is not too much.
func (h *handlers) mapfile(ctx context.Context, hc interp.HandlerContext, args []string) ([]string, error) {
	if hc.Stdin == nil {
		return failing(args[0] + ": no input"), nil
	}
	c := &call{ctx: ctx, w: h.world}
	data, err := io.ReadAll(io.LimitReader(cancellable{c, hc.Stdin}, maxText/4+1))
	if err != nil {
		return failing(args[0] + ": " + err.Error()), nil
	}
	if len(data) > maxText/4 {
		return nil, h.refuse(errTooLarge)
	}
	h.grown.Add(int64(len(data)))
	name, err := h.held.hold(strings.NewReader(string(data)))
	if err != nil {
		return nil, err
	}
	text := mapfileCommand
	for _, a := range args[1:] {
		quoted, err := quote(a)
		if err != nil {
			return nil, err
		}
		text += " " + quoted
	}
	return []string{"eval", text + " <" + name}, nil
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
