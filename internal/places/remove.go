package places

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// removals is how often a folder is tried to be removed in which somebody makes files
// meanwhile: whoever looks at a container tries its lock.
const removals = 5

// RemoveAll removes a folder and what is in it. Where the system lacks the calls that
// os.RemoveAll makes, as Wine does (NtSetInformationFile with
// FileDispositionInformationEx), it goes by names: no guest
// changes these folders.
func RemoveAll(dir string) error {
	var failed error
	for range removals {
		if failed = os.RemoveAll(dir); failed == nil {
			return nil
		}
		if failed = removeNames(dir); failed == nil {
			return nil
		}
	}
	return failed
}

func removeNames(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return absent(err)
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if e.IsDir() {
			err = removeNames(name)
		} else {
			err = absent(os.Remove(name))
		}
		if err != nil {
			return err
		}
	}
	return absent(os.Remove(dir))
}

// absent is no error when what was to be removed is gone.
func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
