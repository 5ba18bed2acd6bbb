package layer

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Compression is how the tar of a layer is packed.
type Compression uint8

// The compressions that a layer may have.
const (
	None Compression = iota
	Gzip
	Zstd
)

// String is the suffix of the media type: "", "gzip" or "zstd".
func (c Compression) String() string {
	return [...]string{"", "gzip", "zstd"}[c%3]
}

// zstdWindow bounds the memory one zstd stream may ask for; it is what the
// strongest setting of the zstd program uses.
const zstdWindow = 128 << 20

// DetectCompression looks at the first bytes of a layer.
func DetectCompression(head []byte) Compression {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return Gzip
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return Zstd
	case len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18}):
		return Zstd // a skippable frame in front, as zstd:chunked has them
	}
	return None
}

// Reader is the tar of a layer while it is unpacked and hashed.
type Reader struct {
	src   *counter
	dec   io.Reader
	close func()
	hash  hash.Hash
	out   int64
	lim   Limits
	kind  Compression
	err   error
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// Decompress finds out how r is packed and unpacks it, within the limits for
// bytes and for the ratio of unpacked to packed. Close gives buffers back; it
// does not close r.
func Decompress(r io.Reader, lim Limits) (*Reader, error) {
	src := &counter{r: r}
	buf := bufio.NewReaderSize(src, 64<<10)
	head, err := buf.Peek(4)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read layer: %w", err)
	}
	d := &Reader{src: src, dec: buf, hash: sha256.New(), lim: lim.withDefaults(), kind: DetectCompression(head)}
	switch d.kind {
	case Gzip:
		z, err := gzip.NewReader(buf)
		if err != nil {
			return nil, fmt.Errorf("read gzip layer: %w: %w", ErrFormat, err)
		}
		d.dec, d.close = z, func() { z.Close() }
	case Zstd:
		z, err := zstd.NewReader(buf, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return nil, fmt.Errorf("read zstd layer: %w: %w", ErrFormat, err)
		}
		d.dec, d.close = z, z.Close
	}
	return d, nil
}

// Compression is what the layer was packed with.
func (d *Reader) Compression() Compression { return d.kind }

// Read gives the tar.
func (d *Reader) Read(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	n, err := d.dec.Read(p)
	d.hash.Write(p[:n])
	d.out += int64(n)
	switch {
	case d.out > d.lim.stream():
		err = fmt.Errorf("unpack layer: %w: more than %d bytes", ErrLimit, d.lim.stream())
	case d.kind != None && d.out > d.lim.RatioFree && d.out/d.lim.Ratio > d.src.n:
		err = fmt.Errorf("unpack layer: %w: %d bytes came out of %d", ErrLimit, d.out, d.src.n)
	case err == io.ErrUnexpectedEOF:
		err = fmt.Errorf("unpack layer: %w", ErrTruncated)
	case err != nil && err != io.EOF && d.kind != None:
		err = fmt.Errorf("unpack %s layer: %w: %w", d.kind, ErrFormat, err)
	}
	d.err = err
	return n, err
}

// DiffID is the digest of the tar. It is known once Read returned io.EOF.
func (d *Reader) DiffID() (string, bool) {
	if d.err != io.EOF {
		return "", false
	}
	return "sha256:" + hex.EncodeToString(d.hash.Sum(nil)), true
}

// Size is the number of tar bytes so far.
func (d *Reader) Size() int64 { return d.out }

// Close gives the buffers of the decompressor back.
func (d *Reader) Close() error {
	if d.close != nil {
		d.close()
		d.close = nil
	}
	return nil
}

// stream bounds the length of a tar: the files, and what headers may need.
func (l Limits) stream() int64 { return l.Bytes + int64(l.Entries)*1024 + (64 << 20) }
