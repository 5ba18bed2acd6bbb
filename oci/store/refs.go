package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/robustio"

	"github.com/wherry-run/wherry/oci"
)

// maxIndexFile bounds index.json: some ten thousand images.
const maxIndexFile = 16 << 20

// Entry is one image of the store: a reference and what it names. An image
// that lost its last tag has an entry without a reference until it is removed.
type Entry struct {
	Ref        oci.Reference // zero when untagged
	Descriptor ispec.Descriptor
}

// List returns the images of the store, sorted by reference.
func (s *Store) List(context.Context) ([]Entry, error) {
	b, err := robustio.ReadFile(s.path(ispec.ImageIndexFile))
	if err != nil {
		return nil, fmt.Errorf("read index of store: %w", err)
	}
	if len(b) > maxIndexFile {
		return nil, fmt.Errorf("read index of store %s: it has %d bytes, more than %d", s.dir, len(b), maxIndexFile)
	}
	var index ispec.Index
	if err := json.Unmarshal(b, &index); err != nil {
		return nil, fmt.Errorf("read index of store %s: %w", s.dir, err)
	}
	entries := make([]Entry, 0, len(index.Manifests))
	for _, d := range index.Manifests {
		if _, err := oci.ParseDigest(string(d.Digest)); err != nil {
			return nil, fmt.Errorf("read index of store %s: %w", s.dir, err)
		}
		entries = append(entries, entryOf(d))
	}
	sortEntries(entries)
	return entries, nil
}

// Changed tells when the list of images was written last, without reading it.
func (s *Store) Changed() (time.Time, error) {
	info, err := os.Stat(s.path(ispec.ImageIndexFile))
	if err != nil {
		return time.Time{}, fmt.Errorf("look at index of store: %w", err)
	}
	return info.ModTime(), nil
}

// entryOf reads an entry, also one that another tool wrote under a short name.
func entryOf(d ispec.Descriptor) Entry {
	name := cmp.Or(d.Annotations[oci.AnnotationImageName], d.Annotations[ispec.AnnotationRefName])
	e := Entry{Descriptor: ispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}}
	if name == "" {
		return e
	}
	if ref, err := oci.ParseReference(name); err == nil {
		e.Ref = ref
	}
	return e
}

func sortEntries(entries []Entry) {
	slices.SortStableFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Ref.String(), b.Ref.String()), cmp.Compare(a.Descriptor.Digest, b.Descriptor.Digest))
	})
}

func (s *Store) writeIndex(entries []Entry) error {
	sortEntries(entries)
	index := ispec.Index{MediaType: ispec.MediaTypeImageIndex, Manifests: []ispec.Descriptor{}}
	index.SchemaVersion = 2
	for _, e := range entries {
		d := e.Descriptor
		d.Annotations = nil
		if !e.Ref.IsZero() {
			name := e.Ref.String()
			d.Annotations = map[string]string{ispec.AnnotationRefName: name, oci.AnnotationImageName: name}
		}
		index.Manifests = append(index.Manifests, d)
	}
	b, err := json.Marshal(index)
	if err != nil {
		return err
	}
	return writeAtomic(s.path(ispec.ImageIndexFile), b)
}

// update changes index.json. No sweep runs meanwhile.
func (s *Store) update(ctx context.Context, change func([]Entry) ([]Entry, error)) error {
	unlockGC, err := s.lock(ctx, "gc", shared)
	if err != nil {
		return err
	}
	defer unlockGC()
	unlock, err := s.lock(ctx, "index", exclusive)
	if err != nil {
		return err
	}
	defer unlock()
	entries, err := s.List(ctx)
	if err != nil {
		return err
	}
	if entries, err = change(entries); err != nil {
		return err
	}
	if err := s.writeIndex(entries); err != nil {
		return fmt.Errorf("write index of store: %w", err)
	}
	return nil
}

// Tag makes ref name d. What ref named before stays as an untagged image.
func (s *Store) Tag(ctx context.Context, ref oci.Reference, d ispec.Descriptor) error {
	if ref.IsZero() {
		return errors.New("tag image: there is no name")
	}
	size, err := s.Size(d.Digest)
	if err != nil {
		return fmt.Errorf("tag %s: %w", ref.Familiar(), err)
	}
	d = ispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: size}
	return s.update(ctx, func(entries []Entry) ([]Entry, error) {
		entries = untag(entries, ref)
		entries = slices.DeleteFunc(entries, func(e Entry) bool {
			return e.Ref.IsZero() && e.Descriptor.Digest == d.Digest
		})
		return append(entries, Entry{Ref: ref, Descriptor: d}), nil
	})
}

// Add makes d an image of the store without a name, unless it has one.
func (s *Store) Add(ctx context.Context, d ispec.Descriptor) error {
	size, err := s.Size(d.Digest)
	if err != nil {
		return fmt.Errorf("add image: %w", err)
	}
	d = ispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: size}
	return s.update(ctx, func(entries []Entry) ([]Entry, error) {
		if hasDigest(entries, d.Digest) {
			return entries, nil
		}
		return append(entries, Entry{Descriptor: d}), nil
	})
}

// untag takes the name off its entry and keeps the image.
func untag(entries []Entry, ref oci.Reference) []Entry {
	i := slices.IndexFunc(entries, func(e Entry) bool { return e.Ref == ref })
	if i < 0 {
		return entries
	}
	d := entries[i].Descriptor
	entries = slices.Delete(entries, i, i+1)
	if hasDigest(entries, d.Digest) {
		return entries
	}
	return append(entries, Entry{Descriptor: d})
}

func hasDigest(entries []Entry, d digest.Digest) bool {
	return slices.ContainsFunc(entries, func(e Entry) bool { return e.Descriptor.Digest == d })
}

// Untag removes a name. The image stays, without a name if this was the last.
func (s *Store) Untag(ctx context.Context, ref oci.Reference) error {
	return s.update(ctx, func(entries []Entry) ([]Entry, error) {
		if !slices.ContainsFunc(entries, func(e Entry) bool { return e.Ref == ref }) {
			return nil, fmt.Errorf("untag %s: %w", ref.Familiar(), ErrNotFound)
		}
		return untag(entries, ref), nil
	})
}

// Forget removes an image with all its names. Its content goes at the next GC,
// unless something else uses it.
func (s *Store) Forget(ctx context.Context, d digest.Digest) error {
	return s.update(ctx, func(entries []Entry) ([]Entry, error) {
		return slices.DeleteFunc(entries, func(e Entry) bool { return e.Descriptor.Digest == d }), nil
	})
}

// Resolve returns what a reference names. One with a digest names that digest,
// when an image of its repository or an untagged one has it.
func (s *Store) Resolve(ctx context.Context, ref oci.Reference) (ispec.Descriptor, error) {
	entries, err := s.List(ctx)
	if err != nil {
		return ispec.Descriptor{}, err
	}
	for _, e := range entries {
		if ref.Digest == "" && e.Ref == ref {
			return e.Descriptor, nil
		}
		if ref.Digest != "" && e.Descriptor.Digest == ref.Digest && (e.Ref.IsZero() || e.Ref.Name() == ref.Name()) {
			return e.Descriptor, nil
		}
	}
	return ispec.Descriptor{}, fmt.Errorf("image %s: %w", ref.Familiar(), ErrNotFound)
}
