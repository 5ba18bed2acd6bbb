package rootfs

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// hostNode is a name in a directory of the host that is no directory itself.
type hostNode struct {
	dir  *hostDir
	name string
	knd  Kind
}

func (n *hostNode) mount() *mount { return n.dir.h.m }
func (n *hostNode) kind() Kind    { return n.knd }
func (n *hostNode) retain()       { n.dir.retain() }
func (n *hostNode) release()      { n.dir.release() }

func (n *hostNode) stat() (Stat, error) {
	fi, err := n.dir.root.Lstat(n.name)
	if err != nil {
		return Stat{}, hostErr(err)
	}
	return n.dir.h.stat(fi, n.dir.root, n.name), nil
}

func (n *hostNode) setTimes(t Times) error { return n.dir.h.setTimes(n.dir, n.name, t, n.knd) }

func (n *hostNode) chmod(mode uint32) error {
	if n.knd != KindFile {
		return ENOTSUP
	}
	f, err := n.openFile(os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	return hostErr(f.Chmod(hostMode(mode)))
}

func (n *hostNode) chown(int, int) error { return ENOTSUP }

func (n *hostNode) readlink() (string, error) {
	if n.knd != KindSymlink {
		return "", EINVAL
	}
	s, err := n.dir.root.Readlink(n.name)
	if err != nil {
		return "", hostErr(err)
	}
	return filepath.ToSlash(s), nil
}

// openFile opens a regular file. What was a file when we looked may be a pipe
// or a device now, so opening never waits and the handle is asked again.
func (n *hostNode) openFile(flag int) (*os.File, error) {
	f, err := n.dir.root.OpenFile(n.name, flag|hostOpenFlags, 0)
	if err != nil {
		return nil, hostErr(err)
	}
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() {
		f.Close()
		return nil, ENOTSUP
	}
	return f, nil
}

func (n *hostNode) open(how How) (vfile, error) {
	flag := os.O_RDONLY
	switch {
	case how.Read && how.Write:
		flag = os.O_RDWR
	case how.Write:
		flag = os.O_WRONLY
	}
	f, err := n.openFile(flag)
	if err != nil {
		return nil, err
	}
	if how.Trunc {
		if err := f.Truncate(0); err != nil {
			f.Close()
			return nil, hostErr(err)
		}
	}
	return &hostFile{n: n, f: f}, nil
}

// hostFile is an open file of the host.
type hostFile struct {
	n *hostNode
	f *os.File
}

func (f *hostFile) stat() (Stat, error) {
	fi, err := f.f.Stat()
	if err != nil {
		return Stat{}, hostErr(err)
	}
	h := f.n.dir.h
	t := fi.ModTime()
	st := Stat{
		Kind: hostKind(fi.Mode()), Mode: uint32(fi.Mode().Perm()), Nlink: 1, Size: fi.Size(),
		Atime: t, Mtime: t, Ctime: t, Dev: h.m.dev,
	}
	h.fillOpen(&st, fi, f.f)
	return st, nil
}

func (f *hostFile) setTimes(t Times) error { return f.n.dir.h.setTimesOpen(f, t) }

func (f *hostFile) readAt(p []byte, off int64) (int, error) {
	n, err := f.f.ReadAt(p, off)
	return n, hostErr(err)
}

func (f *hostFile) writeAt(p []byte, off int64) (int, error) {
	n, err := f.f.WriteAt(p, off)
	return n, hostErr(err)
}

func (f *hostFile) appendTo(p []byte) (int64, int, error) {
	f.n.dir.h.appending.Lock()
	defer f.n.dir.h.appending.Unlock()
	fi, err := f.f.Stat()
	if err != nil {
		return 0, 0, hostErr(err)
	}
	n, err := f.writeAt(p, fi.Size())
	return fi.Size(), n, err
}

func (f *hostFile) truncate(size int64) error { return hostErr(f.f.Truncate(size)) }

// allocate grows the file. Room on the host's disk is not reserved.
func (f *hostFile) allocate(off, length int64) error {
	f.n.dir.h.appending.Lock()
	defer f.n.dir.h.appending.Unlock()
	fi, err := f.f.Stat()
	if err == nil && fi.Size() < off+length {
		err = f.f.Truncate(off + length)
	}
	return hostErr(err)
}

func (f *hostFile) sync(bool) error                       { return hostErr(f.f.Sync()) }
func (f *hostFile) readDir(uint64, int) ([]Dirent, error) { return nil, ENOTDIR }
func (f *hostFile) close() error                          { return hostErr(f.f.Close()) }

// hostDirFile lists a directory of the host from a snapshot that is taken when
// the listing begins, so that cookies stay what they are.
type hostDirFile struct {
	d  *hostDir
	mu sync.Mutex
	// names is nil before the first listing.
	names []string
}

// maxHostNames bounds the names of one directory.
const maxHostNames = 1 << 20

func (f *hostDirFile) snapshot() error {
	dir, err := f.d.root.Open(".")
	if err != nil {
		return hostErr(err)
	}
	defer dir.Close()
	names := []string{}
	for {
		batch, err := dir.Readdirnames(4096)
		if names = append(names, batch...); len(names) > maxHostNames {
			return EOVERFLOW
		}
		if len(batch) == 0 || err != nil {
			break
		}
	}
	slices.Sort(names)
	f.names = names
	return nil
}

func (f *hostDirFile) readDir(cookie uint64, limit int) ([]Dirent, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.names == nil || cookie <= cookieDotDot {
		if err := f.snapshot(); err != nil {
			return nil, err
		}
	}
	var out []Dirent
	for k := max(cookie, cookieDotDot) - cookieDotDot; k < uint64(len(f.names)) && len(out) < limit; k++ {
		name := f.names[k]
		fi, err := f.d.root.Lstat(name)
		if err != nil {
			continue // removed meanwhile
		}
		st := f.d.h.stat(fi, f.d.root, name)
		out = append(out, Dirent{Name: name, Ino: st.Ino, Kind: st.Kind, Next: k + cookieDotDot + 1})
	}
	return out, nil
}

func (f *hostDirFile) stat() (Stat, error)                 { return f.d.stat() }
func (f *hostDirFile) setTimes(t Times) error              { return f.d.setTimes(t) }
func (f *hostDirFile) readAt([]byte, int64) (int, error)   { return 0, EISDIR }
func (f *hostDirFile) writeAt([]byte, int64) (int, error)  { return 0, EISDIR }
func (f *hostDirFile) appendTo([]byte) (int64, int, error) { return 0, 0, EISDIR }
func (f *hostDirFile) truncate(int64) error                { return EISDIR }
func (f *hostDirFile) allocate(int64, int64) error         { return EISDIR }
func (f *hostDirFile) sync(bool) error                     { return nil }
func (f *hostDirFile) close() error                        { return nil }
