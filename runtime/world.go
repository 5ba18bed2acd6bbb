package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/internal/shell"
)

// world is the container as its shell sees it.
type world struct {
	c       *Container
	session *session
}

// Exec runs a program of a script. What concerns the program alone is said on
// its stderr; what ends the container is the error.
func (w world) Exec(ctx context.Context, p shell.Process) (int, error) {
	err := w.session.exec(ctx, Process{
		Args: p.Args, Env: p.Env, Dir: p.Dir,
		Stdin: p.Stdin, Stdout: p.Stdout, Stderr: p.Stderr, Terminal: p.Terminal, Streams: true,
	})
	if ctx.Err() != nil {
		return 130, context.Cause(ctx)
	}
	var limit *LimitError
	if errors.As(err, &limit) {
		return 137, err
	}
	status, text := Status(err)
	if text != "" {
		fmt.Fprintln(p.Stderr, text)
	}
	return status, nil
}

// Status is the exit status by which a shell or Docker reports an error of Run
// or Exec, and the sentence to print for it; the sentence is empty when the
// program spoke for itself.
func Status(err error) (int, string) {
	var exit *ExitError
	var trap *TrapError
	var missing *NotFoundError
	var format *FormatError
	var limit *LimitError
	switch {
	case err == nil:
		return 0, ""
	case errors.As(err, &exit):
		return exit.ExitCode(), strings.TrimPrefix(exit.Limit.met(), "; ")
	case errors.As(err, &trap):
		return 134, trap.Error()
	case errors.As(err, &missing):
		return 127, missing.Error()
	case errors.As(err, &format):
		return 126, format.Error()
	case errors.As(err, &limit):
		if limit.Resource == "wall time" {
			return 124, limit.Error()
		}
		return 137, limit.Error()
	case errors.Is(err, context.Canceled):
		return 130, ""
	case errors.Is(err, context.DeadlineExceeded):
		return 124, "deadline exceeded"
	}
	return 125, err.Error()
}

func (w world) OpenFile(name string, flag int, perm fs.FileMode) (shell.File, error) {
	how := rootfs.How{
		Read: flag&(os.O_WRONLY) == 0, Write: flag&(os.O_WRONLY|os.O_RDWR) != 0,
		Create: flag&os.O_CREATE != 0, Excl: flag&os.O_EXCL != 0,
		Trunc: flag&os.O_TRUNC != 0, Append: flag&os.O_APPEND != 0,
		Mode: uint32(perm.Perm()),
	}
	f, err := w.c.tree.Open(w.c.tree.Root(), relative(name), how)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &openFile{File: f, name: name, append: how.Append}, nil
}

func (w world) Stat(name string, follow bool) (fs.FileInfo, error) {
	st, err := w.c.tree.Stat(w.c.tree.Root(), relative(name), follow)
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return st.Info(path.Base(name)), nil
}

func (w world) ReadDir(name string) ([]fs.DirEntry, error) {
	return fs.ReadDir(w.c.tree.FS(), relative(name))
}

func (w world) Mkdir(name string, perm fs.FileMode) error {
	return w.c.tree.Mkdir(w.c.tree.Root(), relative(name), uint32(perm.Perm()))
}

func (w world) Remove(name string) error {
	root := w.c.tree.Root()
	st, err := w.c.tree.Stat(root, relative(name), false)
	switch {
	case err != nil:
		return err
	case st.Kind == rootfs.KindDir:
		return w.c.tree.Rmdir(root, relative(name))
	}
	return w.c.tree.Unlink(root, relative(name))
}

func (w world) Rename(from, to string) error {
	root := w.c.tree.Root()
	return w.c.tree.Rename(root, relative(from), root, relative(to))
}

func (w world) Symlink(target, name string) error {
	return w.c.tree.Symlink(target, w.c.tree.Root(), relative(name))
}

func (w world) Link(from, to string) error {
	root := w.c.tree.Root()
	return w.c.tree.Link(root, relative(from), false, root, relative(to))
}

func (w world) Readlink(name string) (string, error) {
	return w.c.tree.Readlink(w.c.tree.Root(), relative(name))
}

func (w world) Chmod(name string, perm fs.FileMode) error {
	return w.c.tree.Chmod(w.c.tree.Root(), relative(name), uint32(perm.Perm()))
}

func (w world) Chtimes(name string, atime, mtime time.Time) error {
	return w.c.tree.SetTimes(w.c.tree.Root(), relative(name), true, rootfs.Times{Atime: &atime, Mtime: &mtime})
}

// Fork books a subshell. Subshells are no programs, but there may be no more of
// them at once.
func (w world) Fork() (func(), error) {
	if n := w.c.subshells.Add(1); n > int64(cap(w.c.slots)) {
		w.c.subshells.Add(-1)
		return nil, w.c.account.exceeded("processes", fmt.Sprint(cap(w.c.slots)))
	}
	return func() { w.c.subshells.Add(-1) }, nil
}

// Spend charges what the shell does itself like what a program computes.
func (w world) Spend(ctx context.Context, fuel uint64, cpu time.Duration) error {
	_, err := w.session.account.charge(fuel, cpu)
	if err == nil {
		w.session.account.rest(ctx, cpu)
		w.c.rt.crew.hold(ctx)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	}
	return err
}

func (w world) Now() time.Time { return w.c.clock.Now() }

func (w world) Sleep(ctx context.Context, d time.Duration) error {
	done, stop := w.c.clock.After(d)
	defer stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// openFile gives a file of the tree the position that io.Reader and io.Writer
// need.
type openFile struct {
	*rootfs.File
	name   string
	offset int64
	append bool
}

func (f *openFile) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.offset)
	f.offset += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func (f *openFile) Write(p []byte) (int, error) {
	if f.append {
		_, n, err := f.File.Append(p)
		return n, err
	}
	n, err := f.WriteAt(p, f.offset)
	f.offset += int64(n)
	return n, err
}

func (f *openFile) Stat() (fs.FileInfo, error) {
	st, err := f.File.Stat()
	if err != nil {
		return nil, err
	}
	return st.Info(path.Base(f.name)), nil
}
