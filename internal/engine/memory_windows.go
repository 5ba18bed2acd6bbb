package engine

import (
	"math"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// reserve takes n bytes of address space that nothing may touch yet. It costs no memory.
func reserve(n uint64) ([]byte, error) {
	if n == 0 || n > math.MaxInt {
		return nil, errNoReserve
	}
	addr, err := windows.VirtualAlloc(0, uintptr(n), windows.MEM_RESERVE, windows.PAGE_NOACCESS)
	if err != nil {
		return nil, err
	}
	// The address is outside of Go's heap, so it may be turned into a pointer; going through its own address tells
	// that to vet.
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&addr))), int(n)), nil
}

// commit makes a part of a reservation usable; it reads as zeros.
func commit(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := windows.VirtualAlloc(uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), windows.MEM_COMMIT, windows.PAGE_READWRITE)
	return err
}

// unreserve gives a whole reservation back. It fails only for a slice that reserve did not return.
func unreserve(b []byte) {
	_ = windows.VirtualFree(uintptr(unsafe.Pointer(&b[0])), 0, windows.MEM_RELEASE)
}

// overlay refuses: on this system an image is copied. A view of a file does not go over a reservation unless that was
// made of placeholders, which Windows has since 2018 only, and which are split and given back piece by piece.
func overlay([]byte, *os.File) error { return errNoReserve }
