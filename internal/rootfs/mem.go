package rootfs

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wherry-run/wherry/internal/layer"
)

// maxNlink is how many names one file may have.
const maxNlink = 65000

// memFS is a file system whose inodes are in memory: the union with its upper,
// or a tmpfs. The data of its files is in layers, data files or memory.
type memFS struct {
	m     *mount
	now   func() time.Time
	store storage
	quota quota

	// mu guards names: directories, link counts, open counts.
	mu    sync.RWMutex
	inos  uint64
	root  *inode
	below *union
	// changed counts changes, so that an unchanged upper is not written again.
	changed atomic.Uint64
	// saving is held while a state is written; saved is what it was of.
	saving sync.Mutex
	saved  uint64
	// placing: what is made now are mount points, not changes of the container.
	placing bool
}

// inode is one file, directory or symbolic link.
type inode struct {
	fs  *memFS
	ino uint64
	knd Kind
	// dest is what a symbolic link points to.
	dest string
	// device is what a device does.
	device device

	// Guarded by fs.mu.
	nlink      uint64
	opens      int
	parent     *inode // of a directory; nil once it is removed, itself at the root
	dir        *directory
	nameLength int // of a directory
	over       *mount
	origin     *layer.Entry // the entry of a layer it was made from
	blob       layer.Blob   // the content of data.base while the file is open

	// mu guards attributes and data. It is taken after fs.mu.
	mu       sync.RWMutex
	mode     uint32
	uid, gid int
	atime    int64
	mtime    int64
	ctime    int64
	touched  bool // differs from its origin
	data     *data
}

func newMemFS(dev uint64, now func() time.Time, store storage, maxBytes, maxInodes int64) *memFS {
	fs := &memFS{now: now, store: store}
	fs.quota.maxBytes, fs.quota.maxInodes = maxBytes, maxInodes
	fs.m = &mount{dev: dev, points: memPoints{}}
	fs.root = fs.newInode(KindDir, 0o755)
	fs.root.dir = newDirectory()
	fs.root.parent = fs.root
	fs.root.nlink = 2
	fs.m.root = fs.root
	return fs
}

func (fs *memFS) newInode(k Kind, mode uint32) *inode {
	fs.inos++
	t := fs.now().UnixNano()
	return &inode{fs: fs, ino: fs.inos, knd: k, mode: mode & 0o1777, atime: t, mtime: t, ctime: t, nlink: 1, touched: true}
}

// memPoints finds mounts over inodes; they are fixed once the tree is made.
type memPoints struct{}

func (memPoints) at(v vnode) *mount {
	if i, ok := v.(*inode); ok {
		return i.over
	}
	return nil
}

func (memPoints) add(v vnode, m *mount) error {
	i, ok := v.(*inode)
	if !ok {
		return EINVAL
	}
	if i.over != nil {
		return EBUSY
	}
	i.over = m
	return nil
}

func (i *inode) mount() *mount { return i.fs.m }
func (i *inode) kind() Kind    { return i.knd }
func (i *inode) retain()       {}
func (i *inode) release()      {}

func (i *inode) stat() (Stat, error) {
	i.fs.mu.RLock()
	nlink := i.nlink
	if i.knd == KindDir {
		// As on btrfs: how many directories are inside may not be known yet.
		nlink = min(nlink, 1)
		if i.parent == nil {
			nlink = 0
		}
	}
	i.fs.mu.RUnlock()
	i.mu.RLock()
	defer i.mu.RUnlock()
	st := Stat{
		Dev: i.fs.m.dev, Ino: i.ino, Kind: i.knd, Mode: i.mode, Nlink: nlink, UID: i.uid, GID: i.gid,
		Atime: time.Unix(0, i.atime), Mtime: time.Unix(0, i.mtime), Ctime: time.Unix(0, i.ctime),
	}
	switch i.knd {
	case KindFile:
		st.Size = i.data.size
	case KindSymlink:
		st.Size = int64(len(i.dest))
	case KindDir:
		st.Size = 4096
	}
	return st, nil
}

// change marks attributes or data as changed; i.mu is held.
func (i *inode) change(t int64) {
	i.ctime = t
	i.touched = true
	i.fs.changed.Add(1)
}

func (i *inode) isTouched() bool {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return i.touched
}

func (i *inode) setTimes(t Times) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if t.Atime != nil {
		i.atime = t.Atime.UnixNano()
	}
	if t.Mtime != nil {
		i.mtime = t.Mtime.UnixNano()
	}
	i.change(i.fs.now().UnixNano())
	return nil
}

func (i *inode) chmod(mode uint32) error {
	if i.knd == KindSymlink {
		return ENOTSUP
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.mode = mode & 0o1777
	i.change(i.fs.now().UnixNano())
	return nil
}

func (i *inode) chown(uid, gid int) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.uid, i.gid = uid, gid
	i.change(i.fs.now().UnixNano())
	return nil
}

func (i *inode) readlink() (string, error) {
	if i.knd != KindSymlink {
		return "", EINVAL
	}
	return i.dest, nil
}

// modified sets the times of a directory whose names changed.
func (i *inode) modified(t int64) {
	i.mu.Lock()
	i.mtime = t
	i.change(t)
	i.mu.Unlock()
}

func (i *inode) renamed(t int64) {
	i.mu.Lock()
	i.change(t)
	i.mu.Unlock()
}

func (i *inode) open(how How) (vfile, error) {
	switch i.knd {
	case KindDir:
		return &memDirFile{memFile{i: i}}, nil
	case KindDevice:
		return &deviceFile{i: i, device: i.device}, nil
	}
	i.fs.mu.Lock()
	if i.nlink == 0 && i.opens == 0 {
		i.fs.mu.Unlock()
		return nil, ENOENT
	}
	if err := i.acquire(); err != nil {
		i.fs.mu.Unlock()
		return nil, err
	}
	i.fs.mu.Unlock()
	f := &memFile{i: i}
	if how.Trunc {
		if err := f.truncate(0); err != nil {
			f.close()
			return nil, err
		}
	}
	return f, nil
}

// acquire counts one more user of the data; fs.mu is held.
func (i *inode) acquire() error {
	if i.opens == 0 && i.blob == nil && i.data.base != nil {
		b := i.data.base
		blob, err := b.from.content.OpenContent(b.digest)
		if err != nil {
			return fmt.Errorf("%w: %w", EIO, err)
		}
		if blob.Size() < b.off+b.length {
			blob.Close()
			return fmt.Errorf("%w: content %s is shorter than its layer says", EIO, b.digest)
		}
		i.blob = blob
		i.mu.Lock()
		i.data.base.at = blob
		i.mu.Unlock()
	}
	i.opens++
	return nil
}

// drop ends one use of the data, and the file when it has no name; fs.mu is held.
func (i *inode) drop() error {
	i.opens--
	if i.opens > 0 {
		return nil
	}
	var err error
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.blob != nil {
		err = i.blob.Close()
		i.blob = nil
		if i.data.base != nil {
			i.data.base.at = nil
		}
	}
	if i.nlink == 0 {
		return errors.Join(err, i.data.discard(i.fs))
	}
	return errors.Join(err, i.data.idle())
}

// unlinked takes one name away; fs.mu is held.
func (i *inode) unlinked(t int64) {
	i.nlink--
	i.renamed(t)
	if i.nlink > 0 {
		return
	}
	i.fs.quota.inode(-1)
	switch i.knd {
	case KindSymlink:
		i.fs.quota.bytes(-int64(len(i.dest)))
	case KindFile:
		if i.opens == 0 {
			i.mu.Lock()
			i.data.discard(i.fs)
			i.mu.Unlock()
		}
	}
}

// memFile is an open inode.
type memFile struct{ i *inode }

func (f *memFile) stat() (Stat, error)    { return f.i.stat() }
func (f *memFile) setTimes(t Times) error { return f.i.setTimes(t) }

func (f *memFile) readAt(p []byte, off int64) (int, error) {
	f.i.mu.RLock()
	defer f.i.mu.RUnlock()
	return f.i.data.readAt(p, off)
}

func (f *memFile) writeAt(p []byte, off int64) (int, error) {
	f.i.mu.Lock()
	defer f.i.mu.Unlock()
	return f.write(p, off)
}

func (f *memFile) write(p []byte, off int64) (int, error) {
	n, err := f.i.data.writeAt(f.i.fs, p, off)
	if n > 0 {
		f.changed()
	}
	return n, err
}

func (f *memFile) changed() {
	t := f.i.fs.now().UnixNano()
	f.i.mtime = t
	f.i.change(t)
}

func (f *memFile) appendTo(p []byte) (int64, int, error) {
	f.i.mu.Lock()
	defer f.i.mu.Unlock()
	off := f.i.data.size
	if int64(len(p)) > maxFileSize-off {
		return off, 0, EFBIG
	}
	if len(p) == 0 {
		return off, 0, nil
	}
	n, err := f.write(p, off)
	return off, n, err
}

func (f *memFile) truncate(size int64) error {
	f.i.mu.Lock()
	defer f.i.mu.Unlock()
	if err := f.i.data.truncate(f.i.fs, size); err != nil {
		return err
	}
	f.changed()
	return nil
}

func (f *memFile) allocate(off, length int64) error {
	f.i.mu.Lock()
	defer f.i.mu.Unlock()
	if err := f.i.data.allocate(f.i.fs, off, length); err != nil {
		return err
	}
	f.i.change(f.i.fs.now().UnixNano())
	return nil
}

func (f *memFile) sync(dataOnly bool) error {
	f.i.mu.RLock()
	err := f.i.data.sync()
	f.i.mu.RUnlock()
	if err != nil || dataOnly {
		return err
	}
	return f.i.fs.sync()
}

func (f *memFile) readDir(uint64, int) ([]Dirent, error) { return nil, ENOTDIR }

func (f *memFile) content() (layer.Ref, layer.Blob, bool) {
	f.i.fs.mu.RLock()
	defer f.i.fs.mu.RUnlock()
	f.i.mu.RLock()
	defer f.i.mu.RUnlock()
	if f.i.blob == nil || !f.i.data.pristine() {
		return layer.Ref{}, nil, false
	}
	return f.i.origin.Content, f.i.blob, true
}

func (f *memFile) close() error {
	f.i.fs.mu.Lock()
	defer f.i.fs.mu.Unlock()
	return f.i.drop()
}

// sync writes the state of the upper, when it lives on a disk.
func (fs *memFS) sync() error {
	if fs.m.syncer != nil {
		return fs.m.syncer()
	}
	return nil
}

// quota counts what was added against its bounds.
type quota struct {
	maxBytes, maxInodes   int64
	usedBytes, usedInodes atomic.Int64
	shared                Quota // nil: none
	closed                atomic.Bool
}

func take(used *atomic.Int64, n, bound int64) bool {
	if used.Add(n) > bound && n > 0 {
		used.Add(-n)
		return false
	}
	return true
}

func (q *quota) bytes(n int64) error {
	if !take(&q.usedBytes, n, q.maxBytes) {
		if f, ok := q.shared.(Fuller); ok {
			f.Full(q.maxBytes)
		}
		return ENOSPC
	}
	switch {
	case q.shared == nil || n == 0 || q.closed.Load():
	case n < 0:
		q.shared.Release(uint64(-n))
	case !q.shared.Grow(uint64(n)):
		q.usedBytes.Add(-n)
		return EDQUOT
	}
	return nil
}

// close gives back what is held of the shared quota.
func (q *quota) close() {
	if n := q.usedBytes.Load(); q.shared != nil && n > 0 && !q.closed.Swap(true) {
		q.shared.Release(uint64(n))
	}
}

func (q *quota) inode(n int64) error {
	if !take(&q.usedInodes, n, q.maxInodes) {
		return ENOSPC
	}
	return nil
}
