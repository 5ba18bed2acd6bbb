package shell_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wherry-run/wherry/internal/shell"
)

// dirWorld is a World over a folder of the test: its root is the container's.
type dirWorld struct {
	root  *os.Root
	forks *atomic.Int64
	fuel  *atomic.Uint64
	cpu   *atomic.Int64
}

func rel(p string) string {
	if r := strings.TrimPrefix(p, "/"); r != "" {
		return r
	}
	return "."
}

func (w dirWorld) OpenFile(p string, flag int, perm fs.FileMode) (shell.File, error) {
	return w.root.OpenFile(rel(p), flag, perm)
}

func (w dirWorld) Stat(p string, follow bool) (fs.FileInfo, error) {
	if follow {
		return w.root.Stat(rel(p))
	}
	return w.root.Lstat(rel(p))
}

func (w dirWorld) ReadDir(p string) ([]fs.DirEntry, error) {
	return fs.ReadDir(w.root.FS(), path.Clean(rel(p)))
}
func (w dirWorld) Mkdir(p string, perm fs.FileMode) error { return w.root.Mkdir(rel(p), perm) }
func (w dirWorld) Remove(p string) error                  { return w.root.Remove(rel(p)) }
func (w dirWorld) Rename(from, to string) error           { return w.root.Rename(rel(from), rel(to)) }
func (w dirWorld) Symlink(target, p string) error         { return w.root.Symlink(target, rel(p)) }
func (w dirWorld) Link(from, to string) error             { return w.root.Link(rel(from), rel(to)) }
func (w dirWorld) Readlink(p string) (string, error)      { return w.root.Readlink(rel(p)) }
func (w dirWorld) Chmod(p string, perm fs.FileMode) error { return w.root.Chmod(rel(p), perm) }
func (w dirWorld) Chtimes(p string, a, m time.Time) error { return w.root.Chtimes(rel(p), a, m) }

func (w dirWorld) Now() time.Time { return time.Now() }
func (w dirWorld) Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// maxForks is how many subshells a dirWorld lets run at once.
const maxForks = 50

var errForks = errors.New("too many subshells")

func (w dirWorld) Fork() (func(), error) {
	if w.forks == nil {
		return func() {}, nil
	}
	if w.forks.Add(1) > maxForks {
		return nil, errForks
	}
	return func() { w.forks.Add(-1) }, nil
}

func (w dirWorld) Spend(ctx context.Context, fuel uint64, cpu time.Duration) error {
	if w.fuel != nil {
		w.fuel.Add(fuel)
		w.cpu.Add(int64(cpu))
	}
	return ctx.Err()
}

func (w dirWorld) Exec(ctx context.Context, p shell.Process) (int, error) {
	b, ok := shell.Lookup(path.Base(p.Args[0]))
	if !ok {
		fmt.Fprintf(p.Stderr, "%s: not found\n", p.Args[0])
		return 127, nil
	}
	return b(ctx, w, p)
}

// script runs a script with dir as the container's root and working directory.
func script(ctx context.Context, dir, text string) (stdout, stderr string, status int, err error) {
	return dirWorld{forks: new(atomic.Int64)}.script(ctx, dir, text)
}

func (w dirWorld) script(ctx context.Context, dir, text string) (stdout, stderr string, status int, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", "", 0, err
	}
	defer root.Close()
	var out, errs bytes.Buffer
	w.root = root
	status, err = shell.Sh(ctx, w, shell.Process{
		Args: []string{"sh", "-c", text, "sh", "one", "two words"},
		Env:  []string{"PATH=/usr/bin:/bin", "HOME=/", "LC_ALL=C", "TZ=UTC", "GREETING=hello"},
		Dir:  "/", Stdin: strings.NewReader("in 1\nin 2\n"), Stdout: &out, Stderr: &errs,
	})
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return out.String(), errs.String(), status, err
}
