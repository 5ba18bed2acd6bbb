package shell

import (
	"errors"
	"io"
	"syscall"
)

// errNoData is what a pipe says whose other end was closed.
const errNoData = syscall.Errno(232)

// isBroken reports whether nobody reads any more what was written.
func isBroken(err error) bool {
	return errors.Is(err, io.ErrClosedPipe) || errors.Is(err, syscall.ERROR_BROKEN_PIPE) || errors.Is(err, errNoData)
}
