package hub_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/wherry-run/wherry/hub"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/registry"
	"github.com/wherry-run/wherry/oci/store"
)

func isBlobGet(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/sha256:")
}

// counting counts what is sent.
type counting struct {
	http.ResponseWriter
	n    *atomic.Int64
	left int64 // then the line breaks; negative: never
	cut  func()
}

func (c *counting) Write(p []byte) (int, error) {
	if c.left >= 0 && int64(len(p)) >= c.left {
		n, _ := c.ResponseWriter.Write(p[:c.left])
		c.n.Add(int64(n))
		c.cut()
		panic(http.ErrAbortHandler)
	}
	n, err := c.ResponseWriter.Write(p)
	c.n.Add(int64(n))
	if c.left >= 0 {
		c.left -= int64(n)
	}
	return n, err
}

// pushed serves an image of one layer behind a line.
func pushed(t *testing.T, layer []byte, between func(w http.ResponseWriter, r *http.Request) http.ResponseWriter) oci.Reference {
	t.Helper()
	s := serve(t, hub.Config{})
	local, root := local(t, layer)
	ref := reference(t, s.host()+"/a:1")
	if err := client().Push(t.Context(), ref, root, local, registry.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.hub.ServeHTTP(between(w, r), r) }))
	t.Cleanup(srv.Close)
	return reference(t, strings.TrimPrefix(srv.URL, "http://")+"/a:1")
}

func emptyStore(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// whole holds that a store has a layer, verified, and no part of it any more.
func whole(t *testing.T, s *store.Store, layer []byte) {
	t.Helper()
	if err := s.Verify(t.Context(), digest.FromBytes(layer)); err != nil {
		t.Error(err)
	}
	if n, err := s.Size(digest.FromBytes(layer)); err != nil || n != int64(len(layer)) {
		t.Error(n, err)
	}
	if left, _ := filepath.Glob(filepath.Join(s.Dir(), "parts", "*")); len(left) > 0 {
		t.Error(left)
	}
}

// TestPullInStreams: a large layer comes in several streams, each of which breaks.
func TestPullInStreams(t *testing.T) {
	layer := noise(1, 70<<20)
	var sent, requests, breaks atomic.Int64
	ref := pushed(t, layer, func(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
		if !isBlobGet(r) || r.Header.Get("Range") == "" {
			return w
		}
		requests.Add(1)
		left := int64(-1)
		if breaks.Add(1) <= 5 {
			left = 3 << 20
		}
		return &counting{w, &sent, left, func() {}}
	})
	s := emptyStore(t, t.TempDir())
	if _, err := client().Fetch(t.Context(), ref, s); err != nil {
		t.Fatal(err)
	}
	whole(t, s, layer)
	if n := requests.Load(); n < 9 {
		t.Errorf("%d requests", n)
	}
	if n := sent.Load(); n > int64(len(layer))+(1<<20) {
		t.Errorf("%d bytes were sent for %d", n, len(layer))
	}
}

// TestPullAfterDeath: a pull that was killed is gone on with, by another store of the
// same folder, and what the disk spoilt meanwhile is found.
func TestPullAfterDeath(t *testing.T) {
	for _, size := range []int{20 << 20, 70 << 20} {
		layer := noise(1, size)
		var sent atomic.Int64
		ctx, kill := context.WithCancel(t.Context())
		ref := pushed(t, layer, func(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
			if !isBlobGet(r) {
				return w
			}
			return &counting{w, &sent, -1, func() {}}
		})
		dir := t.TempDir()
		var came atomic.Int64
		seen := registry.WithProgress(func(e oci.Event) {
			if e.Total != int64(size) || e.Done == e.Total {
				return
			}
			if came.Store(max(came.Load(), e.Done)); e.Done > 5<<20 {
				kill()
			}
		})
		if _, err := client(seen).Fetch(ctx, ref, emptyStore(t, dir)); err == nil {
			t.Fatal("it came although it was killed")
		}
		sent.Store(0) // what was on its way is lost
		s := emptyStore(t, dir)
		if _, err := s.GC(t.Context()); err != nil { // a sweep takes nothing that is young
			t.Fatal(err)
		}
		parts, err := filepath.Glob(filepath.Join(dir, "parts", "sha256-*"))
		if err != nil || len(parts) != 2 {
			t.Fatal(parts, err)
		}
		if _, err := client().Fetch(t.Context(), ref, s); err != nil {
			t.Fatal(err)
		}
		whole(t, s, layer)
		if n := sent.Load(); came.Load() < 5<<20 || n > int64(size)-came.Load()+(4<<20) {
			t.Errorf("%d bytes were sent after %d of %d had come", n, came.Load(), size)
		}
	}
}

// TestPullSpoiltPart: bytes that a power failure took are asked for again.
func TestPullSpoiltPart(t *testing.T) {
	const size = 20 << 20
	layer := noise(1, size)
	var fail atomic.Bool
	fail.Store(true)
	var sent atomic.Int64
	ref := pushed(t, layer, func(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
		if !isBlobGet(r) || !fail.Load() {
			return w
		}
		return &counting{w, &sent, 2 << 20, func() {}}
	})
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil && sent.Load() < 6<<20 {
			time.Sleep(time.Millisecond)
		}
		stop()
	}()
	if _, err := client().Fetch(ctx, ref, emptyStore(t, dir)); err == nil {
		t.Fatal("it came")
	}
	part := filepath.Join(dir, "parts", "sha256-"+digest.FromBytes(layer).Encoded())
	f, err := os.OpenFile(part, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, 4096), 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	fail.Store(false)
	s := emptyStore(t, dir)
	if _, err := client().Fetch(t.Context(), ref, s); err != nil {
		t.Fatal(err)
	}
	whole(t, s, layer)
}

// TestPullWithoutRanges: a registry that knows no ranges sends all, once.
func TestPullWithoutRanges(t *testing.T) {
	layer := noise(1, 70<<20)
	var sent atomic.Int64
	ref := pushed(t, layer, func(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
		r.Header.Del("Range")
		if !isBlobGet(r) {
			return w
		}
		return &counting{w, &sent, -1, func() {}}
	})
	s := emptyStore(t, t.TempDir())
	if _, err := client().Fetch(t.Context(), ref, s); err != nil {
		t.Fatal(err)
	}
	whole(t, s, layer)
}
