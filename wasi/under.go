package wasi

import (
	"net"
	"os"
	"sync"
	"time"
)

// Under is the connection as a net.Conn, for what goes on over it: a TLS
// connection, say. Bytes that were read ahead come first.
func (c *Conn) Under() net.Conn { return &under{Conn: c, moved: make(chan struct{})} }

// under has write deadlines of its own: one of the raw connection would end the
// delivery of what was taken before it.
type under struct {
	*Conn

	mu    sync.Mutex
	until time.Time     // of writes; zero: none
	moved chan struct{} // closed when that changes
}

func (u *under) Read(p []byte) (int, error) {
	for len(p) > 0 {
		if n, err, ok := u.in.TryRead(p); ok {
			return n, err
		}
		<-u.in.Ready()
	}
	return 0, nil
}

func (u *under) Write(p []byte) (n int, err error) {
	for n < len(p) {
		m, err, ok := u.TryWrite(p[n:])
		if n += m; err != nil {
			return n, err
		}
		if !ok && !u.wait() {
			return n, os.ErrDeadlineExceeded
		}
	}
	return n, nil
}

// wait waits for room, no longer than the deadline.
func (u *under) wait() bool {
	u.mu.Lock()
	until, moved := u.until, u.moved
	u.mu.Unlock()
	var late <-chan time.Time
	if !until.IsZero() {
		left := time.Until(until)
		if left <= 0 {
			return false
		}
		t := time.NewTimer(left)
		defer t.Stop()
		late = t.C
	}
	select {
	case <-u.Writable():
	case <-late:
	case <-moved:
	}
	return true
}

// Close waits until what was written is delivered, for at most as long as it is tried.
func (u *under) Close() error {
	u.Conn.Close()
	<-u.Done()
	return nil
}

func (u *under) SetDeadline(t time.Time) error {
	_ = u.SetWriteDeadline(t)
	return u.SetReadDeadline(t)
}

func (u *under) SetReadDeadline(t time.Time) error { return u.raw.SetReadDeadline(t) }

func (u *under) SetWriteDeadline(t time.Time) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	close(u.moved)
	u.until, u.moved = t, make(chan struct{})
	return nil
}
