package network

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/local"
	"github.com/wherry-run/wherry/wasi"
)

// idOf is a container's ID for a test.
func idOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}

// opened is the networks of one process; others opened with the same folders are
// other processes' to each other.
func opened(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// folder is for networks. Paths of sockets are short, and so is its.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "wn")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func created(t *testing.T, s *Store, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := s.Create(t.Context(), Options{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
}

func attached(t *testing.T, s *Store, c Config) *Endpoint {
	t.Helper()
	c.ID = idOf(c.Name)
	e, err := s.Attach(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func in(networks ...string) []Joining {
	var list []Joining
	for _, n := range networks {
		list = append(list, Joining{Network: n})
	}
	return list
}

// echo answers each line with itself in capitals.
func echo(t *testing.T, e *Endpoint, address string) wasi.Listener {
	t.Helper()
	l, err := e.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				lines := bufio.NewScanner(c)
				for lines.Scan() {
					fmt.Fprintln(c, strings.ToUpper(lines.Text()))
				}
			}()
		}
	}()
	t.Cleanup(func() { l.Close() })
	return l
}

// says asks what echo answers.
func says(t *testing.T, c net.Conn, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		t.Fatal(err)
	}
	if half, ok := c.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		t.Fatal("the connection cannot be closed by half")
	}
	if got, err := io.ReadAll(c); string(got) != "HELLO\n" || err != nil {
		t.Fatalf("answer %q, %v", got, err)
	}
}

func TestContainersReachEachOther(t *testing.T) {
	dir := folder(t)
	here, there := opened(t, dir), opened(t, dir)
	created(t, here, "app", "data")
	db := attached(t, there, Config{Name: "db-1", Networks: []Joining{{Network: "data", Aliases: []string{"db", "Primary"}}}})
	web := attached(t, here, Config{Name: "web", Networks: in("app", "data")})
	api := attached(t, here, Config{Name: "api", Networks: in("app")})
	echo(t, db, ":5432")
	echo(t, api, "0.0.0.0:80")
	echo(t, web, "127.0.0.1:9000")
	ctx := t.Context()

	for _, name := range []string{"db-1", "db", "DB", "primary", "db.data", "db-1.data", idOf("db-1")[:12], "api", "api.app", "api."} {
		port := "5432"
		if strings.HasPrefix(name, "api") {
			port = "80"
		}
		t.Run("by name "+name, func(t *testing.T) {
			c, err := web.DialContext(ctx, "tcp", name+":"+port)
			says(t, c, err)
		})
		t.Run("by address "+name, func(t *testing.T) {
			list, err := web.LookupNetIP(ctx, "ip", name)
			if err != nil || len(list) != 1 {
				t.Fatalf("%v, %v", list, err)
			}
			c, err := web.DialContext(ctx, "tcp", net.JoinHostPort(list[0].String(), port))
			says(t, c, err)
		})
	}
	t.Run("itself", func(t *testing.T) {
		for _, name := range []string{"localhost:9000", "127.0.0.1:9000", "[::1]:9000"} {
			c, err := web.DialContext(ctx, "tcp", name)
			says(t, c, err)
		}
	})
	t.Run("loopback is one's own", func(t *testing.T) {
		if _, err := api.DialContext(ctx, "tcp", "web:9000"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%v", err)
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		for _, at := range []string{"db:1", "api:1"} {
			if _, err := web.DialContext(ctx, "tcp", at); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("%s: %v", at, err)
			}
		}
	})
	t.Run("another network", func(t *testing.T) {
		for _, at := range []string{"db:5432", firstAddress(t, here, "data", "db-1") + ":5432"} {
			var refused *RefusedError
			if c, err := api.DialContext(ctx, "tcp", at); !errors.As(err, &refused) {
				t.Errorf("%s: %v, %v", at, c, err)
			}
		}
	})
	t.Run("connect and disconnect", func(t *testing.T) {
		if _, err := there.Connect(ctx, "data", Member{ID: idOf("api"), Name: "api"}); err != nil {
			t.Fatal(err)
		}
		c, err := api.DialContext(ctx, "tcp", "db:5432")
		says(t, c, err)
		if err := there.Disconnect(ctx, "data", idOf("api")); err != nil {
			t.Fatal(err)
		}
		if _, err := api.DialContext(ctx, "tcp", "db:5432"); err == nil {
			t.Error("reached after it was disconnected")
		}
	})
	t.Run("connect one that is alone", func(t *testing.T) {
		alone := attached(t, here, Config{Name: "alone", Reachable: true})
		if _, err := alone.DialContext(ctx, "tcp", "db:5432"); err == nil {
			t.Error("reached before it was connected")
		}
		if _, err := there.Connect(ctx, "data", Member{ID: idOf("alone"), Name: "alone"}); err != nil {
			t.Fatal(err)
		}
		c, err := alone.DialContext(ctx, "tcp", "db:5432")
		says(t, c, err)
		alone.Close()
		if _, err := there.Connect(ctx, "data", Member{ID: idOf("alone"), Name: "alone"}); !errors.Is(err, ErrNotRunning) {
			t.Errorf("%v", err)
		}
	})
	t.Run("addresses", func(t *testing.T) {
		l, err := db.Listen(ctx, "tcp", ":7")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		out, err := web.DialContext(ctx, "tcp", "db:7")
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		into, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer into.Close()
		if out.LocalAddr().String() != into.RemoteAddr().String() || out.RemoteAddr().String() != into.LocalAddr().String() {
			t.Errorf("%v -> %v is %v -> %v at the other end", out.LocalAddr(), out.RemoteAddr(), into.RemoteAddr(), into.LocalAddr())
		}
	})
	t.Run("in use, and removed", func(t *testing.T) {
		var used *InUseError
		if _, err := here.Remove(ctx, "data", false); !errors.As(err, &used) || len(used.Containers) != 2 {
			t.Errorf("%v", err)
		}
		if err := errors.Join(db.Close(), web.Close(), api.Close()); err != nil {
			t.Fatal(err)
		}
		if list, err := here.Prune(ctx, nil); len(list) != 2 || err != nil {
			t.Errorf("%v, %v", list, err)
		}
		if left, err := os.ReadDir(filepath.Join(dir, runDir)); len(left) != 0 || err != nil {
			t.Errorf("left of sockets: %v, %v", left, err)
		}
	})
}

func firstAddress(t *testing.T, s *Store, network, name string) string {
	t.Helper()
	m, err := s.FindMember(t.Context(), network, name)
	if err != nil {
		t.Fatal(err)
	}
	return m.Address.String()
}

func TestPublishedPorts(t *testing.T) {
	dir := folder(t)
	s := opened(t, dir)
	ports, err := ParsePublish("80")
	if err != nil {
		t.Fatal(err)
	}
	e := attached(t, s, Config{Name: "web", Publish: ports})
	at := e.Ports()[0]
	if at.HostPort == 0 || at.Guest != 80 || !at.Host.IsLoopback() {
		t.Fatalf("%v", at)
	}
	first, err := net.Dial("tcp", at.Address()) // before anybody listens: it waits
	if err != nil {
		t.Fatal(err)
	}
	echo(t, e, ":80")
	says(t, first, nil)
	c, err := net.Dial("tcp", at.Address())
	says(t, c, err)
	if r, w := e.Traffic(); r != 12 || w != 12 {
		t.Errorf("received %d, sent %d bytes", r, w)
	}
	_, err = s.Attach(t.Context(), Config{ID: idOf("other"), Publish: []Port{at}})
	if taken := new(PortError); !errors.As(err, &taken) {
		t.Errorf("the same port again: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", at.Address()); err == nil {
		t.Error("the port is open after the end")
	}
}

func TestAllowed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	dir := folder(t)
	s := opened(t, dir)
	for _, c := range []struct {
		allow, hosts, dial string
		ok                 bool
	}{
		{"127.0.0.1:" + port, "", "127.0.0.1:" + port, true},
		{"127.0.0.0/8:" + port, "", "127.0.0.1:" + port, true},
		{"localhost:" + port, "", "localhost:" + port, true},
		{"localhost", "", "127.0.0.1:" + port, false},
		{HostName, "", HostName + ":" + port, true},
		{"db", "db:127.0.0.1", "db:" + port, true},
		{"*.db", "x.db:127.0.0.1", "x.db:" + port, false},
		{"127.0.0.1", "db:host-gateway", "db:" + port, true},
		{"all", "", "127.0.0.1:" + port, false},
		{"0.0.0.0/0", "", "127.0.0.1:" + port, false},
		{"127.0.0.1:1-2", "", "127.0.0.1:" + port, false},
		{"127.0.0.1/udp", "", "127.0.0.1:" + port, false},
		{"", "", "127.0.0.1:" + port, false},
	} {
		var log bytes.Buffer
		config := Config{Name: "c", Log: slog.New(slog.NewTextHandler(&log, nil))}
		if c.allow != "" {
			if config.Allow, err = ParseRules([]string{c.allow}); err != nil {
				t.Fatal(err)
			}
		}
		if c.hosts != "" {
			config.Hosts = []string{c.hosts}
		}
		e := attached(t, s, config)
		conn, err := e.DialContext(t.Context(), "tcp", c.dial)
		if (err == nil) != c.ok {
			t.Errorf("--allow-net %s --add-host %s: connect to %s: %v", c.allow, c.hosts, c.dial, err)
		}
		if err == nil {
			conn.Close()
		} else if refused := new(RefusedError); !errors.As(err, &refused) || !errors.Is(err, os.ErrPermission) || !strings.Contains(log.String(), "refused") {
			t.Errorf("%v; log %s", err, log.String())
		}
		e.Close()
	}
}

func TestWaitsEnd(t *testing.T) {
	dir := folder(t)
	s := opened(t, dir)
	created(t, s, "n")
	a := attached(t, s, Config{Name: "a", Networks: in("n")})
	b := attached(t, opened(t, dir), Config{Name: "b", Networks: in("n")})
	l, err := b.Listen(t.Context(), "tcp", ":1")
	if err != nil {
		t.Fatal(err)
	}
	go func() { // says nothing
		c, err := local.Dial(t.Context(), s.socketOf(t.Context(), idOf("b")))
		if err == nil {
			defer c.Close()
			_, _ = c.Read(make([]byte, 1))
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var open []net.Conn
	for err == nil && len(open) < 2*backlog+handshakes { // nobody takes them
		var c net.Conn
		if c, err = a.DialContext(ctx, "tcp", "b:1"); err == nil {
			open = append(open, c)
		}
	}
	began := time.Now()
	if err := errors.Join(l.Close(), b.Close(), a.Close()); err != nil || time.Since(began) > 20*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	for _, c := range open {
		c.Close()
	}
	if _, err := a.DialContext(t.Context(), "tcp", "b:1"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
}
