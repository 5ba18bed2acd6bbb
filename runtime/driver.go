package runtime

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/preview1"
)

// A Driver knows how to work with a module that neither is a command nor answers
// requests by itself: a library, whose exports the host calls. It is for one Worker,
// and called by one goroutine at a time.
type Driver interface {
	// Name is the driver's name and version. A snapshot is for the driver of this name
	// alone.
	Name() string
	// Key names what Begin makes of an instance, as long as the module and the limits are
	// the same: Workers of one Runtime whose drivers have the same Name and Key, and whose
	// images have the same snapshot or none, share the memory that the first of them came
	// to, and copy what they write to. "" shares nothing.
	Key() string
	// Hosts are what one instance imports besides WASI.
	Hosts(w *World) ([]wasi.HostModule, error)
	// Begin takes an instance to where it waits for work: one that was just made when
	// state is nil, else one whose memory was kept when Begin had returned state. What
	// state holds may come from an image. It returns the state in which it leaves the
	// instance: at most MaxState bytes, and the same for one that stays as it is.
	Begin(ctx context.Context, m *Machine, state []byte) ([]byte, error)
}

// A Rehearser is a Driver that can show what work its instances do, for a recording.
type Rehearser interface {
	Driver
	// Rehearse does some work on an instance that Begin has brought to wait.
	Rehearse(ctx context.Context, m *Machine) error
}

// ErrState is returned by a Driver's Begin for a state that is not of what it works
// with. The instance is made anew, without the snapshot.
var ErrState = errors.New("the state is of something else")

// MaxState bounds the state of a Driver, in bytes.
const MaxState = 64 << 10

// World is what a program is given, for the host functions of a Driver.
type World struct {
	// Args are the program and its arguments, Env is its environment.
	Args, Env []string
	// Stdout and Stderr take what it prints.
	Stdout, Stderr io.Writer
	// Clock is its time.
	Clock wasi.Clock
	// WASI has its functions of preview 1.
	WASI wasi.HostModule
	// Files are its files for host functions of another ABI, by the same descriptors.
	Files *preview1.POSIX
	// Imports are those of its module.
	Imports []wasi.Import

	container *Container
	module    func() (string, error)
	opened    func(name string) // hears of every file that is opened; may be nil
	begun     func()            // hears of Begun; may be nil
}

// Begun is for a Driver's Begin to say that an instance which was just made has come to
// where all instances of its module do. What a recording finds out of the module from
// here on is for those that start there, from the snapshot of a base image.
func (w *World) Begun() {
	if w.begun != nil {
		w.begun()
	}
}

// Module is the digest of the program's module.
func (w *World) Module() (string, error) { return w.module() }

// Open opens a file of the program's container.
func (w *World) Open(name string) (*File, error) {
	if w.opened != nil {
		w.opened(name)
	}
	return w.container.Open(name)
}

// A Machine is an instance that a Driver works with. It is valid during the call that
// it was given to.
type Machine struct {
	// World is what it was given.
	World *World

	instance *engine.Instance
	failed   bool // a call of the guest has ended in another way than by returning
}

// Call calls an exported function. An error is the end of the instance.
func (m *Machine) Call(ctx context.Context, name string, args ...uint64) ([]uint64, error) {
	results, err := m.instance.Call(ctx, name, args...)
	if err != nil {
		m.failed = true
	}
	return results, err
}

// Calling calls an exported function, as Machine.Call does.
type Calling = engine.Calling

// Together makes several calls as one, for less than each by itself costs; Fuel knows
// what they spent when all are done. do makes no more calls after one that failed.
func (m *Machine) Together(ctx context.Context, do func(call Calling) error) error {
	return m.instance.Together(ctx, func(call Calling) error {
		return do(func(name string, args ...uint64) ([]uint64, error) {
			results, err := call(name, args...)
			if err != nil {
				m.failed = true
			}
			return results, err
		})
	})
}

// HasFunc tells whether the module exports a function of this name.
func (m *Machine) HasFunc(name string) bool { return m.instance.HasFunc(name) }

// Memory is the instance's memory, until the next Call.
func (m *Machine) Memory() wasi.Memory { return m.instance.Memory() }

// Fuel is what the instance has spent since it was made.
func (m *Machine) Fuel() uint64 { return m.instance.Fuel() }

// Accelerated counts what kernels of the host have done for the container's programs.
func (m *Machine) Accelerated() int64 { return m.World.container.acceleration.calls.Load() }

// Kernels names the set of kernels, as Runtime.Kernels does.
func (m *Machine) Kernels() string { return m.World.container.rt.Kernels() }

// A File is a file of a container, to be read.
type File struct {
	file *rootfs.File
	size int64
}

// Open opens a file of the container's: its image's, or what its programs have made of
// it. name is absolute, or from the root.
func (c *Container) Open(name string) (*File, error) {
	f, err := c.tree.Open(c.tree.Root(), relative(name), rootfs.How{Read: true})
	if err != nil {
		return nil, fmt.Errorf("open %s in the container: %w", name, err)
	}
	st, err := f.Stat()
	if err == nil && st.Kind == rootfs.KindDir {
		err = rootfs.EISDIR
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open %s in the container: %w", name, err)
	}
	return &File{file: f, size: st.Size}, nil
}

// FS shows the container's files for reading, as they are now. It follows symbolic
// links, and has Lstat and ReadLink.
func (c *Container) FS() fs.FS { return c.tree.FS() }

// Identity names what the container has in a folder and below: containers with the
// same there have the same name for it. It is not known of a folder that has been
// written to, or may have, or that has symbolic links.
func (c *Container) Identity(folder string) (name string, ok bool) {
	dir := relative(path.Clean("/" + folder))
	if c.spec.Dir != "" || c.touched() {
		return "", false
	}
	for _, m := range c.spec.Mounts {
		if c.covered(m, []string{"/" + dir}) || below(relative(path.Clean("/"+m.Target)), dir) {
			return "", false
		}
	}
	h := sha256.New()
	for n, l := range c.layers {
		for i := range l.Index.Entries {
			e := &l.Index.Entries[i]
			if e.Kind == layer.Dir || !below(e.Path, dir) && !below(dir, e.Path) {
				continue
			}
			if e.Kind == layer.Symlink || e.Link != "" {
				return "", false
			}
			fmt.Fprintf(h, "%d %d %q %s\n", n, e.Kind, e.Path, contentName(e.Content))
		}
	}
	return hex.EncodeToString(h.Sum(nil)), true
}

// below tells whether a path from the root is a folder, or below it.
func below(p, dir string) bool { return dir == "." || p == dir || strings.HasPrefix(p, dir+"/") }

// Size is its length in bytes.
func (f *File) Size() int64 { return f.size }

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.file.ReadAt(p, off) }

// Close closes the file. Its Bytes must not be used any more.
func (f *File) Close() error { return f.file.Close() }

// Bytes are the file's where they are mapped, as those of a large file of an image
// are. They must not be written to.
func (f *File) Bytes() ([]byte, bool) {
	ref, blob, ok := f.file.Content()
	if !ok {
		return nil, false
	}
	m, ok := blob.(layer.Mapped)
	if !ok {
		return nil, false
	}
	b := m.Bytes()
	if int64(len(b)) < ref.Offset+ref.Size {
		return nil, false
	}
	return b[ref.Offset : ref.Offset+ref.Size : ref.Offset+ref.Size], true
}

// Identity names the file's content: for a file of an image where it lies, without
// reading it, else its digest. Different contents have different names.
func (f *File) Identity() (string, error) {
	if ref, _, ok := f.file.Content(); ok {
		return contentName(ref), nil
	}
	return f.Digest()
}

// Stored names the content of a file that is as its image has it, without reading it.
// Different contents have different names; nothing changes what it names.
func (f *File) Stored() (string, bool) {
	ref, _, ok := f.file.Content()
	if !ok {
		return "", false
	}
	return contentName(ref), true
}

// Digest is the digest of the file's content.
func (f *File) Digest() (string, error) {
	ref, blob, ok := f.file.Content()
	if ok && ref.Offset == 0 && ref.Size == blob.Size() {
		return ref.Digest, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f.file, 0, f.size)); err != nil {
		return "", fmt.Errorf("read file: %w", err)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}
