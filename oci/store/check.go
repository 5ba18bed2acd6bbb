package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/opencontainers/go-digest"

	"github.com/wherry-run/wherry/oci"
)

// Usage is the space that a store takes, for listings. Bytes are the lengths of
// its files, and Disk what they take on disk: memories of snapshots are full of
// holes.
type Usage struct {
	Blobs, Files         int
	BlobBytes, FileBytes int64
	BlobDisk, FileDisk   int64
}

// Usage counts the content of the store.
func (s *Store) Usage(ctx context.Context) (Usage, error) {
	var u Usage
	count := func(n *int, bytes, disk *int64) func(digest.Digest, string) error {
		return func(_ digest.Digest, path string) error {
			st, err := os.Stat(path)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			*n, *bytes, *disk = *n+1, *bytes+st.Size(), *disk+OnDisk(st)
			return nil
		}
	}
	if err := s.eachFile(ctx, blobsDir, count(&u.Blobs, &u.BlobBytes, &u.BlobDisk)); err != nil {
		return u, fmt.Errorf("count blobs: %w", err)
	}
	if err := s.eachFile(ctx, filesDir, count(&u.Files, &u.FileBytes, &u.FileDisk)); err != nil {
		return u, fmt.Errorf("count files: %w", err)
	}
	return u, nil
}

// Check reads every blob and unpacked file again and returns one DamagedError
// for each whose bytes are not what its name says. With remove, damaged content
// is deleted, so that the next pull or unpacking brings it back.
func (s *Store) Check(ctx context.Context, remove bool) ([]*DamagedError, error) {
	unlock, err := s.lock(ctx, "gc", exclusive)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var damaged []*DamagedError
	for _, dir := range []string{blobsDir, filesDir} {
		files := dir == filesDir
		err := s.eachFile(ctx, dir, func(d digest.Digest, path string) error {
			err := verifyFile(ctx, d, path)
			var bad *oci.MismatchError
			if !errors.As(err, &bad) {
				return err
			}
			damaged = append(damaged, &DamagedError{Digest: d, Err: err})
			if !remove {
				return nil
			}
			return s.discard(ctx, d, path, files)
		})
		if err != nil {
			return damaged, fmt.Errorf("check store %s: %w", s.dir, err)
		}
	}
	return damaged, nil
}

// discard deletes damaged content, and the layer indexes that use it: a layer
// without an index is unpacked again.
func (s *Store) discard(ctx context.Context, d digest.Digest, path string, isFile bool) error {
	if _, err := remove(path); err != nil {
		return err
	}
	return s.eachFile(ctx, layersDir, func(l digest.Digest, path string) error {
		x, err := s.readLayer(l)
		uses := err != nil || l == d
		for i := 0; !uses && isFile && i < len(x.Entries); i++ {
			uses = x.Entries[i].Content.Digest == string(d)
		}
		if !uses {
			return nil
		}
		_, err = remove(path)
		return err
	})
}

func verifyFile(ctx context.Context, d digest.Digest, path string) error {
	b, err := openBlob(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer b.Close()
	h := d.Algorithm().Hash()
	if _, err := copyContext(ctx, h, io.NewSectionReader(b, 0, b.Size())); err != nil {
		return err
	}
	if got := digest.NewDigest(d.Algorithm(), h); got != d {
		return &oci.MismatchError{What: "digest", Want: string(d), Got: string(got)}
	}
	return nil
}
