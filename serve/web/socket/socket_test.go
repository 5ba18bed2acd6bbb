package socket_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/wherry-run/wherry/serve/web/socket"
)

const handshake = "GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"

// server says back what it hears; how a connection ended goes to ends.
func server(t testing.TB, o socket.Options, ends chan<- error) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !socket.Asked(r) || !socket.Valid(w, r) {
			return
		}
		c, err := socket.Accept(w, r, o)
		if err != nil {
			return
		}
		for {
			m, err := c.Read(r.Context())
			if err != nil {
				ends <- err
				return
			}
			if int64(len(m.Data)) > o.MaxMessage || m.Text && !utf8.Valid(m.Data) {
				t.Errorf("a message of %d bytes", len(m.Data))
			}
			_ = c.Write(r.Context(), m)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// raw opens a connection as a client that speaks bytes.
func raw(t testing.TB, s *httptest.Server) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(c, handshake)
	in := bufio.NewReader(c)
	r, err := http.ReadResponse(in, nil)
	if err != nil || r.StatusCode != http.StatusSwitchingProtocols || r.Header.Get("Sec-WebSocket-Accept") == "" || r.Header.Get("Sec-WebSocket-Extensions") != "" {
		t.Fatalf("%v, %v", r, err)
	}
	return c, in
}

// frame is a frame of a client, with a mask of zeros.
func frame(first byte, data string) string {
	head := []byte{first, 0x80}
	switch n := len(data); {
	case n < 126:
		head[1] |= byte(n)
	case n < 1<<16:
		head[1] |= 126
		head = binary.BigEndian.AppendUint16(head, uint16(n))
	default:
		head[1] |= 127
		head = binary.BigEndian.AppendUint64(head, uint64(n))
	}
	return string(head) + "\x00\x00\x00\x00" + data
}

func TestFrames(t *testing.T) {
	ends := make(chan error, 1)
	s := server(t, socket.Options{MaxMessage: 1000, Timeout: 300 * time.Millisecond}, ends)
	for name, c := range map[string]struct {
		sent string
		got  string // what the first frame begins with
		code int
	}{
		"text":               {frame(0x81, "hi") + frame(0x88, "\x03\xe8bye"), "\x81\x02hi", 1000},
		"fragments":          {frame(0x02, "a") + frame(0x89, "?") + frame(0x00, "b") + frame(0x80, "c") + frame(0x88, ""), "\x8a\x01?", 1005},
		"unmasked":           {"\x81\x02hi", "", 1006},
		"too large":          {frame(0x82, strings.Repeat("x", 1001)), "\x88", 1009},
		"too large in parts": {frame(0x02, strings.Repeat("x", 900)) + frame(0x80, strings.Repeat("x", 101)), "\x88", 1009},
		"no text":            {frame(0x81, "\xff"), "\x88", 1007},
		"text cut in two":    {frame(0x01, "\xc3") + frame(0x80, "\xa9") + frame(0x88, ""), "\x81\x02\xc3\xa9", 1005},
		"reserved bits":      {frame(0xc1, "hi"), "\x88", 1006},
		"unknown operation":  {frame(0x83, "hi"), "\x88", 1006},
		"long ping":          {frame(0x89, strings.Repeat("x", 126)), "\x88", 1006},
		"slow":               {frame(0x02, "a"), "", 1006},
		"cut off":            {"\x82\xff\x00\x00", "", 1006},
	} {
		conn, in := raw(t, s)
		_, _ = io.WriteString(conn, c.sent)
		if name == "cut off" {
			conn.(*net.TCPConn).CloseWrite()
		}
		got := make([]byte, len(c.got))
		if _, err := io.ReadFull(in, got); err != nil || string(got) != c.got {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if strings.HasPrefix(c.got, "\x88") { // as one client answers the end
			_, _ = io.WriteString(conn, frame(0x88, ""))
			_ = conn.(*net.TCPConn).CloseWrite()
		}
		go io.Copy(io.Discard, in)
		var end *socket.CloseError
		select {
		case err := <-ends:
			if !errors.As(err, &end) || end.Code != c.code {
				t.Errorf("%s: %v, want %d", name, err, c.code)
			}
		case <-time.After(15 * time.Second):
			t.Fatalf("%s: the connection does not end", name)
		}
		conn.Close()
	}
}

func TestPings(t *testing.T) {
	conn, in := raw(t, server(t, socket.Options{MaxMessage: 1000, Timeout: time.Second}, make(chan error, 1)))
	_, _ = io.WriteString(conn, strings.Repeat(frame(0x89, "?"), 40))
	for pongs := 0; ; pongs++ {
		got := make([]byte, 3)
		if _, err := io.ReadFull(in, got); err != nil || pongs > 32 {
			t.Fatalf("%q after %d pongs, %v", got, pongs, err)
		}
		if got[0] == 0x88 {
			break
		}
	}
	_, _ = io.WriteString(conn, frame(0x88, ""))
}

func TestValid(t *testing.T) {
	for change, status := range map[string]int{
		"":                             0,
		"GET >POST ":                   400,
		"Version: 13>Version: 8":       426,
		"Sec-WebSocket-Key>X-Key":      400,
		"keep-alive, Upgrade>close":    400,
		"HTTP/1.1>HTTP/1.0":            0, // what is answered is another affair
		"Sec-WebSocket-Version>X-None": 426,
	} {
		from, to, _ := strings.Cut(change, ">")
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.Replace(handshake, from, to, 1))))
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		if ok := socket.Valid(w, r); !socket.Asked(r) || ok != (status == 0) || !ok && w.Code != status {
			t.Errorf("%s: %t, %d", change, ok, w.Code)
		}
	}
	plain := httptest.NewRequest("GET", "/", nil)
	if socket.Asked(plain) {
		t.Error("a plain request asks for a WebSocket")
	}
}

func TestWithout(t *testing.T) {
	h := socket.Without(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), "not here")
	for name, status := range map[string]int{"": 204, "h2c": 204, "websocket": 501} {
		r := httptest.NewRequest("GET", "/", nil)
		if name != "" {
			r.Header.Set("Upgrade", name)
		}
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != status {
			t.Errorf("%q: %d", name, w.Code)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte(frame(0x81, "hi") + frame(0x88, "\x03\xe8bye")))
	f.Add([]byte(frame(0x02, "a") + frame(0x89, "?") + frame(0x80, "b")))
	f.Add([]byte("\x82\xff\x00\x00\x00\x00\x00\x00\x00\x01"))
	ends := make(chan error, 1)
	s := server(f, socket.Options{MaxMessage: 1 << 12, Timeout: time.Second}, ends)
	f.Fuzz(func(t *testing.T, sent []byte) {
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		go func() {
			_, _ = io.Copy(c, io.MultiReader(strings.NewReader(handshake), bytes.NewReader(sent)))
			_ = c.(*net.TCPConn).CloseWrite()
		}()
		if _, err := io.Copy(io.Discard, c); err != nil && errors.Is(err, io.ErrNoProgress) {
			t.Fatal(err)
		}
		select {
		case err := <-ends:
			if !errors.As(err, new(*socket.CloseError)) {
				t.Error(err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("the connection does not end")
		}
	})
}
