package images_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/registry"
	"github.com/wherry-run/wherry/oci/store"
)

func open(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func ingest(t *testing.T, s oci.Sink, mediaType string, b []byte) ispec.Descriptor {
	t.Helper()
	d, err := s.Ingest(t.Context(), ispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(b), Size: int64(len(b))}, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func keep(t *testing.T, s oci.Sink, docs ...oci.Document) {
	t.Helper()
	for _, d := range docs {
		ingest(t, s, d.Descriptor.MediaType, d.Data)
	}
}

// pack makes a tar of files.
func pack(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	names := make([]string, 0, len(files))
	for n := range files {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: n, Mode: 0o755, Size: int64(len(files[n])), ModTime: time.Unix(1, 0)}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, files[n]); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zip(t testing.TB, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	if _, err := zw.Write(b); err != nil || zw.Close() != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// sample is an image with code, a model, and all documents.
type sample struct {
	index, manifest ispec.Descriptor
	config          digest.Digest
	weights         ispec.Descriptor
	code            ispec.Descriptor
}

func build(t *testing.T, s oci.Sink, code, weights string) sample {
	t.Helper()
	plain := pack(t, map[string]string{"app.wasm": code, "etc/motd": "ahoy"})
	c := ingest(t, s, ispec.MediaTypeImageLayerGzip, zip(t, plain))
	w := ingest(t, s, ispec.MediaTypeImageLayer, pack(t, map[string]string{"model.bin": weights}))
	w.Annotations = map[string]string{oci.AnnotationModelFile: "/model.bin"}
	layers := []oci.Layer{{Descriptor: c, DiffID: digest.FromBytes(plain)}, {Descriptor: w, DiffID: w.Digest, Weight: "/model.bin"}}
	created := time.Unix(315532800, 0).UTC()
	var img oci.Image
	img.Created = &created
	img.Config.Entrypoint = []string{"/app.wasm"}
	img.Config.Labels = map[string]string{"boat": "wherry"}
	img.History = []ispec.History{{CreatedBy: "COPY app.wasm /", Created: &created}, {CreatedBy: "ENTRYPOINT", EmptyLayer: true}, {CreatedBy: "MODEL model.bin"}}
	config, err := oci.BuildConfig(img, layers)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := oci.BuildManifest(config, layers, nil)
	if err != nil {
		t.Fatal(err)
	}
	modelConfig, model, _, err := oci.BuildModel(oci.ModelConfig{Descriptor: oci.ModelDescriptor{Name: "iris"}}, layers, nil)
	if err != nil {
		t.Fatal(err)
	}
	index, err := oci.BuildIndex(manifest, []ispec.Descriptor{oci.ArtifactDescriptor(model, oci.ModelArtifact)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	keep(t, s, config, manifest, modelConfig, model, index)
	return sample{index.Descriptor, manifest.Descriptor, config.Descriptor.Digest, w, c}
}

func tag(t *testing.T, s *store.Store, name string, d ispec.Descriptor) {
	t.Helper()
	if err := s.Tag(t.Context(), reference(t, name), d); err != nil {
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

// read returns a file of an open image, looking from the top layer down.
func read(t *testing.T, img *images.Image, path string) string {
	t.Helper()
	layers := img.Layers()
	for i := len(layers) - 1; i >= 0; i-- {
		e := layers[i].Index.Lookup(path)
		if e == nil {
			continue
		}
		b, err := layers[i].Content.OpenContent(e.Content.Digest)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		data, err := io.ReadAll(io.NewSectionReader(b, e.Content.Offset, e.Size))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	t.Fatalf("no file %s", path)
	return ""
}

func TestOpen(t *testing.T) {
	s := open(t)
	x := build(t, s, "code", strings.Repeat("w", 100_000))
	tag(t, s, "iris:1", x.index)
	for _, name := range []string{"iris:1", "docker.io/library/iris:1", "iris@" + string(x.index.Digest), x.config.Encoded()[:12], string(x.index.Digest), x.manifest.Digest.Encoded()} {
		img, err := images.Open(t.Context(), s, name, images.Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if img.Config().Entrypoint[0] != "/app.wasm" || img.ID() != x.config || img.Digest() != x.index.Digest {
			t.Fatalf("%s opened %v", name, img.Digest())
		}
		if read(t, img, "app.wasm") != "code" || read(t, img, "etc/motd") != "ahoy" || len(read(t, img, "model.bin")) != 100_000 {
			t.Fatalf("%s has other files", name)
		}
		if e := img.Layers()[1].Index.Lookup("model.bin"); e.Content.Digest != string(x.weights.Digest) || e.Content.Offset == 0 {
			t.Fatalf("weights are not used in place: %+v", e)
		}
		if l := img.LayerDescriptors(); l[1].Weight != "/model.bin" || l[0].DiffID == x.code.Digest {
			t.Fatalf("layers %+v", l)
		}
		if err := img.Close(); err != nil {
			t.Fatal(err)
		}
	}
	u, err := s.Usage(t.Context())
	if err != nil || u.FileBytes > 1000 {
		t.Fatalf("weights were unpacked: %+v %v", u, err)
	}
	if _, err := images.Open(t.Context(), s, "nosuch", images.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("open nosuch: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	s := open(t)
	plain := pack(t, map[string]string{"a": "b"})
	gz := ingest(t, s, ispec.MediaTypeImageLayerGzip, zip(t, plain))
	escape := ingest(t, s, ispec.MediaTypeImageLayer, pack(t, map[string]string{"../../etc/passwd": "b"}))
	holes := archive(t, member{name: "hole", data: "x", sparse: 1 << 40})
	sparse := ingest(t, s, ispec.MediaTypeImageLayer, holes)
	packed := ingest(t, s, ispec.MediaTypeImageLayerGzip, zip(t, holes))
	wrong := gz
	wrong.MediaType = "application/vnd.example.layer"
	cases := []struct {
		name  string
		layer ispec.Descriptor
		diff  digest.Digest
		os    string
		want  string
	}{
		{"diff-id", gz, digest.FromString("another tar"), "wasip1", "diff ID"},
		{"native", gz, digest.FromBytes(plain), "linux", "linux/wasm"},
		{"escape", escape, escape.Digest, "wasip1", "leads out"},
		{"sparse", sparse, sparse.Digest, "wasip1", "limit exceeded"},
		{"sparse-gzip", packed, digest.FromBytes(holes), "wasip1", "limit exceeded"},
		{"layer-type", wrong, digest.FromBytes(plain), "wasip1", "not the type of a layer"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			config, err := oci.NewDocument(ispec.MediaTypeImageConfig, map[string]any{
				"architecture": "wasm", "os": c.os, "rootfs": map[string]any{"type": "layers", "diff_ids": []digest.Digest{c.diff}},
			})
			if err != nil {
				t.Fatal(err)
			}
			m := ispec.Manifest{MediaType: ispec.MediaTypeImageManifest, Config: config.Descriptor, Layers: []ispec.Descriptor{c.layer}}
			m.SchemaVersion = 2
			manifest, err := oci.NewDocument(ispec.MediaTypeImageManifest, m)
			if err != nil {
				t.Fatal(err)
			}
			keep(t, s, config, manifest)
			tag(t, s, c.name, manifest.Descriptor)
			img, err := images.Open(t.Context(), s, c.name, images.Options{})
			if err == nil {
				img.Close()
				t.Fatal("it opened")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %q, want it to say %q", err, c.want)
			}
		})
	}
}

func TestWasmArtifact(t *testing.T) {
	s := open(t)
	module := ingest(t, s, oci.WasmLayer, []byte("\x00asm\x01\x00\x00\x00"))
	config, err := oci.NewDocument(oci.WasmConfig, oci.WasmArtifact{Architecture: "wasm", OS: "wasip1", LayerDigests: []digest.Digest{module.Digest}})
	if err != nil {
		t.Fatal(err)
	}
	m := ispec.Manifest{MediaType: ispec.MediaTypeImageManifest, Config: config.Descriptor, Layers: []ispec.Descriptor{module}}
	m.SchemaVersion = 2
	manifest, err := oci.NewDocument(ispec.MediaTypeImageManifest, m)
	if err != nil {
		t.Fatal(err)
	}
	keep(t, s, config, manifest)
	tag(t, s, "bare", manifest.Descriptor)
	img, err := images.Open(t.Context(), s, "bare", images.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	entry := img.Config().Entrypoint[0]
	if !strings.HasPrefix(read(t, img, strings.TrimPrefix(entry, "/")), "\x00asm") {
		t.Fatal("the entrypoint is not the module")
	}
}

func serve(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

func client() *registry.Client {
	return registry.New(registry.WithKeychain(authn.NewMultiKeychain()), registry.WithPatience(5*time.Second, time.Millisecond))
}

// counting is a Fetcher that counts.
type counting struct {
	f images.Fetcher
	n int
}

func (c *counting) Fetch(ctx context.Context, ref oci.Reference, dst oci.Sink) (ispec.Descriptor, error) {
	c.n++
	return c.f.Fetch(ctx, ref, dst)
}

func TestPullOnMissAndRepair(t *testing.T) {
	host := serve(t)
	there := open(t)
	x := build(t, there, "code", "weights")
	name := host + "/iris:1"
	if err := client().Push(t.Context(), reference(t, name), x.index, there, registry.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	here := open(t)
	f := &counting{f: client()}
	o := images.Options{Fetcher: f}
	if _, err := images.Open(t.Context(), here, name, images.Options{Fetcher: f, Pull: images.PullNever}); !errors.Is(err, fs.ErrNotExist) || f.n != 0 {
		t.Fatalf("pull never: %v", err)
	}
	check := func(want int) {
		t.Helper()
		img, err := images.Open(t.Context(), here, name, o)
		if err != nil {
			t.Fatal(err)
		}
		defer img.Close()
		if read(t, img, "app.wasm") != "code" || read(t, img, "model.bin") != "weights" {
			t.Fatal("other files")
		}
		if f.n != want {
			t.Fatalf("fetched %d times, want %d", f.n, want)
		}
	}
	check(1)
	check(1)
	for i, d := range []digest.Digest{x.manifest.Digest, x.code.Digest, x.config} {
		path := filepath.Join(here.Dir(), "blobs", "sha256", d.Encoded())
		flip(t, path)
		if err := os.RemoveAll(filepath.Join(here.Dir(), "layers")); err != nil {
			t.Fatal(err)
		}
		check(2 + i)
	}
	if err := os.Remove(filepath.Join(here.Dir(), "blobs", "sha256", x.config.Encoded())); err != nil {
		t.Fatal(err)
	}
	check(5)
	if bad, err := here.Check(t.Context(), false); err != nil || len(bad) > 0 {
		t.Fatalf("after all that: %v %v", bad, err)
	}
}

func flip(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 4
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestListHistoryInspect(t *testing.T) {
	s := open(t)
	x := build(t, s, "code", strings.Repeat("w", 50_000))
	tag(t, s, "iris:1", x.index)
	tag(t, s, "ghcr.io/o/iris:2", x.index)
	list, err := images.List(t.Context(), s)
	if err != nil || len(list) != 2 {
		t.Fatalf("%v %v", list, err)
	}
	for _, l := range list {
		if l.ID != x.config || !l.Model || l.Problem != "" || l.Labels["boat"] != "wherry" || l.Created.Year() != 1980 {
			t.Errorf("%+v", l)
		}
		if l.Size < 50_000 || l.Size > 60_000 {
			t.Errorf("size %d: weights of 50000 bytes count once", l.Size)
		}
	}
	h, err := images.History(t.Context(), s, "iris:1")
	if err != nil || len(h) != 3 || h[0].CreatedBy != "MODEL model.bin" || h[0].Size != x.weights.Size || h[1].Size != 0 || h[2].Size != x.code.Size {
		t.Fatalf("history %+v %v", h, err)
	}
	if h[0].ID != string(x.config) || len(h[0].Tags) != 2 || h[1].ID != "<missing>" {
		t.Fatalf("history %+v", h)
	}
	in, err := images.Inspect(t.Context(), s, "iris:1")
	if err != nil || in.ID != x.config || in.Model == nil || in.Model.Descriptor.Name != "iris" {
		t.Fatalf("inspect %+v %v", in, err)
	}
	if !slices.Equal(in.RepoTags, []string{"iris:1", "ghcr.io/o/iris:2"}) || len(in.RootFS.Layers) != 2 || len(in.RepoDigests) != 2 {
		t.Fatalf("inspect %+v", in)
	}
	if b, err := json.Marshal(in); err != nil || !bytes.Contains(b, []byte(`"Id":"sha256:`)) {
		t.Fatalf("%s %v", b, err)
	}
}

func TestRemove(t *testing.T) {
	s := open(t)
	lease, err := s.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	x, y := build(t, lease, "one", "weights"), build(t, lease, "two", "weights")
	tag(t, s, "iris:1", x.index)
	tag(t, s, "iris:latest", x.index)
	tag(t, s, "other", y.index)
	lease.Release()
	user := images.User{Container: "c1"}
	used := images.RemoveOptions{Users: func(context.Context, digest.Digest) ([]images.User, error) { return []images.User{user}, nil }}

	var inUse *images.InUseError
	if _, err := images.Remove(t.Context(), s, x.config.Encoded(), images.RemoveOptions{}); !errors.As(err, &inUse) || !inUse.Forceable {
		t.Fatalf("by ID with two names: %v", err)
	}
	got, err := images.Remove(t.Context(), s, "iris", used)
	if err != nil || len(got) != 1 || got[0].Untagged != "iris:latest" {
		t.Fatalf("one of two names: %v %v", got, err)
	}
	if _, err := images.Remove(t.Context(), s, "iris:1", used); !errors.As(err, &inUse) || !inUse.Forceable {
		t.Fatalf("with a container: %v", err)
	}
	user.Running, used.Force = true, true
	if _, err := images.Remove(t.Context(), s, "iris:1", used); !errors.As(err, &inUse) || inUse.Forceable {
		t.Fatalf("with a running container: %v", err)
	}
	user.Running = false
	got, err = images.Remove(t.Context(), s, "iris:1", used)
	if err != nil || got[0].Untagged != "iris:1" || got[1].Deleted != x.config {
		t.Fatalf("forced: %v %v", got, err)
	}
	if _, err := images.Remove(t.Context(), s, "iris:1", used); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("again: %v", err)
	}
	for d, want := range map[digest.Digest]bool{x.code.Digest: false, y.code.Digest: true, y.weights.Digest: true} {
		if ok, _ := s.Has(t.Context(), d); ok != want {
			t.Errorf("%s is there: %v", d, ok)
		}
	}
	if img, err := images.Open(t.Context(), s, "other", images.Options{}); err != nil {
		t.Error(err)
	} else {
		img.Close()
	}
}

// TestRemoveWhileOpen: what runs keeps its files.
func TestRemoveWhileOpen(t *testing.T) {
	s := open(t)
	lease, err := s.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	x := build(t, lease, "one", "weights")
	tag(t, s, "iris", x.index)
	lease.Release()
	img, err := images.Open(t.Context(), s, "iris", images.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := images.Remove(t.Context(), s, "iris", images.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if read(t, img, "app.wasm") != "one" || read(t, img, "model.bin") != "weights" {
		t.Fatal("files of an open image are gone")
	}
	img.Close()
	if _, err := s.GC(t.Context()); err != nil {
		t.Fatal(err)
	}
	if u, err := s.Usage(t.Context()); err != nil || u.Blobs+u.Files > 0 {
		t.Fatalf("left behind: %+v %v", u, err)
	}
}
