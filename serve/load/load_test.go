package load_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wherry-run/wherry/serve/load"
)

func target(t testing.TB, address string) *load.Target {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return &load.Target{URL: u}
}

// TestRun counts on both sides.
func TestRun(t *testing.T) {
	var served, wrong atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if string(body) != "hello" || r.Method != http.MethodPost || r.Header.Get("X-Api-Key") != "k" || r.URL.RawQuery != "a=1" || r.Host != "name.example" {
			wrong.Add(1)
		}
		switch n := served.Add(1); {
		case n%10 == 0:
			w.WriteHeader(http.StatusTooManyRequests)
		case n%7 == 0:
			w.WriteHeader(http.StatusNoContent)
		case n%5 == 0: // in chunks
			for range 3 {
				fmt.Fprint(w, strings.Repeat("x", 5000))
				_ = http.NewResponseController(w).Flush()
			}
		case n%3 == 0:
			w.Header().Set("Connection", "close")
			fmt.Fprint(w, "bye")
		case n%11 == 0:
			panic(http.ErrAbortHandler)
		default:
			fmt.Fprint(w, strings.Repeat("y", 30000))
		}
	}))
	s.Start()
	defer s.Close()
	g := target(t, s.URL+"/p?a=1")
	g.Body, g.Header = []byte("hello"), http.Header{"X-Api-Key": {"k"}, "Host": {"name.example"}}
	r, err := g.Run(t.Context(), 4, 200*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, n := range r.Statuses {
		sum += n
	}
	for _, n := range r.Errors {
		sum += n
	}
	if n := served.Load(); sum != int(n) || n < 50 {
		t.Errorf("%d were served, %d counted: %+v, %+v", n, sum, r.Statuses, r.Errors)
	}
	if wrong.Load() > 0 {
		t.Errorf("%d requests were not as they should", wrong.Load())
	}
	if len(r.Latencies) != r.Statuses[200]+r.Statuses[204] || r.Statuses[429] == 0 || r.Failed() != sum-len(r.Latencies) {
		t.Errorf("%d latencies, %+v", len(r.Latencies), r.Statuses)
	}
	if r.Errors["closed by the server"] == 0 {
		t.Errorf("errors: %v", r.Errors)
	}
}

// TestOffer: slow answers do not slow down who asks.
func TestOffer(t *testing.T) {
	var served atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(100 * time.Millisecond)
		switch served.Add(1) % 4 {
		case 0:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	r, err := target(t, s.URL).Offer(t.Context(), 200, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	n := int(served.Load())
	if n < 100 || n > 300 || r.Statuses[200]+r.Statuses[429]+r.Statuses[503] != n || len(r.Errors) > 0 || r.Retry != r.Statuses[429] || len(r.Latencies) != r.Statuses[200] {
		t.Errorf("%d were served: %+v", n, r)
	}
	if len(r.Latencies) > 0 && r.Latencies[0] < 100*time.Millisecond {
		t.Errorf("an answer after %v", r.Latencies[0])
	}
	if len(r.Late) != len(r.Latencies) || len(r.Late) > 0 && (r.Late[0] < 0 || r.Late[len(r.Late)-1] >= r.Latencies[len(r.Latencies)-1]) {
		t.Errorf("sent late: %v; answered after %v", r.Late, r.Latencies)
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Method, r.Proto) }))
	defer s.Close()
	g := target(t, s.URL)
	if _, _, err := g.Ask(t.Context()); err == nil {
		t.Error("a certificate of nobody was taken")
	}
	g.TLS = s.Client().Transport.(*http.Transport).TLSClientConfig
	status, body, err := g.Ask(t.Context())
	if status != 200 || string(body) != "GETHTTP/1.1" || err != nil {
		t.Errorf("%d %s %v", status, body, err)
	}
}

func TestEnds(t *testing.T) {
	held := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-held }))
	defer s.Close()
	defer close(held)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := target(t, s.URL).Run(ctx, 2, time.Minute); err == nil || time.Since(began) > 30*time.Second {
		t.Errorf("ended with %v after %v", err, time.Since(began))
	}
	g := target(t, s.URL)
	g.Timeout = 50 * time.Millisecond
	r, err := g.Run(t.Context(), 2, 200*time.Millisecond)
	if err != nil || r.Errors["timeout"] == 0 || len(r.Latencies) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestNobody(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	r, err := target(t, s.URL).Run(t.Context(), 1, 50*time.Millisecond)
	if err != nil || r.Failed() == 0 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, bad := range []string{"ftp://a", "/path", "http://"} {
		if _, err := target(t, bad).Run(t.Context(), 1, time.Millisecond); err == nil {
			t.Errorf("%s was asked", bad)
		}
	}
}

// BenchmarkClients asks a trivial handler: this is what the generator and net/http's
// server cost together.
func BenchmarkClients(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write([]byte("ok"))
	}))
	defer s.Close()
	g := target(b, s.URL)
	g.Body = []byte(`{"x": [1, 2, 3, 4]}`)
	for b.Loop() {
		r, err := g.Run(b.Context(), 8, time.Second)
		if err != nil || r.Failed() > 0 {
			b.Fatal(err, r.Errors)
		}
		b.ReportMetric(float64(len(r.Latencies))/r.Took.Seconds(), "requests/s")
	}
}
