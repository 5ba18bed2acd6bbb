package direct

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestStress: clients that do all of it at once - ask, ask several things, send slowly,
// leave, go to net/http - have what they asked for, and nothing is left of them.
func TestStress(t *testing.T) {
	var inside atomic.Int64
	s, address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inside.Add(1)
		defer inside.Add(-1)
		b, err := io.ReadAll(r.Body)
		if err != nil { // it has left
			return
		}
		if r.URL.Path == "/slow" {
			select {
			case <-time.After(2 * watchAfter):
			case <-r.Context().Done():
				return
			}
		}
		if r.Context().Err() != nil {
			return
		}
		_, _ = w.Write(b)
	}))
	var clients sync.WaitGroup
	for n := range 16 {
		clients.Go(func() {
			dice := rand.New(rand.NewPCG(uint64(n), 1))
			for range 20 {
				if err := visit(address, dice); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if n, _ := s.count(); n != 0 || inside.Load() != 0 {
		t.Errorf("%d connections, %d requests are left", n, inside.Load())
	}
}

// visit is a connection that asks for a few things.
func visit(address string, dice *rand.Rand) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	reader := bufio.NewReader(c)
	for range 1 + dice.IntN(10) {
		path := [...]string{"/", "/", "/", "/slow"}[dice.IntN(4)]
		want := fmt.Sprint(dice.Uint64())
		text := request(path, want)
		many := 1
		switch dice.IntN(12) {
		case 0: // it leaves
			_, _ = io.WriteString(c, text[:1+dice.IntN(len(text))])
			return nil
		case 1:
			many = 2
			text += text
		case 2:
			text = fmt.Sprintf("PUT %s?x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, len(want), want)
		case 3: // a bit later
			cut := dice.IntN(len(text))
			if _, err := io.WriteString(c, text[:cut]); err != nil {
				return err
			}
			time.Sleep(time.Millisecond)
			text = text[cut:]
		}
		if _, err := io.WriteString(c, text); err != nil {
			return err
		}
		for range many {
			r, err := http.ReadResponse(reader, nil)
			if err != nil {
				return err
			}
			if b, err := io.ReadAll(r.Body); err != nil || string(b) != want {
				return fmt.Errorf("%q, not %q: %w", b, want, err)
			}
		}
	}
	return nil
}
