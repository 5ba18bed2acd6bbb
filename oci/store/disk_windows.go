//go:build windows

package store

import (
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// syncDir does nothing: NTFS journals renames and has no call for it.
func syncDir(string) error { return nil }

// seal does nothing: a read-only file could be neither replaced nor swept.
func seal(string) error { return nil }

// mapFile maps a whole file read-only.
func mapFile(f *os.File, size int64) ([]byte, func() error, error) {
	if int64(int(size)) != size {
		return nil, nil, windows.ERROR_NOT_ENOUGH_MEMORY
	}
	h, err := windows.CreateFileMapping(windows.Handle(f.Fd()), nil, windows.PAGE_READONLY, 0, 0, nil)
	if err != nil {
		return nil, nil, err
	}
	// The view keeps the mapping alive.
	defer windows.CloseHandle(h)
	addr, err := windows.MapViewOfFile(h, windows.FILE_MAP_READ, 0, 0, uintptr(size))
	if err != nil {
		return nil, nil, err
	}
	b := unsafe.Slice((*byte)(viewPointer(addr)), int(size))
	return b, func() error { return windows.UnmapViewOfFile(addr) }, nil
}

// viewPointer turns the address of a view into a pointer without arithmetic on
// unsafe.Pointer values: the memory is not Go's and never moves.
func viewPointer(addr uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }
