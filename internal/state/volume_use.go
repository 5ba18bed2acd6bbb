package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// usersFile, beside a volume's data, is locked by each process whose programs have the
// volume: shared, so that who can have it alone knows that nobody else has it.
const usersFile = "users.lock"

// HoldVolume takes part in a volume's use until leave. The first of its users removes
// the locks that those before it left behind, which were killed: a program under WASI
// has no locks of a kernel, which end with it, and SQLite there takes a folder for one.
func (s *Store) HoldVolume(ctx context.Context, name string) (leave func(), err error) {
	v, err := s.Volume(name)
	if err != nil {
		return nil, err
	}
	l := flock.New(s.path(volumesDir, v.Name, usersFile), flock.SetPermissions(0o600))
	alone, err := l.TryLock()
	if err == nil && alone {
		dropLocks(v.Path)
		err = l.Unlock() // whoever comes between is the first, too, for nothing of ours runs yet
	}
	for began := time.Now(); err == nil; {
		var ok bool
		if ok, err = l.TryRLock(); ok {
			return func() { _ = l.Close() }, nil
		}
		if err == nil && time.Since(began) > lockPatience {
			err = ErrBusy
		}
		if err == nil {
			select {
			case <-ctx.Done():
				err = context.Cause(ctx)
			case <-time.After(2 * time.Millisecond):
			}
		}
	}
	_ = l.Close()
	return nil, fmt.Errorf("use volume %s: %w", name, err)
}

// holdVolumes is HoldVolume for all of a container.
func (s *Store) holdVolumes(ctx context.Context, mounts []Mount) (leave func(), err error) {
	var held []func()
	leave = func() {
		for _, f := range held {
			f()
		}
	}
	for _, m := range mounts {
		if m.Name == "" || m.Type != "volume" {
			continue
		}
		one, err := s.HoldVolume(ctx, m.Name)
		if errors.As(err, new(*NotFoundError)) { // removed by hand; whoever mounts it says so
			continue
		}
		if err != nil {
			leave()
			return nil, err
		}
		held = append(held, one)
	}
	return leave, nil
}

// maxLooked bounds how much of a volume is searched for locks.
const maxLooked = 20000

// dropLocks removes what SQLite's unix-dotfile locking leaves of a program that was
// killed: an empty folder NAME.lock beside a database NAME. Nothing else is touched.
func dropLocks(dir string) {
	looked := 0
	_ = filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error { // what cannot be read has no lock for us
		looked++
		database, is := strings.CutSuffix(name, ".lock")
		switch {
		case looked > maxLooked:
			return filepath.SkipAll
		case err != nil || !e.IsDir() || !is || !isDatabase(database):
			return nil
		case os.Remove(name) == nil: // which removes no folder that has something in it
			return filepath.SkipDir
		}
		return nil
	})
}

// isDatabase tells a file of SQLite, or one that is to become one.
func isDatabase(name string) bool {
	info, err := os.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	if info.Size() == 0 {
		return true
	}
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	const magic = "SQLite format 3\x00"
	begin := make([]byte, len(magic))
	_, err = io.ReadFull(f, begin)
	return err == nil && string(begin) == magic
}
