package sock

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/wasi/door"
	"github.com/wherry-run/wherry/wasi/preview1"
)

// realNet connects to this machine's loopback, and refuses the rest.
type realNet struct{ fakeNet }

type refusedError struct{ address string }

func (e refusedError) Error() string {
	return "connect to " + e.address + ": write --allow-net " + e.address
}
func (refusedError) Is(target error) bool { return target == fs.ErrPermission }

func (n realNet) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if a, err := netip.ParseAddrPort(address); err != nil || !a.Addr().IsLoopback() {
		return nil, refusedError{address}
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// talker says messages as a guest would.
type talker struct {
	testing.TB
	host *preview1.Host
	say  door.Handler
}

func newTalker(t testing.TB) *talker {
	t.Helper()
	h, err := preview1.New(preview1.Config{Dial: realNet{}, Listen: listen, Limits: preview1.Limits{FDs: 16}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return &talker{TB: t, host: h, say: Door(h.Sockets(), nil)}
}

func (g *talker) ask(op string, data []byte, said map[string]any) (told reply) {
	g.Helper()
	if said == nil {
		said = map[string]any{}
	}
	if said["op"] = op; said["timeout"] == nil {
		said["timeout"] = -1
	}
	text, err := json.Marshal(said)
	if err != nil {
		g.Fatal(err)
	}
	m := binary.LittleEndian.AppendUint32([]byte(doorHead), uint32(len(text)))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(g.Context()), 20*time.Second)
	defer cancel()
	answer, err := g.say(ctx, append(append(m, text...), data...))
	if err != nil {
		g.Fatalf("%s: %v", op, err)
	}
	n := binary.LittleEndian.Uint32(answer)
	if err := json.Unmarshal(answer[4:4+n], &told); err != nil {
		g.Fatalf("%s: %v", op, err)
	}
	told.data = answer[4+n:]
	return told
}

// connected is a socket that is connected to an address.
func (g *talker) connected(address string) map[string]any {
	g.Helper()
	fd := g.ask("open", nil, map[string]any{"family": doorInet4}).FD
	at := netip.MustParseAddrPort(address)
	if r := g.ask("connect", nil, map[string]any{"fd": fd, "host": at.Addr().String(), "port": at.Port(), "timeout": 5000}); r.Errno != 0 {
		g.Fatalf("connect to %s: %+v", address, r)
	}
	return map[string]any{"fd": fd}
}

func (g *talker) get(fd any) string {
	g.Helper()
	if r := g.ask("send", []byte("GET / HTTP/1.0\r\n\r\n"), map[string]any{"fd": fd}); r.Errno != 0 {
		g.Fatalf("send: %+v", r)
	}
	var all bytes.Buffer
	for {
		r := g.ask("receive", nil, map[string]any{"fd": fd, "size": 4096})
		if r.Errno != 0 {
			g.Fatalf("receive: %+v", r)
		}
		if all.Write(r.data); len(r.data) == 0 {
			return all.String()
		}
	}
}

func TestDoor(t *testing.T) {
	g := newTalker(t)
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	defer plain.Close()
	s := g.connected(plain.Listener.Addr().String())
	if got := g.get(s["fd"]); !strings.HasSuffix(got, "hello") {
		t.Errorf("answer %q", got)
	}
	if r := g.ask("remote", nil, s); r.Host != "127.0.0.1" || r.Port == 0 {
		t.Errorf("remote %+v", r)
	}
	fd := g.ask("open", nil, map[string]any{"family": doorInet4}).FD
	if r := g.ask("connect", nil, map[string]any{"fd": fd, "host": "10.0.0.1", "port": 80}); r.Errno != preview1.EACCES || !strings.Contains(r.Text, "--allow-net 10.0.0.1:80") {
		t.Errorf("a refused connection: %+v", r)
	}
	if r := g.ask("lookup", nil, map[string]any{"host": "db"}); len(r.Hosts) != 2 {
		t.Errorf("lookup: %+v", r)
	}
	if r := g.ask("lookup", nil, map[string]any{"host": "nobody"}); r.Errno != preview1.ENOENT {
		t.Errorf("lookup: %+v", r)
	}
	for name, m := range map[string]map[string]any{
		"no family": {"op": "open"}, "no descriptor": {"op": "connect", "fd": 99, "host": "127.0.0.1", "port": 1},
		"a name": {"op": "connect", "fd": fd, "host": "localhost", "port": 1}, "a port": {"op": "bind", "fd": fd, "host": "127.0.0.1", "port": 1 << 20},
		"nothing": {"op": "nothing"}, "TLS of nothing": {"op": "tls", "fd": fd}, "TLS of no connection": {"op": "tls", "fd": fd, "tls": map[string]any{}},
		"secured": {"op": "secured", "fd": fd}, "stdin": {"op": "shutdown", "fd": 0, "how": 1},
	} {
		if r := g.ask(m["op"].(string), nil, m); r.Errno == 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	for range 20 {
		g.ask("open", nil, map[string]any{"family": doorInet4})
	}
	if r := g.ask("open", nil, map[string]any{"family": doorInet4}); r.Errno == 0 {
		t.Error("there is no end of descriptors")
	}
	if _, err := g.say(t.Context(), []byte("something else")); !errors.Is(err, door.ErrNobody) {
		t.Errorf("another message: %v", err)
	}
}

func TestTLS(t *testing.T) {
	g := newTalker(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	server.Config.ErrorLog = nil
	server.StartTLS()
	defer server.Close()
	address := server.Listener.Addr().String()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	sum := sha256.Sum256(ca)
	roots := []string{hex.EncodeToString(sum[:])}
	trusting := map[string]any{"verify": 2, "hostname": true, "name": "127.0.0.1", "roots": roots}
	s := g.connected(address)
	s["tls"] = trusting
	if r := g.ask("tls", nil, s); r.Errno != preview1.ENOENT || r.Text != roots[0] {
		t.Fatalf("authorities that nobody has: %+v", r)
	}
	if r := g.ask("roots", ca, nil); r.Text != roots[0] || r.Count != 1 {
		t.Fatalf("authorities: %+v", r)
	}
	r := g.ask("tls", nil, s)
	if r.TLS == nil || r.TLS.Version != "TLSv1.3" || len(r.TLS.Chain) != 1 {
		t.Fatalf("TLS: %+v", r)
	}
	if got := g.get(s["fd"]); !strings.HasSuffix(got, "hello") {
		t.Errorf("answer %q", got)
	}
	if r := g.ask("certificate", server.Certificate().Raw, nil); r.Cert == nil || len(r.Cert.Names) == 0 || r.Cert.Version != 3 {
		t.Errorf("certificate: %+v", r.Cert)
	}
	with := func(more map[string]any) map[string]any {
		m := map[string]any{}
		for k, v := range trusting {
			m[k] = v
		}
		for k, v := range more {
			m[k] = v
		}
		return m
	}
	for name, c := range map[string]struct {
		settings map[string]any
		verify   int
		reason   string
	}{
		"trusted":           {trusting, 0, ""},
		"not looked at":     {map[string]any{"verify": 0}, 0, ""},
		"another name":      {with(map[string]any{"name": "other.org"}), 62, "CERTIFICATE_VERIFY_FAILED"},
		"any name":          {with(map[string]any{"name": "other.org", "hostname": false}), 0, ""},
		"not trusted":       {with(map[string]any{"roots": nil, "system": true}), 20, "CERTIFICATE_VERIFY_FAILED"},
		"nobody is trusted": {with(map[string]any{"roots": nil}), 20, "CERTIFICATE_VERIFY_FAILED"},
		"no name":           {with(map[string]any{"name": ""}), 0, "NO_SERVER_NAME"},
		"TLS 1.2":           {with(map[string]any{"max": tls.VersionTLS12}), 0, ""},
		"no version":        {with(map[string]any{"min": tls.VersionTLS13, "max": tls.VersionTLS12}), 0, "HANDSHAKE_FAILURE"},
		"a key of nothing":  {with(map[string]any{"cert": "x", "key": "y"}), 0, "PEM_LIB"},
		"a server":          {map[string]any{"server": true}, 0, "NO_CERTIFICATE_ASSIGNED"},
	} {
		s := g.connected(address)
		s["tls"] = c.settings
		r := g.ask("tls", nil, s)
		switch {
		case c.reason == "" && (r.TLS == nil || r.Errno != 0):
			t.Errorf("%s: %+v, %+v", name, r, r.Failed)
		case c.reason != "" && (r.Failed == nil || r.Errno == 0 || r.Failed.Reason != c.reason):
			t.Errorf("%s: %+v, %+v", name, r, r.Failed)
		case c.verify != 0 && r.Failed.Verify != c.verify && (c.verify != 20 || r.Failed.Verify != 18):
			t.Errorf("%s: %+v", name, r.Failed)
		}
		g.ask("shutdown", nil, map[string]any{"fd": s["fd"], "how": 3})
		g.closed(s["fd"])
	}
}

// closed closes a descriptor as fd_close does.
func (g *talker) closed(fd any) {
	if e := g.host.Sockets().Close(fd.(uint32)); e != 0 {
		g.Fatalf("close: errno %d", e)
	}
}

func FuzzDoor(f *testing.F) {
	message := func(text string, data ...byte) []byte {
		return append(append(binary.LittleEndian.AppendUint32([]byte(doorHead), uint32(len(text))), text...), data...)
	}
	f.Add(message(`{"op":"open","family":4}`))
	f.Add(message(`{"op":"connect","fd":4,"host":"10.0.0.1","port":80,"timeout":5}`))
	f.Add(message(`{"op":"bind","fd":4,"host":"::","port":80}`))
	f.Add(message(`{"op":"tls","fd":4,"timeout":1,"tls":{"verify":2,"hostname":true,"name":"x","protocols":["h2"],"min":771}}`))
	f.Add(message(`{"op":"receive","fd":4,"size":4294967295,"flags":3}`))
	f.Add(message(`{"op":"send","fd":4,"host":"10.0.0.1","port":53}`, 1, 2, 3))
	f.Add(message(`{"op":"roots"}`, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")...))
	f.Add(message(`{"op":"certificate"}`, 0x30, 0x82, 1, 1))
	f.Add(message(`{"op":"begin","tls":{"verify":0}}`))
	f.Add(message(`{"op":"step","fd":6,"flags":1}`, 22, 3, 3, 0, 1, 2))
	f.Add(message(`{"op":"pair"}`))
	f.Add([]byte(doorHead + "\xff\xff\xff\xff{}"))
	f.Fuzz(func(t *testing.T, said []byte) {
		h, err := preview1.New(preview1.Config{Dial: fakeNet{}, Listen: listen, Limits: preview1.Limits{FDs: 8}})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		s := h.Sockets()
		for _, datagram := range []bool{false, true} {
			if _, e := s.Open(false, datagram); e != 0 {
				t.Fatal(e)
			}
		}
		_, e := s.Adopt(newEngine(&tls.Config{InsecureSkipVerify: true}, false))
		if e != 0 {
			t.Fatal(e)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		answer, err := Door(s, nil)(ctx, said)
		if err == nil && (len(answer) < 4 || uint64(binary.LittleEndian.Uint32(answer)) > uint64(len(answer)-4)) {
			t.Errorf("answer %q", answer)
		}
	})
}

// TestTLSArrives has all that was sent arrive before the end, whoever ends how.
func TestTLSArrives(t *testing.T) {
	server := httptest.NewTLSServer(nil) // for its certificate
	defer server.Close()
	for _, how := range []string{"shutdown", "close"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		got := make(chan string, 1)
		go func() {
			raw, err := l.Accept()
			if err != nil {
				got <- err.Error()
				return
			}
			c := tls.Server(raw, server.TLS)
			defer c.Close()
			if err := c.Handshake(); err != nil {
				got <- err.Error()
				return
			}
			time.Sleep(100 * time.Millisecond) // it has other things to do
			b, err := io.ReadAll(c)
			got <- fmt.Sprintln(len(b), err)
		}()
		g := newTalker(t)
		s := g.connected(l.Addr().String())
		fd := s["fd"]
		s["tls"] = map[string]any{"verify": 0}
		if r := g.ask("tls", nil, s); r.TLS == nil {
			t.Fatalf("%+v, %+v", r, r.Failed)
		}
		sent := make([]byte, 1<<20)
		g.ask("send", sent, map[string]any{"fd": fd})
		if how == "close" {
			g.closed(fd)
		} else {
			g.ask("shutdown", nil, map[string]any{"fd": fd, "how": 2})
		}
		select {
		case text := <-got:
			if text != fmt.Sprintln(len(sent), nil) {
				t.Errorf("%s: %s", how, text)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("%s: it does not end", how)
		}
	}
}
