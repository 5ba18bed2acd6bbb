package interop

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/test/dock"
)

// uploads is what a registry is sent: the digests of what was committed, and
// how many bytes it took.
type uploads struct {
	mu    sync.Mutex
	blobs map[digest.Digest]bool
	docs  int
	bytes int64
}

// watch is a proxy in front of a registry that notes the uploads.
func watch(t *testing.T, registry string) (host string, u *uploads) {
	t.Helper()
	u = &uploads{blobs: map[digest.Digest]bool{}}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: registry})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := &noted{ReadCloser: r.Body}
		r.Body = body
		proxy.ServeHTTP(w, r)
		u.mu.Lock()
		defer u.mu.Unlock()
		u.bytes += body.n
		d := digest.Digest(r.URL.Query().Get("digest"))
		switch {
		case r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/"):
			u.docs++
		case (r.Method == http.MethodPut || r.Method == http.MethodPost) && d != "":
			u.blobs[d] = true
		}
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://"), u
}

// reset forgets the uploads so far and returns them.
func (u *uploads) reset() (blobs map[digest.Digest]bool, docs int, bytes int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	blobs, docs, bytes = u.blobs, u.docs, u.bytes
	u.blobs, u.docs, u.bytes = map[digest.Digest]bool{}, 0, 0
	return blobs, docs, bytes
}

type noted struct {
	io.ReadCloser
	n int64
}

func (b *noted) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	return n, err
}

// manifest reads the image manifest behind a tag from the registry.
func manifest(t *testing.T, host, repository, tag string) ispec.Manifest {
	t.Helper()
	get := func(reference, mediaType string, v any) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+"/v2/"+repository+"/manifests/"+reference, nil)
		check(t, err)
		r.Header.Set("Accept", mediaType)
		resp, err := http.DefaultClient.Do(r)
		check(t, err)
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", reference, resp.Status)
		}
		check(t, json.NewDecoder(io.LimitReader(resp.Body, oci.MaxDocument)).Decode(v))
	}
	var index ispec.Index
	get(tag, ispec.MediaTypeImageIndex, &index)
	i := slices.IndexFunc(index.Manifests, func(d ispec.Descriptor) bool { return d.Platform != nil && d.Platform.OS == "wasip1" })
	if i < 0 {
		t.Fatalf("no manifest for wasip1 in %+v", index)
	}
	var m ispec.Manifest
	get(string(index.Manifests[i].Digest), ispec.MediaTypeImageManifest, &m)
	return m
}

// TestBuiltImagesPushAgain builds a base, and an image with code and weights
// over it, with the program itself; then changes one thing after the other and
// looks at what a real registry is sent.
func TestBuiltImagesPushAgain(t *testing.T) {
	dock.Find(t, "docker-registry")
	host, seen := watch(t, startRegistry(t))
	wherry := dock.Native(t, filepath.Join(t.TempDir(), "home"))
	const size, documents = 1_500_000, 16_000
	dir := t.TempDir()
	files := map[string][]byte{
		"base/Wasmfile": []byte("FROM scratch\nCOPY library /usr/lib/library\n"),
		"base/library":  noise(1, size),
		"app/Wasmfile":  []byte("FROM " + host + "/base:1\nMODEL weights.bin /model/weights.bin\nCOPY code /app/code\nCMD [\"cat\", \"/app/code\"]\n"),
	}
	change := func(name string, data []byte) {
		file := filepath.Join(dir, filepath.FromSlash(name))
		check(t, os.MkdirAll(filepath.Dir(file), 0o755))
		check(t, os.WriteFile(file, data, 0o644))
	}
	for name, data := range files {
		change(name, data)
	}
	wherry.Must(t, "", "build", "-q", "-t", host+"/base:1", filepath.Join(dir, "base"))
	wherry.Must(t, "", "push", "-q", host+"/base:1")
	library := manifest(t, host, "base", "1").Layers[0]
	seen.reset()

	cases := []struct {
		what             string
		code, weights    byte
		newCode, newData bool
	}{
		{"first push", 1, 1, true, true},
		{"nothing new", 1, 1, false, false},
		{"weights changed", 1, 2, false, true},
		{"code changed", 2, 2, true, false},
	}
	for _, c := range cases {
		change("app/code", noise(10+c.code, size))
		change("app/weights.bin", noise(20+c.weights, size))
		wherry.Must(t, "", "build", "-q", "-t", host+"/app:1", filepath.Join(dir, "app"))
		wherry.Must(t, "", "push", "-q", host+"/app:1")
		blobs, docs, bytes := seen.reset()
		m := manifest(t, host, "app", "1")
		seen.reset()
		if len(m.Layers) != 3 {
			t.Fatalf("the image has %d layers, want base, weights and code", len(m.Layers))
		}
		code, weights := m.Layers[2], m.Layers[1]
		if weights.MediaType != ispec.MediaTypeImageLayer {
			t.Fatalf("the layer of weights is %s", weights.MediaType)
		}
		t.Logf("%s: %d blobs, %d documents, %d bytes", c.what, len(blobs), docs, bytes)
		want := int64(0)
		for _, l := range []struct {
			what   string
			layer  ispec.Descriptor
			wanted bool
		}{{"code", code, c.newCode}, {"weights", weights, c.newData}} {
			if blobs[l.layer.Digest] != l.wanted {
				t.Errorf("%s: %s sent: %t, want %t", c.what, l.what, blobs[l.layer.Digest], l.wanted)
			}
			if l.wanted {
				want += l.layer.Size
			}
		}
		// The base is in the same registry already: it is mounted, not sent.
		if blobs[library.Digest] {
			t.Errorf("%s: the base was sent", c.what)
		}
		if bytes < want || bytes > want+documents {
			t.Errorf("%s: %d bytes were sent, want %d and at most %d of documents", c.what, bytes, want, documents)
		}
	}
}
