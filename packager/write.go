package packager

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/oci"
)

// writeLayer streams entries as a layer into the store, and finds out its
// digest and diff ID in the same pass.
func (b *builder) writeLayer(ctx context.Context, pack layer.Compression, entries []layer.Entry, open layer.OpenFunc) (oci.Layer, error) {
	mediaType, o := ispec.MediaTypeImageLayerGzip, layer.WriteOptions{KeepOwner: true, Epoch: b.Epoch}
	if pack == layer.None {
		mediaType, o.Align = ispec.MediaTypeImageLayer, layer.AlignMapped
	}
	r, w := io.Pipe()
	packed := make(chan layer.Packed, 1)
	go func() {
		p, err := packTo(ctx, w, pack, entries, open, o)
		w.CloseWithError(err)
		packed <- p
	}()
	d, err := b.Store.Ingest(ctx, ispec.Descriptor{MediaType: mediaType}, r)
	r.CloseWithError(err) // the writer ends even when the store did not read on
	p := <-packed
	if err != nil {
		return oci.Layer{}, fmt.Errorf("store a layer: %w", err)
	}
	if string(d.Digest) != p.Digest || d.Size != p.Size {
		return oci.Layer{}, fmt.Errorf("store a layer: it was written as %s, and stored as %s", p.Digest, d.Digest)
	}
	return oci.Layer{Descriptor: d, DiffID: digest.Digest(p.DiffID)}, nil
}

func packTo(ctx context.Context, w io.Writer, pack layer.Compression, entries []layer.Entry, open layer.OpenFunc, o layer.WriteOptions) (layer.Packed, error) {
	z, err := layer.NewCompressor(w, pack)
	if err != nil {
		return layer.Packed{}, err
	}
	if err := layer.Write(ctx, z, entries, open, o); err != nil {
		return layer.Packed{}, err
	}
	return z.Close()
}

// digester is a running sha256 in the spelling of digests.
type digester struct{ hash.Hash }

func newDigester() *digester { return &digester{sha256.New()} }

func (d *digester) digest() string { return "sha256:" + hex.EncodeToString(d.Sum(nil)) }
