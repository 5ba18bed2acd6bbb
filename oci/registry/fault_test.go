package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/registry"
)

// fault answers some requests wrong and lets the others through.
type fault struct {
	match func(r *http.Request) bool
	times int // how often; 0 is always
	do    func(w http.ResponseWriter, r *http.Request, next http.Handler)

	mu    *sync.Mutex // made by wrap
	count int
	seen  []*http.Request
}

func (f *fault) wrap(next http.Handler) http.Handler {
	f.mu = new(sync.Mutex)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		hit := f.match(r)
		if hit {
			f.count++
			f.seen = append(f.seen, r)
			hit = f.times == 0 || f.count <= f.times
		}
		f.mu.Unlock()
		if hit {
			f.do(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isBlobGet(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/sha256:")
}

func isManifestGet(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/manifests/")
}

func status(code int, header ...string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		io.WriteString(w, `{"errors":[{"code":"TROUBLE","message":"it is late\u001b[31m"}]}`)
	}
}

// record runs the real handler and returns its answer.
func record(r *http.Request, next http.Handler) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, r)
	return rec
}

// cut sends the first n bytes of the answer and drops the connection.
func cut(n int) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := record(r, next)
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes()[:min(n, rec.Body.Len())])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

// impatient is a client's option where something stalls. Elsewhere nothing is lost by waiting for a busy machine.
func impatient(what string) []registry.Option {
	if strings.Contains(what, "drips") {
		return []registry.Option{registry.WithFloor(64<<10, time.Second), registry.WithPatience(3*time.Second, 5*time.Millisecond)}
	}
	if !strings.Contains(what, "stall") {
		return nil
	}
	return []registry.Option{registry.WithPatience(time.Second, 5*time.Millisecond)}
}

// stall sends the headers and then nothing.
func stall(w http.ResponseWriter, r *http.Request, next http.Handler) {
	rec := record(r, next)
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", fmt.Sprint(rec.Body.Len()))
	w.WriteHeader(rec.Code)
	w.Write(rec.Body.Bytes()[:1])
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

func change(edit func(b []byte) []byte) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := record(r, next)
		for k, v := range rec.Header() {
			if k != "Content-Length" {
				w.Header()[k] = v
			}
		}
		w.WriteHeader(rec.Code)
		w.Write(edit(rec.Body.Bytes()))
	}
}

func flip(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)/2] ^= 1
	return b
}

func TestFetchThroughFaults(t *testing.T) {
	const size = 700_000
	cases := []struct {
		name  string
		fault fault
		want  string // in the error; "" when it must succeed
		most  int    // requests that match
	}{
		{"503 twice", fault{match: isBlobGet, times: 2, do: status(503)}, "", 0},
		{"429 with Retry-After", fault{match: isManifestGet, times: 1, do: status(429, "Retry-After", "1")}, "", 0},
		{"503 always", fault{match: isBlobGet, do: status(503)}, "503", 20},
		{"404", fault{match: isManifestGet, do: status(404)}, "404", 1},
		{"403", fault{match: isManifestGet, do: status(403)}, "wherry login", 1},
		{"cut in the middle", fault{match: isBlobGet, times: 3, do: cut(100_000)}, "", 0},
		{"cut always", fault{match: isBlobGet, do: cut(0)}, "", 0}, // filled in below
		{"stall once", fault{match: isBlobGet, times: 1, do: stall}, "", 0},
		{"stall always", fault{match: isBlobGet, do: stall}, "stalled", 0},
		{"corrupt once", fault{match: isBlobGet, times: 1, do: change(flip)}, "", 0},
		{"corrupt always", fault{match: isBlobGet, do: change(flip)}, "digest", 0},
		{"too long", fault{match: isBlobGet, do: change(func(b []byte) []byte { return append(bytes.Clone(b), 'x') })}, "size", 0},
		{"too short", fault{match: isBlobGet, do: change(func(b []byte) []byte { return b[:len(b)-1] })}, "size", 0},
		{"manifest corrupt", fault{match: isManifestGet, do: change(flip)}, "", 0},
		{"manifest huge", fault{match: isManifestGet, do: change(func([]byte) []byte { return make([]byte, 5<<20) })}, "more than", 0},
		{"manifest is HTML", fault{match: isManifestGet, do: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<html>please sign in</html>")
		}}, "HTML", 0},
		{"wrong digest header", fault{match: isManifestGet, do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			rec := record(r, next)
			w.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
			w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))
			w.Write(rec.Body.Bytes())
		}}, "digest", 0},
		{"wrong content type", fault{match: isManifestGet, do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			rec := record(r, next)
			w.Header().Set("Content-Type", oci.DockerManifest)
			w.Write(rec.Body.Bytes())
		}}, "media type", 0},
		{"redirect loop", fault{match: isBlobGet, do: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
		}}, "redirected 10 times", 40},
		{"redirect to a file", fault{match: isBlobGet, do: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}}, "refuse", 0},
		{"redirect to plain HTTP elsewhere", fault{match: isBlobGet, do: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Redirect(w, r, "http://192.0.2.1/x", http.StatusTemporaryRedirect)
		}}, "refuse plain HTTP", 0},
		{"range of something else", fault{match: func(r *http.Request) bool { return isBlobGet(r) }, do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Header.Get("Range") == "" {
				cut(1000)(w, r, next)
				return
			}
			w.Header().Set("Content-Range", "bytes 5-9/10")
			w.WriteHeader(http.StatusPartialContent)
		}}, "range", 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.name == "cut always" {
				c.want = "unexpected EOF"
			}
			host := serve(t, c.fault.wrap)
			src := newMemory()
			index := build(t, src, random(1, size), random(2, size))
			ref := reference(t, host+"/iris:1")
			if c.name == "manifest corrupt" {
				ref.Digest, c.want = index.Digest, "digest"
			}
			if err := client().Push(t.Context(), reference(t, host+"/iris:1"), index, src, registry.PushOptions{}); err != nil {
				t.Fatal(err)
			}
			dst := newMemory()
			began := time.Now()
			_, err := client(impatient(c.name)...).Fetch(t.Context(), ref, dst)
			if took := time.Since(began); took > time.Minute {
				t.Errorf("took %v", took)
			}
			if c.want == "" {
				if err != nil || len(dst.blobs) != len(src.blobs) {
					t.Fatalf("%d of %d blobs: %v", len(dst.blobs), len(src.blobs), err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.ContainsRune(err.Error(), '\x1b') {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
			if _, there := dst.blobs[index.Digest]; there {
				t.Fatal("a failed fetch left an index")
			}
			if c.most > 0 && c.fault.count > c.most {
				t.Errorf("asked %d times", c.fault.count)
			}
		})
	}
}

// drip answers with a byte now and then, never silent for long.
func drip(w http.ResponseWriter, r *http.Request, next http.Handler) {
	answer := record(r, next)
	maps.Copy(w.Header(), answer.Header()) // the rest of a blob says from where it goes on
	w.WriteHeader(answer.Code)
	b := answer.Body.Bytes()
	for i := range b {
		if _, err := w.Write(b[i : i+1]); err != nil {
			return
		}
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// TestFloor: a registry that sends next to nothing is as good as one that sends
// nothing, whether it does so once or always.
func TestFloor(t *testing.T) {
	for name, times := range map[string]int{"once": 1, "always": 0} {
		t.Run(name, func(t *testing.T) {
			f := &fault{match: isBlobGet, times: times, do: drip}
			host := serve(t, f.wrap)
			src := newMemory()
			index := build(t, src, random(1, 10_000), random(2, 10_000))
			ref := reference(t, host+"/iris:1")
			if err := client().Push(t.Context(), ref, index, src, registry.PushOptions{}); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			c := client(registry.WithPatience(time.Minute, time.Millisecond), registry.WithFloor(1000, 500*time.Millisecond))
			_, err := c.Fetch(t.Context(), ref, newMemory())
			if times == 0 && (err == nil || !strings.Contains(err.Error(), "stalled")) {
				t.Errorf("a registry that drips: %v", err)
			}
			if times > 0 && err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > time.Minute {
				t.Errorf("took %s", took)
			}
		})
	}
}

// TestResume: after a break only the rest is asked for.
func TestResume(t *testing.T) {
	const size = 1_000_000
	f := &fault{match: isBlobGet, times: 0}
	var mu sync.Mutex
	sent := 0
	f.do = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		var start int
		whole := r.Clone(r.Context())
		whole.Header.Del("Range")
		b := record(whole, next).Body.Bytes()
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &start); err == nil {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, len(b)-1, len(b)))
			w.WriteHeader(http.StatusPartialContent)
		}
		part := b[start:min(len(b), start+300_000)]
		w.Write(part)
		mu.Lock()
		sent += len(part)
		mu.Unlock()
		if start+len(part) < len(b) {
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	}
	host := serve(t, f.wrap)
	src := newMemory()
	index := build(t, src, random(1, 10), random(2, size))
	ref := reference(t, host+"/iris:1")
	if err := client().Push(t.Context(), ref, index, src, registry.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	dst := newMemory()
	if _, err := client().Fetch(t.Context(), ref, dst); err != nil {
		t.Fatal(err)
	}
	if sent > size+10_000 {
		t.Errorf("%d bytes were sent for %d", sent, size)
	}
}

func TestCancel(t *testing.T) {
	f := &fault{match: isBlobGet, do: stall}
	host := serve(t, f.wrap)
	src := newMemory()
	index := build(t, src, random(1, 1000), random(2, 1000))
	ref := reference(t, host+"/iris:1")
	if err := client().Push(t.Context(), ref, index, src, registry.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	began := time.Now()
	_, err := client(registry.WithPatience(time.Minute, time.Minute)).Fetch(ctx, ref, newMemory())
	if !errors.Is(err, context.Canceled) || time.Since(began) > 20*time.Second {
		t.Fatalf("after %v: %v", time.Since(began), err)
	}
}
