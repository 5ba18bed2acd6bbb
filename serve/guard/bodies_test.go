package guard_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/serve/guard"
	"github.com/wherry-run/wherry/serve/route"
)

func TestBodyBound(t *testing.T) {
	s := httptest.NewServer(guard.Wrap(echo, guard.Config{MaxBody: 1000}))
	defer s.Close()
	for _, c := range []struct {
		size    int
		chunked bool
		status  int
	}{{1000, false, 200}, {1001, false, 413}, {1000, true, 200}, {1001, true, 413}, {0, false, 200}} {
		var body io.Reader = strings.NewReader(strings.Repeat("x", c.size))
		if c.chunked {
			body = io.MultiReader(body) // of unknown length
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Errorf("%d bytes: %v", c.size, err)
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%d bytes, chunked %v: status %d, want %d", c.size, c.chunked, resp.StatusCode, c.status)
		}
	}
}

// TestBodies: all requests together may not send more than a bound, and afterwards
// others may.
func TestBodies(t *testing.T) {
	reading, go2 := make(chan struct{}, 8), make(chan struct{})
	h := guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(route.ProblemOf(err).Status)
			return
		}
		if r.URL.Path == "/hold" {
			reading <- struct{}{}
			<-go2
		}
	}), guard.Config{MaxBody: 1000, MaxBodies: 1500})
	s := httptest.NewServer(h)
	defer s.Close()
	post := func(path string, size int, chunked bool) int {
		var body io.Reader = strings.NewReader(strings.Repeat("x", size))
		if chunked {
			body = io.MultiReader(body)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, body)
		if err != nil {
			t.Error(err)
			return 0
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			return 0
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	held := make(chan int, 1)
	go func() { held <- post("/hold", 1000, false) }()
	<-reading
	for _, c := range []struct {
		size    int
		chunked bool
		status  int
	}{{500, false, 200}, {501, false, 503}, {501, true, 503}, {500, true, 200}} {
		if got := post("/", c.size, c.chunked); got != c.status {
			t.Errorf("%d bytes beside 1000, chunked %v: %d, want %d", c.size, c.chunked, got, c.status)
		}
	}
	close(go2)
	if got := <-held; got != 200 {
		t.Errorf("the first: %d", got)
	}
	if got := post("/", 1000, true); got != 200 {
		t.Errorf("afterwards: %d", got)
	}
}

// TestBodiesUnpacked: what a packed body becomes counts as well.
func TestBodiesUnpacked(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for most, want := range map[int64]int{1 << 20: 503, 2 << 20: 200} {
		h := guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := route.Body(w, r, 1<<20); err != nil {
				w.WriteHeader(route.ProblemOf(err).Status)
			}
		}), guard.Config{MaxBody: 1 << 20, MaxBodies: most})
		for range 2 { // it is given back
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(packed.Bytes()))
			r.Header.Set("Content-Encoding", "gzip")
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Code != want {
				t.Errorf("%d bytes packed, of which 1 MiB becomes, where %d may be held: %d, want %d", packed.Len(), most, w.Code, want)
			}
		}
	}
}

// TestSlowStranger sends a body a byte at a time, and has no key: its connection is
// not held for longer than a body may take.
func TestSlowStranger(t *testing.T) {
	keys, err := guard.NewKeys("secret-key", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(nil)
	s.Config = guard.NewServer(guard.Wrap(echo, guard.Config{Keys: keys, ReadTimeout: 200 * time.Millisecond}), nil)
	s.Start()
	defer s.Close()
	began := time.Now()
	answer, err := trickle(t, s)
	if took := time.Since(began); took > 10*time.Second || !strings.Contains(answer, "401") {
		t.Errorf("a slow client without a key was bounded after %v: %q, %v", took, answer, err)
	}
}

// trickle sends a body a byte at a time, for two seconds, and gives the answer.
func trickle(t *testing.T, s *httptest.Server) (string, error) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String()) //nolint:noctx
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
	go func() {
		for range 1500 {
			if _, err := conn.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	answer, err := io.ReadAll(conn)
	return string(answer), err
}

// TestSlowClient sends a body a byte at a time: it is cut off, and a request whose
// model computes longer than that is not.
func TestSlowClient(t *testing.T) {
	long := make(chan error, 1)
	h := guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		echo(w, r)
		if r.URL.Path == "/long" {
			select {
			case <-r.Context().Done():
				long <- r.Context().Err()
			case <-time.After(600 * time.Millisecond):
				long <- nil
			}
		}
	}), guard.Config{ReadTimeout: 200 * time.Millisecond})
	s := httptest.NewUnstartedServer(nil)
	s.Config = guard.NewServer(h, nil)
	s.Start()
	defer s.Close()
	resp, err := http.Post(s.URL+"/long", "text/plain", strings.NewReader("hello")) //nolint:noctx
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	_ = resp.Body.Close()
	if err := <-long; err != nil {
		t.Errorf("a request was ended while it was computed: %v", err)
	}
	began := time.Now()
	answer, err := trickle(t, s)
	if took := time.Since(began); took > 10*time.Second || !strings.Contains(answer, "408") {
		t.Errorf("a slow client was bounded after %v: %q, %v", took, answer, err)
	}
}

// TestSlowReader does not read what it asked for.
func TestSlowReader(t *testing.T) {
	ended := make(chan error, 1)
	h := guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		part := make([]byte, 1<<20)
		for range 64 {
			if _, err := w.Write(part); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}), guard.Config{WriteTimeout: 200 * time.Millisecond})
	s := httptest.NewServer(h)
	defer s.Close()
	conn, err := net.Dial("tcp", s.Listener.Addr().String()) //nolint:noctx
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	select {
	case err := <-ended:
		if err == nil {
			t.Error("64 MB went to a client that does not read")
		}
	case <-time.After(time.Minute):
		t.Error("a client that does not read holds its handler")
	}
}

// TestLongAnswer has parts with long pauses between them: only a client that does not
// read is cut off, whatever HTTP is spoken.
func TestLongAnswer(t *testing.T) {
	h := guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range 3 {
			_, _ = io.WriteString(w, "part ")
			if r.URL.Path == "/stream" {
				_ = http.NewResponseController(w).Flush()
			}
			time.Sleep(250 * time.Millisecond)
		}
	}), guard.Config{WriteTimeout: 100 * time.Millisecond})
	for _, two := range []bool{false, true} {
		s := httptest.NewUnstartedServer(nil)
		s.Config = guard.NewServer(h, nil)
		s.EnableHTTP2 = two
		s.StartTLS()
		for _, path := range []string{"/stream", "/whole"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := s.Client().Do(r)
			if err != nil {
				t.Errorf("%s, HTTP/2 %v: %v", path, two, err)
				continue
			}
			text, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if string(text) != "part part part " || err != nil || (resp.ProtoMajor == 2) != two {
				t.Errorf("%s, %s: %q, %v", path, resp.Proto, text, err)
			}
		}
		s.Close()
	}
}
