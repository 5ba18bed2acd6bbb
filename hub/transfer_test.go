package hub_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/hub"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/registry"
	"github.com/wherry-run/wherry/oci/store"
)

// line is what lies between a client and a registry: it counts and breaks.
type line struct {
	bytes  atomic.Int64 // that came in bodies
	begun  atomic.Int64 // uploads
	before func(w http.ResponseWriter, r *http.Request) (done bool)
}

func (l *line) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			l.begun.Add(1)
		}
		if l.before != nil && l.before(w, r) {
			return
		}
		r.Body = &counted{r.Body, &l.bytes}
		next.ServeHTTP(w, r)
	})
}

type counted struct {
	io.ReadCloser
	n *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// breaking ends after some bytes.
type breaking struct {
	io.ReadCloser
	left int64
}

func (b *breaking) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("the line broke")
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// through serves a registry behind a line.
func through(t *testing.T, l *line) (host string, s *served) {
	t.Helper()
	s = serve(t, hub.Config{})
	srv := httptest.NewServer(l.wrap(s.hub))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://"), s
}

func client(opts ...registry.Option) *registry.Client {
	return registry.New(append([]registry.Option{
		registry.WithKeychain(authn.NewMultiKeychain()), registry.WithPatience(30*time.Second, time.Millisecond),
	}, opts...)...)
}

// local is a store with an image of one layer.
func local(t *testing.T, layer []byte) (*store.Store, ispec.Descriptor) {
	t.Helper()
	s, err := store.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	d, err := s.Ingest(t.Context(), ispec.Descriptor{MediaType: ispec.MediaTypeImageLayer}, strings.NewReader(string(layer)))
	if err != nil {
		t.Fatal(err)
	}
	layers := []oci.Layer{{Descriptor: d, DiffID: d.Digest}}
	config, err := oci.BuildConfig(oci.Image{}, layers)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := oci.BuildManifest(config, layers, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range []oci.Document{config, manifest} {
		if _, err := s.Ingest(t.Context(), doc.Descriptor, strings.NewReader(string(doc.Data))); err != nil {
			t.Fatal(err)
		}
	}
	return s, manifest.Descriptor
}

func reference(t *testing.T, name string) oci.Reference {
	t.Helper()
	ref, err := oci.ParseReference(name)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// arrives pulls what was pushed, verified as always.
func arrives(t *testing.T, ref oci.Reference) {
	t.Helper()
	s, err := store.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := client().Fetch(t.Context(), ref, s); err != nil {
		t.Error(err)
	}
}

func isPatch(r *http.Request) bool { return r.Method == http.MethodPatch }

func TestPushGoesOn(t *testing.T) {
	const size = 40 << 20
	layer := noise(1, size)
	const slack = 4 << 20 // what is on its way when a line breaks
	cases := []struct {
		name   string
		before func(n *atomic.Int64) func(w http.ResponseWriter, r *http.Request) bool
		most   int64 // bytes sent
		begun  int64 // uploads: of the config, too
	}{
		{"breaks three times", func(n *atomic.Int64) func(http.ResponseWriter, *http.Request) bool {
			return func(_ http.ResponseWriter, r *http.Request) bool {
				if isPatch(r) && r.ContentLength > 1<<20 && n.Add(1) <= 3 {
					r.Body = &breaking{r.Body, 9 << 20}
				}
				return false
			}
		}, size + slack, 2},
		{"a proxy takes 8 MiB", func(*atomic.Int64) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				if r.ContentLength > 8<<20 {
					w.WriteHeader(http.StatusRequestEntityTooLarge)
				}
				return r.ContentLength > 8<<20
			}
		}, size + slack, 2},
		{"no pieces after a break", func(n *atomic.Int64) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				if r.Header.Get("Content-Range") != "" {
					w.WriteHeader(http.StatusBadRequest)
					return true
				}
				if isPatch(r) && r.ContentLength > 1<<20 && n.Add(1) == 1 {
					r.Body = &breaking{r.Body, 9 << 20}
				}
				return false
			}
		}, 2*size + slack, 3},
		{"forgets a broken upload", func(n *atomic.Int64) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/uploads/") {
					w.WriteHeader(http.StatusNotFound)
					return true
				}
				if isPatch(r) && r.ContentLength > 1<<20 && n.Add(1) == 1 {
					r.Body = &breaking{r.Body, 9 << 20}
				}
				return false
			}
		}, size + (9 << 20) + slack, 3},
		{"lies about how far it came", func(n *atomic.Int64) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/uploads/") {
					w.Header().Set("Range", "0-99999999999")
					w.WriteHeader(http.StatusNoContent)
					return true
				}
				if isPatch(r) && r.ContentLength > 1<<20 && n.Add(1) == 1 {
					r.Body = &breaking{r.Body, 9 << 20}
				}
				return false
			}
		}, size + (9 << 20) + slack, 3},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var n atomic.Int64
			l := &line{before: c.before(&n)}
			host, _ := through(t, l)
			s, root := local(t, layer)
			ref := reference(t, host+"/a:1")
			if err := client().Push(t.Context(), ref, root, s, registry.PushOptions{}); err != nil {
				t.Fatal(err)
			}
			if sent, begun := l.bytes.Load(), l.begun.Load(); sent > c.most || begun > c.begun {
				t.Errorf("%d bytes were sent for %d, in %d uploads", sent, size, begun)
			}
			arrives(t, ref)
		})
	}
}

// TestPushEnds: a registry that never takes a blob is not sent it for ever.
func TestPushEnds(t *testing.T) {
	const size = 2 << 20
	l := &line{before: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut || r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/uploads/") {
			w.WriteHeader(http.StatusInternalServerError)
			return true
		}
		return false
	}}
	host, _ := through(t, l)
	s, root := local(t, noise(1, size))
	err := client().Push(t.Context(), reference(t, host+"/a:1"), root, s, registry.PushOptions{})
	if err == nil || !strings.Contains(err.Error(), "500") || l.bytes.Load() > 6*size {
		t.Errorf("%d bytes were sent: %v", l.bytes.Load(), err)
	}
}

// TestPushAfterDeath: the next push of a client that was killed sends what is missing.
func TestPushAfterDeath(t *testing.T) {
	const size, half = 24 << 20, 12 << 20
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	l := &line{}
	l.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if isPatch(r) && r.ContentLength == size {
			r.Body = &killing{r.Body, half, kill}
		}
		return false
	}
	host, _ := through(t, l)
	s, root := local(t, noise(1, size))
	ref, kept := reference(t, host+"/a:1"), t.TempDir()
	if err := client(registry.WithUploads(kept)).Push(ctx, ref, root, s, registry.PushOptions{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := client(registry.WithUploads(kept)).Push(t.Context(), ref, root, s, registry.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	if sent := l.bytes.Load(); sent > size+(4<<20) {
		t.Errorf("%d bytes were sent for %d", sent, size)
	}
	arrives(t, ref)
}

// killing calls off the client after some bytes.
type killing struct {
	io.ReadCloser
	left int64
	kill func()
}

func (k *killing) Read(p []byte) (int, error) {
	n, err := k.ReadCloser.Read(p)
	if k.left -= int64(n); k.left <= 0 {
		k.kill()
	}
	return n, err
}
