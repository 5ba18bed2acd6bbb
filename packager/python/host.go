package python

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// NoPipError says that the host has nothing that could fetch packages.
type NoPipError struct{ Tried []string }

func (e *NoPipError) Error() string {
	return "pip install needs Python with pip, or uv, on this machine; tried " + strings.Join(e.Tried, ", ") +
		"\ninstall Python 3.8 or newer, or uv, and see that it is on PATH" +
		"\n(packages are fetched by the host and run only in the sandbox)"
}

// host is a command that runs a Python with pip.
type host []string

// findHost finds a Python with pip: the one that is set, one on PATH, or one
// that uv provides. It is asked in the folder quiet, where nothing of others is.
func (in *Installer) findHost(ctx context.Context, quiet string) (host, error) {
	if len(in.Python) > 0 {
		if h, ok := withPip(ctx, in.Python, quiet); ok {
			return h, nil
		}
		return nil, &NoPipError{Tried: []string{strings.Join(in.Python, " ")}}
	}
	var tried []string
	for _, command := range [][]string{{"python3"}, {"python"}, {"py", "-3"}} {
		program, err := in.look(command[0])
		if err != nil {
			tried = append(tried, command[0])
			continue
		}
		if h, ok := withPip(ctx, append([]string{program}, command[1:]...), quiet); ok {
			return h, nil
		}
		tried = append(tried, program+" (without pip)")
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	if uv, err := in.look("uv"); err == nil {
		return append(host{uv, "run", "--quiet", "--no-project", "--isolated", "--with", "pip", "--", "python", "-I"}, plainRun...), nil
	}
	return nil, &NoPipError{Tried: append(tried, "uv")}
}

// plainRun are options of Python: no bytecode is written, text is UTF-8, and
// what is printed comes at once.
var plainRun = []string{"-B", "-u", "-X", "utf8"}

// withPip asks a Python whether it can do what is needed; the Windows Store's
// stand-in for Python cannot. It is isolated from variables and from the user's
// own packages, unless pip is one of these.
func withPip(ctx context.Context, python []string, quiet string) (host, bool) {
	for _, isolated := range [][]string{{"-I"}, nil} {
		h := append(append(append(host{}, python...), isolated...), plainRun...)
		if h.hasPip(ctx, quiet) {
			return h, true
		}
	}
	return nil, false
}

// hasPip reports whether the command runs a Python with pip. Its folder must
// be an empty one: with -c, Python imports from where it stands first.
func (h host) hasPip(ctx context.Context, quiet string) bool {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := h.command(ctx, "-c", "import sys, pip._internal.cli.main; sys.exit(sys.version_info < (3, 8))")
	cmd.Dir = quiet
	cmd.Env = hostEnv()
	return cmd.Run() == nil
}

// command is a run of the host's Python.
func (h host) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, h[0], append(append([]string{}, h[1:]...), args...)...)
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

// tail keeps the last bytes written to it, for a message about a failure.
type tail struct {
	to  io.Writer
	buf []byte
}

// maxTail bounds what is kept of pip's output.
const maxTail = 256 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - maxTail; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	if t.to != nil {
		if n, err := t.to.Write(p); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

// run runs the host's Python in a folder of ours with settings of ours; its
// output is shown and its end kept.
func (h host) run(ctx context.Context, dir string, own []string, progress io.Writer, args ...string) ([]byte, error) {
	cmd := h.command(ctx, args...)
	cmd.Dir = dir
	cmd.Env = hostEnv(own...)
	out := &tail{to: progress}
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run()
	if ctx.Err() != nil {
		return out.buf, ctx.Err()
	}
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return out.buf, fmt.Errorf("run pip: %w\n%s", err, lastLines(out.buf, 3))
		}
		return out.buf, fmt.Errorf("run pip: %w", err)
	}
	return out.buf, nil
}

// lastLines is the end of an output.
func lastLines(text []byte, n int) string {
	lines := strings.Split(string(bytes.TrimSpace(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
