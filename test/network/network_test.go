// Package network runs programs that use sockets, in containers: servers and
// clients in C and in Go that are built here, reached through published ports and by
// each other.
package network

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/network"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/test/dock"
	"github.com/wherry-run/wherry/wasi"
)

// guests are programs, each built once.
type guests struct {
	mu    sync.Mutex
	built map[string][]byte
}

var programs = guests{built: map[string][]byte{}}

// guest builds a program of testdata: a folder of Go, or a file of C.
func guest(t testing.TB, name string, flags ...string) []byte {
	t.Helper()
	programs.mu.Lock()
	defer programs.mu.Unlock()
	key := name + strings.Join(flags, " ")
	if b := programs.built[key]; b != nil {
		return b
	}
	out := filepath.Join(t.TempDir(), "guest.wasm")
	if strings.HasSuffix(name, ".c") {
		args := append([]string{"--target=wasm32-wasi", "-O2", "-Wall", "-Werror", "-o", out, filepath.Join("testdata", name)}, flags...)
		if text, err := exec.CommandContext(t.Context(), dock.Find(t, "clang"), args...).CombinedOutput(); err != nil {
			t.Fatalf("clang %s: %v\n%s", name, err, text)
		}
	} else {
		dock.Guest(t, filepath.Join("testdata", name), out)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	programs.built[key] = b
	return b
}

// machine is a runtime and the networks of one process.
type machine struct {
	rt    *runtime.Runtime
	store *network.Store
	dir   string
}

func newMachine(t testing.TB) *machine {
	t.Helper()
	rt, err := runtime.New(t.Context(), runtime.WithCacheDir(filepath.Join(dock.Home(t), "cache", "modules")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close(context.WithoutCancel(t.Context())) })
	m := &machine{rt: rt, dir: t.TempDir()}
	m.store = m.open(t)
	return m
}

// open opens the networks as another process would.
func (m *machine) open(t testing.TB) *network.Store {
	t.Helper()
	s, err := network.Open(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A program runs in a container with a network.
type program struct {
	testing.TB
	endpoint *network.Endpoint
	out, log buffer
	cancel   context.CancelFunc
	done     chan error
}

// buffer is what a program prints, as far as it has.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start runs a program. The store is the process that it is of.
func (m *machine) start(t testing.TB, s *network.Store, c network.Config, wasm []byte, args ...string) *program {
	t.Helper()
	p := &program{TB: t, done: make(chan error, 1)}
	sum := sha256.Sum256([]byte(c.Name))
	c.ID = hex.EncodeToString(sum[:])
	c.Log = slog.New(slog.NewTextHandler(&p.log, nil))
	var err error
	if p.endpoint, err = s.Attach(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	spec := runtime.Spec{Args: args, Stdout: &p.out, Stderr: &p.out, Dial: p.endpoint, Listen: p.endpoint.Listen}
	for _, port := range p.endpoint.Preopened() {
		spec.Listeners = append(spec.Listeners, runtime.Listener{
			Name: strconv.Itoa(int(port)),
			Open: func(ctx context.Context) (wasi.Listener, error) { return p.endpoint.Preopen(ctx, port) },
		})
	}
	container, err := m.rt.Create(t.Context(), runtime.Program(c.Name, wasm), spec)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	p.cancel = cancel
	go func() {
		err := container.Run(ctx)
		p.done <- errors.Join(err, container.Close(context.WithoutCancel(ctx)))
	}()
	t.Cleanup(func() {
		cancel()
		p.endpoint.Close()
		<-p.done
	})
	return p
}

// ends waits for the end of a program.
func (p *program) ends() {
	p.Helper()
	select {
	case err := <-p.done:
		if p.done <- nil; err != nil {
			p.Errorf("%v; it said %q; log %s", err, p.out.String(), p.log.String())
		}
	case <-time.After(2 * time.Minute):
		p.Fatalf("it does not end; it said %q; log %s", p.out.String(), p.log.String())
	}
}

// says waits until a program has said something.
func (p *program) says(text string) {
	p.Helper()
	for range 6000 {
		if strings.Contains(p.out.String(), text) {
			return
		}
		select {
		case err := <-p.done:
			if p.done <- err; strings.Contains(p.out.String(), text) {
				return
			}
			p.Fatalf("it ended: %v; it said %q; log %s", err, p.out.String(), p.log.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
	p.Fatalf("it said %q", p.out.String())
}

func published(t testing.TB, list ...string) []network.Port {
	t.Helper()
	var ports []network.Port
	for _, text := range list {
		p, err := network.ParsePublish(text)
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, p...)
	}
	return ports
}

func get(t testing.TB, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %v, %s", url, err, resp.Status)
	}
	return string(body)
}

func TestGivenSockets(t *testing.T) {
	m := newMachine(t)
	t.Run("C", func(t *testing.T) {
		p := m.start(t, m.store, network.Config{Name: "c", Publish: published(t, "80", "127.0.0.1::81")}, guest(t, "accept.c"), "3")
		for range 3 {
			if got := get(t, "http://"+p.endpoint.Ports()[0].Address()); got != "from C\n" {
				t.Errorf("answer %q", got)
			}
		}
		p.ends()
		if want := "2 sockets: 80:81\n"; p.out.String() != want {
			t.Errorf("it said %q, want %q", p.out.String(), want)
		}
	})
	t.Run("Go", func(t *testing.T) {
		p := m.start(t, m.store, network.Config{Name: "go", Publish: published(t, "0:8080")}, guest(t, "server"))
		url := "http://" + p.endpoint.Ports()[0].Address()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				name := "n" + strconv.Itoa(i)
				if got := get(t, url+"/?name="+name); got != "hello "+name+"\n" {
					t.Errorf("answer %q", got)
				}
			})
		}
		wg.Wait()
		body := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		resp, err := http.Post(url+"/sum", "", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		if sum := sha256.Sum256(body); err != nil || string(got) != fmt.Sprintln(len(body), hex.EncodeToString(sum[:]), nil) {
			t.Errorf("answer %q, %v", got, err)
		}
		c, err := net.Dial("tcp", p.endpoint.Ports()[0].Address())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, "GET /end HTTP/1.0\r\n\r\n")
		p.ends()
	})
}

func TestWasmEdgeSockets(t *testing.T) {
	m := newMachine(t)
	if _, err := m.store.Create(t.Context(), network.Options{Name: "net"}); err != nil {
		t.Fatal(err)
	}
	joined := []network.Joining{{Network: "net"}}
	for version, flags := range map[string][]string{"first": {"-DFIRST"}, "second": nil} {
		t.Run(version, func(t *testing.T) {
			client := guest(t, "wasmedge.c", flags...)
			server := m.start(t, m.open(t), network.Config{Name: "server-" + version, Networks: joined, Publish: published(t, "7")}, client, "serve", "7", "4")
			server.says("listening on 7")
			for i, s := range []*network.Store{m.store, m.open(t)} {
				p := m.start(t, s, network.Config{Name: version + strconv.Itoa(i), Networks: joined}, client, "ask", "server-"+version, "7", "hello there")
				p.ends()
				if p.out.String() != "HELLO THERE\n" {
					t.Errorf("it said %q", p.out.String())
				}
			}
			p := m.start(t, m.store, network.Config{Name: "go-" + version, Networks: joined}, guest(t, "dialer"), "get", "server-"+version, "7", "/", "1")
			p.says("malformed HTTP") // it is no server of HTTP
			c, err := net.Dial("tcp", server.endpoint.Ports()[0].Address())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, _ = io.WriteString(c, "from outside")
			if got, err := io.ReadAll(c); string(got) != "FROM OUTSIDE" || err != nil {
				t.Errorf("answer %q, %v", got, err)
			}
			server.ends()
		})
	}
}

func TestRelay(t *testing.T) {
	m := newMachine(t)
	for _, name := range []string{"front", "back"} {
		if _, err := m.store.Create(t.Context(), network.Options{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	in := func(names ...string) (list []network.Joining) {
		for _, n := range names {
			list = append(list, network.Joining{Network: n})
		}
		return list
	}
	dialer := guest(t, "dialer")
	m.start(t, m.open(t), network.Config{Name: "db", Networks: in("back"), Expose: []uint16{8080}}, guest(t, "server"))
	m.start(t, m.open(t), network.Config{Name: "api", Networks: in("front", "back")}, dialer, "relay", "80", "db", "8080")
	web := m.start(t, m.open(t), network.Config{Name: "web", Networks: in("front"), Publish: published(t, "80")}, dialer, "relay", "80", "api", "80")
	url := "http://" + web.endpoint.Ports()[0].Address()
	for try := 0; ; try++ { // until all have started
		if resp, err := http.Get(url + "/?name=all"); err == nil {
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if string(body) == "hello all\n" {
				break
			} else if try > 1000 {
				t.Fatalf("answer %q", body)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	p := m.start(t, m.store, network.Config{Name: "client", Networks: in("front")}, dialer, "get", "api", "80", "/?name=x", "10")
	p.ends()
	if want := strings.Repeat("hello x\n", 10); p.out.String() != want {
		t.Errorf("it said %q", p.out.String())
	}
	p = m.start(t, m.store, network.Config{Name: "stranger", Networks: in("front")}, guest(t, "wasmedge.c"), "ask", "db", "8080", "GET / HTTP/1.0\r\n\r\n")
	p.says("getaddrinfo: errno 84")
	if !strings.Contains(p.log.String(), "--allow-net db") {
		t.Errorf("log %s", p.log.String())
	}
}

func TestDatagrams(t *testing.T) {
	echo, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		b := make([]byte, 2048)
		for {
			n, from, err := echo.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = echo.WriteTo(bytes.ToUpper(b[:n]), from)
		}
	}()
	_, port, _ := net.SplitHostPort(echo.LocalAddr().String())
	rules, err := network.ParseRules([]string{"127.0.0.1:" + port + "/udp"})
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t)
	p := m.start(t, m.store, network.Config{Name: "allowed", Allow: rules}, guest(t, "wasmedge.c"), "datagram", "127.0.0.1", port, "ping")
	p.ends()
	if p.out.String() != "PING from 127.0.0.1:1\n" {
		t.Errorf("it said %q", p.out.String())
	}
	p = m.start(t, m.store, network.Config{Name: "refused"}, guest(t, "wasmedge.c"), "datagram", "127.0.0.1", port, "ping")
	p.says("send_to: errno 2")
	if !strings.Contains(p.log.String(), "--allow-net 127.0.0.1:"+port+"/udp") {
		t.Errorf("log %s", p.log.String())
	}
}

func TestEveryWaitEnds(t *testing.T) {
	m := newMachine(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_, port, _ := net.SplitHostPort(silent.Addr().String())
	rules, err := network.ParseRules([]string{"127.0.0.1", "127.0.0.1/udp"})
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"accept": {"serve", "7", "1"}, "recv": {"ask", "127.0.0.1", port, "x"}, "recv_from": {"datagram", "127.0.0.1", "9", "x"},
	} {
		p := m.start(t, m.store, network.Config{Name: name, Allow: rules}, guest(t, "wasmedge.c"), args...)
		time.Sleep(300 * time.Millisecond)
		p.cancel()
		began := time.Now()
		select {
		case err := <-p.done:
			if p.done <- nil; !errors.Is(err, context.Canceled) || time.Since(began) > time.Minute {
				t.Errorf("%s: %v after %v; it said %q", name, err, time.Since(began), p.out.String())
			}
		case <-time.After(2 * time.Minute):
			t.Errorf("%s does not end", name)
		}
	}
}
