package serve

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// faulty is a model that does what a request says.
const faulty = `"""Does what it is told."""
import os


def predict(what: str) -> str:
    if what == "loop":
        while True:
            pass
    if what == "bomb":
        big = []
        while True:
            big.append(bytearray(16 << 20))
    if what == "exit":
        os._exit(3)
    if what == "deep":
        def down(n):
            return [down(n + 1)]
        down(0)
    if what == "raise":
        raise ValueError("no")
    return what.upper()
`

// TestFaults: a request that loops, takes all memory, ends the program or recurses
// fails by itself, as does a client that sends slowly or leaves. Others are answered
// meanwhile, right.
func TestFaults(t *testing.T) {
	image := faultyImage(t)
	s := Start(t, image, "--instances", "2", "--timeout", "10s", "-m", "256m", "--read-timeout", "1s")
	stop := make(chan struct{})
	var good atomic.Int64
	var others sync.WaitGroup
	others.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			status, answer, err := say(t.Context(), s.URL, "ok")
			if err != nil || status != http.StatusOK || !strings.Contains(answer, "OK") {
				t.Errorf("another request: %d, %s, %v", status, answer, err)
			}
			good.Add(1)
		}
	})
	for _, c := range []struct {
		what   string
		status int
		reason string
	}{
		{"loop", http.StatusGatewayTimeout, "timeout"},
		{"bomb", http.StatusInternalServerError, "oom"},
		{"exit", http.StatusInternalServerError, "trap"},
		{"deep", http.StatusUnprocessableEntity, "model"},
		{"raise", http.StatusUnprocessableEntity, "model"},
	} {
		before, began := good.Load(), time.Now()
		status, answer, err := say(t.Context(), s.URL, c.what)
		if err != nil || status != c.status || !strings.Contains(answer, c.reason) {
			t.Errorf("%s: %d, %s, %v", c.what, status, answer, err)
		}
		t.Logf("%s: %d after %v, %d others meanwhile: %s", c.what, status, time.Since(began).Round(time.Millisecond), good.Load()-before, strings.TrimSpace(answer))
	}
	// A client that leaves: its instance is free for others at once.
	for range 4 {
		ctx, leave := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if _, _, err := say(ctx, s.URL, "loop"); err == nil {
			t.Error("it was answered")
		}
		leave()
	}
	began := time.Now()
	if status, answer, err := say(t.Context(), s.URL, "ok"); err != nil || status != http.StatusOK {
		t.Errorf("after those who left: %d, %s, %v", status, answer, err)
	}
	t.Logf("after those who left: %v", time.Since(began).Round(time.Millisecond))
	slow(t, strings.TrimPrefix(s.URL, "http://"))
	close(stop)
	others.Wait()
}

// say asks the faulty model.
func say(ctx context.Context, url, what string) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/predict", strings.NewReader(fmt.Sprintf(`{"what":%q}`, what)))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(b), err
}

// slow is a client that never sends all of its request: it is not waited for.
func slow(t *testing.T, address string) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "POST /predict HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{", address); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("a slow client: %v", err)
	}
	line, _, _ := strings.Cut(string(b), "\r\n")
	t.Logf("a slow client: %q after %v", line, time.Since(began).Round(time.Millisecond))
	if !strings.HasPrefix(line, "HTTP/1.1 408 ") {
		t.Errorf("a slow client got %q", line)
	}
}
