package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci"
)

// Lease holds on to content: what it ingested or was told to keep is not swept
// until Release, or until the process is gone. It is also where unfinished
// content lies. It is safe for concurrent use.
type Lease struct {
	s    *Store
	dir  string
	lock *flock.Flock

	mu   sync.Mutex
	file *os.File // digests, one a line, for whoever sweeps
	held map[digest.Digest]bool
	// fixed is set for a store on a file system that is read-only: nothing is swept there, and nothing can be held.
	fixed bool
}

// Lease takes a new lease. The caller must Release it. On a file system that can only be read it holds nothing, since
// nothing goes away there.
func (s *Store) Lease(ctx context.Context) (*Lease, error) {
	// Under the shared lock no sweep can take the new folder for a dead one.
	unlock, err := s.lock(ctx, "gc", shared)
	if err != nil {
		return nil, err
	}
	defer unlock()
	l, err := s.newLease()
	if isReadOnly(err) {
		return &Lease{s: s, dir: s.path(leasesDir), fixed: true}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("take lease in store %s: %w", s.dir, err)
	}
	return l, nil
}

func (s *Store) newLease() (*Lease, error) {
	id := make([]byte, 12)
	rand.Read(id)
	dir := s.path(leasesDir, hex.EncodeToString(id))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	l := &Lease{s: s, dir: dir, held: map[digest.Digest]bool{}, lock: flock.New(filepath.Join(dir, "lock"), flock.SetPermissions(0o600))}
	ok, err := l.lock.TryLock()
	if err == nil && !ok {
		err = errors.New("a new lease is locked by another process")
	}
	if err == nil {
		l.file, err = os.OpenFile(filepath.Join(dir, "digests"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	}
	if err != nil {
		_ = l.lock.Close()
		_ = removeAll(dir)
		return nil, err
	}
	return l, nil
}

// Release gives up the lease. Unfinished content is removed.
func (l *Lease) Release() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	if cerr := l.lock.Close(); err == nil {
		err = cerr
	}
	if rerr := removeAll(l.dir); err == nil {
		err = rerr
	}
	return err
}

// Store returns the store that the lease is in.
func (l *Lease) Store() *Store { return l.s }

// Keep protects the content of these digests, and all that it refers to.
func (l *Lease) Keep(ctx context.Context, digests ...digest.Digest) error {
	unlock, err := l.s.lock(ctx, "gc", shared)
	if err != nil {
		return err
	}
	defer unlock()
	for _, d := range digests {
		if err := l.hold(d); err != nil {
			return err
		}
	}
	return nil
}

// Temp makes a file for what has to be put together before it is stored. The
// caller closes and removes it; Release does for one that was killed.
func (l *Lease) Temp() (*os.File, error) {
	f, err := os.CreateTemp(l.dir, "temp-*")
	if err != nil {
		return nil, fmt.Errorf("make temporary file in store %s: %w", l.s.dir, err)
	}
	return f, nil
}

// hold writes a digest down; the caller has the gc lock.
func (l *Lease) hold(d digest.Digest) error {
	if _, err := oci.ParseDigest(string(d)); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fixed || l.held[d] {
		return nil
	}
	if l.file == nil {
		return errors.New("keep content: the lease is released")
	}
	if _, err := l.file.WriteString(string(d) + "\n"); err != nil {
		return fmt.Errorf("keep content: %w", err)
	}
	l.held[d] = true
	return nil
}

// Has reports whether the content is in the store, and keeps it if so.
func (l *Lease) Has(ctx context.Context, d digest.Digest) (bool, error) {
	return l.has(ctx, ispec.Descriptor{Digest: d, Size: -1})
}

// has also looks at the size, unless it is negative: a blob of another size is
// damaged and counts as absent, so that the next ingest repairs it.
func (l *Lease) has(ctx context.Context, want ispec.Descriptor) (bool, error) {
	path, err := l.s.blobPath(want.Digest)
	if err != nil {
		return false, err
	}
	unlock, err := l.s.lock(ctx, "gc", shared)
	if err != nil {
		return false, err
	}
	defer unlock()
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", want.Digest, err)
	}
	if !st.Mode().IsRegular() || want.Size >= 0 && st.Size() != want.Size {
		return false, nil
	}
	return true, l.hold(want.Digest)
}

// Open opens a blob for reading from its start; it makes a lease an oci.Source.
func (l *Lease) Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	return l.s.Open(ctx, d)
}

// ReleaseDead removes the leases of processes that were killed. A sweep does so as well;
// this is for who knows that there is one.
func (s *Store) ReleaseDead(ctx context.Context) error {
	unlock, err := s.lock(ctx, "gc", exclusive)
	if err != nil {
		return err
	}
	defer unlock()
	_, err = s.leaseRoots()
	return err
}

// leaseRoots reads what living leases hold and removes the dead ones. The
// caller has the gc lock exclusively.
func (s *Store) leaseRoots() ([]digest.Digest, error) {
	entries, err := os.ReadDir(s.path(leasesDir))
	if err != nil {
		return nil, err
	}
	var roots []digest.Digest
	for _, e := range entries {
		dir := s.path(leasesDir, e.Name())
		lock := flock.New(filepath.Join(dir, "lock"), flock.SetPermissions(0o600))
		dead, err := lock.TryLock()
		_ = lock.Close()
		if err == nil && dead {
			if err := removeAll(dir); err != nil {
				return nil, err
			}
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, "digests"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // released between the two looks
		}
		if err != nil {
			return nil, err
		}
		roots = append(roots, parseLines(b)...)
	}
	return roots, nil
}

// parseLines reads digests and skips a line that a dying process cut off: what
// it was about to keep it did not get to use.
func parseLines(b []byte) []digest.Digest {
	var ds []digest.Digest
	for line := range strings.Lines(string(b)) {
		if d, err := oci.ParseDigest(strings.TrimSpace(line)); err == nil {
			ds = append(ds, d)
		}
	}
	return ds
}
