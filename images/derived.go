package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
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

// maxFacts bounds the facts of one module. What pages unpack to is bounded by the
// length of their memory and, as layers are, by their own size.
const maxFacts = 16 << 20

// readDerived finds the image's derived data. An image without any, or with some
// that is damaged, is as good: it only starts later. Why there is none is told.
func readDerived(s *store.Store, r *resolved) (*derived, error) {
	if r.index == nil {
		return nil, nil
	}
	for _, d := range r.index.Manifests {
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
		if out.manifest.Subject == nil || out.manifest.Subject.Digest != r.descriptor.Digest {
			continue
		}
		return out, nil
	}
	return nil, nil
}

func parseDerived(s *store.Store, d ispec.Descriptor) (*derived, error) {
	m, config, err := readArtifact(s, d)
	if err != nil {
		return nil, err
	}
	doc, err := oci.ParseDerived(config, m)
	if err != nil {
		return nil, err
	}
	return &derived{d, m, doc}, nil
}

// readArtifact reads the manifest of an artifact and its config. The manifest is nil when it could not be had.
func readArtifact(s *store.Store, d ispec.Descriptor) (*ispec.Manifest, []byte, error) {
	b, err := s.ReadBlob(d, oci.MaxDocument)
	if err != nil {
		return nil, nil, err
	}
	m, err := oci.ParseManifest(b, d.MediaType)
	if err != nil {
		return nil, nil, err
	}
	config, err := s.ReadBlob(m.Config, oci.MaxConfig)
	return m, config, err
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
	var head [4]byte
	if _, err := b.ReadAt(head[:], 0); err != nil || layer.DetectCompression(head[:]) != layer.Zstd {
		return nil, errors.New("it is not compressed with zstd")
	}
	l := layer.DefaultLimits()
	l.Bytes = limit
	return layer.Decompress(io.NewSectionReader(b, 0, b.Size()), l)
}

// Memory opens the memory of a snapshot. The first time on this machine it is
// unpacked; then it is a file that can be mapped.
func (img *Image) Memory(ctx context.Context, s *oci.Snapshot) (*os.File, error) {
	i := img.snapshot(s)
	if i < 0 {
		return nil, errors.New("the image has no such snapshot")
	}
	x, err := img.memories(ctx, i)
	if err != nil {
		img.evict(ctx, err)
		return nil, err
	}
	e := x.Lookup(strconv.Itoa(i))
	if e == nil || e.Size != int64(s.Memory) {
		return nil, fmt.Errorf("snapshot %d was unpacked as something else", i)
	}
	blob, err := img.lease.Store().OpenContent(e.Content.Digest)
	if err != nil {
		return nil, err
	}
	b, ok := blob.(*store.Blob)
	if !ok || b.Size() != e.Size {
		blob.Close()
		return nil, fmt.Errorf("the memory of snapshot %d is damaged in the store: wherry rmi and pull the image again", i)
	}
	return b.Detach(), nil
}

// evict removes what an error calls damaged, so that a pull brings it back.
func (img *Image) evict(ctx context.Context, err error) {
	var damaged *store.DamagedError
	if errors.As(err, &damaged) {
		_, _ = img.lease.Store().Evict(ctx, damaged.Digest) // the error is told already
	}
}

// snapshot finds out which of the image's snapshots s is.
func (img *Image) snapshot(s *oci.Snapshot) int {
	if img.derived != nil {
		for i := range img.derived.doc.Snapshots {
			if &img.derived.doc.Snapshots[i] == s {
				return i
			}
		}
	}
	return -1
}

// memories unpacks the memory of a snapshot, as the file of a layer. The image's
// own, which comes first, is unpacked by itself; those that it has from its base
// are unpacked together when one of them is wanted. They go by the digests of two
// documents: no image can have a layer of that digest, for no tar is JSON.
func (img *Image) memories(ctx context.Context, i int) (*layer.Index, error) {
	d := img.derived
	key, from, to := d.descriptor.Digest, 0, 1
	if i > 0 {
		key, from, to = d.manifest.Config.Digest, 1, len(d.doc.Snapshots)
	}
	return img.lease.LayerIndex(ctx, key, func(ctx context.Context, w layer.ContentWriter) (*layer.Index, error) {
		x := &layer.Index{Entries: []layer.Entry{{Kind: layer.Dir, Mode: 0o700}}}
		for i := from; i < to; i++ {
			name, size, err := img.unpackMemory(ctx, &d.doc.Snapshots[i], w)
			if err != nil {
				return nil, fmt.Errorf("unpack snapshot %d: %w", i, err)
			}
			x.Entries = append(x.Entries, layer.Entry{Path: strconv.Itoa(i), Kind: layer.File, Mode: 0o600, Size: size,
				Content: layer.Ref{Digest: name, Size: size}})
		}
		slices.SortFunc(x.Entries, func(a, b layer.Entry) int { return strings.Compare(a.Path, b.Path) })
		return x, nil
	})
}

// unpackMemory lays the pages of a snapshot over each other.
func (img *Image) unpackMemory(ctx context.Context, s *oci.Snapshot, w layer.ContentWriter) (string, int64, error) {
	f, err := img.lease.Temp()
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
		if err := img.unpackPages(ctx, d, s.Memory, f); err != nil {
			return "", 0, err
		}
	}
	return w.Put(ctx, io.NewSectionReader(f, 0, int64(s.Memory)))
}

func (img *Image) unpackPages(ctx context.Context, d digest.Digest, size uint64, f *os.File) error {
	st := img.lease.Store()
	b, err := st.Blob(d)
	if err != nil {
		return err
	}
	defer b.Close()
	r, err := unpacked(b, int64(size)+int64(size)/64+1<<20) // numbers between the pages
	if err != nil {
		return errors.Join(st.Verify(ctx, d), err)
	}
	defer r.Close()
	if err := prepare.DecodePages(r, size, f); err != nil {
		return errors.Join(st.Verify(ctx, d), err) // bits that flipped on disk
	}
	return nil
}
