package images

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
)

// Summary is one line of a listing of images.
type Summary struct {
	ID      digest.Digest     // of the config
	Digest  digest.Digest     // what the name leads to
	Ref     oci.Reference     // zero when untagged
	Created time.Time         // zero when the image does not say
	Size    int64             // bytes in the store, each blob once
	Labels  map[string]string // of the config
	Model   bool              // carries a ModelPack manifest
	// Problem says why the image cannot be opened; "" when it can.
	Problem string
}

// Repository is the REPOSITORY column.
func (s Summary) Repository() string {
	if s.Ref.IsZero() {
		return "<none>"
	}
	return s.Ref.FamiliarName()
}

// Tag is the TAG column.
func (s Summary) Tag() string {
	if s.Ref.Tag == "" {
		return "<none>"
	}
	return s.Ref.Tag
}

// List returns the images of the store, newest first, as Docker does.
func List(ctx context.Context, s *store.Store) ([]Summary, error) {
	entries, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Summary, 0, len(entries))
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out = append(out, summarize(s, e))
	}
	slices.SortStableFunc(out, func(a, b Summary) int { return b.Created.Compare(a.Created) })
	return out, nil
}

func summarize(s *store.Store, e store.Entry) Summary {
	sum := Summary{ID: e.Descriptor.Digest, Digest: e.Descriptor.Digest, Ref: e.Ref}
	sum.Size = sizeOf(s, e.Descriptor)
	r, err := resolve(s, e.Descriptor)
	if r.index != nil {
		_, sum.Model = oci.ModelManifest(r.index)
	}
	if r.manifest != nil {
		sum.ID = r.manifest.Config.Digest
	}
	if err != nil {
		sum.Problem = err.Error()
		return sum
	}
	if r.config.Created != nil {
		sum.Created = *r.config.Created
	}
	sum.Labels = r.config.Config.Labels
	return sum
}

// sizeOf sums what the store has of an image. A blob that two manifests name,
// as weights are, counts once.
func sizeOf(s *store.Store, target ispec.Descriptor) int64 {
	var total int64
	_ = walk(s, target, func(d ispec.Descriptor, _ []byte) error {
		if n, err := s.Size(d.Digest); err == nil {
			total += n
		}
		return nil
	})
	return total
}

// walk visits everything an image refers to, each digest once, documents with
// their bytes after what they refer to. What the store does not have is left
// out: the platforms of an index that were never pulled.
func walk(s *store.Store, target ispec.Descriptor, visit func(d ispec.Descriptor, document []byte) error) error {
	return (&walker{s: s, seen: map[digest.Digest]bool{}, visit: visit}).walk(target, 0)
}

type walker struct {
	s     *store.Store
	seen  map[digest.Digest]bool
	visit func(ispec.Descriptor, []byte) error
}

func (w *walker) walk(d ispec.Descriptor, depth int) error {
	if w.seen[d.Digest] {
		return nil
	}
	w.seen[d.Digest] = true
	kind := oci.KindOf(d.MediaType)
	if kind != oci.KindIndex && kind != oci.KindManifest {
		return w.blob(d)
	}
	if depth > oci.MaxDepth {
		return fmt.Errorf("read %s: documents are nested deeper than %d", d.Digest, oci.MaxDepth)
	}
	b, err := w.s.ReadBlob(d, oci.MaxDocument)
	if errors.Is(err, store.ErrNotFound) && depth > 0 {
		return nil
	}
	if err != nil {
		return err
	}
	below, err := references(b, d.MediaType)
	if err != nil {
		return err
	}
	for _, c := range below {
		if err := w.walk(c, depth+1); err != nil {
			return err
		}
	}
	return w.visit(d, b)
}

func (w *walker) blob(d ispec.Descriptor) error {
	ok, err := w.s.Size(d.Digest)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	d.Size = ok
	return w.visit(d, nil)
}

// references returns what a document refers to.
func references(b []byte, mediaType string) ([]ispec.Descriptor, error) {
	if oci.KindOf(mediaType) == oci.KindIndex {
		index, err := oci.ParseIndex(b, mediaType)
		if err != nil {
			return nil, err
		}
		return index.Manifests, nil
	}
	m, err := oci.ParseManifest(b, mediaType)
	if err != nil {
		return nil, err
	}
	return append([]ispec.Descriptor{m.Config}, m.Layers...), nil
}
