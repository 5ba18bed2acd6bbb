package direct

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// again is a Conn.
type again struct {
	net.Conn
	rest []byte
}

func (c *again) Unread(p []byte) { c.rest = p }

func (c *again) Read(p []byte) (int, error) {
	if len(c.rest) > 0 {
		n := copy(p, c.rest)
		c.rest = c.rest[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

func (c *again) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

type agains struct{ net.Listener }

func (l agains) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &again{Conn: c}, nil
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// start serves a handler directly; its address is given.
func start(t *testing.T, h http.Handler) (*Server, string) {
	t.Helper()
	return serving(t, &http.Server{Handler: h, ReadHeaderTimeout: time.Minute, IdleTimeout: time.Minute})
}

func serving(t *testing.T, h *http.Server) (*Server, string) {
	t.Helper()
	return servingOf(t, h, http.MethodPost)
}

func servingOf(t *testing.T, h *http.Server, method string) (*Server, string) {
	t.Helper()
	s := New(t.Context(), h, method, nil)
	l := listen(t)
	done := make(chan error, 1)
	go func() { done <- s.Serve(agains{l}) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s, l.Addr().String()
}

// native serves it by net/http.
func native(t *testing.T, h http.Handler) string {
	t.Helper()
	s, l := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}, listen(t)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	return l.Addr().String()
}

// request is a POST with a body.
func request(path, body string, headers ...string) string {
	more := ""
	for _, h := range headers {
		more += h + "\r\n"
	}
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n%s\r\n%s", path, len(body), more, body)
}

// told is what came of a request.
type told struct {
	status  int
	header  http.Header
	body    string
	chunked bool
	closes  bool
	trailer http.Header
}

// ask sends pieces to a server, and reads so many answers, or as many as there are. open
// tells whether the connection takes another request after that.
func ask(t *testing.T, address string, answers int, pieces ...string) (list []told, open bool) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	for i, p := range pieces {
		if i > 0 {
			time.Sleep(30 * time.Millisecond) // it is read by itself, most likely
		}
		if _, err := io.WriteString(c, p); err != nil {
			t.Fatal(err)
		}
	}
	reader := bufio.NewReader(c)
	for n := 0; n < answers; n++ {
		r, err := http.ReadResponse(reader, &http.Request{Method: http.MethodPost})
		if err != nil {
			return list, false
		}
		b, err := io.ReadAll(r.Body)
		if err != nil { // it is cut
			b = fmt.Append(b, err)
		}
		one := told{r.StatusCode, r.Header, string(b), r.TransferEncoding != nil, r.Close, r.Trailer}
		if d := one.header.Get("Date"); d == "" && r.StatusCode != http.StatusBadRequest && r.StatusCode >= 200 { // which net/http answers by itself
			t.Error("no Date")
		} else if _, err := http.ParseTime(d); err == nil {
			one.header.Del("Date")
		}
		list = append(list, one)
		if r.StatusCode < 200 {
			n--
		}
	}
	_, _ = io.WriteString(c, request("/nothing", ""))
	_, err = http.ReadResponse(reader, &http.Request{Method: http.MethodPost})
	return list, err == nil
}

// TestAlike holds answers against net/http's.
func TestAlike(t *testing.T) {
	var here atomic.Int64
	_, address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := w.(*answer); ok {
			here.Add(1)
		}
		handler(w, r)
	}))
	other := native(t, http.HandlerFunc(handler))
	long := strings.Repeat("long ", 20_000)
	echo := request("/echo", "hello")
	type asked struct {
		name    string
		direct  int64 // how many requests of it are answered here, the one at the end among them
		answers int
		pieces  []string
	}
	list := []asked{
		{"pipelined", 4, 3, []string{echo + echo + echo}},
		{"in pieces", 2, 1, []string{echo[:len(echo)-3], "llo"}},
		{"a long body", 2, 1, []string{request("/echo", long)}},
		{"a long body in pieces, and a request", 3, 2, []string{request("/echo", long)[:70_000], request("/echo", long)[70_000:] + echo}},
		{"half a head", 0, 1, []string{echo[:20], echo[20:]}},
		{"half a head after a request", 1, 2, []string{echo + echo[:20], echo[20:]}},
		{"an empty line between", 3, 2, []string{echo + "\r\n" + echo}},
		{"an empty line in a packet of its own", 3, 2, []string{echo, "\r\n", echo}},
		{"one in two packets", 3, 2, []string{echo, "\r", "\n", echo}},
		{"an empty line, and half a head", 1, 2, []string{echo, "\r\n" + echo[:2], echo[2:]}},
		{"two empty lines", 3, 2, []string{echo, "\r\n\r\n", echo}},
		{"three empty lines", 1, 2, []string{echo, "\r\n\r\n\r\n" + echo}},
		{"an empty line, and another method", 1, 2, []string{echo, "\r\nGET /echo HTTP/1.1\r\nHost: x\r\n\r\n"}},
		{"an empty line first", 0, 1, []string{"\r\n" + echo}},
		{"a preface of HTTP/2 that nobody knows then", 1, 2, []string{echo + "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}},
		{"another method then", 1, 2, []string{echo + "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"}},
		{"chunks then", 1, 2, []string{echo + "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"}},
		{"a head that is wrong then", 1, 2, []string{echo + "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"}},
		{"no HTTP then", 1, 2, []string{echo + "hello\r\n\r\n"}},
		{"the last request", 0, 1, []string{request("/echo", "x", "Connection: close")}},
		{"a long body that nobody reads", 2, 1, []string{request("/unread", long)}},
		{"one that comes late", 2, 1, []string{request("/unread", "hello")[:63], "llo"}},
	}
	for path := range handlers {
		n := int64(2)
		switch path {
		case "/last", "/abort", "/length/less", "/length/more", "/status/99", "/status/0", "/status/1000":
			n = 1
		}
		list = append(list, asked{path, n, 1, []string{request(path, "x", "X-A: b")}}, asked{path + " of nothing", n, 1, []string{request(path, "")}})
	}
	for _, c := range list {
		t.Run(c.name, func(t *testing.T) {
			here.Store(0)
			got, open := ask(t, address, c.answers, c.pieces...)
			if n := here.Load(); n != c.direct && len(c.pieces) == 1 { // else it hangs on what came together
				t.Errorf("%d requests were answered directly, not %d", n, c.direct)
			}
			alike(t, got, open, other, c.answers, c.pieces...)
		})
	}
}

// alike holds answers against those of net/http to the same.
func alike(t *testing.T, got []told, open bool, other string, answers int, pieces ...string) {
	t.Helper()
	want, wantOpen := ask(t, other, answers, pieces...)
	if open != wantOpen || len(got) != len(want) {
		t.Fatalf("%d answers, goes on %v; net/http %d, %v", len(got), open, len(want), wantOpen)
	}
	for i := range got {
		g, w := &got[i], &want[i]
		if g.chunked != w.chunked { // net/http keeps less before it begins
			g.header.Del("Content-Length")
			w.header.Del("Content-Length")
			g.chunked = w.chunked
		}
		if !reflect.DeepEqual(g, w) {
			t.Errorf("%.300v\nnet/http %.300v", g, w)
		}
	}
}

// TestAlikeGet holds those without a body against net/http's.
func TestAlikeGet(t *testing.T) {
	var here atomic.Int64
	_, address := servingOf(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := w.(*answer); ok {
			here.Add(1)
		}
		handler(w, r)
	})}, http.MethodGet)
	other := native(t, http.HandlerFunc(handler))
	for path := range handlers {
		t.Run(path, func(t *testing.T) {
			here.Store(0)
			get := "GET " + path + "?a=b HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n\r\n"
			got, open := ask(t, address, 1, get)
			if n := here.Load(); n != 1 {
				t.Errorf("%d requests were answered directly", n)
			}
			alike(t, got, open, other, 1, get)
		})
	}
}

// TestLeft: the context of a request ends when its client leaves, and not before.
func TestLeft(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan error, 1)
	_, address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil || r.Context().Err() != nil {
			t.Errorf("%v, %v", err, r.Context().Err())
		}
		close(begun)
		<-r.Context().Done()
		ended <- r.Context().Err()
	}))
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, request("/", "hello"))
	<-begun
	select {
	case <-ended:
		t.Error("it ended while its client was there")
	case <-time.After(5 * watchAfter):
	}
	c.Close()
	if err := <-ended; err != context.Canceled {
		t.Error(err)
	}
}

// TestWatched: requests that take so long that the client is watched are answered, and
// what comes meanwhile is the next one.
func TestWatched(t *testing.T) {
	kept := make(chan context.Context, 100)
	_, address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		kept <- r.Context()
		time.Sleep(3 * watchAfter)
		_, _ = w.Write(b)
	}))
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	reader := bufio.NewReader(c)
	_, _ = io.WriteString(c, request("/", "0"))
	for i := range 10 {
		time.Sleep(2 * watchAfter) // in the middle of the one before
		_, _ = io.WriteString(c, request("/", fmt.Sprint(i+1)))
		r, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(r.Body); err != nil || string(b) != fmt.Sprint(i) {
			t.Errorf("%d: %q, %v", i, b, err)
		}
		if ctx := <-kept; ctx.Err() == nil { // it ends with its request, too
			t.Error("the context goes on")
		}
	}
}

// TestDeadline: a body that does not come ends by the deadline that a handler sets.
func TestDeadline(t *testing.T) {
	_, address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Error(err)
		}
		_, err := io.ReadAll(r.Body)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		w.WriteHeader(http.StatusRequestTimeout)
	}))
	text := request("/", "hello")
	list, open := ask(t, address, 1, text[:len(text)-1])
	if len(list) != 1 || list[0].status != http.StatusRequestTimeout || !list[0].closes || open {
		t.Errorf("%v, %v", list, open)
	}
}
