package rootfs

import (
	"errors"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
)

const hostOpenFlags = 0

// hostName tells whether a name means on this host what it means to the guest:
// no separator, stream, wildcard or device, nothing that Windows cuts off.
func hostName(name string) bool {
	if strings.ContainsAny(name, `\:*?"<>|`) || strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") {
		return false
	}
	for i := range len(name) {
		if name[i] < 0x20 {
			return false
		}
	}
	return filepath.IsLocal(name)
}

func (h *hostFS) fill(st *Stat, fi fs.FileInfo, root *os.Root, name string) {
	fillTimes(st, fi)
	sum := fnv.New64a()
	sum.Write([]byte(strings.ToLower(fi.Name())))
	st.Ino = sum.Sum64()
	if !fi.Mode().IsRegular() && !fi.IsDir() {
		return
	}
	f, err := root.Open(name)
	if err != nil {
		return
	}
	defer f.Close()
	h.identify(st, f)
}

func (h *hostFS) fillOpen(st *Stat, fi fs.FileInfo, f *os.File) {
	fillTimes(st, fi)
	h.identify(st, f)
}

func (h *hostFS) identify(st *Stat, f *os.File) {
	var d windows.ByHandleFileInformation
	if windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &d) != nil {
		return
	}
	st.Dev = h.device(uint64(d.VolumeSerialNumber))
	st.Ino = uint64(d.FileIndexHigh)<<32 | uint64(d.FileIndexLow)
	st.Nlink = uint64(d.NumberOfLinks)
}

func fillTimes(st *Stat, fi fs.FileInfo) {
	if d, ok := fi.Sys().(*syscall.Win32FileAttributeData); ok {
		st.Atime = time.Unix(0, d.LastAccessTime.Nanoseconds())
	}
}

// renameAt moves by path from the root of the mount: there is no call of the
// host that takes two directories.
func renameAt(a *hostDir, from string, b *hostDir, to string) error {
	if a == b {
		return a.root.Rename(from, to)
	}
	return a.top().root.Rename(a.path(from), b.path(to))
}

func linkAt(a *hostDir, from string, b *hostDir, to string) error {
	if a == b {
		return a.root.Link(from, to)
	}
	return a.top().root.Link(a.path(from), b.path(to))
}

func removeAt(d *hostDir, name string, dir bool) error {
	fi, err := d.root.Lstat(name)
	if err != nil {
		return err
	}
	switch {
	case dir && !fi.IsDir():
		return ENOTDIR
	case !dir && fi.IsDir():
		return EISDIR
	}
	return d.root.Remove(name)
}

func (h *hostFS) setTimes(d *hostDir, name string, t Times, k Kind) error {
	if k == KindSymlink {
		return ENOTSUP
	}
	fi, err := d.root.Lstat(name)
	if err != nil {
		return hostErr(err)
	}
	atime, mtime := timesOr(t, h.stat(fi, d.root, name))
	return hostErr(d.root.Chtimes(name, atime, mtime))
}

func (h *hostFS) setTimesOpen(f *hostFile, t Times) error {
	st, err := f.stat()
	if err != nil {
		return err
	}
	atime, mtime := timesOr(t, st)
	a, m := windows.NsecToFiletime(atime.UnixNano()), windows.NsecToFiletime(mtime.UnixNano())
	if windows.SetFileTime(windows.Handle(f.f.Fd()), nil, &a, &m) == nil {
		return nil
	}
	// A handle for reading may not set times.
	return hostErr(f.n.dir.root.Chtimes(f.n.name, atime, mtime))
}

var sysErrnos = map[syscall.Errno]Errno{
	windows.ERROR_DIR_NOT_EMPTY: ENOTEMPTY, windows.ERROR_DIRECTORY: ENOTDIR, windows.ERROR_DISK_FULL: ENOSPC,
	windows.ERROR_HANDLE_DISK_FULL: ENOSPC, windows.ERROR_SHARING_VIOLATION: EBUSY, windows.ERROR_NOT_SAME_DEVICE: EXDEV,
	windows.ERROR_FILENAME_EXCED_RANGE: ENAMETOOLONG, windows.ERROR_TOO_MANY_OPEN_FILES: ENFILE,
	windows.ERROR_PRIVILEGE_NOT_HELD: EPERM, windows.ERROR_WRITE_PROTECT: EROFS, windows.ERROR_INVALID_NAME: EINVAL,
	windows.ERROR_CANT_RESOLVE_FILENAME: ELOOP, syscall.ENOTDIR: ENOTDIR, syscall.EISDIR: EISDIR, syscall.ELOOP: ELOOP,
	syscall.EINVAL: EINVAL,
}

func sysErrno(err error) Errno {
	var e syscall.Errno
	if errors.As(err, &e) {
		return sysErrnos[e]
	}
	return 0
}
