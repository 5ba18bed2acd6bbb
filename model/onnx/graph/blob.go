package graph

import (
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// A Blob is bytes in pieces: most of them lie in the file that was read.
type Blob struct {
	parts [][]byte
	size  int64
}

// Size is how many bytes there are.
func (b *Blob) Size() int64 { return b.size }

// Parts are the pieces in their order. They must stay as they are.
func (b *Blob) Parts() [][]byte { return b.parts }

// WriteTo writes all of it.
func (b *Blob) WriteTo(w io.Writer) (int64, error) {
	var done int64
	for _, p := range b.parts {
		n, err := w.Write(p)
		done += int64(n)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// Reader reads all of it, from the beginning.
func (b *Blob) Reader() io.Reader { return &blobReader{parts: b.parts} }

type blobReader struct {
	parts [][]byte
	// at is how much of the first part was read.
	at int
}

func (r *blobReader) Read(p []byte) (n int, err error) {
	for n < len(p) && len(r.parts) > 0 {
		m := copy(p[n:], r.parts[0][r.at:])
		n, r.at = n+m, r.at+m
		if r.at == len(r.parts[0]) {
			r.parts, r.at = r.parts[1:], 0
		}
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Bytes gives all of it in one piece: the file itself when nothing was changed.
func (b *Blob) Bytes() []byte {
	if len(b.parts) == 1 {
		return b.parts[0]
	}
	all := make([]byte, 0, b.size)
	for _, p := range b.parts {
		all = append(all, p...)
	}
	return all
}

func (b *Blob) add(p []byte) {
	if len(p) == 0 {
		return
	}
	b.parts = append(b.parts, p)
	b.size += int64(len(p))
}

// message adds a field that is a message or a string.
func (b *Blob) message(num protowire.Number, inner *Blob) {
	head := protowire.AppendTag(nil, num, protowire.BytesType)
	b.add(protowire.AppendVarint(head, uint64(inner.size)))
	b.parts = append(b.parts, inner.parts...)
	b.size += inner.size
}

func (b *Blob) text(num protowire.Number, s string) {
	b.add(protowire.AppendString(protowire.AppendTag(nil, num, protowire.BytesType), s))
}

func (b *Blob) number(num protowire.Number, v int64) {
	b.add(protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), uint64(v)))
}
