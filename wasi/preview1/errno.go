package preview1

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"

	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/wasi"
)

// errno is the result of a WASI function.
type errno uint16

// The numbers are those of the WASI text, in its order.
const (
	esuccess errno = iota
	e2big
	eacces
	eaddrinuse
	eaddrnotavail
	eafnosupport
	eagain
	ealready
	ebadf
	ebadmsg
	ebusy
	ecanceled
	echild
	econnaborted
	econnrefused
	econnreset
	edeadlk
	edestaddrreq
	edom
	edquot
	eexist
	efault
	efbig
	ehostunreach
	eidrm
	eilseq
	einprogress
	eintr
	einval
	eio
	eisconn
	eisdir
	eloop
	emfile
	emlink
	emsgsize
	emultihop
	enametoolong
	enetdown
	enetreset
	enetunreach
	enfile
	enobufs
	enodev
	enoent
	enoexec
	enolck
	enolink
	enomem
	enomsg
	enoprotoopt
	enospc
	enosys
	enotconn
	enotdir
	enotempty
	enotrecoverable
	enotsock
	enotsup
	enotty
	enxio
	eoverflow
	eownerdead
	eperm
	epipe
	eproto
	eprotonosupport
	eprototype
	erange
	erofs
	espipe
	esrch
	estale
	etimedout
	etxtbsy
	exdev
	enotcapable
)

// treeErrno is what the errors of a tree are called here. A path that leaves
// its directory is "operation not permitted": guests have a text for that, and
// none for ENOTCAPABLE.
var treeErrno = map[rootfs.Errno]errno{
	rootfs.ENOENT:       enoent,
	rootfs.EEXIST:       eexist,
	rootfs.ENOTDIR:      enotdir,
	rootfs.EISDIR:       eisdir,
	rootfs.ELOOP:        eloop,
	rootfs.EPERM:        eperm,
	rootfs.EACCES:       eacces,
	rootfs.EROFS:        erofs,
	rootfs.ENOSPC:       enospc,
	rootfs.EDQUOT:       edquot,
	rootfs.ENOTEMPTY:    enotempty,
	rootfs.EXDEV:        exdev,
	rootfs.EINVAL:       einval,
	rootfs.ENAMETOOLONG: enametoolong,
	rootfs.EBADF:        ebadf,
	rootfs.EMLINK:       emlink,
	rootfs.EBUSY:        ebusy,
	rootfs.EFBIG:        efbig,
	rootfs.ENOTCAPABLE:  eperm,
	rootfs.EIO:          eio,
	rootfs.ENOTSUP:      enotsup,
	rootfs.EMFILE:       emfile,
	rootfs.ENFILE:       enfile,
	rootfs.ENODEV:       enodev,
	rootfs.ENOMEM:       enomem,
	rootfs.ENXIO:        enxio,
	rootfs.ETXTBSY:      etxtbsy,
	rootfs.EOVERFLOW:    eoverflow,
	rootfs.EILSEQ:       eilseq,
}

// errWouldBlock is the answer of a stream that a guest does not want to wait for.
var errWouldBlock = errors.New("operation would block")

// What Windows says of connections.
const (
	winRefused         = syscall.Errno(10061)
	winInUse           = syscall.Errno(10048)
	winNetUnreachable  = syscall.Errno(10051)
	winHostUnreachable = syscall.Errno(10065)
	winTimedOut        = syscall.Errno(10060)
)

// errnoOf maps an error of a tree, a stream or a connection. What is unknown
// is an input/output error: the text of a host error never reaches the guest.
func errnoOf(err error) errno {
	if err == nil {
		return esuccess
	}
	var tree rootfs.Errno
	if errors.As(err, &tree) {
		if e, ok := treeErrno[tree]; ok {
			return e
		}
		return eio
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return ecanceled
	case errors.Is(err, errWouldBlock):
		return eagain
	case errors.Is(err, wasi.ErrOutputLimit):
		return edquot
	case errors.Is(err, io.ErrClosedPipe), errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrClosed), errors.Is(err, syscall.EPIPE):
		return epipe
	case errors.Is(err, syscall.ECONNRESET):
		return econnreset
	case errors.Is(err, syscall.ECONNABORTED):
		return econnaborted
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, winRefused):
		return econnrefused
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, winInUse):
		return eaddrinuse
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return eaddrnotavail
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, winHostUnreachable):
		return ehostunreach
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, winNetUnreachable):
		return enetunreach
	case errors.Is(err, syscall.EPROTONOSUPPORT):
		return eprotonosupport
	case errors.Is(err, syscall.EMFILE):
		return emfile
	case errors.Is(err, syscall.EMSGSIZE):
		return emsgsize
	case errors.Is(err, syscall.ETIMEDOUT), errors.Is(err, winTimedOut):
		return etimedout
	case errors.Is(err, os.ErrDeadlineExceeded):
		return etimedout
	case errors.Is(err, syscall.ENOSPC):
		return enospc
	case errors.Is(err, fs.ErrPermission):
		return eacces
	}
	return eio
}
