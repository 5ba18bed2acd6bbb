//go:build windows

package store

import (
	"errors"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/windows"
)

// syncDir does nothing: NTFS journals renames and has no call for it.
func syncDir(string) error { return nil }

// seal does nothing: a read-only file could be neither replaced nor swept.
func seal(string) error { return nil }

// OnDisk is the space that a file takes: files are written without holes here.
func OnDisk(st os.FileInfo) int64 { return st.Size() }

// isReadOnly tells whether nothing can be written because the disk is protected.
func isReadOnly(err error) bool { return errors.Is(err, windows.ERROR_WRITE_PROTECT) }

// isDiskFull tells whether there is no room.
func isDiskFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

// removeAll removes a folder and what is in it. Wine lacks the call that
// os.RemoveAll uses for what is inside a folder; one path after the other works
// there too.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, windows.ERROR_INVALID_FUNCTION) {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.IsDir() {
			err = removeAll(path)
		} else {
			err = os.Remove(path)
		}
		if err != nil {
			return err
		}
	}
	return os.Remove(dir)
}

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

// readAhead does nothing: what is touched is read with its neighbours.
func readAhead([]byte, int, int) {}
