// Package rootfstest is the conformance suite of a file system under
// internal/rootfs: what POSIX promises and WASI can show. It runs in the same
// way on the union, on a file system in memory and on a mount of the host.
package rootfstest

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/rootfs"
)

// Features are what a host may lack; the zero value lacks nothing.
type Features struct {
	// NoSymlinks: the host does not let this user make symbolic links.
	NoSymlinks bool
	// NoOpenRename: a file or directory in use cannot be moved or replaced.
	NoOpenRename bool
	// NoOpenUnlink: a file in use keeps its name until it is closed.
	NoOpenUnlink bool
	// NoAtime: the time of the last reading cannot be set.
	NoAtime bool
	// PlainNames: names with spaces at an end or dots at the end are refused.
	PlainNames bool
	// FreeLinks: symbolic links may be absolute and lead upwards.
	FreeLinks bool
	// CoarseTimes: time stamps of open files are finer than the host keeps.
	CoarseTimes time.Duration
}

// New makes an empty directory to test in.
type New func(t *testing.T) (*rootfs.Tree, *rootfs.Node)

// Test runs the suite; every test gets a directory of its own.
func Test(t *testing.T, fresh New, f Features) {
	for _, tt := range []struct {
		name string
		run  func(e *env)
	}{
		{"create and open", createAndOpen},
		{"kinds", kinds},
		{"read and write", readAndWrite},
		{"append", appends},
		{"sparse", sparse},
		{"truncate and allocate", truncates},
		{"unlinked but open", unlinkedButOpen},
		{"rename", renames},
		{"rename of directories", renameDirs},
		{"rename over an open file", renameOverOpen},
		{"hard links", hardLinks},
		{"symbolic links", symlinks},
		{"link loops", loops},
		{"trailing slashes", slashes},
		{"dots", dots},
		{"escapes", escapes},
		{"names", names},
		{"times", times},
		{"modes", modes},
		{"directory cookies", cookies},
		{"removed directory", removedDir},
		{"identity", identity},
		{"closed", closed},
		{"concurrent", concurrent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree, at := fresh(t)
			tt.run(&env{T: t, tree: tree, at: at, f: f})
		})
	}
}

// env is one directory under test with short ways to say things.
type env struct {
	*testing.T
	tree *rootfs.Tree
	at   *rootfs.Node
	f    Features
}

// want checks an error.
func (e *env) want(err error, want error, what string, args ...any) {
	e.Helper()
	if !errors.Is(err, want) && !(err == nil && want == nil) {
		e.Errorf("%s: error %v, want %v", fmt.Sprintf(what, args...), err, want)
	}
}

// ok stops at an error.
func (e *env) ok(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

func (e *env) open(path string, how rootfs.How) *rootfs.File {
	e.Helper()
	f, err := e.tree.Open(e.at, path, how)
	if err != nil {
		e.Fatalf("open %q: %v", path, err)
	}
	e.Cleanup(func() { f.Close() })
	return f
}

func (e *env) openErr(path string, how rootfs.How, want error) {
	e.Helper()
	f, err := e.tree.Open(e.at, path, how)
	if err == nil {
		f.Close()
	}
	e.want(err, want, "open %q %+v", path, how)
}

func (e *env) write(path, data string) {
	e.Helper()
	f, err := e.tree.Open(e.at, path, rootfs.How{Write: true, Create: true, Trunc: true, Mode: 0o644})
	e.ok(err)
	_, err = f.WriteAt([]byte(data), 0)
	e.ok(err)
	e.ok(f.Close())
}

func content(f *rootfs.File) string {
	st, err := f.Stat()
	if err != nil {
		return err.Error()
	}
	b, err := io.ReadAll(io.NewSectionReader(f, 0, st.Size+10))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func (e *env) read(path string) string {
	e.Helper()
	f, err := e.tree.Open(e.at, path, rootfs.How{Read: true})
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	return content(f)
}

func (e *env) has(path, want string) {
	e.Helper()
	if got := e.read(path); got != want {
		e.Errorf("%q holds %.60q, want %.60q", path, got, want)
	}
}

func (e *env) mkdir(path string) { e.Helper(); e.ok(e.tree.Mkdir(e.at, path, 0o755)) }

func (e *env) symlink(target, path string) {
	e.Helper()
	if e.f.NoSymlinks {
		e.Skip("this host makes no symbolic links for this user")
	}
	e.ok(e.tree.Symlink(target, e.at, path))
}

func (e *env) stat(path string) rootfs.Stat {
	e.Helper()
	st, err := e.tree.Stat(e.at, path, false)
	if err != nil {
		e.Fatalf("stat %q: %v", path, err)
	}
	return st
}

// list is what ReadDir shows, without the dots.
func (e *env) list(path string) string {
	e.Helper()
	f := e.open(path, rootfs.How{Read: true, Dir: true})
	defer f.Close()
	var out []string
	for cookie := uint64(0); ; {
		d, err := f.ReadDir(cookie, 3)
		e.ok(err)
		if len(d) == 0 {
			return strings.Join(out, " ")
		}
		for _, d := range d {
			if d.Name != "." && d.Name != ".." {
				out = append(out, d.Name)
			}
			cookie = d.Next
		}
	}
}

func concurrent(e *env) {
	e.mkdir("d")
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for n := range 50 {
				name := fmt.Sprintf("d/%d-%d", g, n%5)
				f, err := e.tree.Open(e.at, name, rootfs.How{Read: true, Write: true, Create: true, Mode: 0o644})
				if err != nil {
					e.Error(err)
					return
				}
				f.Append([]byte("x"))
				f.ReadAt(make([]byte, 4), 0)
				f.Close()
				shared := fmt.Sprintf("d/shared%d", n%2)
				if err := e.tree.Rename(e.at, name, e.at, shared); err != nil && !e.f.NoOpenRename {
					e.Errorf("rename: %v", err)
				}
				e.tree.Stat(e.at, shared, true)
				d, err := e.tree.Open(e.at, "d", rootfs.How{Read: true, Dir: true})
				if err != nil {
					e.Error(err)
					return
				}
				d.ReadDir(0, 100)
				d.Close()
			}
		})
	}
	// Everybody appends to one file: nothing is lost.
	f := e.open("all", rootfs.How{Write: true, Read: true, Create: true, Append: true})
	for range 4 {
		wg.Go(func() {
			for range 100 {
				f.Append([]byte("0123456789"))
			}
		})
	}
	wg.Wait()
	if got := content(f); got != strings.Repeat("0123456789", 400) {
		e.Errorf("%d bytes after 400 appends of 10", len(got))
	}
}
