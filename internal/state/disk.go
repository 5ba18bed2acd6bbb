package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/rogpeppe/go-internal/robustio"
)

// maxDocument bounds a config or a state, in bytes.
const maxDocument = 4 << 20

// writeJSON replaces a file by v, whole or not at all, and has it on the disk.
func writeJSON(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(b) > maxDocument {
		return fmt.Errorf("write %s: it would have %d bytes, more than %d", filepath.Base(name), len(b), maxDocument)
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(b, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = robustio.Rename(f.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(name), err)
	}
	return nil
}

// readJSON reads what writeJSON wrote.
func readJSON(name string, v any) error {
	b, err := robustio.ReadFile(name)
	if err != nil {
		return err
	}
	if len(b) > maxDocument {
		return fmt.Errorf("read %s: it has %d bytes, more than %d", name, len(b), maxDocument)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

// lockPatience is how long a command waits for another that has its hands on the
// same container: it copies files, or removes them.
const lockPatience = 10 * time.Second

// tryLock takes a lock between processes; nil when somebody else has it.
func tryLock(name string) (*flock.Flock, error) {
	l := flock.New(name, flock.SetPermissions(0o600))
	ok, err := l.TryLock()
	if err == nil && ok {
		return l, nil
	}
	_ = l.Close()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", filepath.Base(name), err)
	}
	return nil, nil
}

// waitLock takes a lock and waits for it, within limits.
func waitLock(name string, patience time.Duration) (*flock.Flock, error) {
	for began := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		l, err := tryLock(name)
		if err != nil || l != nil {
			return l, err
		}
		if time.Since(began) > patience {
			return nil, ErrBusy
		}
	}
}
