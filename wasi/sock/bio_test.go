package sock

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/wasi/preview1"
)

func TestEngine(t *testing.T) {
	g := newTalker(t)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	sum := sha256.Sum256(ca)
	key := hex.EncodeToString(sum[:])
	settings := map[string]any{"verify": 2, "hostname": true, "name": "127.0.0.1", "roots": []string{key}}
	if r := g.ask("begin", nil, map[string]any{"tls": settings}); r.Errno != preview1.ENOENT || r.Text != key {
		t.Fatalf("authorities that nobody has: %+v", r)
	}
	g.ask("roots", ca, nil)
	wire, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer wire.Close()
	carry := func(r reply) (inside []byte) {
		t.Helper()
		if r.Errno != 0 || r.Failed != nil || int(r.Count) > len(r.data) {
			t.Fatalf("%+v, %+v", r, r.Failed)
		}
		if _, err := wire.Write(r.data[:r.Count]); err != nil {
			t.Fatal(err)
		}
		return r.data[r.Count:]
	}
	r := g.ask("begin", nil, map[string]any{"tls": settings})
	fd := r.FD
	if e := g.ask("seal", []byte("too early"), map[string]any{"fd": fd}); e.Errno == 0 {
		t.Errorf("sealed before the handshake: %+v", e)
	}
	carry(r)
	came := func() (inside []byte, r reply) {
		b := make([]byte, 700) // which are no whole records
		n, err := wire.Read(b)
		flags := 0
		if err != nil {
			flags = 1
		}
		r = g.ask("step", b[:n], map[string]any{"fd": fd, "flags": flags})
		return carry(r), r
	}
	for r.TLS == nil {
		_, r = came()
	}
	if r.TLS.Version != "TLSv1.3" || len(r.TLS.Chain) != 1 {
		t.Errorf("%+v", r.TLS)
	}
	body := strings.Repeat("0123456789abcdef", 1<<14)
	carry(g.ask("seal", []byte("POST / HTTP/1.0\r\nContent-Length: 262144\r\n\r\n"+body), map[string]any{"fd": fd}))
	var all []byte
	for r.Unread {
		var inside []byte
		inside, r = came()
		all = append(all, inside...)
	}
	if !strings.HasSuffix(string(all), body) {
		t.Errorf("%d bytes came back", len(all))
	}
	carry(g.ask("finish", nil, map[string]any{"fd": fd}))
	g.closed(fd)
	if r := g.ask("step", nil, map[string]any{"fd": fd}); r.Errno == 0 {
		t.Errorf("a step of one that is closed: %+v", r)
	}

	settings["name"] = "other.org"
	r = g.ask("begin", nil, map[string]any{"tls": settings})
	fd = r.FD
	if wire, err = net.Dial("tcp", server.Listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	carry(r)
	b := make([]byte, 1<<16)
	for r.Failed == nil && r.Unread {
		n, err := wire.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		r = g.ask("step", b[:n], map[string]any{"fd": fd})
	}
	if r.Failed == nil || r.Failed.Verify != 62 {
		t.Errorf("another name: %+v, %+v", r, r.Failed)
	}
	if r := g.ask("step", []byte("\x15\x03\x03nonsense"), map[string]any{"fd": g.ask("begin", nil, map[string]any{"tls": settings}).FD}); r.Failed == nil {
		t.Errorf("nonsense: %+v", r)
	}
	// One in the middle of a handshake ends with its guest.
	g.ask("begin", nil, map[string]any{"tls": settings})
}

func TestPair(t *testing.T) {
	g := newTalker(t)
	r := g.ask("pair", nil, nil)
	a, b := map[string]any{"fd": r.FD}, map[string]any{"fd": r.Count, "size": 100}
	g.ask("send", []byte("hello"), a)
	if r := g.ask("receive", nil, b); string(r.data) != "hello" {
		t.Errorf("%+v", r)
	}
	a["how"] = 2
	g.ask("shutdown", nil, a)
	if r := g.ask("receive", nil, b); r.Errno != 0 || len(r.data) != 0 {
		t.Errorf("at the end: %+v", r)
	}
	for i := range 20 {
		if r := g.ask("pair", nil, nil); r.Errno != 0 {
			if i < 5 {
				t.Errorf("pair %d: %+v", i, r)
			}
			return
		}
	}
	t.Error("there is no end of pairs")
}
