package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/network"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/test/dock"
	"github.com/wherry-run/wherry/wasi"
)

// requests is how many go through each side; bodySize is what is streamed through the
// containers.
const (
	requests = 10_000
	bodySize = 1 << 30
)

// attach gives a container of a test its network. Each Store is a process to the
// others.
func attach(b *testing.B, s *network.Store, name string, publish string) *network.Endpoint {
	b.Helper()
	sum := sha256.Sum256([]byte(name))
	c := network.Config{ID: hex.EncodeToString(sum[:]), Name: name, Networks: []network.Joining{{Network: "net"}}}
	if publish != "" {
		var err error
		if c.Publish, err = network.ParsePublish(publish); err != nil {
			b.Fatal(err)
		}
	}
	e, err := s.Attach(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.Close() })
	return e
}

func networks(b *testing.B, dir string) *network.Store {
	b.Helper()
	s, err := network.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkNetworkRoundTrip has two containers exchange 64 bytes, through memory and
// through a socket of the machine, beside loopback TCP.
func BenchmarkNetworkRoundTrip(b *testing.B) {
	dir, err := os.MkdirTemp("", "wn")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	here, there := networks(b, dir), networks(b, dir)
	if _, err := here.Create(b.Context(), network.Options{Name: "net"}); err != nil {
		b.Fatal(err)
	}
	a, same, other := attach(b, here, "a", ""), attach(b, here, "same", ""), attach(b, there, "other", "")
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer tcp.Close()
	echo := func(accept func() (net.Conn, error)) {
		for {
			c, err := accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
			}()
		}
	}
	go echo(tcp.Accept)
	for _, e := range []*network.Endpoint{same, other} {
		l, err := e.Listen(b.Context(), "tcp", ":7")
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		go echo(l.Accept)
	}
	dials := []func() (net.Conn, error){
		func() (net.Conn, error) { return net.Dial("tcp", tcp.Addr().String()) },
		func() (net.Conn, error) { return a.DialContext(b.Context(), "tcp", "same:7") },
		func() (net.Conn, error) { return a.DialContext(b.Context(), "tcp", "other:7") },
	}
	names := []string{"tcp", "memory", "socket"}
	for range b.N {
		var medians []float64
		for i, dial := range dials {
			c, err := dial()
			if err != nil {
				b.Fatal(err)
			}
			buf := make([]byte, 64)
			list := make([]time.Duration, requests)
			for n := range list {
				began := time.Now()
				if _, err := c.Write(buf); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(c, buf); err != nil {
					b.Fatal(err)
				}
				list[n] = time.Since(began)
			}
			c.Close()
			slices.Sort(list)
			medians = append(medians, float64(median(list).Nanoseconds())/1000)
			b.ReportMetric(medians[i], names[i]+"-µs")
		}
		b.ReportMetric(medians[1]/medians[0], "memory/tcp")
		b.ReportMetric(medians[2]/medians[0], "socket/tcp")
	}
}

// BenchmarkNetworkChain sends requests through three containers, programs of Go that
// relay HTTP to each other across what would be three processes, and through the same
// three servers in Go, natively, over loopback TCP. Then a body of 1 GB goes through
// the containers, while the memory of the process is looked at.
func BenchmarkNetworkChain(b *testing.B) {
	dir, err := os.MkdirTemp("", "wn")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	rt, err := runtime.New(b.Context(), runtime.WithCacheDir(filepath.Join(dock.Home(b), "cache", "modules")))
	if err != nil {
		b.Fatal(err)
	}
	defer rt.Close(context.WithoutCancel(b.Context()))
	first := networks(b, dir)
	if _, err := first.Create(b.Context(), network.Options{Name: "net"}); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	run := func(name, publish, guest string, args ...string) *network.Endpoint {
		out := filepath.Join(b.TempDir(), "guest.wasm")
		dock.Guest(b, filepath.Join(dock.Root(b), "test", "network", "testdata", guest), out)
		wasm, err := os.ReadFile(out)
		if err != nil {
			b.Fatal(err)
		}
		e := attach(b, networks(b, dir), name, publish)
		spec := runtime.Spec{Args: args, Stderr: os.Stderr, Dial: e, Listen: e.Listen}
		for _, port := range e.Preopened() {
			spec.Listeners = append(spec.Listeners, runtime.Listener{Name: strconv.Itoa(int(port)), Open: func(ctx context.Context) (wasi.Listener, error) { return e.Preopen(ctx, port) }})
		}
		c, err := rt.Create(b.Context(), runtime.Program(name, wasm), spec)
		if err != nil {
			b.Fatal(err)
		}
		done := make(chan struct{})
		go func() { defer close(done); _ = c.Run(ctx) }()
		b.Cleanup(func() { cancel(); <-done; c.Close(context.WithoutCancel(ctx)) })
		return e
	}
	run("db", "8080", "server")
	run("api", "", "dialer", "relay", "80", "db", "8080")
	web := run("web", "80", "dialer", "relay", "80", "api", "80")
	sides := []string{"http://" + web.Ports()[0].Address(), nativeChain(b)}
	client := &http.Client{Timeout: 10 * time.Minute}
	for try := 0; ; try++ { // until all have started
		if answer, err := fetch(client, sides[0]+"/?name=all"); err == nil && answer == "hello all\n" {
			break
		} else if try > 2000 {
			b.Fatalf("%q, %v", answer, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	for range b.N {
		var medians []float64
		for i, url := range sides {
			list := make([]time.Duration, requests)
			for n := range list {
				began := time.Now()
				if answer, err := fetch(client, url+"/?name=x"); err != nil || answer != "hello x\n" {
					b.Fatalf("request %d: %q, %v", n, answer, err)
				}
				list[n] = time.Since(began)
			}
			slices.Sort(list)
			name := []string{"containers", "native"}[i]
			medians = append(medians, float64(median(list).Microseconds()))
			b.ReportMetric(medians[i], name+"-p50-µs")
			b.ReportMetric(float64(list[len(list)*99/100].Microseconds()), name+"-p99-µs")
		}
		b.ReportMetric(medians[0]/medians[1], "containers/native")
		before, _ := residentNow()
		most := before
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
				if now, ok := residentNow(); ok {
					most = max(most, now)
				}
			}
		}()
		began := time.Now()
		zeros := &zeros{left: bodySize}
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, sides[0]+"/sum", zeros)
		if err != nil {
			b.Fatal(err)
		}
		req.ContentLength = bodySize
		resp, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		answer, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		close(stop)
		if err != nil || !strings.HasPrefix(string(answer), fmt.Sprintf("%d ", bodySize)) {
			b.Fatalf("%q, %v", answer, err)
		}
		b.ReportMetric(float64(bodySize)/1e6/time.Since(began).Seconds(), "body-MB/s")
		b.ReportMetric(float64(most-before)/1e6, "body-grows-MB")
	}
}

// zeros is a body.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	clear(p[:n])
	z.left -= n
	return int(n), nil
}

func fetch(client *http.Client, url string) (string, error) {
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// nativeChain is the same three servers, in this process.
func nativeChain(b *testing.B) string {
	url := ""
	for i := range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "hello %s\n", r.URL.Query().Get("name")) })
		if to := url; i > 0 {
			transport := &http.Transport{MaxIdleConnsPerHost: 64}
			h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				out, err := http.NewRequestWithContext(r.Context(), r.Method, to+r.URL.String(), r.Body)
				if err == nil {
					var resp *http.Response
					if resp, err = transport.RoundTrip(out); err == nil {
						defer resp.Body.Close()
						w.WriteHeader(resp.StatusCode)
						_, _ = io.Copy(w, resp.Body)
						return
					}
				}
				http.Error(w, err.Error(), http.StatusBadGateway)
			})
		}
		s := &http.Server{Handler: h}
		go s.Serve(l)
		b.Cleanup(func() { s.Close() })
		url = "http://" + l.Addr().String()
	}
	return url
}

// residentNow is what this process has in memory, where the system says it so.
func residentNow() (int64, bool) {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, false
	}
	fields := bytes.Fields(data)
	if len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize()), err == nil
}
