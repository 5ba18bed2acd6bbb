package wasi

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// sendBuffer is what a connection takes from its guest before the peer
	// does, like the send buffer of a kernel socket.
	sendBuffer = 64 << 10
	// linger is how long a closed connection still tries to deliver it.
	linger = 5 * time.Second
)

// A Conn is a connection that can be waited for in both directions. Bytes
// written to it are delivered in the background, so that two guests that
// write to each other at once do not block forever.
//
// A Conn is safe for concurrent use.
type Conn struct {
	raw net.Conn
	in  *Input

	mu       sync.Mutex
	out      []byte        // accepted and not yet delivered
	err      error         // why nothing more can be delivered
	sending  bool          // a goroutine is delivering
	shut     bool          // no more writes: half-close after delivery
	closed   bool          // close after delivery
	writable chan struct{} // closed while there is room, or an error to report
	done     chan struct{} // closed once the connection is gone
}

// NewConn takes over raw.
func NewConn(raw net.Conn) *Conn {
	in := NewInput(raw)
	in.prompt = true // who reads connections waits for them anyway
	c := &Conn{raw: raw, in: in, writable: make(chan struct{}), done: make(chan struct{})}
	close(c.writable)
	return c
}

// Raw is what the connection was made of. It still belongs to it.
func (c *Conn) Raw() net.Conn { return c.raw }

// Input is the receiving side.
func (c *Conn) Input() *Input { return c.in }

// LocalAddr is the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// RemoteAddr is the address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }

// Writable returns a channel that is closed once a write will not block.
func (c *Conn) Writable() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writable
}

// TryWrite takes as much of p as there is room for; ok is false when there is
// no room at all.
func (c *Conn) TryWrite(p []byte) (n int, err error, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil && (c.shut || c.closed) {
		c.err = net.ErrClosed
	}
	if c.err != nil {
		return 0, c.err, true
	}
	n = min(sendBuffer-len(c.out), len(p))
	if n == 0 {
		return 0, nil, len(p) == 0
	}
	c.out = append(c.out, p[:n]...)
	if len(c.out) == sendBuffer {
		c.writable = make(chan struct{})
	}
	c.deliver()
	return n, nil, true
}

// Write takes at least one byte of p, waiting for room.
func (c *Conn) Write(ctx context.Context, p []byte) (int, error) {
	for {
		if n, err, ok := c.TryWrite(p); ok {
			return n, err
		}
		select {
		case <-c.Writable():
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// CloseRead gives up the receiving side.
func (c *Conn) CloseRead() error {
	if half, ok := c.raw.(interface{ CloseRead() error }); ok {
		return half.CloseRead()
	}
	return c.raw.SetReadDeadline(time.Now())
}

// CloseWrite tells the peer, after all that was written, that nothing follows.
func (c *Conn) CloseWrite() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shut = true
	c.deliver()
}

// Close closes the connection once all that was written is delivered, or has
// found no taker for some seconds. It does not wait; Done tells.
func (c *Conn) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	_ = c.raw.SetWriteDeadline(time.Now().Add(linger))
	c.deliver()
}

// Done returns a channel that is closed once the connection is gone.
func (c *Conn) Done() <-chan struct{} { return c.done }

// deliver starts the delivering goroutine unless it runs. The lock is held.
func (c *Conn) deliver() {
	if !c.sending {
		c.sending = true
		go c.deliverAll()
	}
}

func (c *Conn) deliverAll() {
	for {
		chunk, ok := c.nextChunk()
		if !ok {
			return
		}
		n, err := c.raw.Write(chunk)
		if err == nil && n < len(chunk) {
			err = io.ErrShortWrite
		}
		if err != nil {
			c.fail(err)
		}
	}
}

// nextChunk takes what waits for delivery. When there is nothing it does what
// was put off until then and reports false.
func (c *Conn) nextChunk() ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.out) > 0 {
		chunk := c.out
		c.out = nil
		if len(chunk) == sendBuffer {
			close(c.writable)
		}
		return chunk, true
	}
	c.sending = false
	if c.closed {
		select {
		case <-c.done:
		default:
			_ = c.raw.Close()
			close(c.done)
		}
	} else if half, ok := c.raw.(interface{ CloseWrite() error }); ok && c.shut {
		_ = half.CloseWrite()
	}
	return nil, false
}

// fail remembers why delivery ended and wakes whoever waits for room.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.out) == sendBuffer {
		close(c.writable)
	}
	c.err, c.out = err, nil
}

// An Acceptor is a Listener that can be waited for. It accepts a connection
// only while somebody asks, and holds at most one.
//
// An Acceptor is safe for concurrent use.
type Acceptor struct {
	listener Listener

	mu      sync.Mutex
	next    net.Conn
	err     error
	waiting bool
	closed  bool
	ready   chan struct{}
}

// NewAcceptor takes over l.
func NewAcceptor(l Listener) *Acceptor {
	return &Acceptor{listener: l, ready: make(chan struct{})}
}

// Ready returns a channel that is closed once an accept will not block.
func (a *Acceptor) Ready() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.waiting && a.next == nil && a.err == nil {
		a.waiting = true
		go a.accept()
	}
	return a.ready
}

// TryAccept returns the connection that waits; ok is false when there is none
// yet.
func (a *Acceptor) TryAccept() (c *Conn, err error, ok bool) {
	a.Ready()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next != nil {
		c = NewConn(a.next)
		a.next, a.ready = nil, make(chan struct{})
		return c, nil, true
	}
	return nil, a.err, a.err != nil
}

// Accept waits for the next connection.
func (a *Acceptor) Accept(ctx context.Context) (*Conn, error) {
	for {
		if c, err, ok := a.TryAccept(); ok {
			return c, err
		}
		select {
		case <-a.Ready():
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Close closes the listener, and a connection that nobody took.
func (a *Acceptor) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	if a.next != nil {
		_ = a.next.Close()
		a.next, a.ready = nil, make(chan struct{})
	}
	return a.listener.Close()
}

func (a *Acceptor) accept() {
	conn, err := a.listener.Accept()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = false
	if err == nil && a.closed {
		_ = conn.Close()
		err = net.ErrClosed
	}
	if err != nil {
		a.err = err
	} else {
		a.next = conn
	}
	close(a.ready)
}
