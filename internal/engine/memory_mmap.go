//go:build linux || darwin

package engine

import (
	"math"

	"golang.org/x/sys/unix"
)

// reserve takes n bytes of address space that nothing may touch yet. It costs no memory.
func reserve(n uint64) ([]byte, error) {
	if n == 0 || n > math.MaxInt {
		return nil, errNoReserve
	}
	return unix.Mmap(-1, 0, int(n), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
}

// commit makes a part of a reservation usable; it reads as zeros.
func commit(b []byte) error { return unix.Mprotect(b, unix.PROT_READ|unix.PROT_WRITE) }

// unreserve gives a whole reservation back. It fails only for a slice that reserve did not return.
func unreserve(b []byte) { _ = unix.Munmap(b) }
