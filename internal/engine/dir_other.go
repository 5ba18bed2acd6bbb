//go:build !unix

package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/rogpeppe/go-internal/robustio"
)

// makePrivate leaves the folder as it is: a folder made in a user's profile on Windows is that user's by inheritance.
func makePrivate(string) error { return nil }

// trusted refuses links only: who may write a file is not in its mode on Windows. A baked cache has to be where others
// cannot write.
func trusted(path string, st os.FileInfo) error {
	if st.Mode()&(os.ModeSymlink|os.ModeIrregular) != 0 {
		return fmt.Errorf("%s is a link, and machine code is run from it", path)
	}
	return nil
}

// isReadOnly tells whether nothing can be written because the disk is protected.
func isReadOnly(err error) bool {
	const writeProtect = syscall.Errno(19) // ERROR_WRITE_PROTECT
	return errors.Is(err, writeProtect)
}

func syncDir(string) {}

// rename tries again while a virus scanner has one of the new files open.
func rename(from, to string) error { return robustio.Rename(from, to) }

// removeAll removes a folder of the cache. Wine lacks the call by which os.RemoveAll removes folders; one file after the
// other works there too.
func removeAll(dir string) {
	if os.RemoveAll(dir) == nil {
		return
	}
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		if path := filepath.Join(dir, e.Name()); e.IsDir() {
			removeAll(path)
		} else {
			_ = os.Remove(path)
		}
	}
	_ = os.Remove(dir)
}
