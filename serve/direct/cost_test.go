package direct

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// counting is a Conn that asks the same again and again.
type counting struct {
	net.Conn
	text          []byte
	reads, writes int

	woken, cleared atomic.Int64 // deadlines of a read
}

func (c *counting) Read(p []byte) (int, error)       { c.reads++; return copy(p, c.text), nil }
func (c *counting) Write(p []byte) (int, error)      { c.writes++; return len(p), nil }
func (c *counting) Unread([]byte)                    {}
func (c *counting) Close() error                     { return nil }
func (c *counting) SetWriteDeadline(time.Time) error { return nil }
func (c *counting) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *counting) LocalAddr() net.Addr              { return &net.TCPAddr{} }

func (c *counting) SetReadDeadline(at time.Time) error {
	if at.IsZero() {
		c.cleared.Add(1)
	} else if at.Equal(longAgo) {
		c.woken.Add(1)
	}
	return nil
}

// small is what most connections are for: a request of 100 bytes, an answer of 100.
func small() (*counting, *conn) {
	text, answer := bytes.Repeat([]byte("x"), 100), bytes.Repeat([]byte("y"), 100)
	own := &counting{text: []byte(request("/", string(text)))}
	s := New(nothing{}, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var p [100]byte
		if _, err := io.ReadFull(r.Body, p[:]); err == nil {
			_, _ = w.Write(answer)
		}
	})}, http.MethodPost, nil)
	return own, s.add(own, nil)
}

// nothing is a context that never ends.
type nothing struct{}

func (nothing) Deadline() (time.Time, bool) { return time.Time{}, false }
func (nothing) Done() <-chan struct{}       { return nil }
func (nothing) Err() error                  { return nil }
func (nothing) Value(any) any               { return nil }

// TestCost: a small request takes one read, one write, and few pieces of memory.
func TestCost(t *testing.T) {
	const most, runs = 8, 200
	own, c := small()
	if n := testing.AllocsPerRun(runs, func() { c.next() }); n > most {
		t.Errorf("a request takes %v pieces of memory, not %d", n, most)
	}
	if own.reads != runs+1 || own.writes != runs+1 { // it runs once before
		t.Errorf("%d reads, %d writes for %d requests", own.reads, own.writes, runs+1)
	}
}

func BenchmarkSmall(b *testing.B) {
	_, c := small()
	b.ReportAllocs()
	for b.Loop() {
		c.next()
	}
}
