package handler_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/serve/web/handler"
)

// compile builds the example in Go as a reactor.
func compile(t testing.TB, flags ...string) []byte {
	t.Helper()
	to := filepath.Join(t.TempDir(), "module")
	c := exec.CommandContext(t.Context(), "go", append(append([]string{"build", "-buildmode=c-shared", "-o", to}, flags...), ".")...)
	c.Dir, c.Env = "../../../examples/web-go", append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=", "GOWORK=off")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	module, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func open(t testing.TB, module []byte, c handler.Config) *handler.Handler {
	t.Helper()
	var options []runtime.Option
	if dir := os.Getenv("WHERRY_TEST_HOME"); dir != "" {
		options = append(options, runtime.WithCacheDir(filepath.Join(dir, "cache", "modules")))
	}
	rt, err := runtime.New(t.Context(), options...)
	if err != nil {
		t.Fatal(err)
	}
	end := context.WithoutCancel(t.Context())
	t.Cleanup(func() { rt.Close(end) })
	c.Container, err = rt.Create(t.Context(), runtime.Program("web", module), runtime.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Container.Close(end) })
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	h, err := handler.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close(end) })
	return h
}

// The package that people copy has tests of its own, in a module of its own.
func TestPackage(t *testing.T) {
	c := exec.CommandContext(t.Context(), "go", "test", "-count=1", "./...")
	c.Dir, c.Env = "../../../examples/web-go", append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestGo(t *testing.T) {
	s := httptest.NewServer(open(t, compile(t), handler.Config{Instances: 2, Waiting: 8}))
	defer s.Close()
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for _, c := range []struct {
		method, path string
		body         []byte
		status       int
		says         string
		kind         string
	}{
		{"GET", "/", nil, 200, "hello from a sandbox\n", "text/plain; charset=utf-8"},
		{"GET", "/hello/a%20b", nil, 200, `{"hello":"a b"}` + "\n", "application/json"},
		{"HEAD", "/hello/x", nil, 200, "", "application/json"},
		{"GET", "/nope", nil, 404, "404 page not found\n", "text/plain; charset=utf-8"},
		{"DELETE", "/", nil, 405, "Method Not Allowed\n", "text/plain; charset=utf-8"},
		{"POST", "/echo", []byte("x"), 200, "x", "application/octet-stream"},
		{"POST", "/echo", large, 200, string(large), "application/octet-stream"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, s.URL+c.path, bytes.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		a, err := s.Client().Do(r)
		if err != nil {
			t.Fatalf("%s %s: %v", c.method, c.path, err)
		}
		text, err := io.ReadAll(a.Body)
		a.Body.Close()
		if err != nil || a.StatusCode != c.status || string(text) != c.says || a.Header.Get("Content-Type") != c.kind {
			t.Errorf("%s %s: %d %q %.60q, %v", c.method, c.path, a.StatusCode, a.Header.Get("Content-Type"), text, err)
		}
	}
}

// TestStream wants each piece of an answer when it is there.
func TestStream(t *testing.T) {
	s := httptest.NewServer(open(t, compile(t), handler.Config{Instances: 1, Waiting: 8}))
	defer s.Close()
	var between time.Duration
	for range 10 { // all of them take a second; on a loaded machine the first may be seen with the last
		if between = ticks(t, s); between > 100*time.Millisecond {
			return
		}
	}
	t.Errorf("the last piece came %v after the first", between)
}

// ticks is the time between the first piece and the end of an answer.
func ticks(t *testing.T, s *httptest.Server) time.Duration {
	t.Helper()
	a, err := s.Client().Get(s.URL + "/ticks")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	first := make([]byte, len("data: 0\n\n"))
	if _, err := io.ReadFull(a.Body, first); err != nil || string(first) != "data: 0\n\n" {
		t.Fatalf("%q, %v", first, err)
	}
	came := time.Now()
	rest, err := io.ReadAll(a.Body)
	if err != nil || !strings.HasSuffix(string(rest), "data: 4\n\n") {
		t.Errorf("%q, %v", rest, err)
	}
	return time.Since(came)
}

// cutting is a program whose handlers do not come to their ends.
const cutting = `package main

import (
	"fmt"
	"net/http"
	"time"

	"web-go/web"
)

func init() {
	asked := 0
	web.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		fmt.Fprint(w, asked)
		switch r.URL.Path {
		case "/abort/part", "/panic/part":
			w.(http.Flusher).Flush()
			time.Sleep(200 * time.Millisecond) // the host waits a little for more
		}
		switch r.URL.Path {
		case "/abort", "/abort/part":
			panic(http.ErrAbortHandler)
		case "/panic", "/panic/part":
			panic("x")
		}
	}))
}

func main() {}
`

// TestCut: half an answer is none, as with net/http, and the program goes on.
func TestCut(t *testing.T) {
	dir := t.TempDir()
	replaced, err := filepath.Abs("../../../examples/web-go/main.go")
	if err != nil {
		t.Fatal(err)
	}
	by, overlay := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{replaced: by}})
	if err := errors.Join(err, os.WriteFile(by, []byte(cutting), 0o600), os.WriteFile(overlay, text, 0o600)); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(open(t, compile(t, "-overlay", overlay), handler.Config{Instances: 1, Waiting: 8}))
	defer s.Close()
	for i, c := range []struct {
		path   string
		status int // 0: no answer
		whole  bool
	}{{"/", 200, true}, {"/abort", 0, false}, {"/abort/part", 200, false}, {"/panic", 500, true}, {"/panic/part", 200, false}, {"/", 200, true}} {
		a, err := s.Client().Post(s.URL+c.path, "", nil) // which is not asked again by itself
		if err != nil {
			if c.status != 0 {
				t.Errorf("%s: %v", c.path, err)
			}
			continue
		}
		b, err := io.ReadAll(a.Body)
		a.Body.Close()
		if a.StatusCode != c.status || (err == nil) != c.whole || a.StatusCode == 200 && string(b) != strconv.Itoa(i+1) {
			t.Errorf("%s: %d %q, %v", c.path, a.StatusCode, b, err)
		}
	}
}

func BenchmarkGo(b *testing.B) {
	h := open(b, compile(b), handler.Config{Instances: 2, Waiting: 64})
	for _, path := range []string{"/", "/hello/joe"} {
		b.Run(strings.Trim(path, "/"), func(b *testing.B) {
			b.ReportAllocs()
			before := h.Container.Stats().Fuel
			for b.Loop() {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
				if w.Code != 200 {
					b.Fatal(w.Code, w.Body)
				}
			}
			b.ReportMetric(float64(h.Container.Stats().Fuel-before)/float64(b.N), "fuel/op")
		})
	}
}
