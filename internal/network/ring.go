package network

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

const (
	// ringSize is what one direction of a connection inside a process holds.
	ringSize = 64 << 10
	// ringStart is what it begins with: most connections carry little.
	ringStart = 4 << 10
)

// ring is one direction of a connection: bytes between one who writes and one who
// reads.
type ring struct {
	mu      sync.Mutex
	changed sync.Cond
	buf     []byte
	at, n   int  // where the bytes begin in buf, and how many there are
	ended   bool // nothing more is written
	gone    bool // nothing more is read

	reading, writing limit
}

// limit is a deadline of one end.
type limit struct {
	at    time.Time
	timer *time.Timer
}

func (l *limit) over() bool { return !l.at.IsZero() && !time.Now().Before(l.at) }

func newRing() *ring {
	r := &ring{}
	r.changed.L = &r.mu
	return r
}

// set gives an end of the ring a deadline.
func (r *ring) set(l *limit, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	l.at = at
	if !at.IsZero() {
		l.timer = time.AfterFunc(time.Until(at), func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.changed.Broadcast()
		})
	}
	r.changed.Broadcast()
}

func (r *ring) read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		switch {
		case r.gone:
			return 0, net.ErrClosed
		case r.reading.over():
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case r.n > 0:
			n := r.take(p)
			r.changed.Broadcast()
			return n, nil
		case r.ended:
			return 0, io.EOF
		}
		r.changed.Wait()
	}
}

// take copies bytes out of the ring.
func (r *ring) take(p []byte) int {
	total := 0
	for total < len(p) && r.n > 0 {
		n := copy(p[total:], r.buf[r.at:min(r.at+r.n, len(r.buf))])
		r.at, r.n, total = (r.at+n)%len(r.buf), r.n-n, total+n
	}
	return total
}

func (r *ring) write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	total := 0
	for {
		switch {
		case r.ended:
			return total, net.ErrClosed
		case r.gone:
			return total, io.ErrClosedPipe
		case r.writing.over():
			return total, os.ErrDeadlineExceeded
		case total == len(p):
			return total, nil
		}
		if n := r.put(p[total:]); n > 0 {
			total += n
			r.changed.Broadcast()
			continue
		}
		r.changed.Wait()
	}
}

// put copies bytes into the ring, which grows up to its size.
func (r *ring) put(p []byte) int {
	if want := r.n + len(p); want > len(r.buf) && len(r.buf) < ringSize {
		size := max(len(r.buf), ringStart)
		for size < want && size < ringSize {
			size *= 2
		}
		grown := make([]byte, size)
		n := r.n
		r.take(grown)
		r.buf, r.at, r.n = grown, 0, n
	}
	total := 0
	for total < len(p) && r.n < len(r.buf) {
		from := (r.at + r.n) % len(r.buf)
		to := len(r.buf)
		if from < r.at {
			to = r.at
		}
		n := copy(r.buf[from:to], p[total:])
		r.n, total = r.n+n, total+n
	}
	return total
}

// end says that nothing more is written, abandon that nothing more is read.
func (r *ring) end()     { r.close(&r.ended) }
func (r *ring) abandon() { r.close(&r.gone) }

func (r *ring) close(flag *bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*flag = true
	if r.gone {
		r.buf, r.at, r.n = nil, 0, 0
	}
	r.changed.Broadcast()
}

// pipeConn is one end of a connection inside the process.
type pipeConn struct {
	in, out       *ring
	local, remote net.Addr
}

// pipe makes a connection inside the process: each way holds ringSize bytes, and
// who writes more waits for who reads.
func pipe(a, b net.Addr) (net.Conn, net.Conn) {
	there, back := newRing(), newRing()
	return &pipeConn{in: back, out: there, local: a, remote: b}, &pipeConn{in: there, out: back, local: b, remote: a}
}

func (c *pipeConn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *pipeConn) Write(p []byte) (int, error) { return c.out.write(p) }

// Close ends both directions: the peer reads what is on its way, and then the end.
func (c *pipeConn) Close() error {
	c.out.end()
	c.in.abandon()
	c.in.set(&c.in.reading, time.Time{})
	c.out.set(&c.out.writing, time.Time{})
	return nil
}

// CloseWrite ends the direction that is written.
func (c *pipeConn) CloseWrite() error {
	c.out.end()
	return nil
}

// CloseRead ends the direction that is read.
func (c *pipeConn) CloseRead() error {
	c.in.abandon()
	return nil
}

func (c *pipeConn) LocalAddr() net.Addr  { return c.local }
func (c *pipeConn) RemoteAddr() net.Addr { return c.remote }

func (c *pipeConn) SetReadDeadline(t time.Time) error {
	c.in.set(&c.in.reading, t)
	return nil
}

func (c *pipeConn) SetWriteDeadline(t time.Time) error {
	c.out.set(&c.out.writing, t)
	return nil
}

func (c *pipeConn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}
