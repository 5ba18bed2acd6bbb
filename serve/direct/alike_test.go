package direct

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

// says is all that a server says to pieces, after which nothing more is sent.
func says(t *testing.T, address string, pieces ...string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	for _, p := range pieces {
		_, _ = io.WriteString(c, p)
		time.Sleep(30 * time.Millisecond)
	}
	_ = c.(*net.TCPConn).CloseWrite() // the other side may have ended
	b, _ := io.ReadAll(c)
	return string(b)
}

// bodies are those of answers.
func bodies(t *testing.T, text string) (list []string) {
	t.Helper()
	reader := bufio.NewReader(strings.NewReader(text))
	for {
		r, err := http.ReadResponse(reader, nil)
		if err != nil {
			return list
		}
		b, err := io.ReadAll(r.Body)
		list = append(list, fmt.Sprint(r.StatusCode, " ", string(b), " ", err))
	}
}

// TestHalfClosed: what has come before a client says that no more does is answered.
func TestHalfClosed(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-time.After(5 * time.Second):
		}
		fmt.Fprint(w, r.Context().Err())
	})
	_, address := start(t, h)
	other := native(t, h)
	slow := request("/slow", "x")
	for name, text := range map[string]string{
		"one": slow, "three": slow + slow + slow, "one, and a part": slow + slow[:len(slow)-1],
		"two, and one of another": slow + slow + "PUT /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
	} {
		got, want := bodies(t, says(t, address, text)), bodies(t, says(t, other, text))
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q\nnet/http %q", name, got, want)
		}
	}
}

// TestPreface: in the midst of a connection nothing begins HTTP/2, however it comes.
func TestPreface(t *testing.T) {
	h := &http.Server{Handler: http.HandlerFunc(handler), Protocols: new(http.Protocols)}
	h.Protocols.SetHTTP1(true)
	h.Protocols.SetUnencryptedHTTP2(true)
	_, address := serving(t, h)
	echo := request("/echo", "x")
	const settings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	const all = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings
	if got := says(t, address, all); !strings.Contains(got, "\x04\x00\x00\x00\x00\x00") {
		t.Errorf("HTTP/2 was not begun: %q", got)
	}
	for _, pieces := range [][]string{{echo + all}, {echo, all}, {echo, all[:2], all[2:]}, {echo + all[:3], all[3:]}, {echo, "\r\n" + all}, {echo, "\r\n" + all[:2], all[2:]}} {
		got := says(t, address, pieces...)
		_, after, _ := strings.Cut(got, "/echo")
		if len(bodies(t, got)) != 1 || strings.Contains(after, "\x00") {
			t.Errorf("%.60q: %q", pieces, got)
		}
	}
}

// TestWriteDeadline: one that a handler sets holds for its answer alone.
func TestWriteDeadline(t *testing.T) {
	_, address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/deadline" {
			if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
				t.Error(err)
			}
			return
		}
		time.Sleep(1100 * time.Millisecond)
		_, _ = io.WriteString(w, "late")
	}))
	for _, next := range []string{request("/", ""), "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"} {
		if got := bodies(t, says(t, address, request("/deadline", "")+next)); len(got) != 2 || got[1] != "200 late <nil>" {
			t.Errorf("%.4s: %q", next, got)
		}
	}
}

// TestNewlinesAfterGet: they are left out after the body of a POST alone.
func TestNewlinesAfterGet(t *testing.T) {
	_, address := servingOf(t, &http.Server{Handler: http.HandlerFunc(handler)}, http.MethodGet)
	other := native(t, http.HandlerFunc(handler))
	const get = "GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n"
	for _, pieces := range [][]string{{get + "\r\n" + get}, {get, "\r\n", get}, {get, "\r\n" + get}} {
		got, want := bodies(t, says(t, address, pieces...)), bodies(t, says(t, other, pieces...))
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q\nnet/http %q", pieces, got, want)
		}
	}
}

// TestSoon: what is larger than what net/http keeps is sent before it is whole.
func TestSoon(t *testing.T) {
	seen := make(chan struct{}, 1)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", "30000")
		} else {
			_, _ = w.Write(make([]byte, 5000))
		}
		_, _ = w.Write(make([]byte, 5000))
		select {
		case <-seen:
		case <-time.After(5 * time.Second):
			t.Error(r.URL.Path, ": nothing was sent")
		}
		_, _ = w.Write(make([]byte, 25_000))
	})
	_, address := start(t, h)
	for _, at := range []string{address, native(t, h)} {
		for path, want := range map[string]int{"/": 35_000, "/length": 30_000} {
			c, err := net.Dial("tcp", at)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(c, request(path, ""))
			reader := bufio.NewReader(c)
			if _, err := reader.Peek(1); err != nil {
				t.Fatal(err)
			}
			seen <- struct{}{}
			r, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(r.Body); err != nil || len(b) != want {
				t.Errorf("%s: %d bytes, %v", path, len(b), err)
			}
			c.Close()
		}
	}
}

// TestProxied: what another server says before, and after, its answer is passed on.
func TestProxied(t *testing.T) {
	behind, err := url.Parse("http://" + native(t, http.HandlerFunc(handler)))
	if err != nil {
		t.Fatal(err)
	}
	h := httputil.NewSingleHostReverseProxy(behind)
	_, address := servingOf(t, &http.Server{Handler: h}, http.MethodGet)
	other := native(t, h)
	for _, path := range []string{"/interim", "/trailers", "/trailers/late/flushed", "/none/typed", "/page"} {
		get := "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n"
		got, open := ask(t, address, 1, get)
		want, wantOpen := ask(t, other, 1, get)
		if open != wantOpen || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v\nnet/http %v, %v", path, got, open, want, wantOpen)
		}
	}
}
