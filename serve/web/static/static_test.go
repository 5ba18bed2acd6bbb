package static_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/serve/web/static"
	"github.com/wherry-run/wherry/test/dock"
)

type image struct{ layers []layer.Layer }

func (i image) Config() ispec.ImageConfig { return ispec.ImageConfig{} }
func (i image) Layers() []layer.Layer     { return i.layers }

var text = strings.Repeat("a line of text that can be packed\n", 200)

func files() map[string][]byte {
	return map[string][]byte{
		"/srv/http/index.html":               []byte("<h1>home</h1>"),
		"/srv/http/about.html":               []byte("about"),
		"/srv/http/docs/index.html":          []byte("docs"),
		"/srv/http/text.txt":                 []byte(text),
		"/srv/http/app.js":                   []byte(text),
		"/srv/http/app.js.br":                []byte("brotli, says its name"),
		"/srv/http/assets/index-DiwrgTda.js": []byte("1"),
		"/srv/http/app.3f2a9c1b.css":         []byte("body{}"),
		"/srv/http/.git/config":              []byte("secret"),
		"/srv/http/.well-known/x":            []byte("known"),
		"/srv/http/large.bin":                bytes.Repeat([]byte{7}, 1<<20),
		"/etc/passwd":                        []byte("root"),
	}
}

// open serves files, and has a symbolic link out of the site and one within.
func open(t testing.TB, more map[string][]byte, c static.Config, spec runtime.Spec) *static.Site {
	t.Helper()
	all := files()
	for name, data := range more {
		all[name] = data
	}
	l := dock.Layer(all)
	l.Index.Entries = append(l.Index.Entries,
		layer.Entry{Path: "srv/http/out.txt", Kind: layer.Symlink, Target: "../../etc/passwd", Mode: 0o777},
		layer.Entry{Path: "srv/http/in.txt", Kind: layer.Symlink, Target: "/srv/http/text.txt", Mode: 0o777},
		layer.Entry{Path: "srv/http/loop", Kind: layer.Symlink, Target: "loop", Mode: 0o777})
	l.Index.Sort()
	rt, err := runtime.New(t.Context(), runtime.WithInterpreter())
	if err != nil {
		t.Fatal(err)
	}
	end := context.WithoutCancel(t.Context())
	t.Cleanup(func() { rt.Close(end) })
	box, err := rt.Create(t.Context(), image{[]layer.Layer{l}}, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { box.Close(end) })
	c.Files, c.Root = box, "/srv/http"
	s, err := static.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func ask(s http.Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://localhost/", nil)
	r.URL.Path, _, _ = strings.Cut(target, "?")
	_, r.URL.RawQuery, _ = strings.Cut(target, "?")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestPaths(t *testing.T) {
	for _, frozen := range []bool{true, false} {
		s := open(t, nil, static.Config{Frozen: frozen}, runtime.Spec{ReadOnly: true})
		for range 2 { // the second time it remembers
			for _, c := range []struct {
				target string
				status int
				is     string // body, or Location
			}{
				{"/", 200, "<h1>home</h1>"},
				{"/index.html", 200, "<h1>home</h1>"},
				{"/docs", 301, "/docs/"},
				{"/docs?a=1", 301, "/docs/?a=1"},
				{"//docs", 301, "/docs/"},
				{"/docs/", 200, "docs"},
				{"/about", 200, "about"},
				{"/about.html/", 404, ""},
				{"/none", 404, ""},
				{"/in.txt", 200, text},
				{"/out.txt", 404, ""},
				{"/loop", 404, ""},
				{"/../../etc/passwd", 404, ""},
				{"/docs/../../../etc/passwd", 404, ""},
				{"/.git/config", 404, ""},
				{"/docs/../.git/config", 404, ""},
				{"/.well-known/x", 200, "known"},
				{"/a\x00b", 400, ""},
				{`/..\..\etc\passwd`, 400, ""},
				{"/" + strings.Repeat("x", 5000), 400, ""},
				{"relative", 400, ""},
			} {
				w := ask(s, "GET", c.target)
				got := w.Body.String()
				if w.Code == 301 {
					got = w.Header().Get("Location")
				}
				if w.Code != c.status || c.is != "" && got != c.is {
					t.Errorf("frozen %v: %q: %d %.60q, want %d %.60q", frozen, c.target, w.Code, got, c.status, c.is)
				}
			}
		}
	}
}

func TestMethods(t *testing.T) {
	s := open(t, nil, static.Config{Frozen: true}, runtime.Spec{ReadOnly: true})
	if w := ask(s, "HEAD", "/text.txt"); w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") == "" {
		t.Error("HEAD:", w.Code, w.Body.Len(), w.Header())
	}
	if w := ask(s, "OPTIONS", "/text.txt"); w.Code != 204 || w.Header().Get("Allow") == "" {
		t.Error("OPTIONS:", w.Code, w.Header())
	}
	if w := ask(s, "POST", "/text.txt"); w.Code != 405 || w.Header().Get("Allow") == "" {
		t.Error("POST:", w.Code, w.Header())
	}
}

func TestForms(t *testing.T) {
	s := open(t, nil, static.Config{Frozen: true}, runtime.Spec{ReadOnly: true})
	w := ask(s, "GET", "/text.txt", "Accept-Encoding", "gzip, br")
	if w.Header().Get("Content-Encoding") != "gzip" || w.Header().Get("Vary") != "Accept-Encoding" {
		t.Fatal(w.Header())
	}
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(z); err != nil || string(plain) != text {
		t.Errorf("%d bytes, %v", len(plain), err)
	}
	plain := ask(s, "GET", "/text.txt", "Accept-Encoding", "gzip;q=0")
	if plain.Header().Get("Content-Encoding") != "" || plain.Body.String() != text {
		t.Error("gzip;q=0:", plain.Header())
	}
	if a, b := plain.Header().Get("Etag"), w.Header().Get("Etag"); a == b || a == "" {
		t.Errorf("tags of two forms: %s, %s", a, b)
	}
	if w := ask(s, "GET", "/app.js", "Accept-Encoding", "br, gzip"); w.Header().Get("Content-Encoding") != "br" || w.Body.String() != "brotli, says its name" ||
		w.Header().Get("Content-Type") != "text/javascript; charset=utf-8" {
		t.Error("a packed file beside:", w.Header(), w.Body)
	}
	if w := ask(s, "GET", "/app.js"); w.Header().Get("Content-Encoding") != "" || w.Header().Get("Vary") != "Accept-Encoding" || w.Body.String() != text {
		t.Error("without Accept-Encoding:", w.Header())
	}
	if w := ask(s, "GET", "/large.bin", "Accept-Encoding", "gzip"); w.Header().Get("Content-Encoding") != "" || w.Body.Len() != 1<<20 {
		t.Error("bytes:", w.Header(), w.Body.Len())
	}
}

func TestConditions(t *testing.T) {
	s := open(t, nil, static.Config{Frozen: true}, runtime.Spec{ReadOnly: true})
	tag := ask(s, "GET", "/text.txt").Header().Get("Etag")
	if w := ask(s, "GET", "/text.txt", "If-None-Match", tag); w.Code != 304 || w.Body.Len() != 0 {
		t.Error("If-None-Match:", w.Code)
	}
	if w := ask(s, "GET", "/text.txt", "If-Match", `"other"`); w.Code != 412 {
		t.Error("If-Match:", w.Code)
	}
	if w := ask(s, "GET", "/text.txt", "Range", "bytes=2-5"); w.Code != 206 || w.Body.String() != text[2:6] {
		t.Error("Range:", w.Code, w.Body)
	}
	if w := ask(s, "GET", "/text.txt", "Range", "bytes=-3", "If-Range", tag); w.Code != 206 || w.Body.String() != text[len(text)-3:] {
		t.Error("If-Range:", w.Code)
	}
	if w := ask(s, "GET", "/text.txt", "Range", "bytes=2-5", "If-Range", `"other"`); w.Code != 200 || w.Body.String() != text {
		t.Error("If-Range of another:", w.Code)
	}
	if w := ask(s, "GET", "/text.txt", "Range", "bytes=99999999-"); w.Code != 416 {
		t.Error("a range behind the end:", w.Code)
	}
	if w := ask(s, "GET", "/text.txt", "Range", "bytes="+strings.Repeat("0-0,", 40)+"0-0"); w.Code != 200 || w.Body.String() != text {
		t.Error("many ranges:", w.Code)
	}
	if w := ask(s, "GET", "/text.txt", "If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"); w.Code != 200 {
		t.Error("a time that says nothing:", w.Code)
	}
}

func TestCaching(t *testing.T) {
	s := open(t, nil, static.Config{Frozen: true}, runtime.Spec{ReadOnly: true})
	for target, forever := range map[string]bool{"/": false, "/app.js": false, "/assets/index-DiwrgTda.js": true, "/app.3f2a9c1b.css": true} {
		if got := ask(s, "GET", target).Header().Get("Cache-Control"); strings.Contains(got, "immutable") != forever {
			t.Errorf("%s: %q", target, got)
		}
	}
}

func TestFallback(t *testing.T) {
	s := open(t, map[string][]byte{"/srv/http/404.html": []byte("not here")}, static.Config{Frozen: true, Fallback: "/index.html"}, runtime.Spec{ReadOnly: true})
	if w := ask(s, "GET", "/users/7"); w.Code != 200 || w.Body.String() != "<h1>home</h1>" || strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Error("a page:", w.Code, w.Body)
	}
	if w := ask(s, "GET", "/missing.png"); w.Code != 404 || w.Body.String() != "not here" {
		t.Error("a file:", w.Code, w.Body)
	}
}

// TestMounted wants changes of a mounted folder served at once.
func TestMounted(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "page.html")
	if err := os.WriteFile(name, []byte("one"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := open(t, nil, static.Config{}, runtime.Spec{Mounts: []runtime.Mount{{Source: dir, Target: "/srv/http", ReadOnly: true}}})
	first := ask(s, "GET", "/page")
	if first.Code != 200 || first.Body.String() != "one" || first.Header().Get("Last-Modified") == "" {
		t.Fatal(first.Code, first.Body, first.Header())
	}
	if err := os.WriteFile(name, []byte("three"), 0o644); err != nil {
		t.Fatal(err)
	}
	if w := ask(s, "GET", "/page", "If-None-Match", first.Header().Get("Etag")); w.Code != 200 || w.Body.String() != "three" {
		t.Error(w.Code, w.Body)
	}
}

func TestNoSite(t *testing.T) {
	rt, err := runtime.New(t.Context(), runtime.WithInterpreter())
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close(context.WithoutCancel(t.Context()))
	c, err := rt.Create(t.Context(), image{[]layer.Layer{dock.Layer(map[string][]byte{"/x": nil})}}, runtime.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(t.Context()))
	if _, err := static.New(static.Config{Files: c, Root: "/srv/http"}); err == nil || !strings.Contains(err.Error(), "/srv/http") {
		t.Error(err)
	}
}

// FuzzRequest asks in all ways: nothing outside of the site is answered with.
func FuzzRequest(f *testing.F) {
	s := open(f, nil, static.Config{Frozen: true, CacheBytes: 1 << 20}, runtime.Spec{ReadOnly: true})
	f.Add("/text.txt", "bytes=0-1,5-", "gzip;q=0.5, *;q=0", `"x"`)
	f.Add("/../etc/passwd", "bytes=-", "br;q=1.000", `W/"y", *`)
	f.Fuzz(func(t *testing.T, path, ranges, encodings, tags string) {
		w := ask(s, "GET", path, "Range", ranges, "Accept-Encoding", encodings, "If-None-Match", tags)
		if body := w.Body.String(); body == "root" || body == "secret" {
			t.Errorf("%q: %q", path, body)
		}
		if w.Code >= 500 || w.Code == 206 && w.Body.Len() > 2*len(files()["/srv/http/large.bin"]) {
			t.Errorf("%q, %q: %d, %d bytes", path, ranges, w.Code, w.Body.Len())
		}
	})
}
