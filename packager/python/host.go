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
// that uv provides. dir is an empty folder.
func (in *Installer) findHost(ctx context.Context, dir string) (host, error) {
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
		if h.hasPip(ctx, dir) {
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
// stand-in for Python cannot. It asks in an empty folder: Python takes modules
// from where it is started, which may be the folder of a stranger's recipe.
func (h host) hasPip(ctx context.Context, dir string) bool {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := h.command(ctx, "-c", "import sys, pip._internal.cli.main; sys.exit(sys.version_info < (3, 8))")
	cmd.Dir, cmd.Env = dir, hostEnv(nil)
	return cmd.Run() == nil
}

// command is a run of the host's Python.
func (h host) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, h[0], append(append([]string{}, h[1:]...), args...)...)
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

// notFromHost are settings of pip that must not come from this machine: they would
// change what is chosen, or where it goes.
var notFromHost = set("PIP_PLATFORM", "PIP_ABI", "PIP_IMPLEMENTATION", "PIP_PYTHON_VERSION", "PIP_NO_BINARY", "PIP_ONLY_BINARY",
	"PIP_DEST", "PIP_REQUIREMENT", "PIP_CONSTRAINT", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_REQUIRE_VIRTUALENV",
	"PIP_REQUIRE_HASHES", "PIP_NO_DEPS", "PIP_PRE", "PIP_EDITABLE", "PIP_LOG", "PIP_PYTHON", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONOPTIMIZE")

// fromStage are the settings of pip that a recipe may make, and which of them
// are addresses. Others would name files of this machine, or what runs on it.
var fromStage = map[string]bool{
	"PIP_INDEX_URL": true, "PIP_EXTRA_INDEX_URL": true, "PIP_PROXY": true, "PIP_TRUSTED_HOST": false, "PIP_NO_INDEX": false,
	"PIP_TIMEOUT": false, "PIP_DEFAULT_TIMEOUT": false, "PIP_RETRIES": false, "PIP_NO_CACHE_DIR": false,
	"HTTP_PROXY": false, "HTTPS_PROXY": false, "ALL_PROXY": false, "NO_PROXY": false,
}

// onTheNet reports whether all addresses in a value are of the web: those of
// files would be this machine's.
func onTheNet(value string) bool {
	for _, address := range strings.Fields(value) {
		scheme, _, ok := strings.Cut(strings.ToLower(address), "://")
		if !ok || scheme != "http" && scheme != "https" {
			return false
		}
	}
	return true
}

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
		name, value, _ := strings.Cut(kv, "=")
		if address, ok := fromStage[strings.ToUpper(name)]; ok && (!address || onTheNet(value)) {
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
