package toolchain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Host calls the compilers of this machine. It is safe for concurrent use.
type Host struct {
	// Env is the environment of this process; compilers get a few variables of
	// it (PATH, proxies), never all.
	Env []string
	// AllowScripts lets crates of Rust have their build scripts and macros run, which are
	// programs of this machine.
	AllowScripts bool
}

// New gives compilers the environment of this process.
func New() *Host { return &Host{Env: os.Environ()} }

// maxOutput bounds a file that a compiler made.
const maxOutput = 1 << 30

// Run checks the line of a RUN, then executes its commands one after the other
// in a temporary copy of the stage, and gives back what they made.
func (h *Host) Run(ctx context.Context, job Job) ([]Output, error) {
	commands, err := check(job)
	if err != nil {
		return nil, err
	}
	w, err := newWorkshop(ctx, h, job)
	if err != nil {
		return nil, err
	}
	defer w.close()
	for _, c := range commands {
		if err := c.run(ctx, w); err != nil {
			return nil, err
		}
	}
	return w.outputs, nil
}

// Version names the compiler that a job would call, with all that its output
// depends on besides the sources.
func (h *Host) Version(ctx context.Context, lang, pinned string) (string, error) {
	switch lang {
	case "go":
		g, err := h.golang(ctx, pinned)
		if err != nil {
			return "", err
		}
		return g.version, nil
	case "rust":
		r, err := h.rust(ctx, pinned)
		if err != nil {
			return "", err
		}
		return r.version, nil
	case "node":
		n, err := h.node(ctx)
		if err != nil {
			return "", err
		}
		return n.version, nil
	}
	c, err := h.clang(ctx)
	if err != nil {
		return "", err
	}
	return c.version, nil
}

// lookup gives a variable of the host.
func (h *Host) lookup(name string) (string, bool) {
	value, ok := "", false
	for _, kv := range h.Env {
		if k, v, _ := strings.Cut(kv, "="); sameName(k, name) {
			value, ok = v, true
		}
	}
	return value, ok
}

// passed are the variables of the host that every compiler gets: where programs
// are, and without which programs do not start on Windows.
var passed = []string{"PATH", "SYSTEMROOT", "WINDIR", "COMSPEC", "PATHEXT"}

// environment is the clean environment of a compiler.
func (h *Host) environment(tmp string, more ...string) []string {
	env := []string{"LC_ALL=C", "TZ=UTC", "HOME=" + tmp, "TMPDIR=" + tmp, "TMP=" + tmp, "TEMP=" + tmp, "USERPROFILE=" + tmp}
	for _, name := range passed {
		if v, ok := h.lookup(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return append(env, more...)
}

// find looks a program up on the host's PATH.
func (h *Host) find(name string) (string, bool) {
	list, _ := h.lookup("PATH")
	for _, dir := range filepath.SplitList(list) {
		if dir == "" || !filepath.IsAbs(dir) {
			continue
		}
		if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return p, true
		}
	}
	return "", false
}

// call runs a program of the host and returns what it printed on stdout.
func call(ctx context.Context, dir string, env []string, stderr io.Writer, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, env
	cmd.WaitDelay = 2 * time.Second
	killGroup(cmd)
	out := &bounded{max: 8 << 20}
	cmd.Stdout = out
	tail := &bounded{max: 64 << 10}
	cmd.Stderr = tail
	if stderr != nil {
		cmd.Stderr = io.MultiWriter(stderr, tail)
	}
	err := cmd.Run()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return out.b.String(), &ExitError{Program: filepath.Base(argv[0]), Code: exit.ExitCode(), Stderr: tail.b.String()}
	}
	if err != nil {
		return "", fmt.Errorf("start %s: %w", filepath.Base(argv[0]), err)
	}
	return out.b.String(), nil
}

// ExitError is a compiler that ended with a status other than 0. What it said
// went to the job's Stderr.
type ExitError struct {
	Program string
	Code    int
	// Stderr is the beginning of what the compiler said.
	Stderr string
}

func (e *ExitError) Error() string { return fmt.Sprintf("%s: exit status %d", e.Program, e.Code) }

// ExitCode is the compiler's status.
func (e *ExitError) ExitCode() int { return e.Code }

// bounded keeps the first max bytes.
type bounded struct {
	b   bytes.Buffer
	max int
}

func (w *bounded) Write(p []byte) (int, error) {
	if room := w.max - w.b.Len(); room > 0 {
		w.b.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}
