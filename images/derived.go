package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
)

// derived is what was found out about the image's programs when it was built.
type derived struct {
	descriptor ispec.Descriptor
	manifest   *ispec.Manifest
	doc        *oci.Derived
}

// Bounds of derived data, unpacked.
const (
	maxFacts  = 64 << 20
	pageRatio = 1000 // zstd makes nearly nothing of equal bytes; the memory's own length bounds pages
)

// readDerived finds the image's derived data. An image without any, or with some
// that is damaged, is as good: it only starts later. Why there is none is told.
func (img *Image) readDerived() (*derived, error) {
	if img.resolved.index == nil {
		return nil, nil
	}
	s := img.lease.Store()
	for _, d := range img.resolved.index.Manifests {
		if d.ArtifactType != oci.DerivedArtifact || oci.KindOf(d.MediaType) != oci.KindManifest {
			continue
		}
		out, err := parseDerived(s, d)
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil // a client that does not know it left it behind
		}
		if err != nil {
			return nil, err
		}
		if sub := out.manifest.Subject; sub == nil || sub.Digest != img.resolved.descriptor.Digest {
			continue
		}
		return out, nil
	}
	return nil, nil
}

func parseDerived(s *store.Store, d ispec.Descriptor) (*derived, error) {
	b, err := s.ReadBlob(d, oci.MaxDocument)
	if err != nil {
		return nil, err
	}
	m, err := oci.ParseManifest(b, d.MediaType)
	if err != nil {
		return nil, err
	}
	if b, err = s.ReadBlob(m.Config, oci.MaxConfig); err != nil {
		return nil, err
	}
	doc, err := oci.ParseDerived(b, m)
	if err != nil {
		return nil, err
	}
	return &derived{d, m, doc}, nil
}

// Derived returns what is known of the image's programs, nil for nothing.
func (img *Image) Derived() *oci.Derived {
	if img.derived == nil {
		return nil
	}
	return img.derived.doc
}

// DerivedLayers returns the blobs that Derived names, to build another image
// upon.
func (img *Image) DerivedLayers() []ispec.Descriptor {
	if img.derived == nil {
		return nil
	}
	return img.derived.manifest.Layers
}

// Facts reads the facts of a module.
func (img *Image) Facts(_ context.Context, m *oci.DerivedModule) ([]byte, error) {
	b, err := img.lease.Store().Blob(m.Facts)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	r, err := unpacked(b, maxFacts)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxFacts+1))
	if err == nil && len(data) > maxFacts {
		err = fmt.Errorf("more than %d bytes of facts", maxFacts)
	}
	return data, err
}

// unpacked reads a compressed blob of at most so many bytes.
func unpacked(b *store.Blob, limit int64) (io.ReadCloser, error) {
	l := layer.DefaultLimits()
	l.Bytes, l.Ratio, l.RatioFree = limit, pageRatio, limit
	return layer.Decompress(io.NewSectionReader(b, 0, b.Size()), l)
}

// Memory opens the memory of a snapshot. The first time on this machine it is
// unpacked; then it is a file that can be mapped.
func (img *Image) Memory(ctx context.Context, s *oci.Snapshot) (*os.File, error) {
	x, err := img.memories(ctx)
	if err != nil {
		return nil, err
	}
	for i := range img.derived.doc.Snapshots {
		if &img.derived.doc.Snapshots[i] != s {
			continue
		}
		e := x.Lookup(strconv.Itoa(i))
		if e == nil || e.Size != int64(s.Memory) {
			break
		}
		blob, err := img.lease.Store().OpenContent(e.Content.Digest)
		if err != nil {
			return nil, err
		}
		b, ok := blob.(*store.Blob)
		if !ok || b.Size() != int64(s.Memory) {
			blob.Close()
			break
		}
		return b.Detach(), nil
	}
	return nil, errors.New("the image has no such snapshot")
}

// memories unpacks the memories of all snapshots, as the files of a layer.
func (img *Image) memories(ctx context.Context) (*layer.Index, error) {
	if img.derived == nil {
		return nil, errors.New("the image has no snapshots")
	}
	return img.lease.LayerIndex(ctx, img.derived.descriptor.Digest, func(ctx context.Context, w layer.ContentWriter) (*layer.Index, error) {
		x := &layer.Index{Entries: []layer.Entry{{Kind: layer.Dir, Mode: 0o700}}}
		for i := range img.derived.doc.Snapshots {
			s := &img.derived.doc.Snapshots[i]
			name, size, err := img.unpackMemory(ctx, s, w)
			if err != nil {
				return nil, fmt.Errorf("unpack snapshot %d: %w", i, err)
			}
			x.Entries = append(x.Entries, layer.Entry{Path: strconv.Itoa(i), Kind: layer.File, Mode: 0o600, Size: size,
				Content: layer.Ref{Digest: name, Size: size}})
		}
		return x, nil
	})
}

// unpackMemory lays the pages of a snapshot over each other.
func (img *Image) unpackMemory(ctx context.Context, s *oci.Snapshot, w layer.ContentWriter) (string, int64, error) {
	f, err := os.CreateTemp("", "wherry-memory-*")
	if err != nil {
		return "", 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := f.Truncate(int64(s.Memory)); err != nil {
		return "", 0, err
	}
	for _, d := range s.Pages {
		if err := ctx.Err(); err != nil {
			return "", 0, err
		}
		b, err := img.lease.Store().Blob(d)
		if err != nil {
			return "", 0, err
		}
		r, err := unpacked(b, int64(s.Memory)+int64(s.Memory)/64+1<<20)
		if err == nil {
			err = prepare.DecodePages(r, s.Memory, f)
			r.Close()
		}
		b.Close()
		if err != nil {
			return "", 0, err
		}
	}
	return w.Put(ctx, io.NewSectionReader(f, 0, int64(s.Memory)))
}
