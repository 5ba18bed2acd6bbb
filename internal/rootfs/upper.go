package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/gofrs/flock"
)

// An upper on disk is a directory of the host with
//
//	lock          held while a Tree uses it
//	state         names, attributes and where data is; replaced atomically
//	data/000001f  the blocks of one file, at their offsets
//
// Nothing in it is named by the guest.
const (
	upperLock  = "lock"
	upperState = "state"
	upperData  = "data"
)

// upper is the storage of a container's changes on disk.
type upper struct {
	dir  string
	lock *flock.Flock

	mu   sync.Mutex
	next uint64
	// kept are the data files that the written state speaks of; they outlive
	// their inode until a newer state is written.
	kept  map[uint64]bool
	trash []uint64
	// open are the data files that are open; none once the upper is closed.
	open   map[*fileStore]bool
	closed bool
}

// openUpper takes the directory for this process.
func openUpper(dir string) (*upper, error) {
	if err := os.MkdirAll(filepath.Join(dir, upperData), 0o700); err != nil {
		return nil, fmt.Errorf("make container's directory: %w", err)
	}
	u := &upper{dir: dir, lock: flock.New(filepath.Join(dir, upperLock)), next: 1, kept: make(map[uint64]bool), open: make(map[*fileStore]bool)}
	ok, err := u.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock container's directory: %w", err)
	}
	if !ok {
		return nil, fmt.Errorf("lock container's directory: %w: another process runs this container", EBUSY)
	}
	return u, nil
}

// close gives all handles back, those of files that are still in use too. With
// tidy it removes what the written state does not speak of; without a good
// state everything stays, for somebody to look at.
func (u *upper) close(tidy bool) error {
	u.mu.Lock()
	u.closed = true
	open := u.open
	u.open = nil
	u.mu.Unlock()
	var err error
	for s := range open {
		err = errors.Join(err, s.idle())
	}
	if tidy && err == nil {
		err = u.sweep()
	}
	return errors.Join(err, u.lock.Close())
}

// opened notes an open data file; false when the upper is closed.
func (u *upper) opened(s *fileStore) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.closed {
		u.open[s] = true
	}
	return !u.closed
}

func (u *upper) path(n uint64) string {
	return filepath.Join(u.dir, upperData, fmt.Sprintf("%07x", n))
}

// newStore makes the next data file.
func (u *upper) newStore() (store, error) {
	u.mu.Lock()
	n := u.next
	u.next++
	u.mu.Unlock()
	s := &fileStore{u: u, n: n}
	if _, err := s.open(os.O_CREATE | os.O_EXCL); err != nil {
		return nil, err
	}
	return s, nil
}

// sweep removes data files that no state speaks of: what a process left that
// was killed.
func (u *upper) sweep() error {
	list, err := os.ReadDir(filepath.Join(u.dir, upperData))
	if err != nil {
		return fmt.Errorf("list data files: %w", err)
	}
	for _, d := range list {
		n, err := strconv.ParseUint(d.Name(), 16, 64)
		if err != nil {
			continue
		}
		u.next = max(u.next, n+1)
		if !u.kept[n] {
			if err := os.Remove(u.path(n)); err != nil {
				return fmt.Errorf("remove data file: %w", err)
			}
		}
	}
	return nil
}

// remove deletes a data file, or marks it for the next written state.
func (u *upper) remove(n uint64) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.kept[n] {
		u.trash = append(u.trash, n)
		return nil
	}
	return removeFile(u.path(n))
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return hostErr(err)
	}
	return nil
}

// written: a state that speaks of exactly these data files is on disk. Those
// that were marked before it was made can go.
func (u *upper) written(kept map[uint64]bool, trash []uint64) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.kept = kept
	var err error
	for _, n := range trash {
		if !kept[n] {
			err = errors.Join(err, removeFile(u.path(n)))
		}
	}
	return err
}

// takeTrash empties the list of marked files.
func (u *upper) takeTrash() []uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	t := u.trash
	u.trash = nil
	return t
}

// writeState replaces the state file.
func (u *upper) writeState(b []byte) error {
	f, err := os.CreateTemp(u.dir, upperState+".new*")
	if err != nil {
		return fmt.Errorf("write container's state: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	// Windows cannot rename an open file.
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(u.dir, upperState))
	}
	if err != nil {
		return fmt.Errorf("write container's state: %w", err)
	}
	syncDir(u.dir)
	return nil
}

// syncDir brings a rename to the disk where the OS can do that.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}

// fileStore is one data file; it is open only while the guest has it open.
type fileStore struct {
	u *upper
	n uint64

	mu sync.Mutex
	f  *os.File
}

func (s *fileStore) number() uint64 { return s.n }

func (s *fileStore) file() (*os.File, error) { return s.open(0) }

func (s *fileStore) open(flag int) (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f != nil {
		return s.f, nil
	}
	if !s.u.opened(s) {
		return nil, EBADF
	}
	f, err := os.OpenFile(s.u.path(s.n), os.O_RDWR|flag, 0o600)
	if err != nil {
		return nil, hostErr(err)
	}
	s.f = f
	return f, nil
}

// readAt reads; behind the end of the data file are zeros.
func (s *fileStore) readAt(p []byte, off int64) error {
	f, err := s.file()
	if err != nil {
		return err
	}
	n, err := f.ReadAt(p, off)
	if err == io.EOF {
		clear(p[n:])
		err = nil
	}
	return hostErr(err)
}

func (s *fileStore) writeAt(p []byte, off int64) error {
	f, err := s.file()
	if err != nil {
		return err
	}
	_, err = f.WriteAt(p, off)
	return hostErr(err)
}

// truncate cuts the data file; it never grows one, holes need no bytes.
func (s *fileStore) truncate(size int64) error {
	f, err := s.file()
	if err != nil {
		return err
	}
	fi, err := f.Stat()
	if err == nil && fi.Size() > size {
		err = f.Truncate(size)
	}
	return hostErr(err)
}

func (s *fileStore) sync() error {
	f, err := s.file()
	if err != nil {
		return err
	}
	return hostErr(f.Sync())
}

func (s *fileStore) idle() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f == nil {
		return nil
	}
	err := s.f.Close()
	s.f = nil
	s.u.mu.Lock()
	delete(s.u.open, s)
	s.u.mu.Unlock()
	return hostErr(err)
}

func (s *fileStore) discard() error {
	return errors.Join(s.idle(), s.u.remove(s.n))
}
