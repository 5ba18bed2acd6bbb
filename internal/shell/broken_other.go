//go:build !windows

package shell

import (
	"errors"
	"io"
	"syscall"
)

// isBroken reports whether nobody reads any more what was written.
func isBroken(err error) bool {
	return errors.Is(err, io.ErrClosedPipe) || errors.Is(err, syscall.EPIPE)
}
