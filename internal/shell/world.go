package shell

import (
	"context"
	"io"
	"io/fs"
	"time"
)

// A World is the container that a shell acts in. Every path is absolute, with
// slashes, and clean.
type World interface {
	Files
	Starter
	Clock
	Meter
}

// Meter is told of the work that the shell and its small programs do
// themselves.
type Meter interface {
	// Spend books work: in units of about an instruction, which are the same for
	// the same script, and as time. It may wait, to keep the container to its
	// share of the processors. Its error ends the container: it has no more, or
	// the context is cancelled.
	Spend(ctx context.Context, fuel uint64, cpu time.Duration) error
}

// Clock is the container's time.
type Clock interface {
	Now() time.Time
	// Sleep waits; the error is the context's.
	Sleep(ctx context.Context, d time.Duration) error
}

// Starter starts programs.
type Starter interface {
	// Exec runs a program to its end and returns its exit status. The error is
	// for what kept it from running or ended the whole container, such as a
	// cancelled context; what concerns the program alone (not found, not
	// executable) is said on its Stderr and in the status.
	Exec(ctx context.Context, p Process) (status int, err error)
	// Fork books one more subshell that runs beside its script, until the
	// returned function is called. Its error ends the container.
	Fork() (leave func(), err error)
}

// Files are the file operations of a container, with the meanings of package
// os; errors match fs.ErrNotExist and its like.
type Files interface {
	OpenFile(path string, flag int, perm fs.FileMode) (File, error)
	Stat(path string, follow bool) (fs.FileInfo, error)
	ReadDir(path string) ([]fs.DirEntry, error)
	Mkdir(path string, perm fs.FileMode) error
	Remove(path string) error // a file, link or empty directory
	Rename(from, to string) error
	Symlink(target, path string) error
	Link(from, to string) error
	Readlink(path string) (string, error)
	Chmod(path string, perm fs.FileMode) error
	Chtimes(path string, atime, mtime time.Time) error
}

// A File is an open file of a World.
type File interface {
	io.ReadWriteCloser
	Stat() (fs.FileInfo, error)
}

// A Process is one program as it is started: its arguments with the name
// first, its whole environment, its directory and its streams.
type Process struct {
	Args     []string
	Env      []string
	Dir      string
	Stdin    io.Reader
	Stdout   io.Writer
	Stderr   io.Writer
	Terminal bool
	// InOrder has a shell run the commands of its script one at a time, those of
	// a pipeline too: they see and leave the same things every time.
	InOrder bool
}
