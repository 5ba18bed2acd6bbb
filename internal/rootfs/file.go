package rootfs

import (
	"io"
	"sync"

	"github.com/wherry-run/wherry/internal/layer"
)

// File is an open file or directory. Its methods may be used by several
// goroutines at once; there is no offset, that is the descriptor's.
type File struct {
	node *Node
	how  How

	mu     sync.RWMutex // held for reading during every call, for writing by Close
	f      vfile
	closed bool
}

func (t *Tree) newFile(v vnode, f vfile, how How, parent vdir) *File {
	n := &Node{tree: t, v: v}
	if v.kind() == KindDir {
		n.up = inoOf(parent)
	}
	return &File{node: n, f: f, how: how}
}

// Node is the file or directory itself, good until Close.
func (f *File) Node() *Node { return f.node }

// Tree is where the file was opened.
func (f *File) Tree() *Tree { return f.node.tree }

func (f *File) enter() error {
	f.mu.RLock()
	if f.closed {
		f.mu.RUnlock()
		return EBADF
	}
	return nil
}

// Stat describes the open file, whatever its name is now.
func (f *File) Stat() (Stat, error) {
	if err := f.enter(); err != nil {
		return Stat{}, err
	}
	defer f.mu.RUnlock()
	return f.f.stat()
}

// Chmod sets the permission bits.
func (f *File) Chmod(mode uint32) error {
	if err := f.enter(); err != nil {
		return err
	}
	defer f.mu.RUnlock()
	if f.node.v.mount().readOnly {
		return EROFS
	}
	return f.node.v.chmod(mode)
}

// SetTimes sets time stamps of the open file.
func (f *File) SetTimes(t Times) error {
	if err := f.enter(); err != nil {
		return err
	}
	defer f.mu.RUnlock()
	if f.node.v.mount().readOnly {
		return EROFS
	}
	return f.f.setTimes(t)
}

func (f *File) data(write bool) error {
	if f.node.v.kind() == KindDir {
		return EISDIR
	}
	if write && !f.how.Write || !write && !f.how.Read {
		return EBADF
	}
	return nil
}

// ReadAt reads at off. At the end it returns io.EOF with what there was.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if err := f.enter(); err != nil {
		return 0, err
	}
	defer f.mu.RUnlock()
	if err := f.data(false); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, EINVAL
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.f.readAt(p, off)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// WriteAt writes at off, also when the file was opened for appending. It may
// write less than asked for with an error that says why.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	if err := f.enter(); err != nil {
		return 0, err
	}
	defer f.mu.RUnlock()
	if err := f.data(true); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, EINVAL
	}
	if len(p) == 0 {
		return 0, nil
	}
	if off >= maxFileSize || int64(len(p)) > maxFileSize-off {
		return 0, EFBIG
	}
	return f.f.writeAt(p, off)
}

// Append writes at the end of the file, wherever that is at that moment, and
// returns the offset at which it wrote.
func (f *File) Append(p []byte) (int64, int, error) {
	if err := f.enter(); err != nil {
		return 0, 0, err
	}
	defer f.mu.RUnlock()
	if err := f.data(true); err != nil {
		return 0, 0, err
	}
	return f.f.appendTo(p)
}

// Truncate sets the size; new bytes are zeros.
func (f *File) Truncate(size int64) error {
	if err := f.enter(); err != nil {
		return err
	}
	defer f.mu.RUnlock()
	if err := f.data(true); err != nil {
		return err
	}
	switch {
	case size < 0:
		return EINVAL
	case size > maxFileSize:
		return EFBIG
	}
	return f.f.truncate(size)
}

// Allocate makes room for length bytes at off, growing the file when needed.
func (f *File) Allocate(off, length int64) error {
	if err := f.enter(); err != nil {
		return err
	}
	defer f.mu.RUnlock()
	if err := f.data(true); err != nil {
		return err
	}
	switch {
	case off < 0 || length <= 0:
		return EINVAL
	case off > maxFileSize || length > maxFileSize-off:
		return EFBIG
	}
	return f.f.allocate(off, length)
}

// Sync brings the file to the disk, if it lives on one.
func (f *File) Sync(dataOnly bool) error {
	if err := f.enter(); err != nil {
		return err
	}
	defer f.mu.RUnlock()
	return f.f.sync(dataOnly)
}

// The first two cookies of every directory.
const (
	cookieDot    = 1
	cookieDotDot = 2
)

// ReadDir lists up to limit names after cookie, beginning with "." and "..".
// A cookie stays good while names come and go: what was there all the time is
// listed exactly once. Cookie 0 starts again.
func (f *File) ReadDir(cookie uint64, limit int) ([]Dirent, error) {
	if err := f.enter(); err != nil {
		return nil, err
	}
	defer f.mu.RUnlock()
	if f.node.v.kind() != KindDir {
		return nil, ENOTDIR
	}
	var out []Dirent
	for ; cookie < cookieDotDot && len(out) < limit; cookie++ {
		d := Dirent{Name: ".", Ino: inoOf(f.node.v), Kind: KindDir, Next: cookieDot}
		if cookie == cookieDot {
			d = Dirent{Name: "..", Ino: f.node.up, Kind: KindDir, Next: cookieDotDot}
		}
		out = append(out, d)
	}
	if len(out) >= limit {
		return out, nil
	}
	more, err := f.f.readDir(cookie, limit-len(out))
	return append(out, more...), err
}

// contenter is a vfile that may still be exactly what a layer holds.
type contenter interface {
	content() (layer.Ref, layer.Blob, bool)
}

// Content tells where the data of an unchanged file of a layer is: its range of
// a blob, whose bytes may be mapped. The blob is good until Close. False when
// the file was written to or never was in a layer.
func (f *File) Content() (layer.Ref, layer.Blob, bool) {
	if f.enter() != nil {
		return layer.Ref{}, nil, false
	}
	defer f.mu.RUnlock()
	if c, ok := f.f.(contenter); ok {
		return c.content()
	}
	return layer.Ref{}, nil, false
}

// Close ends the use of the file. The data of a file without a name goes with
// its last user.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return EBADF
	}
	f.closed = true
	err := f.f.close()
	f.node.v.release()
	return err
}
