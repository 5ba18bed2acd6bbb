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
	"unsafe"

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
//
// What the host would do otherwise than POSIX is looked for first: replacing a
// file by a directory, and an empty directory by another, which takes two steps.
func renameAt(a *hostDir, from string, b *hostDir, to string) error {
	src, err := a.root.Lstat(from)
	if err != nil {
		return err
	}
	if src.IsDir() && strings.HasPrefix(b.path("")+"/", a.path(from)+"/") {
		return EINVAL
	}
	if dst, err := b.root.Lstat(to); err == nil {
		switch {
		case os.SameFile(src, dst):
			return nil
		case dst.IsDir() && !src.IsDir():
			return EISDIR
		case !dst.IsDir() && src.IsDir():
			return ENOTDIR
		case dst.IsDir():
			if err := removeAt(b, to, true); err != nil {
				return err
			}
		}
	}
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
	err = d.root.Remove(name)
	if errors.Is(err, windows.ERROR_INVALID_FUNCTION) {
		return removePlain(d, name, dir)
	}
	return err
}

// removePlain is for hosts that do not know the removal of files in use: file
// systems and emulations without POSIX semantics. It opens the one name from
// the handle of its directory and marks it for removal.
func removePlain(d *hostDir, name string, dir bool) error {
	parent, err := d.root.Open(".")
	if err != nil {
		return err
	}
	defer parent.Close()
	ntName, err := windows.NewNTUnicodeString(name)
	if err != nil {
		return err
	}
	attrs := &windows.OBJECT_ATTRIBUTES{RootDirectory: windows.Handle(parent.Fd()), ObjectName: ntName}
	attrs.Length = uint32(unsafe.Sizeof(*attrs))
	options := uint32(windows.FILE_OPEN_REPARSE_POINT | windows.FILE_OPEN_FOR_BACKUP_INTENT | windows.FILE_SYNCHRONOUS_IO_NONALERT)
	if dir {
		options |= windows.FILE_DIRECTORY_FILE
	} else {
		options |= windows.FILE_NON_DIRECTORY_FILE
	}
	var h windows.Handle
	var status windows.IO_STATUS_BLOCK
	err = windows.NtCreateFile(&h, windows.DELETE|windows.SYNCHRONIZE, attrs, &status, nil, 0,
		windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, windows.FILE_OPEN, options, 0, 0)
	if nt, ok := err.(windows.NTStatus); ok {
		err = nt.Errno()
	}
	if err != nil {
		return err
	}
	defer windows.CloseHandle(h)
	remove := byte(1)
	return windows.SetFileInformationByHandle(h, windows.FileDispositionInfo, &remove, 1)
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
