//go:build unix

package engine

import (
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

// syncDir has a renaming reach the disk. Where that fails the entry may be lost in a crash, but not damaged.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

func rename(from, to string) error { return os.Rename(from, to) }

func removeAll(dir string) { _ = os.RemoveAll(dir) }
