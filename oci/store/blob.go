package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/oci"
)

var (
	_ layer.Content = (*Store)(nil)
	_ layer.Blob    = (*Blob)(nil)
	_ layer.Mapped  = (*Blob)(nil)
	_ layer.Advised = (*Blob)(nil)
)

// Blob is an open file of the store. It can be read by several goroutines.
type Blob struct {
	f    *os.File
	size int64

	once  sync.Once
	mem   []byte
	unmap func() error
}

func openBlob(path string) (*Blob, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Blob{f: f, size: st.Size()}, nil
}

// ReadAt reads at an offset, as io.ReaderAt.
func (b *Blob) ReadAt(p []byte, off int64) (int, error) { return b.f.ReadAt(p, off) }

// Size returns the length in bytes.
func (b *Blob) Size() int64 { return b.size }

// Bytes returns the content mapped into memory, shared with every process that
// maps it, or nil when the system cannot. It is valid until Close. What is touched
// is read, and no more: see WillNeed.
func (b *Blob) Bytes() []byte {
	b.once.Do(func() {
		if b.size == 0 {
			b.mem = []byte{}
			return
		}
		if mem, unmap, err := mapFile(b.f, b.size); err == nil {
			b.mem, b.unmap = mem, unmap
		}
	})
	return b.mem
}

// WillNeed implements layer.Advised.
func (b *Blob) WillNeed(off, length int64) {
	if off >= 0 && length > 0 && off < int64(len(b.mem)) {
		readAhead(b.mem, int(off), int(min(length, int64(len(b.mem))-off)))
	}
}

// Detach gives the file to the caller, who closes it in place of the Blob.
func (b *Blob) Detach() *os.File {
	b.once.Do(func() {})
	return b.f
}

// Close closes the file and ends the mapping.
func (b *Blob) Close() error {
	b.once.Do(func() {})
	err := b.f.Close()
	if b.unmap != nil {
		if uerr := b.unmap(); err == nil {
			err = uerr
		}
		b.unmap, b.mem = nil, nil
	}
	return err
}

// Blob opens a blob.
func (s *Store) Blob(d digest.Digest) (*Blob, error) {
	path, err := s.blobPath(d)
	if err != nil {
		return nil, err
	}
	return openNamed(path, d)
}

func openNamed(path string, d digest.Digest) (*Blob, error) {
	b, err := openBlob(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open %s: %w", d, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", d, err)
	}
	return b, nil
}

// Open opens a blob for reading from its start; it makes a store an oci.Source. What it
// returns is a file, so that the system can send it by itself.
func (s *Store) Open(_ context.Context, d digest.Digest) (io.ReadCloser, error) {
	b, err := s.Blob(d)
	if err != nil {
		return nil, err
	}
	return b.Detach(), nil
}

// OpenContent opens the content of a file of a layer: an unpacked file, or the
// blob of an uncompressed layer that is used in place.
func (s *Store) OpenContent(name string) (layer.Blob, error) {
	d, err := oci.ParseDigest(name)
	if err != nil {
		return nil, err
	}
	path, err := s.filePath(d)
	if err != nil {
		return nil, err
	}
	if b, err := openBlob(path); err == nil {
		return b, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open content %s: %w", d, err)
	}
	return s.Blob(d)
}

// Size returns the length of a blob, or an error that wraps ErrNotFound.
func (s *Store) Size(d digest.Digest) (int64, error) {
	path, err := s.blobPath(d)
	if err != nil {
		return 0, err
	}
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("open %s: %w", d, ErrNotFound)
	}
	if err != nil {
		return 0, fmt.Errorf("open %s: %w", d, err)
	}
	return st.Size(), nil
}

// Has reports whether the blob is in the store at this moment. Lease.Has also
// makes sure that it stays.
func (s *Store) Has(_ context.Context, d digest.Digest) (bool, error) {
	_, err := s.Size(d)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// ReadBlob reads a document whole, at most limit bytes, and verifies it: bits
// that flipped on disk are found here.
func (s *Store) ReadBlob(d ispec.Descriptor, limit int64) ([]byte, error) {
	b, err := s.Blob(d.Digest)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	if b.Size() > limit {
		return nil, fmt.Errorf("read %s: it has %d bytes, more than %d", d.Digest, b.Size(), limit)
	}
	data := make([]byte, b.Size())
	if _, err := io.ReadFull(io.NewSectionReader(b, 0, b.Size()), data); err != nil {
		return nil, fmt.Errorf("read %s: %w", d.Digest, err)
	}
	if d.Size <= 0 {
		d.Size = int64(len(data))
	}
	if err := oci.Verify(d, data); err != nil {
		return nil, &DamagedError{Digest: d.Digest, Err: err}
	}
	return data, nil
}

// Verify reads a blob again and returns a DamagedError when it is not what its
// name says.
func (s *Store) Verify(ctx context.Context, d digest.Digest) error {
	path, err := s.blobPath(d)
	if err != nil {
		return err
	}
	err = verifyFile(ctx, d, path)
	var bad *oci.MismatchError
	if errors.As(err, &bad) {
		return &DamagedError{Digest: d, Err: err}
	}
	return err
}

// Evict removes a blob if it is damaged, so that the next ingest brings it back,
// and reports whether it did.
func (s *Store) Evict(ctx context.Context, d digest.Digest) (bool, error) {
	path, err := s.blobPath(d)
	if err != nil {
		return false, err
	}
	unlock, err := s.lock(ctx, "gc", exclusive)
	if err != nil {
		return false, err
	}
	defer unlock()
	err = verifyFile(ctx, d, path)
	var bad *oci.MismatchError
	if !errors.As(err, &bad) {
		return false, err
	}
	return true, s.discard(ctx, d, path, false)
}

// DamagedError says that content in the store is not what its name promises.
type DamagedError struct {
	Digest digest.Digest
	Err    error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s is damaged in the store: %v: pull or build the image again", e.Digest, e.Err)
}

// Unwrap returns what is wrong with it.
func (e *DamagedError) Unwrap() error { return e.Err }
