package layer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// gzipLevel and zstdLevel are part of what makes digests the same everywhere,
// as is the version of the compressor in go.mod. Changing either changes the
// digest of every image that is built again.
const (
	gzipLevel = 6
	zstdLevel = zstd.SpeedDefault
)

// Compressor packs the tar of a layer and computes both digests on the way.
// Its output depends on its input alone: no name, no time, no number of CPUs.
type Compressor struct {
	w        io.Writer
	pack     io.WriteCloser
	diff     hash.Hash
	blob     hash.Hash
	diffSize int64
	size     int64
}

// Packed is what a Compressor made.
type Packed struct {
	// Digest and Size are the blob's, DiffID and DiffSize those of the tar.
	Digest, DiffID string
	Size, DiffSize int64
}

// NewCompressor writes to w what Write is given, packed as c says.
func NewCompressor(w io.Writer, c Compression) (*Compressor, error) {
	z := &Compressor{w: w, diff: sha256.New(), blob: sha256.New()}
	var err error
	switch c {
	case None:
		z.pack = nopCloser{(*packedSide)(z)}
	case Gzip:
		z.pack, err = gzip.NewWriterLevel((*packedSide)(z), gzipLevel)
	case Zstd:
		z.pack, err = zstd.NewWriter((*packedSide)(z), zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstdLevel))
	default:
		err = ErrCompressed
	}
	if err != nil {
		return nil, fmt.Errorf("pack layer: %w", err)
	}
	return z, nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// packedSide takes what comes out of the compressor.
type packedSide Compressor

func (s *packedSide) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.blob.Write(p[:n])
	s.size += int64(n)
	return n, err
}

// Write packs a piece of the tar.
func (z *Compressor) Write(p []byte) (int, error) {
	n, err := z.pack.Write(p)
	z.diff.Write(p[:n])
	z.diffSize += int64(n)
	return n, err
}

// Close ends the blob and tells its digests. It does not close the writer below.
func (z *Compressor) Close() (Packed, error) {
	if err := z.pack.Close(); err != nil {
		return Packed{}, fmt.Errorf("pack layer: %w", err)
	}
	return Packed{
		Digest: "sha256:" + hex.EncodeToString(z.blob.Sum(nil)), Size: z.size,
		DiffID: "sha256:" + hex.EncodeToString(z.diff.Sum(nil)), DiffSize: z.diffSize,
	}, nil
}
