package direct

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestShutdown: requests under way are answered, connections without one are closed, and
// so are all after that.
func TestShutdown(t *testing.T) {
	begun, goOn := make(chan struct{}, 2), make(chan struct{})
	s, address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			begun <- struct{}{}
			<-goOn
		}
		_, _ = io.WriteString(w, r.URL.Path)
	}))
	dial := func(text string) (net.Conn, *bufio.Reader) {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(c, text)
		return c, bufio.NewReader(c)
	}
	read := func(r *bufio.Reader) (string, bool) {
		a, err := http.ReadResponse(r, nil)
		if err != nil {
			return err.Error(), false
		}
		b, _ := io.ReadAll(a.Body)
		return string(b), a.Close
	}
	_, idle := dial(request("/", "x"))
	if text, closes := read(idle); text != "/" || closes {
		t.Fatalf("%q, %v", text, closes)
	}
	_, busy := dial(request("/wait", "x"))
	_, handed := dial("PUT /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
	<-begun
	<-begun
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(t.Context()) }()
	if text, _ := read(idle); text != "unexpected EOF" {
		t.Errorf("a connection without a request: %q", text)
	}
	select {
	case err := <-ended:
		t.Errorf("it ended before its requests: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(goOn)
	for name, r := range map[string]*bufio.Reader{"direct": busy, "net/http's": handed} {
		if text, closes := read(r); text != "/wait" || !closes {
			t.Errorf("%s: %q, %v", name, text, closes)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", address); err == nil {
		c.Close()
		t.Error("it takes connections yet")
	}
	if err := s.Serve(listen(t)); !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// TestShutdownEnds with its context, whatever is under way.
func TestShutdownEnds(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	s, address := start(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(begun)
		<-goOn
	}))
	defer close(goOn)
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, request("/", "x"))
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// TestShutdownEndsUnread: it ends with its context when a client withholds the body that a
// handler waits for, too.
func TestShutdownEndsUnread(t *testing.T) {
	begun := make(chan struct{})
	s, address := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		_, _ = io.ReadAll(r.Body)
	}))
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	text := request("/", "hello")
	_, _ = io.WriteString(c, text[:len(text)-5])
	<-begun
	time.Sleep(5 * watchAfter) // it was looked at by now
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	late := time.AfterFunc(time.Minute, func() { c.Close() })
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if !late.Stop() {
		t.Error("it waited for the client")
	}
}

// TestShutdownGiven: what net/http has is not touched any more, and what is on its way
// there is waited for.
func TestShutdownGiven(t *testing.T) {
	own := &counting{text: []byte("PUT / HTTP/1.1\r\n\r\n")}
	s := New(t.Context(), &http.Server{}, http.MethodPost, nil)
	b := &backlog{handed: make(chan net.Conn), closed: make(chan struct{})}
	c := s.add(own, b)
	ended := make(chan struct{})
	go func() {
		c.next()
		close(ended)
	}()
	for own.cleared.Load() < 1 {
		time.Sleep(time.Millisecond)
	}
	if _, waiting := s.count(); waiting != 1 {
		t.Error("nobody waits for what is on its way")
	}
	c.wake()
	if _ = <-b.handed; own.woken.Load() != 0 {
		t.Error("a connection of net/http was woken")
	}
	<-ended
	c.wake()
	if own.woken.Load() != 0 {
		t.Error("a connection of net/http was woken, later")
	}
}

// TestIdle: a connection on which nothing comes is closed in time.
func TestIdle(t *testing.T) {
	s, address := serving(t, &http.Server{Handler: http.HandlerFunc(handler), IdleTimeout: 10 * time.Millisecond})
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, request("/nothing", ""))
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if b, err := io.ReadAll(c); err != nil || !bytes.HasPrefix(b, []byte("HTTP/1.1 200 OK\r\n")) {
		t.Errorf("%q, %v", b, err)
	}
	for n, _ := s.count(); n > 0; n, _ = s.count() {
		time.Sleep(time.Millisecond)
	}
}
