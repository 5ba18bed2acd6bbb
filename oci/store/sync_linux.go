package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncFiles makes many new files durable: one call for the whole filesystem
// costs less than one per file.
func syncFiles(dir string, _ []string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}
