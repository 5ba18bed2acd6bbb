package images_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/registry"
	"github.com/wherry-run/wherry/oci/store"
)

func zst(t testing.TB, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	z, err := layer.NewCompressor(&buf, layer.Zstd)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if _, err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func pages(t testing.TB, memory, base []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := prepare.EncodePages(&buf, memory, base); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

const memorySize = 2 << 20

// memories returns that of a base, and that of a program over it, mostly zeros.
func memories() (base, own []byte) {
	base = make([]byte, memorySize/2)
	copy(base[4096:], "base base base")
	own = make([]byte, memorySize)
	copy(own, base)
	copy(own[memorySize-4096:], "own own own")
	return base, own
}

// extra is derived data over an image: what a test changes before it is stored.
type extra struct {
	doc     oci.Derived
	layers  []ispec.Descriptor
	subject ispec.Descriptor
	config  []byte // the bytes of the config, when they shall be others
}

// derive stores an image with derived data of two snapshots.
func derive(t *testing.T, s oci.Sink, x sample, change func(*extra)) ispec.Descriptor {
	t.Helper()
	base, own := memories()
	facts := ingest(t, s, oci.FactsLayer, zst(t, []byte("facts of the module")))
	below := ingest(t, s, oci.PagesLayer, zst(t, pages(t, base, nil)))
	above := ingest(t, s, oci.PagesLayer, zst(t, pages(t, own, base)))
	snap := func(memory int, p ...digest.Digest) oci.Snapshot {
		return oci.Snapshot{Content: "module@0+1", Program: []string{"/app.wasm"}, Protocol: oci.ProtocolWizer, Memory: uint64(memory), Pages: p, Hot: oci.Functions{1, 2}}
	}
	e := extra{
		doc: oci.Derived{
			Modules:   []oci.DerivedModule{{Content: "module@0+1", Facts: facts.Digest, Hot: oci.Functions{1, 2, 3}}},
			Snapshots: []oci.Snapshot{snap(len(own), below.Digest, above.Digest), snap(len(base), below.Digest)},
		},
		layers: []ispec.Descriptor{facts, below, above}, subject: x.manifest,
	}
	if change != nil {
		change(&e)
	}
	config, manifest, err := oci.BuildDerived(e.doc, e.subject, e.layers, nil)
	if err != nil {
		t.Fatal(err)
	}
	if e.config != nil {
		var m ispec.Manifest
		decode(t, manifest.Data, &m)
		config = oci.Document{Descriptor: ispec.Descriptor{MediaType: oci.DerivedConfig, Digest: digest.FromBytes(e.config), Size: int64(len(e.config))}, Data: e.config}
		m.Config = config.Descriptor
		if manifest, err = oci.NewDocument(ispec.MediaTypeImageManifest, m); err != nil {
			t.Fatal(err)
		}
	}
	index, err := oci.BuildIndex(oci.Document{Descriptor: x.manifest}, []ispec.Descriptor{oci.ArtifactDescriptor(manifest, oci.DerivedArtifact)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	keep(t, s, config, manifest, index)
	return index.Descriptor
}

func openImage(t *testing.T, s *store.Store, name string) *images.Image {
	t.Helper()
	img, err := images.Open(t.Context(), s, name, images.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	if read(t, img, "app.wasm") != "code" {
		t.Error("the image is another with derived data")
	}
	return img
}

func memory(t *testing.T, img *images.Image, i int) []byte {
	t.Helper()
	f, err := img.Memory(t.Context(), &img.Derived().Snapshots[i])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wantDerived checks that an image has all of what derive gives it.
func wantDerived(t *testing.T, s *store.Store, name string) {
	t.Helper()
	img := openImage(t, s, name)
	if img.Derived() == nil || img.Underived() != nil {
		t.Fatalf("no derived data: %v", img.Underived())
	}
	facts, err := img.Facts(t.Context(), &img.Derived().Modules[0])
	if err != nil || string(facts) != "facts of the module" {
		t.Errorf("facts %q: %v", facts, err)
	}
	base, own := memories()
	for range 2 { // unpacked, and as it was unpacked
		if !bytes.Equal(memory(t, img, 0), own) {
			t.Error("the memory of the image's own snapshot is another")
		}
		if !bytes.Equal(memory(t, img, 1), base) {
			t.Error("the memory of the base's snapshot is another")
		}
	}
	if len(img.DerivedLayers()) != 3 {
		t.Errorf("layers %v", img.DerivedLayers())
	}
	other := img.Derived().Snapshots[0]
	if f, err := img.Memory(t.Context(), &other); err == nil {
		f.Close()
		t.Error("a snapshot of another image has a memory")
	}
}

func TestDerived(t *testing.T) {
	s := open(t)
	x := build(t, s, "code", "weights")
	tag(t, s, "plain:1", x.index)
	tag(t, s, "iris:1", derive(t, s, x, nil))
	wantDerived(t, s, "iris:1")
	img := openImage(t, s, "plain:1")
	if img.Derived() != nil || img.Underived() != nil || img.DerivedLayers() != nil {
		t.Errorf("derived data out of nothing: %v", img.Underived())
	}
	if f, err := img.Memory(t.Context(), &oci.Snapshot{}); err == nil {
		f.Close()
		t.Error("a memory out of nothing")
	}
}

// TestManySnapshots: each is found by its number.
func TestManySnapshots(t *testing.T) {
	s := open(t)
	const n = 16
	want := make([][]byte, n)
	tag(t, s, "iris:1", derive(t, s, build(t, s, "code", "weights"), func(e *extra) {
		last := e.doc.Snapshots[1]
		e.doc.Snapshots = nil
		for i := range n {
			want[i] = bytes.Repeat([]byte{byte(i + 1)}, 1<<16)
			d := ingest(t, s, oci.PagesLayer, zst(t, pages(t, want[i], nil)))
			e.layers = append(e.layers, d)
			last.Memory, last.Pages = 1<<16, []digest.Digest{d.Digest}
			e.doc.Snapshots = append(e.doc.Snapshots, last)
		}
	}))
	img := openImage(t, s, "iris:1")
	for i := range n {
		if !bytes.Equal(memory(t, img, i), want[i]) {
			t.Errorf("snapshot %d has the memory of another", i)
		}
	}
}

func TestDerivedTravels(t *testing.T) {
	s := open(t)
	x := build(t, s, "code", "weights")
	d := derive(t, s, x, nil)
	tag(t, s, "iris:1", d)
	t.Run("archive", func(t *testing.T) {
		var b bytes.Buffer
		if err := images.Save(t.Context(), s, &b, "iris:1"); err != nil {
			t.Fatal(err)
		}
		there := open(t)
		if _, err := images.Load(t.Context(), there, &b); err != nil {
			t.Fatal(err)
		}
		wantDerived(t, there, "iris:1")
	})
	host := serve(t)
	ref := reference(t, host+"/iris:1")
	if err := client().Push(t.Context(), ref, d, s, registry.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	pull := func(t *testing.T, o ...registry.Option) *store.Store {
		there := open(t)
		if _, err := images.Pull(t.Context(), there, ref, registry.New(o...)); err != nil {
			t.Fatal(err)
		}
		return there
	}
	t.Run("registry", func(t *testing.T) { wantDerived(t, pull(t), host+"/iris:1") })
	t.Run("left behind", func(t *testing.T) {
		img := openImage(t, pull(t, registry.WithArtifacts()), host+"/iris:1")
		if img.Derived() != nil || img.Underived() != nil {
			t.Errorf("derived %v: %v", img.Derived(), img.Underived())
		}
	})
}

// TestDerivedIsCollected: derived data and what was unpacked of it stay as long
// as the image, and no longer.
func TestDerivedIsCollected(t *testing.T) {
	s := open(t)
	lease, err := s.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tag(t, s, "iris:1", derive(t, lease, build(t, lease, "code", "weights"), nil))
	lease.Release()
	img, err := images.Open(t.Context(), s, "iris:1", images.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		memory(t, img, i)
	}
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	sweep := func() store.Usage {
		if _, err := s.GC(t.Context()); err != nil {
			t.Fatal(err)
		}
		u, err := s.Usage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	before := sweep()
	if before.FileBytes < memorySize*3/2 {
		t.Errorf("a sweep took the memories: %+v", before)
	}
	list, err := images.List(t.Context(), s)
	if err != nil || len(list) != 1 || list[0].Size != before.BlobBytes {
		t.Errorf("the image is listed with %v bytes, and the store has %d: %v", list, before.BlobBytes, err)
	}
	wantDerivedOnce(t, s)
	if after := sweep(); after != before {
		t.Errorf("%+v became %+v", before, after)
	}
	if _, err := images.Remove(t.Context(), s, "iris:1", images.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if left := sweep(); left != (store.Usage{}) {
		t.Errorf("left behind: %+v", left)
	}
}

// wantDerivedOnce reads a memory and lets go of the image.
func wantDerivedOnce(t *testing.T, s *store.Store) {
	t.Helper()
	img, err := images.Open(t.Context(), s, "iris:1", images.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	if _, own := memories(); !bytes.Equal(memory(t, img, 0), own) {
		t.Error("the memory is another after a sweep")
	}
}

// TestUnderived: whatever is wrong with derived data, the image opens; why it is
// not used is said.
func TestUnderived(t *testing.T) {
	bomb := bytes.Repeat([]byte{1}, 80<<20)
	pagesOf := func(b []byte) func(*testing.T, oci.Sink, *extra) {
		return func(t *testing.T, s oci.Sink, e *extra) {
			d := ingest(t, s, oci.PagesLayer, b)
			e.layers = append(e.layers, d)
			e.doc.Snapshots[0].Pages = []digest.Digest{d.Digest}
		}
	}
	factsOf := func(b []byte) func(*testing.T, oci.Sink, *extra) {
		return func(t *testing.T, s oci.Sink, e *extra) {
			d := ingest(t, s, oci.FactsLayer, b)
			e.layers = append(e.layers, d)
			e.doc.Modules[0].Facts = d.Digest
		}
	}
	big := make([]byte, memorySize+65536)
	big[len(big)-1] = 1
	cases := []struct {
		what   string
		change func(*testing.T, oci.Sink, *extra)
		// where it shows: when the image is opened, in facts or in a memory.
		open, facts, memory string
	}{
		{what: "a later version", change: func(_ *testing.T, _ oci.Sink, e *extra) { e.config = []byte(`{"version":2}`) }, open: "version 2"},
		{what: "no JSON", change: func(_ *testing.T, _ oci.Sink, e *extra) { e.config = []byte(`<html>`) }, open: "JSON"},
		{what: "facts that unpack to much", change: factsOf(zst(t, bomb)), facts: "bytes of facts"},
		{what: "facts of another compression", change: factsOf([]byte("\x28\xb5\x2f\xfdnonsense")), facts: "zstd"},
		{what: "pages that unpack to much", change: pagesOf(zst(t, append([]byte("WPGS\x01\x01"), bomb...))), memory: "damaged"},
		{what: "pages much larger than their blob", change: func(t *testing.T, s oci.Sink, e *extra) {
			pagesOf(zst(t, pages(t, bomb, nil)))(t, s, e)
			e.doc.Snapshots[0].Memory = uint64(len(bomb))
		}, memory: "limit exceeded"},
		{what: "pages that are no pages", change: pagesOf(zst(t, []byte("nonsense"))), memory: "damaged"},
		{what: "no pages", change: pagesOf(nil), memory: "zstd"},
		{what: "pages that are not compressed", change: pagesOf(pages(t, make([]byte, 65536), nil)), memory: "zstd"},
		{what: "cut pages", change: pagesOf(zst(t, pages(t, big, nil)[:9])), memory: "damaged"},
		{what: "pages of a larger memory", change: pagesOf(zst(t, pages(t, big, nil))), memory: "damaged"},
		{what: "something behind the pages", change: pagesOf(zst(t, append(pages(t, big[:65536], nil), 0))), memory: "damaged"},
	}
	for _, c := range cases {
		t.Run(c.what, func(t *testing.T) {
			s := open(t)
			x := build(t, s, "code", "weights")
			tag(t, s, "iris:1", derive(t, s, x, func(e *extra) { c.change(t, s, e) }))
			img := openImage(t, s, "iris:1")
			if c.open != "" {
				if err := img.Underived(); err == nil || !strings.Contains(err.Error(), c.open) || img.Derived() != nil {
					t.Errorf("derived %v: %v, want ...%s...", img.Derived(), err, c.open)
				}
				i, err := images.Inspect(t.Context(), s, "iris:1")
				if err != nil || i.Derived == nil || !strings.Contains(i.Derived.Problem, c.open) {
					t.Errorf("inspect says %+v: %v", i.Derived, err)
				}
				return
			}
			if img.Underived() != nil {
				t.Fatal(img.Underived())
			}
			_, err := img.Facts(t.Context(), &img.Derived().Modules[0])
			wantError(t, "facts", err, c.facts)
			f, err := img.Memory(t.Context(), &img.Derived().Snapshots[0])
			if err == nil {
				f.Close()
			}
			wantError(t, "memory", err, c.memory)
			// The base's snapshot is as good as it was.
			base, _ := memories()
			if !bytes.Equal(memory(t, img, 1), base) {
				t.Error("the other snapshot is another")
			}
			if left := leftovers(t, s); left != nil {
				t.Errorf("left in the lease: %v", left)
			}
		})
	}
}

func wantError(t *testing.T, what string, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%s: error %v, want ...%s...", what, err, want)
	}
}

// leftovers lists temporary files.
func leftovers(t *testing.T, s *store.Store) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(s.Dir(), "leases", "*", "temp-*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestDerivedOfAnother: derived data whose subject is another image is none.
func TestDerivedOfAnother(t *testing.T) {
	s := open(t)
	x, y := build(t, s, "code", "weights"), build(t, s, "other", "weights")
	tag(t, s, "iris:1", derive(t, s, x, func(e *extra) { e.subject = y.manifest }))
	if img := openImage(t, s, "iris:1"); img.Derived() != nil {
		t.Error("an image uses derived data of another")
	}
}

// TestDerivedDamaged: blobs that went away or changed on disk.
func TestDerivedDamaged(t *testing.T) {
	for _, what := range []string{"config", "manifest", "facts", "pages"} {
		for how, damage := range map[string]func(path string) error{
			"gone": os.Remove,
			"flipped": func(path string) error {
				b, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				b[len(b)/2] ^= 0x40
				os.Chmod(path, 0o600)
				return os.WriteFile(path, b, 0o600)
			},
			"cut": func(path string) error {
				os.Chmod(path, 0o600)
				return os.Truncate(path, 3)
			},
		} {
			t.Run(what+" "+how, func(t *testing.T) {
				s := open(t)
				x := build(t, s, "code", "weights")
				d := derive(t, s, x, nil)
				tag(t, s, "iris:1", d)
				victim := partOf(t, s, d, what)
				if err := damage(filepath.Join(s.Dir(), "blobs", "sha256", victim.Encoded())); err != nil {
					t.Fatal(err)
				}
				img := openImage(t, s, "iris:1")
				if what == "config" || what == "manifest" {
					if img.Derived() != nil || (img.Underived() == nil) != (how == "gone") {
						t.Errorf("derived %v: %v", img.Derived(), img.Underived())
					}
				} else {
					_, ferr := img.Facts(t.Context(), &img.Derived().Modules[0])
					f, merr := img.Memory(t.Context(), &img.Derived().Snapshots[0])
					if merr == nil {
						f.Close()
					}
					if (ferr == nil) != (what == "pages") || (merr == nil) != (what == "facts") {
						t.Errorf("facts: %v, memory: %v", ferr, merr)
					}
				}
				if _, err := images.Inspect(t.Context(), s, "iris:1"); err != nil {
					t.Errorf("inspect: %v", err)
				}
			})
		}
	}
}

// TestDerivedIsRepaired: what was damaged on disk comes back with a pull.
func TestDerivedIsRepaired(t *testing.T) {
	for _, what := range []string{"config", "manifest", "pages"} {
		s := open(t)
		d := derive(t, s, build(t, s, "code", "weights"), nil)
		ref := reference(t, serve(t)+"/iris:1")
		if err := client().Push(t.Context(), ref, d, s, registry.PushOptions{}); err != nil {
			t.Fatal(err)
		}
		tag(t, s, ref.String(), d)
		flip(t, filepath.Join(s.Dir(), "blobs", "sha256", partOf(t, s, d, what).Encoded()))
		img := openImage(t, s, ref.String())
		if what == "pages" {
			if _, err := img.Memory(t.Context(), &img.Derived().Snapshots[0]); err == nil {
				t.Error("damaged pages became a memory")
			}
		} else if img.Underived() == nil {
			t.Errorf("a damaged %s is not noticed", what)
		}
		if _, err := images.Pull(t.Context(), s, ref, client()); err != nil {
			t.Fatal(err)
		}
		wantDerived(t, s, ref.String())
	}
}

// partOf finds a part of the derived data of an index.
func partOf(t *testing.T, s *store.Store, index ispec.Descriptor, what string) digest.Digest {
	t.Helper()
	var x ispec.Index
	decode(t, blob(t, s, index.Digest), &x)
	at := slices.IndexFunc(x.Manifests, func(d ispec.Descriptor) bool { return d.ArtifactType == oci.DerivedArtifact })
	if what == "manifest" {
		return x.Manifests[at].Digest
	}
	var m ispec.Manifest
	decode(t, blob(t, s, x.Manifests[at].Digest), &m)
	return map[string]digest.Digest{"config": m.Config.Digest, "facts": m.Layers[0].Digest, "pages": m.Layers[2].Digest}[what]
}

func TestInspectDerived(t *testing.T) {
	s := open(t)
	x := build(t, s, "code", "weights")
	tag(t, s, "iris:1", derive(t, s, x, nil))
	i, err := images.Inspect(t.Context(), s, "iris:1")
	if err != nil || i.Derived == nil {
		t.Fatal(err)
	}
	d := i.Derived
	if d.Problem != "" || len(d.Modules) != 1 || d.Modules[0].HotFunctions != 3 || len(d.Snapshots) != 2 || d.Snapshots[0].Memory != memorySize ||
		d.Snapshots[0].PagesSize <= d.Snapshots[1].PagesSize || d.Size <= d.Snapshots[0].PagesSize {
		t.Errorf("inspect says %+v", d)
	}
	tag(t, s, "plain:1", x.index)
	if i, err := images.Inspect(t.Context(), s, "plain:1"); err != nil || i.Derived != nil {
		t.Errorf("inspect says %+v: %v", i.Derived, err)
	}
	h, err := images.History(t.Context(), s, "iris:1")
	if err != nil || len(h) != 3 {
		t.Errorf("history %v: %v", h, err)
	}
}

func decode(t *testing.T, b []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

func blob(t *testing.T, s *store.Store, d digest.Digest) []byte {
	t.Helper()
	b, err := s.ReadBlob(ispec.Descriptor{Digest: d}, oci.MaxDocument)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
