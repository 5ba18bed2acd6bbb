package images

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
)

// unpackers is how many layers of an image are unpacked at a time, at most: each takes
// a core, and some megabytes.
const unpackers = 4

// openLayers opens the layers of the image, unpacking what was never unpacked on
// this machine: the layers, and the memory of the snapshot that a run of it begins
// with.
func (img *Image) openLayers(ctx context.Context, o Options) ([]layer.Layer, error) {
	r := &img.resolved
	s := img.lease.Store()
	if r.wasm {
		x, err := moduleIndex(s, r.manifest.Layers[0])
		return []layer.Layer{{Index: x, Content: s}}, err
	}
	layers := make([]layer.Layer, len(r.manifest.Layers))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(min(unpackers, runtime.GOMAXPROCS(0)))
	for i, d := range r.manifest.Layers {
		group.Go(func() error {
			x, err := unpack(ctx, img.lease, d, r.config.RootFS.DiffIDs[i], o)
			if err != nil {
				return fmt.Errorf("layer %d: %w", i+1, err)
			}
			layers[i] = layer.Layer{Index: x, Content: s}
			return nil
		})
	}
	if img.derived != nil && len(img.derived.doc.Snapshots) > 0 {
		group.Go(func() error {
			_, _ = img.memories(ctx, 0) // whoever wants it hears of an error
			return nil
		})
	}
	return layers, group.Wait()
}

// moduleIndex makes a rootfs with one file of a bare module, used in place.
func moduleIndex(s *store.Store, d ispec.Descriptor) (*layer.Index, error) {
	size, err := s.Size(d.Digest)
	if err != nil {
		return nil, err
	}
	if size != d.Size {
		return nil, &store.DamagedError{Digest: d.Digest, Err: &oci.MismatchError{What: "size", Want: fmt.Sprint(d.Size), Got: fmt.Sprint(size)}}
	}
	return &layer.Index{Entries: []layer.Entry{
		{Path: "", Kind: layer.Dir, Mode: 0o755},
		{Path: moduleName, Kind: layer.File, Mode: 0o755, Size: size, Content: layer.Ref{Digest: string(d.Digest), Size: size}},
	}}, nil
}

// unpack returns the index of one layer.
func unpack(ctx context.Context, lease *store.Lease, d ispec.Descriptor, diffID digest.Digest, o Options) (*layer.Index, error) {
	comp, ok := oci.LayerCompression(d.MediaType)
	if !ok {
		return nil, fmt.Errorf("%q is not the type of a layer", d.MediaType)
	}
	s := lease.Store()
	return lease.LayerIndex(ctx, d.Digest, func(ctx context.Context, w layer.ContentWriter) (*layer.Index, error) {
		blob, err := s.Blob(d.Digest)
		if err != nil {
			return nil, err
		}
		defer blob.Close()
		if blob.Size() != d.Size {
			return nil, &store.DamagedError{Digest: d.Digest, Err: &oci.MismatchError{What: "size", Want: fmt.Sprint(d.Size), Got: fmt.Sprint(blob.Size())}}
		}
		x, err := index(ctx, w, blob, d, diffID, comp, o)
		if err != nil {
			// Bits that flipped on disk show as all kinds of errors; say it plainly.
			return nil, errors.Join(s.Verify(ctx, d.Digest), err)
		}
		return x, nil
	})
}

// StatusUnpacking is the Event of a layer that is unpacked.
const StatusUnpacking oci.Status = "Extracting"

// index makes the index of a layer that is not indexed yet. An uncompressed
// layer is used in place and not hashed again: it was when it came, and Check
// does it. A sparse file has no place in the blob, so its layer is unpacked.
func index(ctx context.Context, w layer.ContentWriter, blob *store.Blob, d ispec.Descriptor, diffID digest.Digest, comp oci.Compression, o Options) (*layer.Index, error) {
	o.Progress.Report(oci.Event{Status: StatusUnpacking, Descriptor: d, Total: d.Size})
	if comp == oci.Uncompressed && d.Digest.Algorithm() == digest.SHA256 {
		x, err := layer.Scan(ctx, blob, blob.Size(), string(d.Digest), o.Limits)
		if !errors.Is(err, layer.ErrSparse) {
			return x, err
		}
	}
	packed := d.Digest.Algorithm().Hash()
	counted := &counter{r: io.TeeReader(io.NewSectionReader(blob, 0, blob.Size()), packed), report: func(n int64) {
		o.Progress.Report(oci.Event{Status: StatusUnpacking, Descriptor: d, Done: n, Total: d.Size})
	}}
	o.Limits = boundBySize(o.Limits, d.Size)
	x, err := unpackVerified(ctx, w, counted, diffID, o)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, counted); err != nil {
		return nil, err
	}
	if got := digest.NewDigest(d.Digest.Algorithm(), packed); got != d.Digest {
		return nil, &oci.MismatchError{What: "digest", Want: string(d.Digest), Got: string(got)}
	}
	return x, nil
}

// boundBySize lets a layer unpack to no more than its own size allows: a sparse
// entry of a few bytes is small in the tar, too, and large only on disk.
func boundBySize(l layer.Limits, size int64) layer.Limits {
	d := layer.DefaultLimits()
	most := cmp.Or(l.RatioFree, d.RatioFree) + cmp.Or(l.Ratio, d.Ratio)*min(size, d.Bytes/cmp.Or(l.Ratio, d.Ratio))
	l.Bytes = min(cmp.Or(l.Bytes, d.Bytes), most)
	return l
}

// unpackVerified unpacks a tar and checks it against the diff ID in one pass.
func unpackVerified(ctx context.Context, w layer.ContentWriter, r io.Reader, diffID digest.Digest, o Options) (*layer.Index, error) {
	tar, err := layer.Decompress(r, o.Limits)
	if err != nil {
		return nil, err
	}
	defer tar.Close()
	x, err := layer.Unpack(ctx, tar, w, o.Limits)
	if err != nil {
		return nil, err
	}
	// Unpack reads to the end; what stands behind the archive counts, too.
	if got, ok := tar.DiffID(); !ok || got != string(diffID) {
		return nil, &oci.MismatchError{What: "diff ID", Want: string(diffID), Got: got}
	}
	return x, nil
}

// counter tells how far a reader is, once a megabyte.
type counter struct {
	r       io.Reader
	n, told int64
	report  func(int64)
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if c.n-c.told >= 1<<20 {
		c.told = c.n
		c.report(c.n)
	}
	return n, err
}
