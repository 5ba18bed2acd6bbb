package registry_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/registry"
)

// memory is a Sink and a Source.
type memory struct {
	mu    sync.Mutex
	blobs map[digest.Digest][]byte
	order []digest.Digest // as they came
}

func newMemory() *memory { return &memory{blobs: map[digest.Digest][]byte{}} }

func (m *memory) Has(_ context.Context, d digest.Digest) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.blobs[d]
	return ok, nil
}

func (m *memory) Ingest(_ context.Context, want ispec.Descriptor, r io.Reader) (ispec.Descriptor, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return want, err
	}
	if err := oci.Verify(want, b); err != nil {
		return want, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blobs[want.Digest] = b
	m.order = append(m.order, want.Digest)
	return want, nil
}

func (m *memory) Open(_ context.Context, d digest.Digest) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.blobs[d]
	if !ok {
		return nil, fmt.Errorf("open %s: %w", d, fs.ErrNotExist)
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func (m *memory) put(t *testing.T, mediaType string, b []byte) ispec.Descriptor {
	t.Helper()
	d, err := m.Ingest(t.Context(), ispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(b), Size: int64(len(b))}, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (m *memory) keep(t *testing.T, doc oci.Document) {
	t.Helper()
	if _, err := m.Ingest(t.Context(), doc.Descriptor, bytes.NewReader(doc.Data)); err != nil {
		t.Fatal(err)
	}
}

func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// build makes an image with a model: code and weights.
func build(t *testing.T, m *memory, code, weights []byte) ispec.Descriptor {
	t.Helper()
	var layers []oci.Layer
	d := m.put(t, ispec.MediaTypeImageLayerGzip, code)
	layers = append(layers, oci.Layer{Descriptor: d, DiffID: digest.FromString("code")})
	d = m.put(t, ispec.MediaTypeImageLayer, weights)
	layers = append(layers, oci.Layer{Descriptor: d, DiffID: d.Digest, Weight: "/model.bin"})
	config, err := oci.BuildConfig(oci.Image{}, layers)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := oci.BuildManifest(config, layers, nil)
	if err != nil {
		t.Fatal(err)
	}
	modelConfig, model, ok, err := oci.BuildModel(oci.ModelConfig{}, layers, nil)
	if err != nil || !ok {
		t.Fatal(err)
	}
	index, err := oci.BuildIndex(manifest, []ispec.Descriptor{oci.ArtifactDescriptor(model, oci.ModelArtifact)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range []oci.Document{config, manifest, modelConfig, model, index} {
		m.keep(t, doc)
	}
	return index.Descriptor
}

// count is what a registry was asked.
type count struct {
	mu       sync.Mutex
	requests []string
	received int64 // bytes of bodies
}

func (c *count) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = &countedBody{r.Body, c}
		h.ServeHTTP(w, r)
		c.mu.Lock()
		c.requests = append(c.requests, r.Method+" "+r.URL.Path)
		c.mu.Unlock()
	})
}

type countedBody struct {
	io.ReadCloser
	c *count
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.c.mu.Lock()
	b.c.received += int64(n)
	b.c.mu.Unlock()
	return n, err
}

func serve(t *testing.T, wrap func(http.Handler) http.Handler) (host string) {
	t.Helper()
	h := ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))
	if wrap != nil {
		h = wrap(h)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

func client(opts ...registry.Option) *registry.Client {
	quick := []registry.Option{registry.WithKeychain(authn.NewMultiKeychain()), registry.WithPatience(30*time.Second, 5*time.Millisecond)}
	return registry.New(append(quick, opts...)...)
}

func reference(t *testing.T, s string) oci.Reference {
	t.Helper()
	r, err := oci.ParseReference(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPushAndFetch(t *testing.T) {
	host := serve(t, nil)
	src := newMemory()
	index := build(t, src, random(1, 300_000), random(2, 2_000_000))
	ref := reference(t, host+"/team/iris:1")
	if err := client().Push(t.Context(), ref, index, src, registry.PushOptions{ModelTag: "1-model"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []oci.Reference{ref, reference(t, host+"/team/iris@"+string(index.Digest))} {
		dst := newMemory()
		got, err := client().Fetch(t.Context(), name, dst)
		if err != nil {
			t.Fatal(err)
		}
		if got.Digest != index.Digest || got.MediaType != ispec.MediaTypeImageIndex || got.Size != index.Size {
			t.Fatalf("%v is %v, want %v", name, got, index)
		}
		if len(dst.blobs) != len(src.blobs) {
			t.Fatalf("fetched %d blobs of %d", len(dst.blobs), len(src.blobs))
		}
		if dst.order[len(dst.order)-1] != index.Digest {
			t.Fatal("the index did not come last")
		}
	}
	model, err := client().Resolve(t.Context(), reference(t, host+"/team/iris:1-model"))
	if err != nil || model.MediaType != ispec.MediaTypeImageManifest {
		t.Fatalf("the model's own tag: %v %v", model, err)
	}
}

// TestPushAgainSendsOnlyWhatChanged counts bytes at the registry.
func TestPushAgainSendsOnlyWhatChanged(t *testing.T) {
	var seen count
	host := serve(t, seen.wrap)
	src := newMemory()
	code, weights := random(1, 3_000_000), random(2, 1_000_000)
	ref := reference(t, host+"/iris:1")
	push := func(root ispec.Descriptor) int64 {
		seen.received = 0
		if err := client().Push(t.Context(), ref, root, src, registry.PushOptions{}); err != nil {
			t.Fatal(err)
		}
		return seen.received
	}
	first := push(build(t, src, code, weights))
	if first < 4_000_000 {
		t.Fatalf("the first push sent %d bytes", first)
	}
	const documents = 10_000
	if n := push(build(t, src, code, random(3, 1_000_000))); n < 1_000_000 || n > 1_000_000+documents {
		t.Errorf("new weights of 1000000 bytes sent %d", n)
	}
	if n := push(build(t, src, random(4, 3_000_000), weights)); n < 3_000_000 || n > 3_000_000+documents {
		t.Errorf("new code of 3000000 bytes sent %d", n)
	}
	if n := push(build(t, src, code, weights)); n > documents {
		t.Errorf("nothing new sent %d", n)
	}
}

func TestPushMounts(t *testing.T) {
	var seen count
	host := serve(t, seen.wrap)
	src := newMemory()
	index := build(t, src, random(1, 1000), random(2, 500_000))
	base := reference(t, host+"/base:1")
	if err := client().Push(t.Context(), base, index, src, registry.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	seen.received = 0
	var mu sync.Mutex
	mounted := 0
	c := client(registry.WithProgress(func(e oci.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Status == oci.StatusMounted || e.Status == oci.StatusExists {
			mounted++
		}
	}))
	other := reference(t, "docker.io/library/elsewhere:1")
	if err := c.Push(t.Context(), reference(t, host+"/mine:1"), index, src, registry.PushOptions{MountFrom: []oci.Reference{other, base}}); err != nil {
		t.Fatal(err)
	}
	if seen.received > 10_000 || mounted != 4 {
		t.Errorf("sent %d bytes, %d blobs mounted", seen.received, mounted)
	}
}
