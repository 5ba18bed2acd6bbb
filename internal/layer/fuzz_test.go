package layer_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/wherry-run/wherry/internal/layer"
)

// FuzzUnpack reads any bytes as a layer. What comes out is a valid index that
// survives being encoded and being written as a tar again.
func FuzzUnpack(f *testing.F) {
	var c layer.Memory
	var buf bytes.Buffer
	small := slices.DeleteFunc(sample(&c), func(e layer.Entry) bool { return e.Size > 1000 })
	if err := layer.Write(f.Context(), &buf, small, layer.OpenFrom(&c), layer.WriteOptions{}); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes())
	f.Add(pack(f, reg("a/.wh.b", ""), sym("s", "t"), hard("h", "a/c"), dir("d/"), reg("d/.wh..wh..opq", "")))
	f.Add(pack(f, reg("a", "1"), hard("b", "a"), reg("a", "2"), hard("0", "a")))
	f.Fuzz(func(t *testing.T, b []byte) {
		lim := layer.Limits{Bytes: 1 << 20, Entries: 1000}
		var m layer.Memory
		x, err := layer.Unpack(t.Context(), bytes.NewReader(b), &m, lim)
		layer.Scan(t.Context(), bytes.NewReader(b), int64(len(b)), m.PutBytes(b), lim)
		if err != nil {
			return
		}
		enc, err := x.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var tar bytes.Buffer
		if err := layer.Write(t.Context(), &tar, x.Entries, layer.OpenFrom(&m), layer.WriteOptions{KeepOwner: true, Align: layer.AlignMapped}); err != nil {
			t.Fatal(err)
		}
		y, err := layer.Unpack(t.Context(), &tar, &m, layer.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		again, err := y.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(enc, again) {
			t.Fatalf("another layer after writing and reading:\n%+v\n%+v", x.Entries, y.Entries)
		}
	})
}

// FuzzDecompress unpacks any bytes.
func FuzzDecompress(f *testing.F) {
	for _, kind := range []layer.Compression{layer.None, layer.Gzip, layer.Zstd} {
		var buf bytes.Buffer
		z, _ := layer.NewCompressor(&buf, kind)
		z.Write([]byte("some text, some text, some text"))
		z.Close()
		f.Add(buf.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		lim := layer.Limits{Bytes: 1 << 20, Entries: 10, RatioFree: 1 << 16}
		r, err := layer.Decompress(bytes.NewReader(b), lim)
		if err != nil {
			return
		}
		defer r.Close()
		var m layer.Memory
		layer.Unpack(t.Context(), r, &m, lim)
	})
}
