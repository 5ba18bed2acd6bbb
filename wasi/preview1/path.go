package preview1

import (
	"github.com/wherry-run/wherry/internal/rootfs"
)

// The modes of what a guest makes: preview 1 has no way to say them.
const (
	newFileMode      = 0o644
	newDirectoryMode = 0o755
)

// at is the directory of argument fd and the path of the arguments from ptr on.
func (h *Host) at(c *call, fd, ptr int, need rights) (*rootfs.Node, string, errno) {
	path, e := c.path(ptr)
	if e != esuccess {
		return nil, "", e
	}
	_, dir, e := h.fds.directory(c.u32(fd), need)
	if e != esuccess {
		return nil, "", e
	}
	return dir.file.Node(), path, esuccess
}

// sought notes what was looked for at the path of the arguments from ptr on.
func (h *Host) sought(c *call, fd, ptr int) { h.note(c, fd, ptr, (*Observed).seen) }

func (h *Host) note(c *call, fd, ptr int, note func(o *Observed, dir *directory, path string)) {
	if h.observed == nil {
		return
	}
	if path, e := c.path(ptr); e == esuccess {
		if _, dir, e := h.fds.directory(c.u32(fd), 0); e == esuccess {
			note(h.observed, dir, path)
		}
	}
}

// changed ends a call that was to change what is at the path of the arguments
// from ptr on.
func (h *Host) changed(c *call, fd, ptr int, err error) errno {
	if err != nil {
		h.sought(c, fd, ptr)
		return c.fail(err)
	}
	h.note(c, fd, ptr, (*Observed).changes)
	return esuccess
}

// follow is the lookup flag of argument i.
func (c *call) follow(i int) (bool, errno) {
	flags := c.u32(i)
	if flags&^uint32(lookupSymlinkFollow) != 0 {
		return false, einval
	}
	return flags != 0, esuccess
}

func (h *Host) pathCreateDirectory(c *call) errno {
	at, path, e := h.at(c, 0, 1, rightPathCreateDirectory)
	if e != esuccess {
		return e
	}
	return h.changed(c, 0, 1, h.tree.Mkdir(at, path, newDirectoryMode))
}

func (h *Host) pathFilestatGet(c *call) errno {
	out, e := c.out(4, c.layout.sizeFilestat)
	if e != esuccess {
		return e
	}
	follow, e := c.follow(1)
	if e != esuccess {
		return e
	}
	at, path, e := h.at(c, 0, 2, rightPathFilestatGet)
	if e != esuccess {
		return e
	}
	st, err := h.tree.Stat(at, path, follow)
	if err != nil || st.Kind != rootfs.KindDir {
		h.sought(c, 0, 2)
	}
	if err != nil {
		return c.fail(err)
	}
	c.layout.putFilestat(out, filestatOf(st))
	return esuccess
}

func (h *Host) pathFilestatSetTimes(c *call) errno {
	follow, e := c.follow(1)
	if e != esuccess {
		return e
	}
	at, path, e := h.at(c, 0, 2, rightPathFilestatSetTimes)
	if e != esuccess {
		return e
	}
	times, e := h.times(c.u64(4), c.u64(5), c.u32(6))
	if e != esuccess {
		return e
	}
	return h.changed(c, 0, 2, h.tree.SetTimes(at, path, follow, times))
}

func (h *Host) pathLink(c *call) errno {
	follow, e := c.follow(1)
	if e != esuccess {
		return e
	}
	from, old, e := h.at(c, 0, 2, rightPathLinkSource)
	if e != esuccess {
		return e
	}
	to, name, e := h.at(c, 4, 5, rightPathLinkTarget)
	if e != esuccess {
		return e
	}
	return h.changed(c, 4, 5, h.tree.Link(from, old, follow, to, name))
}

func (h *Host) pathReadlink(c *call) errno {
	buf, e := c.bytes(3, 4)
	if e != esuccess {
		return e
	}
	out, e := c.out(5, 4)
	if e != esuccess {
		return e
	}
	at, path, e := h.at(c, 0, 1, rightPathReadlink)
	if e != esuccess {
		return e
	}
	h.sought(c, 0, 1)
	target, err := h.tree.Readlink(at, path)
	if err != nil {
		return c.fail(err)
	}
	// As readlink(2): what does not fit is left out, without an error.
	le.PutUint32(out, uint32(copy(buf, target)))
	return esuccess
}

func (h *Host) pathRemoveDirectory(c *call) errno {
	at, path, e := h.at(c, 0, 1, rightPathRemoveDirectory)
	if e != esuccess {
		return e
	}
	return h.changed(c, 0, 1, h.tree.Rmdir(at, path))
}

func (h *Host) pathRename(c *call) errno {
	from, old, e := h.at(c, 0, 1, rightPathRenameSource)
	if e != esuccess {
		return e
	}
	to, name, e := h.at(c, 3, 4, rightPathRenameTarget)
	if e != esuccess {
		return e
	}
	return h.changed(c, 0, 1, h.tree.Rename(from, old, to, name))
}

func (h *Host) pathSymlink(c *call) errno {
	target, e := c.path(0)
	if e != esuccess {
		return e
	}
	at, path, e := h.at(c, 2, 3, rightPathSymlink)
	if e != esuccess {
		return e
	}
	if target[0] == '/' && !h.isRoot(at) {
		return eperm
	}
	return h.changed(c, 2, 3, h.tree.Symlink(target, at, path))
}

// isRoot reports whether a directory is the root of the tree. Only beneath it
// an absolute link means something: seen from any other directory that a guest
// may have been given, it leads out.
func (h *Host) isRoot(n *rootfs.Node) bool {
	a, err := n.Stat()
	if err != nil {
		return false
	}
	b, err := h.tree.Root().Stat()
	return err == nil && a.Dev == b.Dev && a.Ino == b.Ino
}

func (h *Host) pathUnlinkFile(c *call) errno {
	at, path, e := h.at(c, 0, 1, rightPathUnlinkFile)
	if e != esuccess {
		return e
	}
	return h.changed(c, 0, 1, h.tree.Unlink(at, path))
}

func (h *Host) pathOpen(c *call) errno {
	out, e := c.out(8, 4)
	if e != esuccess {
		return e
	}
	follow, e := c.follow(1)
	if e != esuccess {
		return e
	}
	oflags, flags := c.u32(4), c.u32(7)
	if oflags&^allOflags != 0 || flags&^uint32(allFDFlags) != 0 {
		return einval
	}
	need := rightPathOpen
	if oflags&oflagCreat != 0 {
		need |= rightPathCreateFile
	}
	path, e := c.path(2)
	if e != esuccess {
		return e
	}
	parent, dir, e := h.fds.directory(c.u32(0), need)
	if e != esuccess {
		return e
	}
	if oflags&oflagTrunc != 0 && !parent.mayTruncate() {
		return enotcapable
	}
	if e := h.fds.admit(); e != esuccess {
		return e
	}
	defer h.fds.dismiss()
	base, inheriting := rights(c.u64(5))&allRights, rights(c.u64(6))&allRights
	if e := parent.mayOpen(oflags, base); e != esuccess {
		return e
	}
	how := howOf(oflags, base, follow)
	file, err := h.tree.Open(dir.file.Node(), path, how)
	if err != nil {
		h.observed.seen(dir, path)
		return c.fail(err)
	}
	d, e := h.opened(parent, file, base, inheriting, fdFlags(flags))
	if e != esuccess {
		_ = file.Close()
		return e
	}
	fd, e := h.fds.insert(d)
	if e != esuccess {
		_ = d.object.close()
		return e
	}
	if h.observed != nil {
		h.observed.opened(dir, path, d, how.Write || how.Create)
	}
	le.PutUint32(out, fd)
	return esuccess
}

// mayTruncate tells whether files may be cut while they are opened. Whoever can
// open one with the right to set its size can do the same in two steps, and Go
// opens the directory of an os.Root without the right that is meant for this.
func (d *descriptor) mayTruncate() bool {
	return d.base.has(rightPathFilestatSetSize) || d.inheriting.has(rightFDFilestatSetSize|rightFDWrite)
}

// mayOpen refuses, before anything is created or cut, rights that the
// directory cannot pass on. A right that has no meaning for what is opened is
// no reason to refuse, and what is opened may not be known yet.
func (d *descriptor) mayOpen(oflags uint32, base rights) errno {
	if oflags&oflagDirectory != 0 && base.has(rightFDWrite) {
		return eisdir
	}
	meaning := rightsOfFile & rightsOfDirectory
	switch {
	case oflags&(oflagCreat|oflagTrunc) != 0:
		meaning = rightsOfFile
	case oflags&oflagDirectory != 0:
		meaning = rightsOfDirectory
	}
	if base&meaning&^d.inheriting != 0 {
		return enotcapable
	}
	return esuccess
}

// howOf is how the tree opens a file for the rights asked for. Many guests ask
// for every right there is, whatever they open for; so reading and writing
// decide, and rights that need a writable file count only where neither is
// asked for.
func howOf(oflags uint32, base rights, follow bool) rootfs.How {
	trunc := oflags&oflagTrunc != 0
	write := base.has(rightFDWrite) || base&rightFDRead == 0 && base&rightsThatWrite != 0
	return rootfs.How{
		Read:     base.has(rightFDRead) || !write,
		Write:    write || trunc,
		Create:   oflags&oflagCreat != 0,
		Excl:     oflags&oflagExcl != 0,
		Trunc:    trunc,
		Dir:      oflags&oflagDirectory != 0,
		NoFollow: !follow,
		Mode:     newFileMode,
	}
}

// opened is the descriptor of a file, or of the standard stream that it stands for.
func (h *Host) opened(parent *descriptor, file *rootfs.File, base, inheriting rights, flags fdFlags) (*descriptor, errno) {
	n, ok := file.Stream()
	if !ok {
		return parent.opened(file, base, inheriting, flags)
	}
	if base&rightsOfFile&^parent.inheriting != 0 {
		return nil, enotcapable
	}
	if n >= len(h.fds.entries) || h.fds.entries[n] == nil {
		return nil, enxio
	}
	stream := h.fds.entries[n]
	switch stream.object.(type) {
	case *input, *output: // closing them leaves the stream alone, so there may be several
	default:
		return nil, enxio // something else has that number by now
	}
	_ = file.Close()
	return &descriptor{base: stream.base & (base | ^(rightFDRead | rightFDWrite)), flags: flags, object: stream.object}, esuccess
}

// opened is the descriptor of a file that was opened through the directory d.
func (d *descriptor) opened(file *rootfs.File, base, inheriting rights, flags fdFlags) (*descriptor, errno) {
	st, err := file.Stat()
	if err != nil {
		return nil, errnoOf(err)
	}
	if st.Kind == rootfs.KindDir {
		if base&rightsOfDirectory&^d.inheriting != 0 {
			return nil, enotcapable
		}
		return &descriptor{
			base: base & rightsOfDirectory, inheriting: inheriting & d.inheriting, flags: flags,
			object: &directory{file: file},
		}, esuccess
	}
	granted := base & rightsOfFile
	if granted&^d.inheriting != 0 {
		return nil, enotcapable
	}
	if base.has(rightFDRead) && !base.has(rightFDWrite) {
		granted &^= rightsThatWrite // opened for reading: nothing can change it
	}
	return &descriptor{base: granted, inheriting: 0, flags: flags, object: &regular{file: file, kind: fileTypeOf(st.Kind)}}, esuccess
}
