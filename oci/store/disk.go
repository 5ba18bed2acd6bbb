package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/robustio"
)

// newPrefix begins the names of files that are about to replace others.
const newPrefix = ".new-"

// writeAtomic replaces a file: readers see the old bytes or the new ones, also
// after the power failed.
func writeAtomic(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), newPrefix+"*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	return publish(f, path)
}

// publish syncs and closes f and renames it to path. The file must be closed
// before the rename, or Windows refuses it.
func publish(f *os.File, path string) error {
	err := f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return move(f.Name(), path)
}

// move renames a synced file and syncs the folder that names it.
func move(from, to string) error {
	if err := rename(from, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// rename makes the folder when this is the first file in it.
func rename(from, to string) error {
	err := robustio.Rename(from, to)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	return robustio.Rename(from, to)
}

// remove deletes a file that may be gone already and returns its size.
func remove(path string) (int64, error) {
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("remove %s: %w", path, err)
	}
	return st.Size(), nil
}
