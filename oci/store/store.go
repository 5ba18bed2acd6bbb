// Package store knows how images lie on disk.
//
// A store is a folder that is an OCI image layout (blobs/, index.json,
// oci-layout), so that crane, skopeo and oras can read it in place, with three
// things beside it: files/ holds the content of unpacked files by digest,
// layers/ an index of each unpacked layer, and leases/ what running programs
// hold on to.
//
// Rules that make it survive a killed process: content is written to a temporary
// file inside a lease, verified, synced, and renamed to the name of its digest;
// index.json is replaced by rename; what nobody refers to is swept only under a
// lock that every writer takes part in. A name in the store is a parsed digest,
// never a string out of a document.
package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/robustio"

	"github.com/wherry-run/wherry/oci"
)

// formatVersion is the layout of the folder. A program that finds a higher one
// must not touch the store.
const formatVersion = 1

// The folders of a store.
const (
	blobsDir  = ispec.ImageBlobsDir
	filesDir  = "files"
	layersDir = "layers"
	leasesDir = "leases"
	pinsDir   = "pins"
	locksDir  = "locks"
	partsDir  = "parts"
)

// ErrNotFound is what is wrapped when a name or digest is not in the store.
var ErrNotFound = fmt.Errorf("not in the store: %w", fs.ErrNotExist)

// FormatError says that the folder was written by another version.
type FormatError struct {
	Dir  string
	Have string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("open store %s: it has format %q and this program knows format %d: use the version that wrote it, or another folder", e.Dir, e.Have, formatVersion)
}

// Store is a content store in a folder. It is safe for concurrent use, by
// other processes too.
type Store struct {
	dir string

	mu  sync.Mutex
	own *Lease // made at the first Store.Ingest, released by Close
}

// Open opens the store in dir and makes it when the folder is empty or absent.
// It only reads when the store exists, so a read-only one can be opened.
func Open(ctx context.Context, dir string) (*Store, error) {
	s := &Store{dir: dir}
	ok, err := s.checkFormat()
	if err != nil {
		return nil, err
	}
	if ok {
		return s, nil
	}
	if err := s.create(ctx); err != nil {
		return nil, fmt.Errorf("create store %s: %w", dir, err)
	}
	return s, nil
}

// Dir returns the folder of the store.
func (s *Store) Dir() string { return s.dir }

// Close releases what Store.Ingest kept. Blobs and leases that the caller
// opened stay open.
func (s *Store) Close() error {
	s.mu.Lock()
	own := s.own
	s.own = nil
	s.mu.Unlock()
	if own == nil {
		return nil
	}
	return own.Release()
}

// checkFormat reports whether a store of our format is there.
func (s *Store) checkFormat() (bool, error) {
	b, err := robustio.ReadFile(s.path("format"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open store %s: %w", s.dir, err)
	}
	have := strings.TrimSpace(string(b[:min(len(b), 64)]))
	if v, err := strconv.Atoi(have); err != nil || v != formatVersion {
		return false, &FormatError{Dir: s.dir, Have: have}
	}
	return true, nil
}

// create makes the folders; the format file comes last and says that they are
// all there.
func (s *Store) create(ctx context.Context) error {
	if err := os.MkdirAll(s.path(locksDir), 0o700); err != nil {
		return err
	}
	unlock, err := s.lock(ctx, "gc", exclusive)
	if err != nil {
		return err
	}
	defer unlock()
	if ok, err := s.checkFormat(); ok || err != nil {
		return err
	}
	for _, d := range []string{filepath.Join(blobsDir, "sha256"), filepath.Join(filesDir, "sha256"), layersDir, leasesDir, pinsDir} {
		if err := os.MkdirAll(s.path(d), 0o700); err != nil {
			return err
		}
	}
	if _, err := os.Stat(s.path(ispec.ImageIndexFile)); errors.Is(err, fs.ErrNotExist) {
		if err := s.writeIndex(nil); err != nil {
			return err
		}
	}
	if err := writeAtomic(s.path(ispec.ImageLayoutFile), []byte(`{"imageLayoutVersion":"`+ispec.ImageLayoutVersion+`"}`)); err != nil {
		return err
	}
	return writeAtomic(s.path("format"), []byte(strconv.Itoa(formatVersion)+"\n"))
}

func (s *Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// blobPath is the file of a blob. Only a parsed digest becomes a name.
func (s *Store) blobPath(d digest.Digest) (string, error) {
	if _, err := oci.ParseDigest(string(d)); err != nil {
		return "", err
	}
	return s.path(blobsDir, d.Algorithm().String(), d.Encoded()), nil
}

// filePath is the file of unpacked content, in one of 256 folders.
func (s *Store) filePath(d digest.Digest) (string, error) {
	if _, err := oci.ParseDigest(string(d)); err != nil {
		return "", err
	}
	return s.path(filesDir, d.Algorithm().String(), d.Encoded()[:2], d.Encoded()), nil
}

// layerPath is the index of an unpacked layer.
func (s *Store) layerPath(d digest.Digest) (string, error) {
	if _, err := oci.ParseDigest(string(d)); err != nil {
		return "", err
	}
	return s.path(layersDir, d.Algorithm().String(), d.Encoded()), nil
}
