package oipgrpc

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"
)

// An intake counts what all clients have sent of messages that are not complete yet,
// for which gRPC has a bound for each alone, and holds them against a rate. Who breaks
// either loses the connection: gRPC tells nobody of a message before it is complete.
type intake struct {
	most  int64         // bytes of all messages
	first time.Duration // that a message may take, ...
	rate  int64         // ... and a second more for each so many bytes; 0: as long as it likes

	held  atomic.Int64
	mu    sync.Mutex
	conns map[*counted]struct{}
}

// counting has the connections of a server counted, below what its credentials make of
// them.
type counting struct {
	credentials.TransportCredentials
	intake *intake
}

func (c *counting) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := c.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return nil, nil, err
	}
	return c.intake.count(conn), info, nil
}

func (c *counting) Clone() credentials.TransportCredentials {
	return &counting{c.TransportCredentials.Clone(), c.intake}
}

// counted is a connection whose incomplete messages are counted.
type counted struct {
	net.Conn
	intake  *intake
	held    atomic.Int64 // bytes
	mu      sync.Mutex   // of what follows
	in, out frames
	streams map[uint32]*message
	last    uint32      // stream that was opened
	waiting int         // messages that have begun
	timer   *time.Timer // runs while some have
	closed  bool
}

// message is one that a client sends, or the place where the next begins.
type message struct {
	head  [5]byte // whether it is compressed, and its length
	size  int64   // bytes that have come, with the head
	since time.Time
}

// lengthOfPreface is that of what clients say first.
const lengthOfPreface = len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

func (k *intake) count(conn net.Conn) net.Conn {
	c := &counted{Conn: conn, intake: k, streams: map[uint32]*message{}}
	c.in = frames{preface: lengthOfPreface, opened: c.opened, ended: c.ended, data: c.data}
	c.out = frames{opened: func(uint32) {}, ended: c.ended, data: func(uint32, []byte) {}}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.conns == nil {
		k.conns = map[*counted]struct{}{}
	}
	k.conns[c] = struct{}{}
	return c
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	c.in.pass(p[:n])
	c.watch()
	closed := c.closed
	c.mu.Unlock()
	if closed && err == nil {
		return n, net.ErrClosed
	}
	if k := c.intake; k.most > 0 && k.held.Load() > k.most {
		k.shed()
	}
	return n, err
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.pass(p[:n])
	return n, err
}

// Close gives back what it held.
func (c *counted) Close() error {
	c.forget()
	return c.Conn.Close()
}

// forget counts nothing of it from now on.
func (c *counted) forget() {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		c.add(-c.held.Load())
		if c.timer != nil {
			c.timer.Stop()
		}
	}
	c.mu.Unlock()
	c.intake.mu.Lock()
	defer c.intake.mu.Unlock()
	delete(c.intake.conns, c)
}

func (c *counted) add(n int64) {
	c.held.Add(n)
	c.intake.held.Add(n)
}

// opened notes that the client has begun a stream. Headers that come later are
// trailers. As all that frames call it is called with mu held.
func (c *counted) opened(stream uint32) {
	if stream > c.last {
		c.last = stream
		c.streams[stream] = &message{}
	}
}

// ended forgets a stream that one of both has ended.
func (c *counted) ended(stream uint32) {
	if m := c.streams[stream]; m != nil {
		c.done(m)
		delete(c.streams, stream)
	}
}

// done notes that a message is complete, or given up.
func (c *counted) done(m *message) {
	if m.size > 0 {
		c.waiting--
		c.add(-m.size)
		m.size = 0
	}
}

// data takes note of what comes by a stream: messages, each after its length.
func (c *counted) data(stream uint32, p []byte) {
	m := c.streams[stream]
	for m != nil && !c.closed && len(p) > 0 {
		if m.size == 0 {
			c.waiting++
			m.since = time.Now()
		}
		n := 0
		if m.size < int64(len(m.head)) {
			n = copy(m.head[m.size:], p)
		} else {
			n = int(min(int64(len(p)), m.length()-m.size))
		}
		m.size += int64(n)
		c.add(int64(n))
		if p = p[n:]; m.size >= int64(len(m.head)) && m.size == m.length() {
			c.done(m)
		}
	}
}

// length is that of the whole message. Its head is there.
func (m *message) length() int64 {
	return int64(len(m.head)) + int64(binary.BigEndian.Uint32(m.head[1:]))
}

// due is when a message must be complete, as far as it has come.
func (k *intake) due(m *message) time.Time {
	return m.since.Add(k.first + time.Duration(m.size/k.rate)*time.Second)
}

// watch sees to it that somebody looks when a message that is not complete should be.
// It is called with mu held.
func (c *counted) watch() {
	if c.intake.rate > 0 && c.waiting > 0 && c.timer == nil && !c.closed {
		c.timer = time.AfterFunc(c.intake.first, c.look)
	}
}

// look closes the connection when a message comes too slowly, else it comes again.
func (c *counted) look() {
	c.mu.Lock()
	var next time.Time
	for _, m := range c.streams {
		if m.size == 0 {
			continue
		}
		if due := c.intake.due(m); next.IsZero() || due.Before(next) {
			next = due
		}
	}
	late := time.Until(next) <= 0
	switch {
	case c.closed || next.IsZero():
		c.timer = nil
		late = false
	case !late:
		c.timer.Reset(time.Until(next))
	}
	c.mu.Unlock()
	if late {
		_ = c.Close() // gRPC hears of it, and ends its calls
	}
}

// shed closes the connection that has sent the most of what is not complete.
func (k *intake) shed() {
	k.mu.Lock()
	var worst *counted
	for c := range k.conns {
		if worst == nil || c.held.Load() > worst.held.Load() {
			worst = c
		}
	}
	k.mu.Unlock()
	if worst != nil {
		worst.forget()
		go worst.Conn.Close() // gRPC hears of it, and ends its calls; TLS may wait for the client
	}
}

// calls bounds how many calls there are at once, by all connections: each may have as
// much in a buffer as its window has, of what nobody takes.
type calls struct {
	most int64
	now  atomic.Int64
}

// enter counts a call until its context ends; false: there are too many.
func (c *calls) enter(ctx context.Context) bool {
	if c.now.Add(1) > c.most {
		c.now.Add(-1)
		return false
	}
	context.AfterFunc(ctx, func() { c.now.Add(-1) })
	return true
}
