package preview1

import (
	"math"
	"slices"
	"time"

	"github.com/wherry-run/wherry/internal/rootfs"
)

// regular is the regular file fd with the rights needed. Where the type is
// wrong POSIX has a word for it, and programs know that word.
func (h *Host) regular(fd uint32, need rights) (*descriptor, *regular, errno) {
	d, e := h.fds.get(fd, 0)
	if e != esuccess {
		return nil, nil, e
	}
	switch o := d.object.(type) {
	case *regular:
		if e := d.check(need); e != esuccess {
			return nil, nil, e
		}
		return d, o, esuccess
	case *directory:
		return nil, nil, eisdir
	}
	return nil, nil, espipe
}

// check reports the lack of a right. A descriptor that was not opened for
// reading or writing is a bad one to read or write, as POSIX says; for the
// other rights there is only the WASI word.
func (d *descriptor) check(need rights) errno {
	missing := need &^ d.base
	switch {
	case missing == 0:
		return esuccess
	case missing&(rightFDRead|rightFDWrite) != 0:
		return ebadf
	}
	return enotcapable
}

// openFile is the tree's file behind fd, regular or directory, with the rights
// needed.
func (h *Host) openFile(fd uint32, need rights) (*rootfs.File, errno) {
	d, e := h.fds.get(fd, 0)
	if e != esuccess {
		return nil, e
	}
	var file *rootfs.File
	switch o := d.object.(type) {
	case *regular:
		file = o.file
	case *directory:
		file = o.file
	default:
		return nil, einval
	}
	return file, d.check(need)
}

func (h *Host) fdAdvise(c *call) errno {
	if _, _, e := h.regular(c.u32(0), rightFDAdvise); e != esuccess {
		return e
	}
	const lastAdvice = 5
	if c.u64(1) > math.MaxInt64 || c.u64(2) > math.MaxInt64 || c.u32(3) > lastAdvice {
		return einval
	}
	return esuccess // advice may be ignored
}

func (h *Host) fdAllocate(c *call) errno {
	_, r, e := h.regular(c.u32(0), rightFDAllocate)
	if e != esuccess {
		return e
	}
	off, n := c.u64(1), c.u64(2)
	if n == 0 || off > math.MaxInt64 || n > math.MaxInt64 {
		return einval
	}
	if off+n > math.MaxInt64 {
		return efbig
	}
	return c.fail(r.file.Allocate(int64(off), int64(n)))
}

func (h *Host) fdClose(c *call) errno {
	d, e := h.fds.remove(c.u32(0))
	if e != esuccess {
		return e
	}
	return c.fail(h.closeDescriptor(d))
}

func (h *Host) fdRenumber(c *call) errno {
	old, e := h.fds.renumber(c.u32(0), c.u32(1))
	if e != esuccess || old == nil {
		return e
	}
	_ = h.closeDescriptor(old) // the move is done; as dup2, it says nothing of the old file
	return esuccess
}

func (h *Host) fdDatasync(c *call) errno { return h.sync(c, rightFDDatasync, true) }
func (h *Host) fdSync(c *call) errno     { return h.sync(c, rightFDSync, false) }

func (h *Host) sync(c *call, need rights, dataOnly bool) errno {
	file, e := h.openFile(c.u32(0), need)
	if e != esuccess {
		return e
	}
	return c.fail(file.Sync(dataOnly))
}

func (h *Host) fdFdstatGet(c *call) errno {
	out, e := c.out(1, sizeFdstat)
	if e != esuccess {
		return e
	}
	d, e := h.fds.get(c.u32(0), 0)
	if e != esuccess {
		return e
	}
	putFdstat(out, d.object.fileType(), d.flags, d.base, d.inheriting)
	return esuccess
}

func (h *Host) fdFdstatSetFlags(c *call) errno {
	d, e := h.fds.get(c.u32(0), rightFDFdstatSetFlags)
	if e != esuccess {
		return e
	}
	flags := c.u32(1)
	if flags&^uint32(allFDFlags) != 0 {
		return einval
	}
	d.flags = fdFlags(flags)
	return esuccess
}

// fdFdstatSetRights gives rights up. There is no way to get them back.
func (h *Host) fdFdstatSetRights(c *call) errno {
	d, e := h.fds.get(c.u32(0), 0)
	if e != esuccess {
		return e
	}
	base, inheriting := rights(c.u64(1)), rights(c.u64(2))
	if !d.base.has(base) || !d.inheriting.has(inheriting) {
		return enotcapable
	}
	d.base, d.inheriting = base, inheriting
	return esuccess
}

func (h *Host) fdFilestatGet(c *call) errno {
	out, e := c.out(1, c.layout.sizeFilestat)
	if e != esuccess {
		return e
	}
	fd := c.u32(0)
	d, e := h.fds.get(fd, rightFDFilestatGet)
	if e != esuccess {
		return e
	}
	var st rootfs.Stat
	var err error
	switch o := d.object.(type) {
	case *regular:
		st, err = o.file.Stat()
	case *directory:
		st, err = o.file.Stat()
	default:
		// Streams have no inode; different numbers keep programs from taking
		// their input for their output.
		c.layout.putFilestat(out, filestat{kind: o.fileType(), ino: uint64(fd) + 1, nlink: 1})
		return esuccess
	}
	if err != nil {
		return c.fail(err)
	}
	c.layout.putFilestat(out, filestatOf(st))
	return esuccess
}

func (h *Host) fdFilestatSetSize(c *call) errno {
	_, r, e := h.regular(c.u32(0), rightFDFilestatSetSize)
	if e == espipe {
		return einval
	}
	if e != esuccess {
		return e
	}
	if c.u64(1) > math.MaxInt64 {
		return einval
	}
	return c.fail(r.file.Truncate(int64(c.u64(1))))
}

func (h *Host) fdFilestatSetTimes(c *call) errno {
	file, e := h.openFile(c.u32(0), rightFDFilestatSetTimes)
	if e != esuccess {
		return e
	}
	times, e := h.times(c.u64(1), c.u64(2), c.u32(3))
	if e != esuccess {
		return e
	}
	return c.fail(file.SetTimes(times))
}

// times is what the flags of a set_times ask for.
func (h *Host) times(atim, mtim uint64, flags uint32) (rootfs.Times, errno) {
	const bothAtim, bothMtim = fstAtim | fstAtimNow, fstMtim | fstMtimNow
	if flags&^allFst != 0 || flags&bothAtim == bothAtim || flags&bothMtim == bothMtim {
		return rootfs.Times{}, einval
	}
	if flags&fstAtim != 0 && atim > math.MaxInt64 || flags&fstMtim != 0 && mtim > math.MaxInt64 {
		return rootfs.Times{}, einval
	}
	var t rootfs.Times
	if flags&(fstAtimNow|fstMtimNow) != 0 {
		now := h.clock.Now()
		if flags&fstAtimNow != 0 {
			t.Atime = &now
		}
		if flags&fstMtimNow != 0 {
			t.Mtime = &now
		}
	}
	if flags&fstAtim != 0 {
		at := time.Unix(0, int64(atim))
		t.Atime = &at
	}
	if flags&fstMtim != 0 {
		at := time.Unix(0, int64(mtim))
		t.Mtime = &at
	}
	return t, esuccess
}

// preopen is the preopened directory fd.
func (h *Host) preopen(fd uint32) (*directory, errno) {
	d, e := h.fds.get(fd, 0)
	if e != esuccess {
		return nil, e
	}
	dir, ok := d.object.(*directory)
	if !ok || !dir.preopen {
		return nil, ebadf
	}
	return dir, esuccess
}

func (h *Host) fdPrestatGet(c *call) errno {
	out, e := c.out(1, sizePrestat)
	if e != esuccess {
		return e
	}
	if d, e := h.fds.get(c.u32(0), 0); e == esuccess {
		// Guests look for directories from descriptor 3 on, until one is not open.
		if _, ok := d.object.(*listener); ok && slices.Contains(h.began, d) {
			clear(out)
			out[0] = preopenTypeOther
			return esuccess
		}
	}
	dir, e := h.preopen(c.u32(0))
	if e != esuccess {
		return e
	}
	clear(out)
	out[0] = preopenTypeDir
	le.PutUint32(out[4:], uint32(len(dir.name)))
	return esuccess
}

func (h *Host) fdPrestatDirName(c *call) errno {
	out, e := c.bytes(1, 2)
	if e != esuccess {
		return e
	}
	dir, e := h.preopen(c.u32(0))
	if e != esuccess {
		return e
	}
	if len(out) < len(dir.name) {
		return enametoolong
	}
	copy(out, dir.name)
	return esuccess
}
