package web

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What needs less says the same as the standard library.
func TestTarget(t *testing.T) {
	for _, s := range []string{"/", "/hello/joe", "//host/path", "/a%20b", "/a?b=c&d=%20", "/a?", "/?a?b", "/a b", "/a#b", "*", "", "http://host/path", "/ü", "/a;b", "/a:b", "/?\x7f", "/+", "/a/../b"} {
		want, werr := url.ParseRequestURI(s)
		got, err := target(s, &url.URL{})
		if (err != nil) != (werr != nil) || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %#v, %v; want %#v, %v", s, got, err, want, werr)
		}
	}
}

func TestDetect(t *testing.T) {
	long := strings.Repeat("x", 34)
	for _, s := range []string{"hello\n", `{"a":1}`, "[1]", "<html>", "wOFF", "ttcf", "GIF89a", "a\x00", "a\x1b", "%PDF-", long + "LP", long + "L", "abcdefg\x1fhijkl", "abcdefgh\x01", "a\x1bbcdefghi", "abcdefg\fhijk", "abcdefgh\nij\r\tkl", "a\x7fbcdefghi", strings.Repeat("ä", 300), long + "xx", "ünder", "aü", strings.Repeat("x", 600) + "\x00", " <html>"} {
		if got, want := detect([]byte(s)), http.DetectContentType([]byte(s)); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
}

// A context that is made late is over with its request, and so is what was derived
// from it.
func TestDuring(t *testing.T) {
	for _, before := range []bool{true, false} {
		d := &during{}
		derive := func() context.Context {
			c, stop := context.WithTimeout(d, time.Minute)
			t.Cleanup(stop)
			return c
		}
		c := context.Context(d)
		if before {
			c = derive()
		}
		if c.Err() != nil {
			t.Error("it is over at once")
		}
		d.end()
		if !before {
			c = derive()
		}
		select {
		case <-c.Done():
		case <-time.After(time.Minute):
			t.Error("it goes on")
		}
		if c.Err() != context.Canceled || d.Err() != context.Canceled {
			t.Errorf("%v, %v", c.Err(), d.Err())
		}
	}
}

// frame is a request as the host says it.
func frame(texts []string, body string) []byte {
	b := binary.LittleEndian.AppendUint32([]byte{0, 0, 0, 0}, uint32(len(texts)))
	for _, s := range texts {
		b = appendText(b, s)
	}
	return append(b, body...)
}

// ask has a handler answer a request.
func ask(h http.HandlerFunc, b []byte) []byte {
	handler, room = h, b
	answer(0, int32(len(b)))
	return reply
}

// What was not written to its end is not said to be an answer.
func TestCut(t *testing.T) {
	request := frame([]string{"GET", "/", "HTTP/1.1", "h", "a", "http"}, "")
	for _, c := range []struct {
		name string
		cut  bool
		h    http.HandlerFunc
	}{
		{"all", false, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "all") }},
		{"aborted at once", true, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		{"aborted", true, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "half"); panic(http.ErrAbortHandler) }},
		{"a panic after a part", true, func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			panic("x")
		}},
		{"a panic", false, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "half"); panic("x") }},
	} {
		handler, room = c.h, request
		if got := answer(0, int32(len(request))); (got == -1) != c.cut {
			t.Errorf("%s: %x", c.name, got)
		} else if c.name == "a panic" && binary.LittleEndian.Uint32(reply) != 500 {
			t.Errorf("%s: %q", c.name, reply)
		}
	}
}

// What a request says is its own: it stays when others come.
func TestKept(t *testing.T) {
	type seen struct {
		*http.Request
		header http.Header
	}
	var kept []seen
	var late http.ResponseWriter
	name := func(i int) string { return strconv.Itoa(i) + strings.Repeat("x", i%7*300) }
	for i := range 200 {
		head := []string{"GET", "/" + name(i), "HTTP/1.1", "host", "127.0.0.1:1", "http", "X-A", name(i), "X-B", "b", "X-A", "again"}
		got := ask(func(w http.ResponseWriter, r *http.Request) {
			kept = append(kept, seen{r, w.Header()})
			if b, err := io.ReadAll(r.Body); err != nil || string(b) != name(i) {
				t.Errorf("%q, %v", b, err)
			}
			if w.Header().Set("X-A", name(i)); i%2 == 0 {
				io.WriteString(w, name(i))
			}
			if late != nil {
				if _, err := io.WriteString(late, "late"); err == nil {
					t.Error("an answer is written to after its end")
				}
			}
			late = w
		}, frame(head, name(i)))
		want := binary.LittleEndian.AppendUint32(nil, 200)
		if i%2 == 0 {
			if !bytes.HasSuffix(got, []byte(name(i))) {
				t.Errorf("%q", got)
			}
		} else if got = got[:4]; !bytes.Equal(got, want) {
			t.Errorf("%q", got)
		}
	}
	for i, k := range kept {
		if k.URL.Path != "/"+name(i) || !reflect.DeepEqual(k.Header, http.Header{"X-A": {name(i), "again"}, "X-B": {"b"}}) || k.header.Get("X-A") != name(i) || k.Context().Err() == nil {
			t.Errorf("%d: %.80s, %.80v", i, k.URL, k.Header)
		}
		if _, err := k.Body.Read(make([]byte, 1)); err == nil {
			t.Error("a body is read after its answer")
		}
	}
}

// A head that is the last one again says what it said.
func TestHeads(t *testing.T) {
	for range 2 {
		for _, c := range []struct {
			status int
			kind   string
			body   string
		}{{200, "text/plain; charset=utf-8", "hello"}, {200, "text/html; charset=utf-8", "<html>"}, {404, "text/plain; charset=utf-8", "hello"}, {204, "", ""}} {
			got := ask(func(w http.ResponseWriter, r *http.Request) {
				if c.status != 404 {
					if c.body == "" {
						w.WriteHeader(c.status)
					}
					io.WriteString(w, c.body)
					return
				}
				http.Error(w, "hello", 404)
			}, frame([]string{"GET", "/", "HTTP/1.1", "h", "a", "http"}, ""))
			if binary.LittleEndian.Uint32(got) != uint32(c.status) || !bytes.Contains(got, []byte(c.kind)) || !strings.Contains(string(got), c.body) {
				t.Errorf("%+v: %q", c, got)
			}
		}
	}
}

// A program that keeps much is collected as any other.
func TestCollect(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Cleanup(collectUsually)
	for _, size := range []int{1 << 20, 2 * little} {
		kept := make([]byte, size)
		collectSeldom()
		runtime.GC()
		for range often {
			collect()
		}
		if seldom != (size < little) {
			t.Errorf("%d bytes are kept: %v", size, seldom)
		}
		runtime.KeepAlive(kept)
	}
}
