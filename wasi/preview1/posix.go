package preview1

import (
	gopath "path"
	"strings"
	"time"

	"github.com/wherry-run/wherry/internal/rootfs"
)

// Errno is an error number of preview 1; 0 is none.
type Errno = errno

// Error numbers that hosts of other ABIs give by themselves.
const (
	EBADF  = ebadf
	EFAULT = efault
	EINVAL = einval
	ENOSYS = enosys
	ENOTTY = enotty
	ERANGE = erange
)

// CurrentDir is the working directory where a folder's descriptor is asked for.
const CurrentDir = -100

// POSIX is a guest's files for hosts of other ABIs than preview 1: by the same
// descriptors, from a working directory, with what preview 1 has no words for. It is
// used by the goroutine that runs the guest.
type POSIX struct {
	host *Host
	root *directory // what is found from the root is beneath it; nil: the guest has none
	node *rootfs.Node
}

// POSIX is the host's files by other ways.
func (h *Host) POSIX() *POSIX {
	p := &POSIX{host: h}
	for _, o := range h.config.Preopens {
		if o.GuestPath == "/" && o.Node != nil {
			p.root, p.node = &directory{name: "/", path: "/"}, o.Node
		}
	}
	return p
}

// How says how a file is opened.
type How struct {
	Read, Write            bool
	Create, Exclusive, Cut bool
	Directory, NoFollow    bool
	Append, Nonblock       bool
	Durable, DurableData   bool // each write is: with all, or with what is needed to read it
	Mode                   uint32
}

// place is where the tree finds a path.
type place struct {
	dir  *directory
	node *rootfs.Node
	path string
}

// resolve finds where a path begins.
func (p *POSIX) resolve(dir int32, path string) (place, Errno) {
	switch {
	case p.root == nil:
		return place{}, enoent
	case path == "":
		return place{}, enoent
	case len(path) > maxPath:
		return place{}, enametoolong
	case strings.IndexByte(path, 0) >= 0:
		return place{}, einval
	}
	if dir != CurrentDir && path[0] != '/' {
		_, d, e := p.host.fds.directory(uint32(dir), 0)
		if e != esuccess {
			return place{}, e
		}
		return place{d, d.file.Node(), path}, esuccess
	}
	base := "/"
	if path[0] != '/' {
		base = p.host.cwd()
	}
	base, path = ascend(base, strings.TrimLeft(path, "/"))
	if base = base[1:]; base != "" && path != "" {
		base += "/"
	}
	if path = base + path; path == "" {
		path = "."
	}
	return place{p.root, p.node, path}, esuccess
}

// ascend takes the names at the beginning of a path that lead out of a folder: the
// root's parent is the root.
func ascend(base, path string) (string, string) {
	for {
		name, rest, more := strings.Cut(path, "/")
		switch name {
		case "..":
			base = gopath.Dir(base)
		case ".", "":
			if !more {
				return base, path
			}
		default:
			return base, path
		}
		path = strings.TrimLeft(rest, "/")
		if !more || path == "" {
			return base, path
		}
	}
}

func (h *Host) cwd() string {
	if h.workingDir == "" {
		return "/"
	}
	return h.workingDir
}

// full is the path of what a place names, as the guest would say it; "" is not known.
func (pl place) full() string {
	if pl.dir.path == "" {
		return ""
	}
	return gopath.Join(pl.dir.path, pl.path)
}

// sought and changed are for those who observe the guest.
func (p *POSIX) sought(pl place) { p.host.observed.seen(pl.dir, pl.path) }

func (p *POSIX) changed(pl place, err error) Errno {
	if err != nil {
		p.sought(pl)
		return errnoOf(err)
	}
	if p.host.observed != nil {
		p.host.observed.changes(pl.dir, pl.path)
	}
	return esuccess
}

// Open opens a file and gives its descriptor.
func (p *POSIX) Open(dir int32, path string, how How) (uint32, Errno) {
	pl, e := p.resolve(dir, path)
	if e != esuccess {
		return 0, e
	}
	h := p.host
	if e := h.fds.admit(); e != esuccess {
		return 0, e
	}
	defer h.fds.dismiss()
	file, err := h.tree.Open(pl.node, pl.path, rootfs.How{
		Read: how.Read, Write: how.Write || how.Cut, Create: how.Create, Excl: how.Exclusive, Trunc: how.Cut,
		Dir: how.Directory, NoFollow: how.NoFollow, Mode: how.Mode &^ h.umask & 0o7777,
	})
	if err != nil {
		p.sought(pl)
		return 0, errnoOf(err)
	}
	base := rightsOfFile | rightsOfDirectory
	if !how.Read {
		base &^= rightFDRead
	}
	if !how.Write {
		base &^= rightsThatWrite
	}
	all := rightsOfFile | rightsOfDirectory
	d, e := h.opened(&descriptor{base: rightsOfDirectory, inheriting: all}, file, base, all, how.flags())
	if e != esuccess {
		_ = file.Close()
		return 0, e
	}
	if child, ok := d.object.(*directory); ok {
		child.path = pl.full()
	}
	fd, e := h.fds.insert(d)
	if e != esuccess {
		_ = d.object.close()
		return 0, e
	}
	if h.observed != nil {
		h.observed.opened(pl.dir, pl.path, d, how.Write || how.Create)
	}
	return fd, esuccess
}

func (how How) flags() (f fdFlags) {
	for flag, on := range map[fdFlags]bool{flagAppend: how.Append, flagNonblock: how.Nonblock, flagSync: how.Durable, flagDsync: how.DurableData} {
		if on {
			f |= flag
		}
	}
	return f
}

// Stat describes what is at a path.
func (p *POSIX) Stat(dir int32, path string, follow bool) (rootfs.Stat, Errno) {
	pl, e := p.resolve(dir, path)
	if e != esuccess {
		return rootfs.Stat{}, e
	}
	st, err := p.host.tree.Stat(pl.node, pl.path, follow)
	if err != nil || st.Kind != rootfs.KindDir {
		p.sought(pl)
	}
	return st, errnoOf(err)
}

// Mkdir makes a folder.
func (p *POSIX) Mkdir(dir int32, path string, mode uint32) Errno {
	pl, e := p.resolve(dir, path)
	if e != esuccess {
		return e
	}
	return p.changed(pl, p.host.tree.Mkdir(pl.node, pl.path, mode&^p.host.umask&0o7777))
}

// Remove takes away a file, or an empty folder.
func (p *POSIX) Remove(dir int32, path string, folder bool) Errno {
	pl, e := p.resolve(dir, path)
	if e != esuccess {
		return e
	}
	if folder {
		return p.changed(pl, p.host.tree.Rmdir(pl.node, pl.path))
	}
	return p.changed(pl, p.host.tree.Unlink(pl.node, pl.path))
}

// Rename gives a file another name, in place of what has it.
func (p *POSIX) Rename(dir int32, old string, to int32, name string) Errno {
	from, e := p.resolve(dir, old)
	if e != esuccess {
		return e
	}
	into, e := p.resolve(to, name)
	if e != esuccess {
		return e
	}
	return p.changed(from, p.host.tree.Rename(from.node, from.path, into.node, into.path))
}

// Link gives a file one more name.
func (p *POSIX) Link(dir int32, old string, follow bool, to int32, name string) Errno {
	from, e := p.resolve(dir, old)
	if e != esuccess {
		return e
	}
	into, e := p.resolve(to, name)
	if e != esuccess {
		return e
	}
	return p.changed(into, p.host.tree.Link(from.node, from.path, follow, into.node, into.path))
}

// Symlink makes a symbolic link.
func (p *POSIX) Symlink(target string, dir int32, path string) Errno {
	if target == "" {
		return enoent
	}
	if len(target) > maxPath {
		return enametoolong
	}
	pl, e := p.resolve(dir, path)
	if e != esuccess {
		return e
	}
	return p.changed(pl, p.host.tree.Symlink(target, pl.node, pl.path))
}

// Readlink is where a symbolic link leads.
func (p *POSIX) Readlink(dir int32, path string) (string, Errno) {
	pl, e := p.resolve(dir, path)
	if e != esuccess {
		return "", e
	}
	p.sought(pl)
	target, err := p.host.tree.Readlink(pl.node, pl.path)
	return target, errnoOf(err)
}

// Chmod sets the permission bits of a file.
func (p *POSIX) Chmod(dir int32, path string, mode uint32) Errno {
	pl, e := p.resolve(dir, path)
	if e != esuccess {
		return e
	}
	return p.changed(pl, p.host.tree.Chmod(pl.node, pl.path, mode&0o7777))
}

// SetTimes sets the times of a file; nil leaves one as it is.
func (p *POSIX) SetTimes(dir int32, path string, follow bool, access, change *time.Time) Errno {
	pl, e := p.resolve(dir, path)
	if e != esuccess {
		return e
	}
	return p.changed(pl, p.host.tree.SetTimes(pl.node, pl.path, follow, rootfs.Times{Atime: access, Mtime: change}))
}

// Now is what the guest's clock says.
func (p *POSIX) Now() time.Time { return p.host.clock.Now() }

// Getwd is the working directory.
func (p *POSIX) Getwd() string { return p.host.cwd() }

// Chdir sets the working directory.
func (p *POSIX) Chdir(path string) Errno {
	pl, e := p.resolve(CurrentDir, path)
	if e != esuccess {
		return e
	}
	st, err := p.host.tree.Stat(pl.node, pl.path, true)
	if err == nil && st.Kind != rootfs.KindDir {
		err = rootfs.ENOTDIR
	}
	if err != nil {
		return errnoOf(err)
	}
	p.host.workingDir = gopath.Join("/", pl.path)
	return esuccess
}

// ChdirTo sets the working directory to a folder that is open.
func (p *POSIX) ChdirTo(fd uint32) Errno {
	_, d, e := p.host.fds.directory(fd, 0)
	if e != esuccess {
		return e
	}
	if d.path == "" {
		return eacces
	}
	return p.Chdir(d.path)
}

// Umask sets which permission bits new files do not get, and gives those before.
func (p *POSIX) Umask(mask uint32) uint32 {
	old := p.host.umask
	p.host.umask = mask & 0o777
	return old
}
