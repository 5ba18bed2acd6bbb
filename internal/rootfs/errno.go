package rootfs

import (
	"errors"
	"io/fs"
)

// Errno is a POSIX error of the file system as a guest sees it. It carries no
// path: what the host's files are called never reaches a guest.
type Errno uint8

// The errors of this package, by their POSIX names.
const (
	EACCES Errno = iota + 1
	EBADF
	EBUSY
	EDQUOT
	EEXIST
	EFBIG
	EINVAL
	EIO
	EISDIR
	ELOOP
	EMFILE
	EMLINK
	ENAMETOOLONG
	ENFILE
	ENODEV
	ENOENT
	ENOMEM
	ENOSPC
	ENOTDIR
	ENOTEMPTY
	ENOTSUP
	ENXIO
	EPERM
	EROFS
	ETXTBSY
	EXDEV
	EOVERFLOW
	EILSEQ
	// ENOTCAPABLE is a path that leaves the directory it is resolved beneath.
	ENOTCAPABLE
)

var errnoText = [...]string{
	EACCES:       "permission denied",
	EBADF:        "bad file descriptor",
	EBUSY:        "device or resource busy",
	EDQUOT:       "disk quota exceeded",
	EEXIST:       "file exists",
	EFBIG:        "file too large",
	EINVAL:       "invalid argument",
	EIO:          "input/output error",
	EISDIR:       "is a directory",
	ELOOP:        "too many levels of symbolic links",
	EMFILE:       "too many open files",
	EMLINK:       "too many links",
	ENAMETOOLONG: "file name too long",
	ENFILE:       "too many open files in system",
	ENODEV:       "no such device",
	ENOENT:       "no such file or directory",
	ENOMEM:       "cannot allocate memory",
	ENOSPC:       "no space left on device",
	ENOTDIR:      "not a directory",
	ENOTEMPTY:    "directory not empty",
	ENOTSUP:      "operation not supported",
	ENXIO:        "no such device or address",
	EPERM:        "operation not permitted",
	EROFS:        "read-only file system",
	ETXTBSY:      "text file busy",
	EXDEV:        "invalid cross-device link",
	EOVERFLOW:    "value too large for defined data type",
	EILSEQ:       "invalid or incomplete multibyte character",
	ENOTCAPABLE:  "path leads out of the directory",
}

// Error is the usual text of the error.
func (e Errno) Error() string {
	if int(e) < len(errnoText) && errnoText[e] != "" {
		return errnoText[e]
	}
	return "unknown error"
}

// Is makes errors.Is(err, fs.ErrNotExist) and its like work.
func (e Errno) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return e == ENOENT
	case fs.ErrExist:
		return e == EEXIST || e == ENOTEMPTY
	case fs.ErrPermission:
		return e == EACCES || e == EPERM || e == EROFS || e == ENOTCAPABLE
	case fs.ErrInvalid:
		return e == EINVAL
	case fs.ErrClosed:
		return e == EBADF
	case errors.ErrUnsupported:
		return e == ENOTSUP
	}
	return false
}

// ErrnoOf finds the Errno in err; any other error of the host is EIO.
func ErrnoOf(err error) Errno {
	var e Errno
	if errors.As(err, &e) {
		return e
	}
	return EIO
}
