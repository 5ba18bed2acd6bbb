//go:build linux || darwin

package engine

import (
	"math"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// overlay maps the beginning of a file over the beginning of a reservation, copy-on-write: what is not written to is
// shared with every process that maps the file, and lapses when memory is short.
func overlay(b []byte, f *os.File) error {
	_, err := unix.MmapPtr(int(f.Fd()), 0, unsafe.Pointer(&b[0]), uintptr(len(b)), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_FIXED|mapNoReserve)
	return err
}

const mapNoReserve = unix.MAP_NORESERVE

// reserve takes n bytes of address space that nothing may touch yet. It costs no memory.
func reserve(n uint64) ([]byte, error) {
	if n == 0 || n > math.MaxInt {
		return nil, errNoReserve
	}
	return unix.Mmap(-1, 0, int(n), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|mapNoReserve)
}

// commit makes a part of a reservation usable; it reads as zeros.
func commit(b []byte) error { return unix.Mprotect(b, unix.PROT_READ|unix.PROT_WRITE) }

// unreserve gives a whole reservation back. It fails only for a slice that reserve did not return.
func unreserve(b []byte) { _ = unix.Munmap(b) }
