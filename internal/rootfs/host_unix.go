//go:build linux || darwin

package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// hostOpenFlags: never wait for a pipe, never take a terminal.
const hostOpenFlags = unix.O_NONBLOCK | unix.O_NOCTTY

// hostName tells whether a name means on this host what it means to the guest.
func hostName(string) bool { return true }

func (h *hostFS) fill(st *Stat, fi fs.FileInfo, _ *os.Root, _ string) {
	if s, ok := fi.Sys().(*syscall.Stat_t); ok {
		st.Dev = h.device(uint64(s.Dev))
		st.Ino = s.Ino
		st.Nlink = uint64(s.Nlink)
		st.UID, st.GID = int(s.Uid), int(s.Gid)
		fillTimes(st, s)
	}
}

func (h *hostFS) fillOpen(st *Stat, fi fs.FileInfo, _ *os.File) { h.fill(st, fi, nil, "") }

// withHandle runs fn with a descriptor of the directory, on which calls that
// take one name of it are made.
func (d *hostDir) withHandle(fn func(fd int) error) error {
	d.handle.Lock()
	defer d.handle.Unlock()
	if d.handleFile == nil {
		f, err := d.root.OpenFile(".", unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		d.handleFile = f
	}
	raw, err := d.handleFile.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = fn(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// between runs fn with descriptors of two directories.
func between(a, b *hostDir, fn func(a, b int) error) error {
	return a.withHandle(func(fa int) error {
		if a == b {
			return fn(fa, fa)
		}
		return b.dup(func(fb int) error { return fn(fa, fb) })
	})
}

// dup runs fn with a descriptor of its own, so that two calls over the same
// pair of directories in opposite order cannot wait for each other.
func (d *hostDir) dup(fn func(fd int) error) error {
	f, err := d.root.OpenFile(".", unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = fn(int(fd)) }); err != nil {
		return err
	}
	return inner
}

func renameAt(a *hostDir, from string, b *hostDir, to string) error {
	return between(a, b, func(fa, fb int) error { return unix.Renameat(fa, from, fb, to) })
}

func linkAt(a *hostDir, from string, b *hostDir, to string) error {
	return between(a, b, func(fa, fb int) error { return unix.Linkat(fa, from, fb, to, 0) })
}

func removeAt(d *hostDir, name string, dir bool) error {
	flags := 0
	if dir {
		flags = unix.AT_REMOVEDIR
	}
	err := d.withHandle(func(fd int) error { return unix.Unlinkat(fd, name, flags) })
	if err == unix.EPERM && !dir {
		// What some hosts say for a directory.
		if fi, serr := d.root.Lstat(name); serr == nil && fi.IsDir() {
			return EISDIR
		}
	}
	return err
}

// setTimes sets the times of one name, of the link itself when it is one.
func (h *hostFS) setTimes(d *hostDir, name string, t Times, _ Kind) error {
	fi, err := d.root.Lstat(name)
	if err != nil {
		return hostErr(err)
	}
	ts := timespecs(timesOr(t, h.stat(fi, d.root, name)))
	return hostErr(d.withHandle(func(fd int) error {
		return unix.UtimesNanoAt(fd, name, ts[:], unix.AT_SYMLINK_NOFOLLOW)
	}))
}

func (h *hostFS) setTimesOpen(f *hostFile, t Times) error {
	st, err := f.stat()
	if err != nil {
		return err
	}
	ts := timespecs(timesOr(t, st))
	raw, err := f.f.SyscallConn()
	if err != nil {
		return hostErr(err)
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = futimens(int(fd), &ts) }); err != nil {
		return hostErr(err)
	}
	return hostErr(inner)
}

var sysErrnos = map[syscall.Errno]Errno{
	syscall.EACCES: EACCES, syscall.EBADF: EBADF, syscall.EBUSY: EBUSY, syscall.EDQUOT: EDQUOT,
	syscall.EEXIST: EEXIST, syscall.EFBIG: EFBIG, syscall.EINVAL: EINVAL, syscall.EISDIR: EISDIR,
	syscall.ELOOP: ELOOP, syscall.EMFILE: ENFILE, syscall.EMLINK: EMLINK, syscall.ENAMETOOLONG: ENAMETOOLONG,
	syscall.ENFILE: ENFILE, syscall.ENODEV: ENODEV, syscall.ENOENT: ENOENT, syscall.ENOMEM: ENOMEM,
	syscall.ENOSPC: ENOSPC, syscall.ENOTDIR: ENOTDIR, syscall.ENOTEMPTY: ENOTEMPTY, syscall.ENOTSUP: ENOTSUP,
	syscall.ENXIO: ENXIO, syscall.EPERM: EPERM, syscall.EROFS: EROFS, syscall.ETXTBSY: ETXTBSY,
	syscall.EXDEV: EXDEV, syscall.EOVERFLOW: EOVERFLOW, syscall.EILSEQ: EILSEQ,
}

func sysErrno(err error) Errno {
	var e syscall.Errno
	if errors.As(err, &e) {
		return sysErrnos[e]
	}
	return 0
}
