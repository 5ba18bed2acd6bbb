package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci"
)

// Swept says what a GC took away.
type Swept struct {
	Blobs []digest.Digest // blobs removed
	Files int             // unpacked files and layer indexes removed
	Bytes int64           // space given back
}

// GC removes content that no image, pin or living lease refers to. Nothing is
// removed when a document that could refer to more cannot be read.
func (s *Store) GC(ctx context.Context) (Swept, error) {
	unlock, err := s.lock(ctx, "gc", exclusive)
	if err != nil {
		return Swept{}, err
	}
	defer unlock()
	live, err := s.mark(ctx)
	if err != nil {
		return Swept{}, fmt.Errorf("collect garbage in store %s: %w", s.dir, err)
	}
	swept, err := s.sweep(ctx, live)
	if err != nil {
		return swept, fmt.Errorf("collect garbage in store %s: %w", s.dir, err)
	}
	swept.Bytes += s.sweepParts()
	s.sweepLocks()
	return swept, s.sweepUnfinished()
}

// sweepUnfinished removes what killed processes left of files they were about
// to replace. Every writer has the gc lock, so none is at work.
func (s *Store) sweepUnfinished() error {
	for _, dir := range []string{".", pinsDir, filepath.Join(layersDir, "sha256"), filepath.Join(layersDir, "sha512")} {
		entries, err := os.ReadDir(s.path(dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), newPrefix) {
				continue
			}
			if _, err := remove(s.path(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// Pin keeps content under a name until Unpin, also when no process runs: what a
// stopped container needs.
func (s *Store) Pin(ctx context.Context, name string, digests ...digest.Digest) error {
	var b strings.Builder
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
	return writeAtomic(path, []byte(b.String()))
}

// Unpin ends a pin; one that is not there is no error.
func (s *Store) Unpin(ctx context.Context, name string) error {
	path, err := s.pinPath(name)
	if err != nil {
		return err
	}
	unlock, err := s.lock(ctx, "gc", shared)
	if err != nil {
		return err
	}
	defer unlock()
	_, err = remove(path)
	return err
}

func (s *Store) pinPath(name string) (string, error) {
	ok := len(name) > 0 && len(name) <= 128
	for _, c := range name {
		ok = ok && (c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z')
	}
	if !ok {
		return "", fmt.Errorf("pin %q: a name has lower-case letters, digits, '-' and '_' only", name)
	}
	return s.path(pinsDir, name), nil
}

func (s *Store) pinRoots() ([]digest.Digest, error) {
	entries, err := os.ReadDir(s.path(pinsDir))
	if err != nil {
		return nil, err
	}
	var roots []digest.Digest
	for _, e := range entries {
		b, err := os.ReadFile(s.path(pinsDir, e.Name()))
		if err != nil {
			return nil, err
		}
		roots = append(roots, parseLines(b)...)
	}
	return roots, nil
}

// live is what a sweep must leave.
type live struct {
	blobs map[digest.Digest]bool // and so the layer indexes of the same digests
	files map[digest.Digest]bool
}

func (s *Store) mark(ctx context.Context) (*live, error) {
	entries, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	leased, err := s.leaseRoots()
	if err != nil {
		return nil, err
	}
	pinned, err := s.pinRoots()
	if err != nil {
		return nil, err
	}
	l := &live{blobs: map[digest.Digest]bool{}, files: map[digest.Digest]bool{}}
	for _, e := range entries {
		if err := s.markTree(ctx, l, e.Descriptor.Digest); err != nil {
			return nil, err
		}
	}
	for _, d := range append(leased, pinned...) {
		l.files[d] = true // a lease may hold a single file, too
		if err := s.markTree(ctx, l, d); err != nil {
			return nil, err
		}
	}
	return l, s.markFiles(l)
}

// links are the members of a document by which it refers to other content. A
// root of a lease has no media type, so everything that looks like a document
// is read as one.
type links struct {
	Manifests []ispec.Descriptor `json:"manifests"`
	Layers    []ispec.Descriptor `json:"layers"`
	Config    json.RawMessage    `json:"config"`
}

func (s *Store) markTree(ctx context.Context, l *live, d digest.Digest) error {
	if l.blobs[d] {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	l.blobs[d] = true
	size, err := s.Size(d)
	if errors.Is(err, ErrNotFound) {
		return nil // a platform of an index that was never pulled
	}
	if err != nil || size > oci.MaxDocument {
		return err
	}
	b, err := s.readDocument(d)
	if err != nil {
		return err
	}
	for _, c := range children(b) {
		if err := s.markTree(ctx, l, c); err != nil {
			return err
		}
	}
	return nil
}

// readDocument reads a blob that may be a document. Only a damaged document
// stops a sweep: a damaged layer refers to nothing.
func (s *Store) readDocument(d digest.Digest) ([]byte, error) {
	b, err := s.Blob(d)
	if err != nil {
		return nil, err
	}
	var first [1]byte
	_, err = b.ReadAt(first[:], 0)
	b.Close()
	if err != nil || first[0] != '{' {
		return nil, nil
	}
	return s.ReadBlob(ispec.Descriptor{Digest: d}, oci.MaxDocument)
}

// children returns what a document refers to, nothing for other content.
func children(b []byte) []digest.Digest {
	var doc links
	if len(b) == 0 || json.Unmarshal(b, &doc) != nil {
		return nil
	}
	var config ispec.Descriptor
	_ = json.Unmarshal(doc.Config, &config) // an image config has another "config"
	var ds []digest.Digest
	for _, c := range append(append(doc.Manifests, doc.Layers...), config) {
		if d, err := oci.ParseDigest(string(c.Digest)); err == nil {
			ds = append(ds, d)
		}
	}
	return ds
}

// markFiles marks the content files of every layer that stays.
func (s *Store) markFiles(l *live) error {
	for d := range l.blobs {
		x, err := s.readLayer(d)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var damaged *DamagedError
		if errors.As(err, &damaged) {
			continue // it is made again, with its files, when it is needed
		}
		if err != nil {
			return err
		}
		for i := range x.Entries {
			if c := x.Entries[i].Content.Digest; c != "" {
				l.files[digest.Digest(c)] = true
			}
		}
	}
	return nil
}

func (s *Store) sweep(ctx context.Context, l *live) (Swept, error) {
	var swept Swept
	err := s.eachFile(ctx, blobsDir, func(d digest.Digest, path string) error {
		if l.blobs[d] {
			return nil
		}
		n, err := remove(path)
		if err == nil {
			swept.Blobs, swept.Bytes = append(swept.Blobs, d), swept.Bytes+n
		}
		return err
	})
	for dir, keep := range map[string]map[digest.Digest]bool{layersDir: l.blobs, filesDir: l.files} {
		if err != nil {
			return swept, err
		}
		err = s.eachFile(ctx, dir, func(d digest.Digest, path string) error {
			if keep[d] {
				return nil
			}
			n, err := remove(path)
			if err == nil {
				swept.Files, swept.Bytes = swept.Files+1, swept.Bytes+n
			}
			return err
		})
	}
	return swept, err
}

// eachFile calls fn for every file under dir/<algorithm>. A file whose name is
// no digest is not ours to judge and is left alone.
func (s *Store) eachFile(ctx context.Context, dir string, fn func(d digest.Digest, path string) error) error {
	root := s.path(dir)
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || e.IsDir() {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		algorithm, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
		d, err := oci.ParseDigest(algorithm + ":" + e.Name())
		if err != nil {
			return nil
		}
		return fn(d, path)
	})
}
