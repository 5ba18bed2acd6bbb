package hostile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
)

// blob is one layer as it lies in a store.
type blob struct {
	data      []byte
	mediaType string
	diffID    digest.Digest
}

func plain(tar []byte) blob { return blob{tar, ispec.MediaTypeImageLayer, digest.FromBytes(tar)} }

func gzipped(tar []byte) blob {
	return blob{squeeze(tar), ispec.MediaTypeImageLayerGzip, digest.FromBytes(tar)}
}

func zstandard(tar []byte) blob {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	return blob{w.EncodeAll(tar, nil), ispec.MediaTypeImageLayerZstd, digest.FromBytes(tar)}
}

func squeeze(b []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

// stored is a store in a folder of its own, beside files that are none of its
// business.
type stored struct {
	*store.Store
	base, canary, before string
}

func newStore(t *testing.T) stored {
	t.Helper()
	s := stored{base: t.TempDir()}
	s.canary = filepath.Join(s.base, "canary")
	for _, d := range []string{s.canary, filepath.Join(s.canary, "d")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d, "secret"), []byte(secret), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if s.Store, err = store.Open(t.Context(), filepath.Join(s.base, "store")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.before = snapshot(t, s.canary)
	return s
}

// unharmed fails t when anything but the store's folder changed.
func (s stored) unharmed(t *testing.T) {
	t.Helper()
	if now := snapshot(t, s.canary); now != s.before {
		t.Errorf("files of the host were\n%s\nand are\n%s", s.before, now)
	}
	list, err := os.ReadDir(s.base)
	if err != nil || len(list) != 2 {
		t.Errorf("beside the store there is now %v, %v", list, err)
	}
}

// bare fails t when the store holds anything after a sweep.
func (s stored) bare(t *testing.T) {
	t.Helper()
	if list, err := s.List(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("the store lists %v, %v", list, err)
	}
	if _, err := s.GC(t.Context()); err != nil {
		t.Errorf("sweep: %v", err)
	}
	if u, err := s.Usage(t.Context()); err != nil || u != (store.Usage{}) {
		t.Errorf("left in the store: %+v, %v", u, err)
	}
}

// swept fails t when something unpacked outlives a sweep. A damaged store keeps
// what it has.
func (s stored) swept(t *testing.T, damaged bool) {
	t.Helper()
	if _, err := s.GC(t.Context()); err != nil && !damaged {
		t.Errorf("sweep: %v", err)
	}
	if u, err := s.Usage(t.Context()); err != nil || u.Files > 0 && !damaged {
		t.Errorf("left of the layer: %+v, %v", u, err)
	}
}

// put makes an honest image of layers, under the name hostile:1.
func (s stored) put(t *testing.T, blobs []blob) {
	t.Helper()
	lease, err := s.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	add := func(mediaType string, data []byte) ispec.Descriptor {
		d, err := lease.Ingest(t.Context(), ispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}, bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	encode := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	layers, ids := []ispec.Descriptor{}, []digest.Digest{}
	for _, b := range blobs {
		layers, ids = append(layers, add(b.mediaType, b.data)), append(ids, b.diffID)
	}
	config := add(ispec.MediaTypeImageConfig, encode(map[string]any{
		"os": "wasip1", "architecture": "wasm", "rootfs": map[string]any{"type": "layers", "diff_ids": ids},
	}))
	manifest := add(ispec.MediaTypeImageManifest, encode(map[string]any{
		"schemaVersion": 2, "mediaType": ispec.MediaTypeImageManifest, "config": config, "layers": layers,
	}))
	if err := s.Tag(t.Context(), reference(t, "hostile:1"), manifest); err != nil {
		t.Fatal(err)
	}
}

func reference(t *testing.T, name string) oci.Reference {
	t.Helper()
	r, err := oci.ParseReference(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// message fails t when an error is none for people: endless, or with what a
// terminal would obey.
func message(t *testing.T, err error) {
	t.Helper()
	if s := strings.ReplaceAll(err.Error(), "\n", " "); len(s) > 2000 || strings.ContainsFunc(s, unicode.IsControl) {
		t.Errorf("no message for people: %.500q", s)
	}
}

// mismatch, document and damaged expect an error of that type.
func mismatch(err error) bool { return errors.As(err, new(*oci.MismatchError)) }
func document(err error) bool { return errors.As(err, new(*oci.DocumentError)) }
func damaged(err error) bool  { return errors.As(err, new(*store.DamagedError)) }

// anything expects an error of any type.
func anything(err error) bool { return err != nil }

// is expects an error that wraps one of these.
func is(targets ...error) func(error) bool {
	return func(err error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
}

// TestLayers opens an image with each layer in it.
func TestLayers(t *testing.T) {
	rows := append(archives(), packings()...)
	shared := newStore(t) // every row leaves it bare
	var names []string
	for _, r := range rows {
		names = append(names, r.name)
		t.Run(r.name, func(t *testing.T) {
			for _, blobs := range r.variants() {
				if r.damage != nil {
					r.open(t, newStore(t), blobs)
				} else {
					r.open(t, shared, blobs)
				}
			}
		})
	}
	corpus(t, "layers", names)
}

// layerRow is one hostile layer, or several.
type layerRow struct {
	name    string
	tar     []byte            // packed in every way
	blobs   []blob            // packed already; replaces tar
	damage  func(file string) // of the layer's blob on disk
	limits  layer.Limits
	refused func(error) bool // nil when the image opens
	// unmounted is the error of layers that do not fit each other; nil when they do.
	unmounted func(error) bool
	// reads are paths that a program tries to read then, and what it may see;
	// "" for nothing.
	reads map[string]string
	bound bound
}

func (r layerRow) variants() [][]blob {
	if r.blobs != nil {
		return [][]blob{r.blobs}
	}
	return [][]blob{{plain(r.tar)}, {gzipped(r.tar)}, {zstandard(r.tar)}}
}

func (r layerRow) open(t *testing.T, s stored, blobs []blob) {
	t.Helper()
	s.put(t, blobs)
	if r.damage != nil {
		r.damage(filepath.Join(s.Dir(), "blobs", "sha256", digest.FromBytes(blobs[0].data).Encoded()))
	}
	var img *images.Image
	var err error
	within(t, r.bound, func() { img, err = images.Open(t.Context(), s.Store, "hostile:1", images.Options{Limits: r.limits}) })
	what := blobs[len(blobs)-1].mediaType
	switch {
	case err != nil && r.refused == nil:
		t.Errorf("%s: %v; want it to open", what, err)
	case err == nil && r.refused != nil:
		t.Errorf("%s: it opens", what)
	case err != nil && !r.refused(err):
		t.Errorf("%s: another error: %T %v", what, err, err)
	}
	if err != nil {
		message(t, err)
		s.swept(t, r.damage != nil)
	} else {
		r.look(t, img, s)
		if err := img.Close(); err != nil {
			t.Error(err)
		}
	}
	s.unharmed(t)
	if _, err := images.Remove(t.Context(), s.Store, "hostile:1", images.RemoveOptions{Force: true}); err != nil && r.damage == nil {
		t.Errorf("%s: remove: %v", what, err)
	}
	if r.damage == nil {
		s.bare(t)
	}
}

// look reads through the layers as a program does.
func (r layerRow) look(t *testing.T, img *images.Image, s stored) {
	t.Helper()
	tree, err := rootfs.New(rootfs.Options{Layers: img.Layers()})
	if err != nil {
		if message(t, err); r.unmounted == nil || !r.unmounted(err) {
			t.Errorf("mount: %v", err)
		}
		return
	}
	defer tree.Close()
	if r.unmounted != nil {
		t.Error("the layers fit each other")
	}
	for path, want := range r.reads {
		path = strings.ReplaceAll(path, "CANARY", strings.TrimPrefix(filepath.ToSlash(s.canary), "/"))
		got := ""
		if f, err := tree.Open(tree.Root(), path, rootfs.How{Read: true}); err == nil {
			b, _ := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
			got = string(b)
			f.Close()
		}
		if got != want {
			t.Errorf("%s reads %q, want %q", path, got, want)
		}
	}
}

func many(n int, one func(k int) entry) []entry {
	out := make([]entry, n)
	for k := range out {
		out[k] = one(k)
	}
	return out
}

// archives are hostile as archives, however they are packed.
func archives() []layerRow {
	up := strings.Repeat("../", 40)
	long := strings.Repeat("n", 300)
	var (
		escape, name, kind, parent = is(layer.ErrEscape), is(layer.ErrName), is(layer.ErrType), is(layer.ErrParent)
		link, limit                = is(layer.ErrLink), is(layer.ErrLimit)
		form                       = is(layer.ErrFormat, layer.ErrTruncated)
		formOrLimit                = is(layer.ErrFormat, layer.ErrTruncated, layer.ErrLimit)
	)
	return []layerRow{
		{name: "out by dots", tar: archive(file("../../../canary/new")), refused: escape},
		{name: "out by many dots", tar: archive(file(up[:60] + "etc/x")), refused: escape},
		{name: "out by dots in the middle", tar: archive(folder("a/"), file("a/b/../../../canary/new")), refused: escape},
		{name: "out by a PAX path", tar: archive(records("path="+up+"canary/new"), file("honest")), refused: escape},
		{name: "out by a GNU name", tar: archive(longName(up+"canary/new"), file("honest")), refused: escape},
		{name: "PAX path and GNU name disagree", tar: archive(longName("a"), records("path=../b"), file("c")), reads: map[string]string{"a": "x", "b": "", "c": ""}},
		{name: "out by a prefix", tar: archive(entry{name: "x", data: "x", patch: func(h []byte) { copy(h[345:], "../../canary") }}), refused: escape},
		{name: "path of the host is one of the image", tar: archive(file("/etc/passwd")), reads: map[string]string{"etc/passwd": "x"}},
		{name: "names of Windows are names", tar: archive(file(`C:\x`), file(`..\..\canary\new`), file("con"), file("a:b"), file("nul."), file("com1.txt ")), reads: map[string]string{`..\..\canary\new`: "x"}},
		{name: "names in two cases", tar: archive(file("A"), entry{name: "a", data: "y"}), reads: map[string]string{"A": "x", "a": "y"}},
		{name: "names in two normal forms", tar: archive(file("\u00e9"), entry{name: "e\u0301", data: "y"}), reads: map[string]string{"\u00e9": "x", "e\u0301": "y"}},
		{name: "name of 300 bytes", tar: archive(longName(long), file("x")), refused: limit},
		{name: "path of 8 KB", tar: archive(longName(strings.Repeat("n/", 4096)+"x"), file("x")), refused: limit},
		{name: "PAX path with a NUL", tar: archive(records("path=a\x00b"), file("x")), refused: form},
		{name: "escape sequences in a refused name", tar: archive(file("../\x1b[31m\a")), refused: escape},
		{name: "root is a file", tar: archive(file("./")), refused: is(layer.ErrName, layer.ErrType)},
		{name: "root is a symlink", tar: archive(symlink("./", "/")), refused: name},

		{name: "symlink to a file of the host", tar: archive(symlink("a", "CANARY")), reads: map[string]string{"a": "", "a/secret": "", "CANARY/secret": ""}},
		{name: "symlinks up and out", tar: archive(symlink("a", up+"canary/secret"), symlink("b", "/proc/self/root/etc/passwd"), symlink("c", "/etc/passwd")), reads: map[string]string{"a": "", "b": "", "c": ""}},
		{name: "entry under a symlink", tar: archive(symlink("a", "/etc"), file("a/x")), refused: parent},
		{name: "entry under a symlink up", tar: archive(symlink("a", up), file("a/canary/new")), refused: parent},
		{name: "folder becomes a symlink", tar: archive(folder("a/"), symlink("a", "../canary"), file("a/x")), refused: parent},
		{name: "symlinks in a ring", tar: archive(symlink("a", "b"), symlink("b", "a")), reads: map[string]string{"a": "", "b/x": ""}},
		{name: "symlink to nothing", tar: archive(symlink("a", "")), refused: name},
		{name: "symlink of 8 KB", tar: archive(longLink(strings.Repeat("x", 8192)), symlink("a", "x")), refused: limit},
		{name: "60 symlinks, each to the next", tar: archive(append(many(60, func(k int) entry { return symlink(fmt.Sprint("l", k), fmt.Sprint("l", k+1)) }), file("l60"))...), reads: map[string]string{"l0": "", "l30": "x"}},

		{name: "hard link to the host", tar: archive(hardlink("a", "/etc/passwd")), unmounted: link},
		{name: "hard link out", tar: archive(hardlink("a", "../../canary/secret")), refused: link},
		{name: "hard link through a symlink", tar: archive(symlink("s", "/etc"), hardlink("a", "s/passwd")), refused: link},
		{name: "hard link to a symlink out", tar: archive(symlink("s", "/etc/passwd"), hardlink("a", "s")), reads: map[string]string{"a": "", "s": ""}},
		{name: "hard link to itself", tar: archive(hardlink("a", "a")), refused: link},
		{name: "hard links in a ring", tar: archive(hardlink("a", "b"), hardlink("b", "a")), refused: link},
		{name: "hard link to a folder", tar: archive(folder("d/"), hardlink("a", "d")), refused: link},

		{name: "character device", tar: archive(special('3')), refused: kind},
		{name: "block device", tar: archive(special('4')), refused: kind},
		{name: "pipe", tar: archive(special('6')), refused: kind},
		{name: "type that nobody knows", tar: archive(special('Z')), refused: kind},
		{name: "dump of a folder", tar: archive(special('D')), refused: kind},
		{name: "every bit of a mode", tar: archive(entry{name: "su", data: "x", mode: "0007777\x00"}), reads: map[string]string{"su": "x"}},

		{name: "whiteout of the parent", tar: archive(file("a/.wh...")), refused: name},
		{name: "whiteout of the folder itself", tar: archive(file("a/.wh..")), refused: name},
		{name: "whiteout without a name", tar: archive(file(".wh.")), refused: name},
		{name: "whiteout under a symlink", tar: archive(symlink("a", "/"), file("a/.wh.etc")), refused: parent},
		{name: "whiteout as a symlink", tar: archive(symlink(".wh.a", "/")), refused: kind},
		{name: "opaque root", tar: archive(file("old"), file(".wh..wh..opq")), reads: map[string]string{"old": "x", ".wh..wh..opq": ""}},

		{name: "size beyond the end", tar: headers(sized("77777777777\x00")), refused: formOrLimit},
		{name: "size below zero", tar: archive(sized(strings.Repeat("\xff", 12))), refused: form},
		{name: "size of 2^62", tar: archive(sized("\x80\x00\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00")), refused: formOrLimit},
		{name: "size that is no number", tar: archive(sized("twelve bytes")), refused: form},
		{name: "PAX size larger than the entry", tar: archive(records("size=1000000"), file("f")), refused: form},
		{name: "PAX size below zero", tar: archive(records("size=-1"), file("f")), refused: form},
		{name: "PAX record longer than its header", tar: archive(entry{kind: 'x', name: "pax", data: "999 path=a\n"}, file("f")), refused: form},
		{name: "PAX header of 1 GiB", tar: headers(entry{kind: 'x', name: "pax", data: "x", size: "10000000000\x00"}), refused: formOrLimit},
		{name: "GNU name of 1 GiB", tar: headers(entry{kind: 'L', name: "long", data: "x", size: "10000000000\x00"}), refused: formOrLimit},
		{name: "20,000 PAX headers and no entry", tar: archive(many(20_000, func(int) entry { return records("comment=x") })...), limits: layer.Limits{Entries: 1000}},
		{name: "global header with a path", tar: archive(globals("path=../../x"), file("f")), reads: map[string]string{"f": "x"}},
		{name: "sparse file of 2^60 bytes", tar: archive(records("GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=f", "GNU.sparse.realsize=1152921504606846976"), entry{name: "f", data: "1\n1152921504606846975\n1\n" + strings.Repeat("\x00", 489) + "x"}), refused: formOrLimit},
		{name: "sparse file with a map that overflows", tar: archive(records("GNU.sparse.map=9223372036854775807,9223372036854775807", "GNU.sparse.numblocks=1", "GNU.sparse.size=1"), file("f")), refused: form},
		{name: "old sparse file of 8 GiB", tar: archive(entry{kind: 'S', name: "f", data: "x", patch: func(h []byte) {
			copy(h[257:265], "ustar  \x00")
			copy(h[386:], "77777777777\x0000000000001\x00")
			copy(h[483:], "100000000000")
		}}), refused: formOrLimit, limits: layer.Limits{Bytes: gib}},
		{name: "more entries than the limit", tar: archive(many(1001, func(k int) entry { return file(fmt.Sprint("f", k)) })...), refused: limit, limits: layer.Limits{Entries: 1000}},
		{name: "one name 1001 times", tar: archive(many(1001, func(int) entry { return file("f") })...), refused: limit, limits: layer.Limits{Entries: 1000}},
		{name: "folders 1000 deep", tar: archive(longName(strings.Repeat("d/", 1000)+"f"), file("x")), reads: map[string]string{"d/d/f": ""}},
		{name: "folders 2000 deep", tar: archive(longName(strings.Repeat("d/", 2000)+"f"), file("x")), refused: limit},
		{name: "no end", tar: headers(file("f")), reads: map[string]string{"f": "x"}},
		{name: "cut in a header", tar: headers(file("f"), file("g"))[:1300], refused: form},
		{name: "bad checksum", tar: append([]byte{'z'}, archive(file("f"))[1:]...), refused: form},
		{name: "a second archive behind the end", tar: append(archive(file("f")), archive(file("smuggled"))...), reads: map[string]string{"f": "x", "smuggled": ""}},
		{name: "noise", tar: bytes.Repeat([]byte("noise! "), 10_000), refused: form},
	}
}

// packings are hostile by how they are packed, or in how they meet.
func packings() []layerRow {
	honest := archive(file("f"))
	other := digest.FromString("something else")
	mark := func(b blob, edit func(b *blob)) []blob {
		b.data = bytes.Clone(b.data)
		edit(&b)
		return []blob{b}
	}
	zeros := squeeze(make([]byte, 16*mib))
	bomb := squeeze(headers(entry{name: "zeros", size: "40000000000\x00"})) // 4 GiB
	bomb = append(bomb, bytes.Repeat(zeros, 256)...)
	zbomb := zstandard(headers(entry{name: "zeros", size: "40000000000\x00"})).data
	zbomb = append(zbomb, bytes.Repeat(zstandard(make([]byte, 16*mib)).data, 256)...)
	long := squeeze(headers(entry{kind: 'L', name: "long", size: "20000000000\x00"}))
	long = append(long, bytes.Repeat(zeros, 128)...)
	inner := func(tar []byte) blob { return gzipped(squeeze(tar)) }
	flip := func(at func(n int64) int64) func(string) {
		return func(file string) {
			os.Chmod(file, 0o644)
			b, err := os.ReadFile(file)
			if err != nil {
				panic(err)
			}
			b[at(int64(len(b)))] ^= 0x40
			if err := os.WriteFile(file, b, 0o644); err != nil {
				panic(err)
			}
		}
	}
	bad := is(layer.ErrFormat, layer.ErrTruncated, layer.ErrCompressed)
	badOrMismatch := func(err error) bool { return bad(err) || mismatch(err) }
	wide := bound{memory: 400 * mib}
	return []layerRow{
		{name: "gzip of 4 GiB of zeros", blobs: []blob{{bomb, ispec.MediaTypeImageLayerGzip, other}}, refused: is(layer.ErrLimit), bound: wide, limits: layer.Limits{RatioFree: 64 * mib}},
		{name: "zstd of 4 GiB of zeros", blobs: []blob{{zbomb, ispec.MediaTypeImageLayerZstd, other}}, refused: is(layer.ErrLimit), bound: wide, limits: layer.Limits{RatioFree: 64 * mib}},
		{name: "gzip of a name of 2 GiB", blobs: []blob{{long, ispec.MediaTypeImageLayerGzip, other}}, refused: is(layer.ErrLimit, layer.ErrFormat), bound: wide, limits: layer.Limits{RatioFree: 64 * mib}},
		{name: "gzip cut", blobs: mark(gzipped(honest), func(b *blob) { b.data = b.data[:len(b.data)/2] }), refused: bad},
		{name: "gzip cut in its header", blobs: mark(gzipped(honest), func(b *blob) { b.data = b.data[:5] }), refused: bad},
		{name: "gzip with a wrong checksum", blobs: mark(gzipped(honest), func(b *blob) { b.data[len(b.data)-8] ^= 1 }), refused: bad},
		{name: "gzip with a wrong length", blobs: mark(gzipped(honest), func(b *blob) { b.data[len(b.data)-1] ^= 1 }), refused: bad},
		{name: "gzip with noise behind it", blobs: mark(gzipped(honest), func(b *blob) { b.data = append(b.data, "noise"...) }), refused: badOrMismatch},
		{name: "gzip in gzip", blobs: []blob{inner(honest)}, refused: badOrMismatch},
		{name: "zstd cut", blobs: mark(zstandard(honest), func(b *blob) { b.data = b.data[:len(b.data)/2] }), refused: bad},
		{name: "zstd with a wrong checksum", blobs: mark(zstandard(honest), func(b *blob) { b.data[len(b.data)-1] ^= 1 }), refused: bad},
		{name: "zstd with a window of 2 TiB", blobs: []blob{{append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xff}, make([]byte, 100)...), ispec.MediaTypeImageLayerZstd, other}}, refused: anything},
		{name: "zstd that needs a dictionary", blobs: []blob{{append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x03, 0x58, 1, 2, 3, 4}, make([]byte, 100)...), ispec.MediaTypeImageLayerZstd, other}}, refused: anything},
		{name: "zstd of nothing but frames to skip", blobs: []blob{{bytes.Repeat([]byte{0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4}, 1000), ispec.MediaTypeImageLayerZstd, other}}, refused: anything},
		{name: "tar that is called gzip", blobs: mark(plain(honest), func(b *blob) { b.mediaType = ispec.MediaTypeImageLayerGzip }), reads: map[string]string{"f": "x"}},
		{name: "gzip that is called tar", blobs: mark(gzipped(honest), func(b *blob) { b.mediaType, b.diffID = ispec.MediaTypeImageLayer, digest.FromBytes(b.data) }), refused: badOrMismatch},
		{name: "layer of an unknown type", blobs: mark(plain(honest), func(b *blob) { b.mediaType = "application/x-evil" }), refused: anything},
		{name: "encrypted layer", blobs: mark(gzipped(honest), func(b *blob) { b.mediaType += "+encrypted" }), refused: anything},
		{name: "diff ID of something else", blobs: mark(gzipped(honest), func(b *blob) { b.diffID = other }), refused: mismatch},
		{name: "diff ID of the packed layer", blobs: mark(gzipped(honest), func(b *blob) { b.diffID = digest.FromBytes(b.data) }), refused: mismatch},
		{name: "diff ID of something else, not packed", blobs: mark(plain(honest), func(b *blob) { b.diffID = other }), refused: mismatch},
		{name: "bit that flipped on disk", blobs: []blob{gzipped(honest)}, damage: flip(func(n int64) int64 { return n - 9 }), refused: damaged},
		{name: "bit that flipped in a tar's header", blobs: []blob{plain(honest)}, damage: flip(func(int64) int64 { return 3 }), refused: damaged},
		{name: "layer cut on disk", blobs: []blob{gzipped(honest)}, damage: func(file string) { os.Chmod(file, 0o644); os.Truncate(file, 20) }, refused: damaged},
		{name: "layer gone from disk", blobs: []blob{gzipped(honest)}, damage: func(file string) { os.Remove(file) }, refused: is(store.ErrNotFound)},

		{name: "file under a symlink of the layer below", blobs: []blob{gzipped(archive(symlink("a", "/CANARY"))), gzipped(archive(file("a/secret")))}, reads: map[string]string{"a/secret": "x"}},
		{name: "whiteout under a symlink of the layer below", blobs: []blob{gzipped(archive(symlink("a", "b"), file("b/c"))), gzipped(archive(file("a/.wh.c")))}, reads: map[string]string{"b/c": "x"}},
		{name: "hard link to the layer below", blobs: []blob{gzipped(archive(file("a"))), gzipped(archive(hardlink("b", "a")))}, reads: map[string]string{"b": "x"}},
		{name: "hard link to a folder of the layer below", blobs: []blob{gzipped(archive(folder("a/"))), gzipped(archive(hardlink("b", "a")))}, unmounted: is(layer.ErrLink)},
		{name: "hard link to what the layer itself took away", blobs: []blob{gzipped(archive(file("a"))), gzipped(archive(file(".wh.a"), hardlink("b", "a")))}, unmounted: is(layer.ErrLink)},
		{name: "one layer 200 times", blobs: repeated(gzipped(honest), 200), reads: map[string]string{"f": "x"}},
	}
}

func repeated(b blob, n int) []blob {
	out := make([]blob, n)
	for i := range out {
		out[i] = b
	}
	return out
}
