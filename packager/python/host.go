package python

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
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
// that uv provides.
func (in *Installer) findHost(ctx context.Context) (host, error) {
	if len(in.Python) > 0 {
		return host(in.Python), nil
	}
	var tried []string
	for _, command := range [][]string{{"python3"}, {"python"}, {"py", "-3"}} {
		program, err := in.look(command[0])
		if err != nil {
			tried = append(tried, command[0])
			continue
		}
		h := append(host{program}, command[1:]...)
		if h.hasPip(ctx) {
			return h, nil
		}
		tried = append(tried, program+" (without pip)")
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	if uv, err := in.look("uv"); err == nil {
		return host{uv, "run", "--quiet", "--no-project", "--isolated", "--with", "pip", "--", "python"}, nil
	}
	return nil, &NoPipError{Tried: append(tried, "uv")}
}

// hasPip asks a Python whether it can do what is needed; the Windows Store's
// stand-in for Python cannot.
func (h host) hasPip(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := h.command(ctx, "-c", "import sys, pip._internal.cli.main; sys.exit(sys.version_info < (3, 8))")
	cmd.Env = hostEnv(nil)
	return cmd.Run() == nil
}

// command is a run of the host's Python.
func (h host) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, h[0], append(append([]string{}, h[1:]...), args...)...)
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

// kept are settings of pip that must not come from this machine: they would
// change what is chosen, or where it goes.
var notFromHost = set("PIP_PLATFORM", "PIP_ABI", "PIP_IMPLEMENTATION", "PIP_PYTHON_VERSION", "PIP_NO_BINARY", "PIP_ONLY_BINARY",
	"PIP_DEST", "PIP_REQUIREMENT", "PIP_CONSTRAINT", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_REQUIRE_VIRTUALENV",
	"PIP_REQUIRE_HASHES", "PIP_NO_DEPS", "PIP_PRE", "PIP_EDITABLE", "PIP_LOG", "PIP_PYTHON", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONOPTIMIZE")

// hostEnv is the environment of the host's Python: this process's, the
// indexes and proxies that the recipe sets, and what makes the run repeatable.
func hostEnv(stage []string) []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if !notFromHost[strings.ToUpper(name)] {
			env = append(env, kv)
		}
	}
	for _, kv := range stage {
		name, _, _ := strings.Cut(kv, "=")
		upper := strings.ToUpper(name)
		if notFromHost[upper] {
			continue
		}
		if strings.HasPrefix(upper, "PIP_") || strings.HasPrefix(upper, "UV_") || strings.HasSuffix(upper, "_PROXY") {
			env = append(env, kv)
		}
	}
	return append(env, "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_NO_INPUT=1", "PYTHONUTF8=1", "PYTHONIOENCODING=utf-8",
		"PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1", "NO_COLOR=1")
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

// run runs the host's Python in a folder; its output is shown and its end kept.
func (h host) run(ctx context.Context, dir string, env []string, progress io.Writer, args ...string) ([]byte, error) {
	cmd := h.command(ctx, args...)
	cmd.Dir = dir
	cmd.Env = hostEnv(env)
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
