package rootfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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
