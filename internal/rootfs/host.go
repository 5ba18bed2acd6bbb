package rootfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A host mount is reached through one os.Root handle for every directory that
// is in use, opened from the handle of its parent. Each call names one entry of
// one directory: symbolic links are read and resolved by the walker, in the
// tree, like all others. So nothing can lead out of the mount, and what a held
// directory is called now does not matter.
//
// What differs from a file system in memory: modes are cut by the umask;
// appending is atomic among the users of this process only; on Windows names
// that mean something else there are refused, links need a privilege, and
// moving between directories goes by the path at which they were opened.

// hostFS is a host directory or file that is mounted.
type hostFS struct {
	m *mount
	// appending makes the end of a file stay where it is while it is written.
	appending sync.Mutex
	points    hostPoints

	mu   sync.Mutex
	devs map[uint64]uint64
}

// openHost opens what m.Host names, a directory or a regular file.
func openHost(m Mount, dev uint64) (*mount, error) {
	// This is the only place where a path of the host is followed.
	path, err := filepath.EvalSymlinks(m.Host)
	if err != nil {
		return nil, hostErr(err)
	}
	fi, err := os.Stat(path)
	if err != nil {
		return nil, hostErr(err)
	}
	name := ""
	if !fi.IsDir() {
		if !fi.Mode().IsRegular() {
			return nil, ENOTSUP
		}
		path, name = filepath.Split(path)
	}
	root, err := os.OpenRoot(filepath.Clean(path))
	if err != nil {
		return nil, hostErr(err)
	}
	h := &hostFS{devs: make(map[uint64]uint64)}
	dir := &hostDir{h: h, root: root}
	dir.refs.Store(1)
	h.m = &mount{dev: dev, readOnly: m.ReadOnly, root: dir, points: &h.points}
	h.m.closer = func() error {
		dir.release()
		return nil
	}
	if name != "" {
		h.m.root = &hostNode{dir: dir, name: name, knd: KindFile}
	}
	return h.m, nil
}

// device numbers the devices of the host in the order they are met.
func (h *hostFS) device(dev uint64) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, ok := h.devs[dev]
	if !ok {
		n = h.m.dev + uint64(len(h.devs))<<16
		h.devs[dev] = n
	}
	return n
}

// hostPoints finds mounts over directories of the host by identity.
type hostPoints struct {
	over []hostPoint
}

type hostPoint struct {
	fi fs.FileInfo
	m  *mount
}

func (p *hostPoints) at(v vnode) *mount {
	d, ok := v.(*hostDir)
	if len(p.over) == 0 || !ok {
		return nil
	}
	fi, err := d.root.Stat(".")
	if err != nil {
		return nil
	}
	for _, o := range p.over {
		if os.SameFile(o.fi, fi) {
			return o.m
		}
	}
	return nil
}

func (p *hostPoints) add(v vnode, m *mount) error {
	d, ok := v.(*hostDir)
	if !ok {
		return ENOTDIR
	}
	fi, err := d.root.Stat(".")
	if err != nil {
		return hostErr(err)
	}
	p.over = append(p.over, hostPoint{fi, m})
	return nil
}

// hostDir is a directory of the host, held open.
type hostDir struct {
	h    *hostFS
	root *os.Root
	refs atomic.Int64
	// parent and name are where it was when it was opened.
	parent *hostDir
	name   string
	depth  int

	handle     sync.Mutex
	handleFile *os.File
}

func (d *hostDir) mount() *mount { return d.h.m }
func (d *hostDir) kind() Kind    { return KindDir }
func (d *hostDir) retain()       { d.refs.Add(1) }

func (d *hostDir) release() {
	if d.refs.Add(-1) > 0 {
		return
	}
	d.handle.Lock()
	defer d.handle.Unlock()
	if d.handleFile != nil {
		d.handleFile.Close()
	}
	d.root.Close()
}

// path leads from the root of the mount to name in d, as far as is known.
func (d *hostDir) path(name string) string {
	for ; d.parent != nil; d = d.parent {
		name = d.name + "/" + name
	}
	return name
}

func (d *hostDir) top() *hostDir {
	for d.parent != nil {
		d = d.parent
	}
	return d
}

func (d *hostDir) stat() (Stat, error) {
	fi, err := d.root.Stat(".")
	if err != nil {
		return Stat{}, hostErr(err)
	}
	return d.h.stat(fi, d.root, "."), nil
}

// stat fills in what every host knows; hostStat adds what this one knows.
func (h *hostFS) stat(fi fs.FileInfo, root *os.Root, name string) Stat {
	t := fi.ModTime()
	st := Stat{
		Kind: hostKind(fi.Mode()), Mode: uint32(fi.Mode().Perm()), Nlink: 1, Size: fi.Size(),
		Atime: t, Mtime: t, Ctime: t, Dev: h.m.dev,
	}
	if fi.Mode()&fs.ModeSticky != 0 {
		st.Mode |= 0o1000
	}
	h.fill(&st, fi, root, name)
	return st
}

func hostKind(m fs.FileMode) Kind {
	switch m.Type() {
	case 0:
		return KindFile
	case fs.ModeDir:
		return KindDir
	case fs.ModeSymlink:
		return KindSymlink
	}
	return KindOther
}

func (d *hostDir) setTimes(t Times) error    { return d.h.setTimes(d, ".", t, KindDir) }
func (d *hostDir) chmod(mode uint32) error   { return hostErr(d.root.Chmod(".", hostMode(mode))) }
func (d *hostDir) chown(uid, gid int) error  { return ENOTSUP }
func (d *hostDir) readlink() (string, error) { return "", EINVAL }
func (d *hostDir) open(How) (vfile, error)   { return &hostDirFile{d: d}, nil }
func hostMode(mode uint32) fs.FileMode       { return fs.FileMode(mode & 0o777) }

// lookup looks at one name. A directory is opened at once, and has to be the
// one that was seen: a link put in its place meanwhile is not entered.
func (d *hostDir) lookup(name string) (vnode, error) {
	if !hostName(name) {
		return nil, ENOENT
	}
	for range 8 {
		fi, err := d.root.Lstat(name)
		if err != nil {
			return nil, hostErr(err)
		}
		if !fi.IsDir() {
			d.retain()
			return &hostNode{dir: d, name: name, knd: hostKind(fi.Mode())}, nil
		}
		root, err := d.root.OpenRoot(name)
		if err != nil {
			if e := hostErr(err); e != ENOTDIR && e != ENOENT {
				return nil, e
			}
			continue
		}
		if now, err := root.Stat("."); err != nil || !os.SameFile(fi, now) {
			root.Close()
			continue
		}
		sub := &hostDir{h: d.h, root: root, parent: d, name: name, depth: d.depth + 1}
		sub.refs.Store(1)
		return sub, nil
	}
	return nil, ENOENT
}

func (d *hostDir) create(name string, how How) (vnode, vfile, error) {
	if !hostName(name) {
		return nil, nil, EINVAL
	}
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, hostMode(how.Mode))
	if err != nil {
		return nil, nil, hostErr(err)
	}
	d.retain()
	n := &hostNode{dir: d, name: name, knd: KindFile}
	return n, &hostFile{n: n, f: f}, nil
}

func (d *hostDir) mkdir(name string, mode uint32) error {
	if !hostName(name) {
		return EINVAL
	}
	return hostErr(d.root.Mkdir(name, hostMode(mode)))
}

// symlink makes links that stay inside the mount, wherever they are read: an
// absolute one, or one that climbs out, would mean another file to every
// program of the host.
func (d *hostDir) symlink(name, target string) error {
	if !hostName(name) {
		return EINVAL
	}
	depth := d.depth
	for i, part := range strings.Split(target, "/") {
		switch part {
		case "":
			if i == 0 {
				return EPERM
			}
		case ".":
		case "..":
			if depth--; depth < 0 {
				return EPERM
			}
		default:
			if !hostName(part) {
				return EINVAL
			}
			depth++
		}
	}
	return hostErr(d.root.Symlink(filepath.FromSlash(target), name))
}

func (d *hostDir) rename(name string, to vdir, toName string) error {
	dst, ok := to.(*hostDir)
	if !ok {
		return EXDEV
	}
	if !hostName(toName) {
		return EINVAL
	}
	return hostErr(renameAt(d, name, dst, toName))
}

func (d *hostDir) link(name string, v vnode) error {
	src, ok := v.(*hostNode)
	if !ok {
		return EXDEV
	}
	if !hostName(name) {
		return EINVAL
	}
	return hostErr(linkAt(src.dir, src.name, d, name))
}

func (d *hostDir) unlink(name string) error { return hostErr(removeAt(d, name, false)) }
func (d *hostDir) rmdir(name string) error  { return hostErr(removeAt(d, name, true)) }

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

// hostErr turns an error of the host into one that says nothing about the host.
// The end of a file and nil stay what they are.
func hostErr(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	var known Errno
	if errors.As(err, &known) {
		return known
	}
	if e := sysErrno(err); e != 0 {
		return e
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ENOENT
	case errors.Is(err, fs.ErrExist):
		return EEXIST
	case errors.Is(err, fs.ErrPermission):
		return EACCES
	case errors.Is(err, fs.ErrClosed):
		return EBADF
	case errors.Is(err, errors.ErrUnsupported):
		return ENOTSUP
	case strings.Contains(err.Error(), "escapes"):
		return ENOTCAPABLE
	}
	return EIO
}

// timesOr are the times to set, with the present ones for what stays.
func timesOr(t Times, st Stat) (atime, mtime time.Time) {
	atime, mtime = st.Atime, st.Mtime
	if t.Atime != nil {
		atime = *t.Atime
	}
	if t.Mtime != nil {
		mtime = *t.Mtime
	}
	return atime, mtime
}
