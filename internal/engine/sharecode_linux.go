package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// shareMachine replaces machine code by a mapping of the file of that name, which is
// written where there is none. Whatever the file holds, it is compared first. The code
// may run meanwhile: the kernel has whoever asks for a page of it wait.
func shareMachine(name string, code []byte) error {
	if err := keepMachine(name, code); err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	now := time.Now()
	_ = os.Chtimes(name, now, now) // for who sweeps the cache
	// Not at its place yet: where the files of a folder may not be executed, this fails.
	file, err := unix.Mmap(int(f.Fd()), 0, len(code), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("map %s: %w", filepath.Base(name), err)
	}
	same := bytes.Equal(file, code)
	if err := unix.Munmap(file); err != nil {
		return err
	}
	if !same {
		return os.Remove(name)
	}
	_, err = unix.MmapPtr(int(f.Fd()), 0, unsafe.Pointer(unsafe.SliceData(code)), uintptr(len(code)),
		unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_FIXED)
	return err
}

// keepMachine writes machine code to a file, whole or not at all, unless it is there.
func keepMachine(name string, code []byte) error {
	info, err := os.Lstat(name)
	if err == nil && info.Mode().IsRegular() && info.Size() == int64(len(code)) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".tmp-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(code)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
