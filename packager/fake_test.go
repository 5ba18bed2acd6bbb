package packager

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/packager/recipe"
)

// memStore is a Store in memory: contents and blobs share one map, as digests do.
type memStore struct{ layer.Memory }

func (m *memStore) Has(_ context.Context, d digest.Digest) (bool, error) {
	_, err := m.OpenContent(string(d))
	return err == nil, nil
}

func (m *memStore) Ingest(ctx context.Context, want ispec.Descriptor, r io.Reader) (ispec.Descriptor, error) {
	d, n, err := m.Put(ctx, r)
	if err != nil {
		return want, err
	}
	if want.Digest != "" && string(want.Digest) != d {
		return want, fmt.Errorf("digest is %s, expected %s", d, want.Digest)
	}
	want.Digest, want.Size = digest.Digest(d), n
	return want, nil
}

// bytes reads what a digest names.
func (m *memStore) bytes(t *testing.T, d digest.Digest) []byte {
	t.Helper()
	b, err := m.OpenContent(string(d))
	if err != nil {
		t.Fatal(err)
	}
	return b.(layer.Mapped).Bytes()
}

type memCache struct {
	mu sync.Mutex
	m  map[string][]byte
}

func (c *memCache) Get(_ context.Context, key string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b, ok := c.m[key]; ok {
		return b, nil
	}
	return nil, fs.ErrNotExist
}

func (c *memCache) Put(_ context.Context, key string, record []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = map[string][]byte{}
	}
	c.m[key] = record
	return nil
}

// memImages opens images that the store has, by reference.
type memImages struct {
	store *memStore
	refs  map[string]ispec.Descriptor
	pulls []string
	dir   string // for memories
}

func (m *memImages) Keep(_ context.Context, ref string, d ispec.Descriptor) error {
	m.refs[ref] = d
	return nil
}

func (m *memImages) Pull(_ context.Context, ref string) (*Image, error) {
	m.pulls = append(m.pulls, ref)
	return nil, fmt.Errorf("pull %s: no registry in a test", ref)
}

func (m *memImages) Find(ctx context.Context, ref string) (*Image, error) {
	d, ok := m.refs[ref]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return m.open(ctx, ref, d)
}

func (m *memImages) open(ctx context.Context, ref string, d ispec.Descriptor) (*Image, error) {
	read := func(d ispec.Descriptor) []byte {
		b, err := m.store.OpenContent(string(d.Digest))
		if err != nil {
			return nil
		}
		return b.(layer.Mapped).Bytes()
	}
	index, err := oci.ParseIndex(read(d), d.MediaType)
	if err != nil {
		return nil, err
	}
	md, err := oci.PickManifest(index)
	if err != nil {
		return nil, err
	}
	manifest, err := oci.ParseManifest(read(md), md.MediaType)
	if err != nil {
		return nil, err
	}
	config, err := oci.ParseConfig(read(manifest.Config), manifest)
	if err != nil {
		return nil, err
	}
	img := &Image{Ref: ref, Digest: d.Digest, Config: *config}
	for i, l := range manifest.Layers {
		data := read(l)
		x, err := unpackBlob(ctx, m.store, data)
		if err != nil {
			return nil, err
		}
		img.Layers = append(img.Layers, ImageLayer{
			Layer: oci.Layer{Descriptor: l, DiffID: config.RootFS.DiffIDs[i], Weight: l.Annotations[oci.AnnotationModelFile]},
			Files: rootfs.Layer{Index: x, Content: m.store},
		})
	}
	return img, m.openDerived(img, index)
}

func unpackBlob(ctx context.Context, w layer.ContentWriter, data []byte) (*layer.Index, error) {
	r, err := layer.Decompress(bytes.NewReader(data), layer.Limits{})
	if err != nil {
		return nil, err
	}
	return layer.Unpack(ctx, r, w, layer.Limits{})
}

// scriptRunner runs functions in place of programs.
type scriptRunner struct {
	store *memStore
	run   func(RunSpec) ([]layer.Entry, error)
	specs []RunSpec
}

func (r *scriptRunner) Run(_ context.Context, s RunSpec) (*Changes, error) {
	r.specs = append(r.specs, s)
	entries, err := r.run(s)
	if err != nil {
		return nil, err
	}
	return &Changes{Entries: entries, Open: layer.OpenFrom(r.store)}, nil
}

// file is a changed file with content.
func (m *memStore) file(name, content string) layer.Entry {
	e := layer.Entry{Path: name, Kind: layer.File, Mode: 0o644, Size: int64(len(content)), ModTime: 1e18}
	if content != "" {
		e.Content = layer.Ref{Digest: m.PutBytes([]byte(content)), Size: e.Size}
	}
	return e
}

// bench is what a test builds with.
type bench struct {
	t      *testing.T
	store  *memStore
	images *memImages
	Options
}

func newBench(t *testing.T, files map[string]string) *bench {
	t.Helper()
	store := &memStore{}
	b := &bench{t: t, store: store, images: &memImages{store: store, refs: map[string]ispec.Descriptor{}}}
	m := fstest.MapFS{}
	for name, data := range files {
		m[name] = &fstest.MapFile{Data: []byte(data), Mode: 0o600}
	}
	b.Options = Options{Context: m, Store: store, Images: b.images, Cache: &memCache{}}
	return b
}

func parse(t *testing.T, text string) *recipe.File {
	t.Helper()
	f, err := recipe.Parse("Wasmfile", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (b *bench) tryBuild(text string) (*Result, error) {
	b.t.Helper()
	b.Recipe = parse(b.t, text)
	return Build(b.t.Context(), b.Options)
}

func (b *bench) build(text string) *built {
	b.t.Helper()
	res, err := b.tryBuild(text)
	if err != nil {
		b.t.Fatalf("build: %v", err)
	}
	return b.open(res)
}

// built is a finished image, opened again from the bytes that were stored.
type built struct {
	*Result
	img      *Image
	manifest *ispec.Manifest
	files    *union
	t        *testing.T
}

func (b *bench) open(res *Result) *built {
	b.t.Helper()
	img, err := b.images.open(b.t.Context(), "test", res.Index)
	if err != nil {
		b.t.Fatalf("the image cannot be read back: %v", err)
	}
	m, err := oci.ParseManifest(b.store.bytes(b.t, res.Manifest.Digest), res.Manifest.MediaType)
	if err != nil {
		b.t.Fatal(err)
	}
	for i, l := range m.Layers {
		checkDiffID(b.t, b.store.bytes(b.t, l.Digest), img.Config.RootFS.DiffIDs[i])
	}
	return &built{Result: res, img: img, manifest: m, files: unionOf(img), t: b.t}
}

// checkDiffID reads a layer with the standard library.
func checkDiffID(t *testing.T, data []byte, want digest.Digest) {
	t.Helper()
	var r io.Reader = bytes.NewReader(data)
	if bytes.HasPrefix(data, []byte("\x1f\x8b")) {
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = z
	}
	d := digest.Canonical.Digester()
	tr := tar.NewReader(io.TeeReader(r, d.Hash()))
	for {
		if _, err := tr.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	io.Copy(d.Hash(), r)
	if d.Digest() != want {
		t.Errorf("diff ID is %s, expected %s", d.Digest(), want)
	}
}

// list is every file of the image as "path mode content".
func (b *built) list() string {
	b.t.Helper()
	var lines []string
	for name, n := range b.files.nodes {
		switch n.kind {
		case layer.Dir:
			if name != "" {
				lines = append(lines, fmt.Sprintf("%s/ %o", name, n.mode))
			}
		case layer.Symlink:
			lines = append(lines, fmt.Sprintf("%s -> %s", name, n.target))
		default:
			lines = append(lines, fmt.Sprintf("%s %o %q", name, n.mode, b.read(name)))
		}
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

func (b *built) read(name string) string {
	b.t.Helper()
	n, ok := b.files.nodes[name]
	if !ok || n.open == nil {
		b.t.Fatalf("%s is not in the image", name)
	}
	r, err := n.open()
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(data)
}
