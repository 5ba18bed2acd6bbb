package scaffold

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Host is this machine's own Python, which runs what it is given as the user.
// Nothing goes there unless the user has asked for that.
type Host struct {
	python []string // the command
	dir    string   // an environment that Close throws away
}

// NewHost finds the Python of this machine.
func NewHost() (*Host, error) {
	python, err := findPython()
	if err != nil {
		return nil, err
	}
	return &Host{python: []string{python}}, nil
}

// NewEnvironment makes a throw-away environment with packages, by uv or by the
// host's Python with its pip. What these say goes to talk. version is the Python
// wanted, which uv alone can give; "" is any.
func NewEnvironment(ctx context.Context, packages []string, version string, talk io.Writer) (*Host, error) {
	dir, err := os.MkdirTemp("", "wherry-environment-")
	if err != nil {
		return nil, err
	}
	h := &Host{dir: dir}
	if err := h.fill(ctx, packages, version, talk); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

func (h *Host) fill(ctx context.Context, packages []string, version string, talk io.Writer) error {
	env := filepath.Join(h.dir, "env")
	inside := filepath.Join(env, "bin", "python")
	if runtime.GOOS == "windows" {
		inside = filepath.Join(env, "Scripts", "python.exe")
	}
	uv, err := exec.LookPath("uv")
	if err == nil {
		args := []string{"venv", "--quiet", env}
		if version != "" {
			args = append(args, "--python", version)
		}
		if err := command(ctx, talk, uv, args...); err != nil {
			return fmt.Errorf("make an environment: %w", err)
		}
		h.python = []string{inside}
		if err := command(ctx, talk, uv, append([]string{"pip", "install", "--quiet", "--python", inside}, packages...)...); err != nil {
			return &InstallError{packages, err}
		}
		return nil
	}
	if version != "" {
		return errors.New("uv is not installed, and nothing else brings another Python: install uv, or leave --python away")
	}
	python, err := findPython()
	if err != nil {
		return err
	}
	// Isolated: modules of the folder that wherry is run in are nobody's.
	if err := command(ctx, talk, python, "-I", "-m", "venv", env); err != nil {
		return fmt.Errorf("make an environment: %w", err)
	}
	h.python = []string{inside}
	install := append([]string{"-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"}, packages...)
	if err := command(ctx, talk, inside, install...); err != nil {
		return &InstallError{packages, err}
	}
	return nil
}

// An InstallError says that packages could not be had.
type InstallError struct {
	Packages []string
	Err      error
}

func (e *InstallError) Error() string {
	return fmt.Sprintf("install %s: %v", strings.Join(e.Packages, " "), e.Err)
}

// Unwrap gives the reason.
func (e *InstallError) Unwrap() error { return e.Err }

func command(ctx context.Context, talk io.Writer, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = talk, talk
	return cmd.Run()
}

// Close throws the environment away.
func (h *Host) Close() error {
	if h.dir == "" {
		return nil
	}
	return os.RemoveAll(h.dir)
}

// Python runs one program to its end, over the folder where it is.
func (h *Host) Python(ctx context.Context, p Program, stdin io.Reader, stdout io.Writer) error {
	dir, err := os.MkdirTemp("", "wherry-program-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	folder, err := filepath.Abs(p.Folder)
	if err != nil {
		return err
	}
	for name, data := range p.Files {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), data, 0o600); err != nil {
			return err
		}
	}
	args := append(append([]string{}, h.python[1:]...), "-B")
	for _, arg := range p.Args {
		args = append(args, filepath.Join(dir, filepath.Base(arg)))
	}
	jobs, here := io.Pipe()
	defer jobs.Close()
	go func() { here.CloseWithError(relocate(here, stdin, folder)) }()
	var talk Tail
	cmd := exec.CommandContext(ctx, h.python[0], args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = jobs, stdout, &talk
	cmd.Env = append(os.Environ(), "PYTHONIOENCODING=utf-8")
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return talk.Explain(err)
	}
	return nil
}

// relocate passes jobs on, with paths as they are on this machine.
func relocate(to io.Writer, from io.Reader, folder string) error {
	jobs := bufio.NewReader(from)
	for {
		line, err := jobs.ReadBytes('\n')
		if len(line) > 1 {
			here, err := relocated(line, folder)
			if err != nil {
				return err
			}
			if _, err := to.Write(append(here, '\n')); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

func join(folder, name string) string { return filepath.Join(folder, filepath.FromSlash(name)) }

// findPython finds the Python of this machine.
func findPython() (string, error) {
	for _, name := range []string{"python3", "python"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("there is no python3 on this machine")
}

// A Tail keeps the last part of what a program prints.
type Tail struct{ buffer bytes.Buffer }

// maxTail bounds it.
const maxTail = 2 * maxAnswer

// Write keeps p, and forgets what was written long before.
func (t *Tail) Write(p []byte) (int, error) {
	n := len(p)
	if len(p) > maxTail/2 {
		p = p[len(p)-maxTail/2:]
	}
	if t.buffer.Len()+len(p) > maxTail {
		t.buffer.Next(t.buffer.Len() - maxTail/2)
	}
	t.buffer.Write(p)
	return n, nil
}

// Bytes are what was kept.
func (t *Tail) Bytes() []byte { return t.buffer.Bytes() }

// Explain puts the last line that a program said to its error.
func (t *Tail) Explain(err error) error {
	text := strings.TrimSpace(t.buffer.String())
	if text = text[strings.LastIndexByte(text, '\n')+1:]; text != "" {
		return fmt.Errorf("%w: %s", err, comment(text))
	}
	return err
}
