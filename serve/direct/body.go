package direct

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// body is a request's.
type body struct {
	conn   *conn
	mu     sync.Mutex   // held while it is waited for what a client sends
	left   atomic.Int64 // is written under mu
	closed bool
}

// Read implements io.Reader. The end comes with the last bytes.
func (b *body) Read(p []byte) (n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.read(p)
}

func (b *body) read(p []byte) (n int, err error) {
	left := b.left.Load()
	switch {
	case b.closed:
		return 0, http.ErrBodyReadAfterClose
	case left == 0:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	if n, err = b.conn.content(p[:min(int64(len(p)), left)]); n == 0 {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
	if b.left.Add(-int64(n)) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// content reads on: what came already first, and little by the way of its own room.
func (c *conn) content(p []byte) (n int, err error) {
	if c.from == c.to && len(p) >= len(c.in) {
		return c.Read(p)
	}
	if c.from == c.to {
		c.from, c.to = 0, 0
		if c.to, err = c.Read(c.in[:]); c.to == 0 {
			return 0, err
		}
	}
	n = copy(p, c.in[c.from:c.to])
	c.from += n
	return n, nil
}

// Close implements io.Closer. What is left is read when the request is answered.
func (b *body) Close() error { return nil }

// whole tells whether all of it was read. It waits for nobody: who reads may wait for a
// client that sends nothing.
func (b *body) whole() bool { return b.left.Load() == 0 }

// maxSkipped is how much of a body that no handler wanted is read to keep the connection.
const maxSkipped = 256 << 10

// skip reads what is left. It is false when that is too much, or does not come.
func (b *body) skip() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	left := b.left.Load()
	return left == 0 || left <= maxSkipped && b.discard()
}

// discard reads it to its end. The caller holds mu.
func (b *body) discard() bool {
	var p [512]byte
	for b.left.Load() > 0 {
		if _, err := b.read(p[:]); err != nil && err != io.EOF {
			return false
		}
	}
	return true
}

// close ends it, and tells how much was not read.
func (b *body) close() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return b.left.Load()
}
