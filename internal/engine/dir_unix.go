//go:build unix

package engine

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// makePrivate takes the rights of others off a folder, and refuses one that is not this user's.
func makePrivate(dir string) error {
	st, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && int64(sys.Uid) != int64(os.Geteuid()) {
		return fmt.Errorf("folder %s belongs to user %d, and machine code is run from it: choose a folder of your own", dir, sys.Uid)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return os.Chmod(dir, 0o700)
	}
	return nil
}

// trusted checks that nobody but this user and root can have written a file or folder of a cache that is only read.
func trusted(path string, st os.FileInfo) error {
	if st.Mode()&os.ModeSymlink != 0 {
		return fmt.Errorf("%s is a symbolic link, and machine code is run from it", path)
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && sys.Uid != 0 && int64(sys.Uid) != int64(os.Geteuid()) {
		return fmt.Errorf("%s belongs to user %d, and machine code is run from it: it must be yours or root's", path, sys.Uid)
	}
	if st.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s can be written by others, and machine code is run from it: chmod -R go-w it", path)
	}
	return nil
}

// isReadOnly tells whether nothing can be written because the file system is mounted so.
func isReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

// syncDir has a renaming reach the disk. Where that fails the entry may be lost in a crash, but not damaged.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

func rename(from, to string) error { return os.Rename(from, to) }

func removeAll(dir string) { _ = os.RemoveAll(dir) }
