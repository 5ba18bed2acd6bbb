package layer_test

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wherry-run/wherry/internal/layer"
)

// sample is a layer with one of everything; names and times that need PAX too.
func sample(c *layer.Memory) []layer.Entry {
	file := func(path, data string) layer.Entry {
		e := layer.Entry{Path: path, Kind: layer.File, Mode: 0o644, Size: int64(len(data)), ModTime: 1_700_000_000e9}
		if data != "" {
			e.Content = layer.Ref{Digest: c.PutBytes([]byte(data)), Size: int64(len(data))}
		}
		return e
	}
	link := file("z/link", "")
	link.Link, link.Size = "a/file", 5
	nano := file("a/nano", "n")
	nano.ModTime = 1_700_000_000_123456789
	early := file("a/early", "e")
	early.ModTime = -1_500_000_000
	return []layer.Entry{
		{Path: "", Kind: layer.Dir, Mode: 0o755},
		{Path: "a", Kind: layer.Dir, Mode: 0o1777, ModTime: 5e9},
		file("a/file", "hello"),
		file("a-b", "sorts between a and a/file"),
		file("a/empty", ""),
		nano, early,
		file("a/"+strings.Repeat("long", 60), "long name"),
		file("ünï/cödé", "utf-8"),
		file("w/big", strings.Repeat("weights ", 40_000)),
		link,
		{Path: "l", Kind: layer.Symlink, Mode: 0o777, Target: "../a/file"},
		{Path: "l2", Kind: layer.Symlink, Mode: 0o777, Target: strings.Repeat("x/", 100)},
		{Path: "gone", Kind: layer.Whiteout},
		{Path: "again", Kind: layer.Whiteout},
		file("again", "new"),
		{Path: "o", Kind: layer.Opaque},
		{Path: "o", Kind: layer.Dir, Mode: 0o700},
	}
}

func write(t *testing.T, c *layer.Memory, entries []layer.Entry, o layer.WriteOptions) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := layer.Write(t.Context(), &buf, entries, layer.OpenFrom(c), o); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestRoundTrip(t *testing.T) {
	var c layer.Memory
	want := layer.Index{Entries: sample(&c)}
	want.Sort()
	for _, align := range []int64{0, layer.AlignMapped} {
		b := write(t, &c, sample(&c), layer.WriteOptions{Align: align})
		var d layer.Memory
		got, err := layer.Unpack(t.Context(), bytes.NewReader(b), &d, layer.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, *got); diff != "" {
			t.Errorf("align %d: unpacked differs (-want +got):\n%s", align, diff)
		}
		enc, err := got.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var back layer.Index
		if err := back.UnmarshalBinary(enc); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(*got, back); diff != "" {
			t.Errorf("decoded differs:\n%s", diff)
		}
	}
}

func TestScanInPlace(t *testing.T) {
	var c layer.Memory
	b := write(t, &c, sample(&c), layer.WriteOptions{Align: layer.AlignMapped})
	digest := c.PutBytes(b)
	x, err := layer.Scan(t.Context(), bytes.NewReader(b), int64(len(b)), digest, layer.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range x.Entries {
		if e.Kind != layer.File || e.Link != "" || e.Size == 0 {
			continue
		}
		if e.Content.Digest != digest {
			t.Errorf("%s: content in %s", e.Path, e.Content.Digest)
		}
		if e.Path == "w/big" {
			if e.Content.Offset%layer.AlignMapped != 0 {
				t.Errorf("%s begins at %d", e.Path, e.Content.Offset)
			}
			if got := b[e.Content.Offset:][:8]; string(got) != "weights " {
				t.Errorf("data begins with %q", got)
			}
		}
	}
}

func TestAlignmentAtEveryOffset(t *testing.T) {
	var c layer.Memory
	big := layer.Ref{Digest: c.PutBytes(bytes.Repeat([]byte{1}, 70_000)), Size: 70_000}
	for n := range 140 {
		pad := layer.Entry{Path: "a", Kind: layer.File}
		if n > 0 {
			pad.Size = int64(n*512 - 5)
			pad.Content = layer.Ref{Digest: c.PutBytes(make([]byte, pad.Size)), Size: pad.Size}
		}
		name := "b" + strings.Repeat("x", n)
		b := write(t, &c, []layer.Entry{pad, {Path: name, Kind: layer.File, Size: big.Size, Content: big}},
			layer.WriteOptions{Align: layer.AlignMapped})
		x, err := layer.Scan(t.Context(), bytes.NewReader(b), int64(len(b)), c.PutBytes(b), layer.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if e := x.Lookup(name); e == nil || e.Content.Offset%layer.AlignMapped != 0 {
			t.Fatalf("%d: %+v", n, e)
		}
	}
}

// The bytes of a written layer are a promise: the digests of images hang on it.
func TestGolden(t *testing.T) {
	var c layer.Memory
	for _, tt := range []struct {
		kind layer.Compression
		want string
	}{
		{layer.None, goldenTar},
		{layer.Gzip, goldenGzip},
		{layer.Zstd, goldenZstd},
	} {
		z, err := layer.NewCompressor(io.Discard, tt.kind)
		if err != nil {
			t.Fatal(err)
		}
		epoch := time.Unix(1_600_000_000, 0)
		if err := layer.Write(t.Context(), z, sample(&c), layer.OpenFrom(&c), layer.WriteOptions{Epoch: epoch}); err != nil {
			t.Fatal(err)
		}
		p, err := z.Close()
		if err != nil {
			t.Fatal(err)
		}
		if p.Digest != tt.want || p.DiffID != goldenTar {
			t.Errorf("compression %q: digest %s, diff ID %s", tt.kind, p.Digest, p.DiffID)
		}
	}
}

func TestDecompress(t *testing.T) {
	var c layer.Memory
	raw := write(t, &c, sample(&c), layer.WriteOptions{})
	for _, kind := range []layer.Compression{layer.None, layer.Gzip, layer.Zstd} {
		var buf bytes.Buffer
		z, err := layer.NewCompressor(&buf, kind)
		if err != nil {
			t.Fatal(err)
		}
		z.Write(raw)
		packed, err := z.Close()
		if err != nil {
			t.Fatal(err)
		}
		r, err := layer.Decompress(&buf, layer.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := r.DiffID(); ok {
			t.Error("diff ID known before the end")
		}
		var d layer.Memory
		if _, err := layer.Unpack(t.Context(), r, &d, layer.Limits{}); err != nil {
			t.Fatal(err)
		}
		if id, ok := r.DiffID(); !ok || id != packed.DiffID || r.Compression() != kind {
			t.Errorf("%v: diff ID %s (%v), want %s", kind, id, ok, packed.DiffID)
		}
		r.Close()
	}
}

// Other programs have to read what we write.
func TestForeignReaders(t *testing.T) {
	var c layer.Memory
	b := write(t, &c, sample(&c), layer.WriteOptions{Align: layer.AlignMapped})
	tr := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Name == "w/big" && h.Size != 320_000 {
			t.Errorf("size %d", h.Size)
		}
	}
	gnu, err := exec.LookPath("tar")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no tar program, and CI has to have one")
		}
		t.Skip("no tar program on this machine")
	}
	dir := t.TempDir()
	cmd := exec.Command(gnu, "-xf", "-", "-C", dir)
	cmd.Stdin = bytes.NewReader(b)
	if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("nknown")) {
		t.Fatalf("tar: %v: %s", err, out)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "z/link")); err != nil || string(got) != "hello" {
		t.Errorf("hard link: %q, %v", got, err)
	}
	fi, err := os.Stat(filepath.Join(dir, "a/nano"))
	if err != nil || fi.ModTime().UnixNano() != 1_700_000_000_123456789 {
		t.Errorf("%v %v", fi.ModTime(), err)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var c layer.Memory
	b := write(t, &c, sample(&c), layer.WriteOptions{})
	if _, err := layer.Unpack(ctx, bytes.NewReader(b), &c, layer.Limits{}); err != context.Canceled {
		t.Error(err)
	}
	if _, err := layer.Scan(ctx, bytes.NewReader(b), int64(len(b)), c.PutBytes(b), layer.Limits{}); err != context.Canceled {
		t.Error(err)
	}
}

const (
	goldenTar  = "sha256:36a3ef84245e938d9a38c449fe5d5a0bd923633250808813b89abd9cda19e85b"
	goldenGzip = "sha256:7f828d69f4ab562710f51f418baaa63d3e976bba27615b4686da9b45588786a4"
	goldenZstd = "sha256:30df15632eaac340c6337d03eb8d1664575da234234426763f3723f8c8e5095f"
)
