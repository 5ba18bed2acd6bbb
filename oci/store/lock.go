package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/gofrs/flock"
)

type lockKind bool

const (
	shared    lockKind = false
	exclusive lockKind = true
)

// lockPoll is how often a waiting process looks again. The operating systems
// we run on have no lock that can be waited for and cancelled.
const lockPoll = 15 * time.Millisecond

// lock takes the lock of this name between processes and goroutines and
// returns how to give it back. It dies with the process that holds it.
//
// Order, so that nobody waits in a circle: a blob's or layer's lock, then "gc",
// then "index".
func (s *Store) lock(ctx context.Context, name string, kind lockKind) (unlock func(), err error) {
	l := flock.New(s.path(locksDir, name+".lock"), flock.SetPermissions(0o600))
	var ok bool
	if kind == exclusive {
		ok, err = l.TryLockContext(ctx, lockPoll)
	} else {
		ok, err = l.TryRLockContext(ctx, lockPoll)
	}
	if err == nil && !ok {
		err = errors.New("it is held by another process")
	}
	if kind == shared && isReadOnly(err) {
		return func() {}, nil // nobody writes
	}
	if err != nil {
		return nil, fmt.Errorf("lock store %s: %w", s.dir, err)
	}
	return func() {
		// Closing the file gives the lock back even when unlocking fails.
		_ = l.Close()
	}, nil
}

// sweepLocks removes lock files of blobs and layers that nobody holds. A
// process that opened one just before only loses the comfort that the work is
// not done twice: content is renamed into place whole, by whoever.
func (s *Store) sweepLocks() {
	entries, err := os.ReadDir(s.path(locksDir))
	if err != nil {
		return
	}
	for _, e := range entries {
		if n := e.Name(); n == "gc.lock" || n == "index.lock" {
			continue
		}
		l := flock.New(s.path(locksDir, e.Name()))
		if ok, err := l.TryLock(); ok && err == nil {
			if err := os.Remove(l.Path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
				// Windows does not remove open files: after closing, then.
				_ = l.Close()
				_ = os.Remove(l.Path())
			}
		}
		_ = l.Close()
	}
}
