package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/robustio"

	"github.com/wherry-run/wherry/oci"
)

// Adopt takes a finished file of the store's file system in as the blob d, and keeps
// it. The caller has hashed all of it and writes to it no more: the bytes are not read
// again. The file is gone from where it was, also when the store had the blob.
func (l *Lease) Adopt(ctx context.Context, file string, d digest.Digest) error {
	if _, err := oci.ParseDigest(string(d)); err != nil {
		return err
	}
	st, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("adopt content: %w", err)
	}
	ok, err := l.has(ctx, ispec.Descriptor{Digest: d, Size: st.Size()})
	if err != nil {
		return err
	}
	if ok {
		return os.Remove(file)
	}
	if err := syncFile(file); err != nil {
		return fmt.Errorf("adopt content: %w", err)
	}
	if err := l.commit(ctx, file, d); err != nil {
		return fmt.Errorf("adopt content: %w", err)
	}
	return nil
}

// syncFile makes a file durable. Windows syncs what is open for writing only.
func syncFile(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// PinMore adds content to what a pin keeps, at the cost of these digests alone. With
// durable it is on disk before PinMore returns; else it is when a later one is, and a
// power failure before that may lose it.
func (s *Store) PinMore(ctx context.Context, name string, durable bool, digests ...digest.Digest) error {
	var b strings.Builder
	// What a killed process left of a line must not become one with ours.
	b.WriteString("\n")
	for _, d := range digests {
		if _, err := oci.ParseDigest(string(d)); err != nil {
			return fmt.Errorf("pin %s: %w", name, err)
		}
		b.WriteString(string(d) + "\n")
	}
	path, err := s.pinPath(name)
	if err != nil {
		return err
	}
	unlock, err := s.lock(ctx, "gc", shared)
	if err != nil {
		return err
	}
	defer unlock()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("pin %s: %w", name, err)
	}
	_, err = f.WriteString(b.String())
	if err == nil && durable {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("pin %s: %w", name, err)
	}
	return nil
}

// Pinned tells what a pin keeps: nothing when there is none of this name.
func (s *Store) Pinned(name string) ([]digest.Digest, error) {
	path, err := s.pinPath(name)
	if err != nil {
		return nil, err
	}
	b, err := robustio.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read pin %s: %w", name, err)
	}
	return parseLines(b), nil
}
