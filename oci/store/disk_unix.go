//go:build unix

package store

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// syncDir makes renames in dir survive a power failure.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	// Some network filesystems cannot sync a folder; they say so with EINVAL.
	if err := f.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	return nil
}

// seal makes finished content read-only, against slips of the hand.
func seal(path string) error { return os.Chmod(path, 0o444) }

// OnDisk is the space that a file takes, which is less than its length when it has holes.
func OnDisk(st os.FileInfo) int64 {
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		const block = 512 // whatever the file system's are
		return sys.Blocks * block
	}
	return st.Size()
}

// isReadOnly tells whether nothing can be written because the file system is mounted so.
func isReadOnly(err error) bool { return errors.Is(err, unix.EROFS) }

// isDiskFull tells whether there is no room.
func isDiskFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// removeAll removes a folder and what is in it.
func removeAll(dir string) error { return os.RemoveAll(dir) }

// mapFile maps a whole file read-only.
func mapFile(f *os.File, size int64) ([]byte, func() error, error) {
	if int64(int(size)) != size {
		return nil, nil, unix.ENOMEM
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	_ = unix.Madvise(b, unix.MADV_RANDOM)
	return b, func() error { return unix.Munmap(b) }, nil
}

// readAhead has a piece of a mapped file read in the background.
func readAhead(b []byte, off, length int) {
	start := off &^ (os.Getpagesize() - 1)
	_ = unix.Madvise(b[start:off+length], unix.MADV_WILLNEED)
}
