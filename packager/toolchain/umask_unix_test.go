//go:build unix

package toolchain

import (
	"syscall"
	"testing"
)

func umask(t *testing.T, mask int) {
	old := syscall.Umask(mask)
	t.Cleanup(func() { syscall.Umask(old) })
}
