package layer

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// The encoded form of an index: magic, version, digests, entries, and a
// checksum over all of it. A path is written as what it shares with the path
// before it and the rest; numbers are varints. Equal indexes have equal bytes.
const (
	codecMagic   = "WLIX"
	codecVersion = 1
)

// MarshalBinary encodes a valid index.
func (x *Index) MarshalBinary() ([]byte, error) {
	if err := x.Validate(); err != nil {
		return nil, fmt.Errorf("encode layer index: %w", err)
	}
	digests := make(map[string]uint64)
	b := append(make([]byte, 0, 64+len(x.Entries)*48), codecMagic...)
	b = append(b, codecVersion)
	var sums []byte
	for i := range x.Entries {
		d := x.Entries[i].Content.Digest
		if _, ok := digests[d]; !ok && d != "" {
			digests[d] = uint64(len(digests)) + 1
			raw, err := hex.DecodeString(d[len(digestPrefix):])
			if err != nil {
				return nil, fmt.Errorf("encode layer index: %w", err)
			}
			sums = append(sums, raw...)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(digests)))
	b = append(b, sums...)
	b = binary.AppendUvarint(b, uint64(len(x.Entries)))
	prev := ""
	for i := range x.Entries {
		e := &x.Entries[i]
		b = e.append(b, prev, digests[e.Content.Digest])
		prev = e.Path
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...), nil
}

func (e *Entry) append(b []byte, prev string, digest uint64) []byte {
	b = append(b, byte(e.Kind))
	n := 0
	for n < len(prev) && n < len(e.Path) && prev[n] == e.Path[n] {
		n++
	}
	b = binary.AppendUvarint(b, uint64(n))
	b = appendString(b, e.Path[n:])
	if e.Kind == Whiteout || e.Kind == Opaque {
		return b
	}
	b = binary.AppendUvarint(b, uint64(e.Mode))
	b = binary.AppendUvarint(b, uint64(uint32(e.UID)))
	b = binary.AppendUvarint(b, uint64(uint32(e.GID)))
	b = binary.AppendVarint(b, e.ModTime)
	switch e.Kind {
	case Symlink:
		b = appendString(b, e.Target)
	case File:
		b = appendString(b, e.Link)
		b = binary.AppendUvarint(b, uint64(e.Size))
		b = binary.AppendUvarint(b, digest)
		if digest != 0 {
			b = binary.AppendUvarint(b, uint64(e.Content.Offset))
		}
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// UnmarshalBinary decodes and checks an index. Bytes from anywhere may be given.
func (x *Index) UnmarshalBinary(b []byte) error {
	d := &decoder{b: b}
	entries, err := d.index()
	if err != nil {
		return fmt.Errorf("decode layer index: %w", err)
	}
	decoded := Index{Entries: entries}
	if err := decoded.Validate(); err != nil {
		return fmt.Errorf("decode layer index: %w", err)
	}
	*x = decoded
	return nil
}

// decoder reads what MarshalBinary wrote; the first error sticks.
type decoder struct {
	b       []byte
	bad     bool
	digests []string
	prev    string
	path    []byte
}

func (d *decoder) index() ([]Entry, error) {
	const head, tail = len(codecMagic) + 1, sha256.Size
	if len(d.b) < head+tail || string(d.b[:head-1]) != codecMagic {
		return nil, fmt.Errorf("%w: not a layer index", ErrFormat)
	}
	if v := d.b[head-1]; v != codecVersion {
		return nil, fmt.Errorf("%w: version %d, this program knows %d", ErrFormat, v, codecVersion)
	}
	sum := sha256.Sum256(d.b[:len(d.b)-tail])
	if !bytes.Equal(sum[:], d.b[len(d.b)-tail:]) {
		return nil, fmt.Errorf("%w: checksum does not match", ErrFormat)
	}
	d.b = d.b[head : len(d.b)-tail]
	for n := d.uint(uint64(len(d.b) / sha256.Size)); n > 0; n-- {
		d.digests = append(d.digests, digestPrefix+hex.EncodeToString(d.take(sha256.Size)))
	}
	// No entry is shorter than three bytes, so the count cannot ask for more
	// memory than the bytes are worth.
	n := d.uint(uint64(len(d.b) / 3))
	entries := make([]Entry, n)
	for i := range entries {
		d.entry(&entries[i])
	}
	if d.bad || len(d.b) > 0 {
		return nil, fmt.Errorf("%w: its parts do not add up", ErrFormat)
	}
	return entries, nil
}

// uint reads a number of at most limit.
func (d *decoder) uint(limit uint64) uint64 {
	v, n := binary.Uvarint(d.b)
	if d.bad || n <= 0 || v > limit {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if d.bad || n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) take(n int) []byte {
	if d.bad || n > len(d.b) {
		d.bad = true
		return make([]byte, min(n, sha256.Size))
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) string() string { return string(d.take(int(d.uint(uint64(len(d.b)))))) }

func (d *decoder) entry(e *Entry) {
	e.Kind = Kind(d.take(1)[0])
	shared := d.uint(uint64(len(d.prev)))
	d.path = append(append(d.path[:0], d.prev[:shared]...), d.take(int(d.uint(uint64(len(d.b)))))...)
	e.Path = string(d.path)
	if len(e.Path) > DefaultLimits().PathLen {
		d.bad = true
	}
	if d.bad {
		return
	}
	d.prev = e.Path
	if e.Kind == Whiteout || e.Kind == Opaque {
		return
	}
	e.Mode = uint32(d.uint(0o1777))
	e.UID, e.GID = int(d.uint(1<<32-1)), int(d.uint(1<<32-1))
	e.ModTime = d.int()
	switch e.Kind {
	case Symlink:
		e.Target = d.string()
	case File:
		e.Link = d.string()
		e.Size = int64(d.uint(1<<63 - 1))
		if k := d.uint(uint64(len(d.digests))); k != 0 {
			e.Content = Ref{Digest: d.digests[k-1], Offset: int64(d.uint(1<<63 - 1)), Size: e.Size}
		}
	}
}
