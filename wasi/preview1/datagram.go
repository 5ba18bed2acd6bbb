package preview1

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Bounds of one socket of datagrams.
const (
	maxDatagram  = 64 << 10
	maxPeers     = 64      // who it exchanges some with
	maxWaiting   = 256     // that wait to be received
	maxWaitBytes = 1 << 20 // of them
)

// datagrams is a socket of datagrams. To every peer that the guest sends to there
// is a connection of the host's: only who was spoken to can answer.
type datagrams struct {
	v6       bool
	bound    netip.AddrPort
	peer     netip.AddrPort // that it is connected to; zero: none
	shutRead bool
	patience time.Duration
	cause    error // why a peer could not be reached

	mu      sync.Mutex
	conns   map[netip.AddrPort]net.Conn // nil: it is closed
	waiting []datagram
	bytes   int
	ready   chan struct{} // closed while something waits
}

type datagram struct {
	from netip.AddrPort
	data []byte
}

func newDatagrams(v6 bool) *datagrams {
	return &datagrams{v6: v6, conns: map[netip.AddrPort]net.Conn{}, ready: make(chan struct{})}
}

func (*datagrams) fileType() fileType { return typeSocketDatagram }

func (o *datagrams) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.conns {
		_ = c.Close()
	}
	o.conns, o.waiting, o.bytes = nil, nil, 0
	return nil
}

// to is the connection to a peer, which is made when there is none.
func (h *Host) to(ctx context.Context, o *datagrams, peer netip.AddrPort) (net.Conn, errno) {
	o.mu.Lock()
	c, count := o.conns[peer], len(o.conns)
	o.mu.Unlock()
	switch {
	case c != nil:
		return c, esuccess
	case count >= maxPeers:
		return nil, enobufs
	case h.config.Dial == nil:
		return nil, eacces
	}
	var err error
	h.wait(func() { c, err = h.config.Dial.DialContext(ctx, "udp", peer.String()) })
	if o.cause = err; err != nil {
		return nil, errnoOf(err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conns[peer] = c
	go o.receive(c, peer)
	return c, esuccess
}

// receive keeps what a peer sends until the guest takes it. What there is no room
// for is lost, as datagrams may be.
func (o *datagrams) receive(c net.Conn, peer netip.AddrPort) {
	buf := make([]byte, maxDatagram)
	for {
		n, err := c.Read(buf)
		o.mu.Lock()
		if o.conns == nil {
			o.mu.Unlock()
			return
		}
		if err != nil && n == 0 {
			_ = c.Close()
			delete(o.conns, peer)
			o.mu.Unlock()
			return
		}
		if len(o.waiting) < maxWaiting && o.bytes+n <= maxWaitBytes {
			o.waiting = append(o.waiting, datagram{peer, append([]byte(nil), buf[:n]...)})
			if o.bytes += n; len(o.waiting) == 1 {
				close(o.ready)
			}
		}
		o.mu.Unlock()
	}
}

// take gives the datagram that waits longest. It stays when peek is set.
func (o *datagrams) take(peek bool) (datagram, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) == 0 {
		return datagram{}, false
	}
	d := o.waiting[0]
	if !peek {
		o.waiting, o.bytes = o.waiting[1:], o.bytes-len(d.data)
		if len(o.waiting) == 0 {
			o.waiting, o.ready = nil, make(chan struct{})
		}
	}
	return d, true
}

// Ready returns a channel that is closed once something waits.
func (o *datagrams) Ready() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ready
}

// await is a poll of it.
func (o *datagrams) await(s *subscription, need rights) {
	if need == rightFDWrite {
		s.look = func() (uint64, bool) { return maxDatagram, false }
		return
	}
	s.look = func() (uint64, bool) {
		d, _ := o.take(true)
		return uint64(max(len(d.data), 1)), false
	}
	if !o.shutRead {
		s.ready = o.Ready()
	}
}

// recvFrom takes a datagram; what the buffers have no room for is cut off.
func (h *Host) recvFrom(ctx context.Context, d *descriptor, o *datagrams, bufs [][]byte, peek bool) (n int, from netip.AddrPort, e errno) {
	if o.shutRead {
		return 0, from, esuccess
	}
	for {
		if m, ok := o.take(peek); ok {
			for _, b := range bufs {
				n += copy(b, m.data[n:])
			}
			if n < len(m.data) {
				e = emsgsize
			}
			return n, m.from, e
		}
		if d.flags&flagNonblock != 0 || !h.waitFor(ctx, o.Ready(), o.patience) {
			return 0, from, eagain
		}
	}
}

// sendTo sends the buffers as one datagram.
func (h *Host) sendTo(ctx context.Context, o *datagrams, bufs [][]byte, to netip.AddrPort) (int, errno) {
	if to == (netip.AddrPort{}) {
		if to = o.peer; to == (netip.AddrPort{}) {
			return 0, edestaddrreq
		}
	}
	total := 0
	for _, b := range bufs {
		total += len(b)
	}
	if total >= maxDatagram {
		return 0, emsgsize
	}
	c, e := h.to(ctx, o, to)
	if e != esuccess {
		return 0, e
	}
	one := make([]byte, 0, total)
	for _, b := range bufs {
		one = append(one, b...)
	}
	if _, err := c.Write(one); err != nil {
		return 0, errnoOf(err)
	}
	return total, esuccess
}

// datagrams is the descriptor fd if it is a socket of datagrams.
func (h *Host) datagrams(fd uint32) (*descriptor, *datagrams, bool) {
	d, e := h.fds.get(fd, 0)
	if e != esuccess {
		return nil, nil, false
	}
	o, ok := d.object.(*datagrams)
	return d, o, ok
}

// Flag of a receive's answer: the datagram was longer.
const recvTruncated = 1

// sockRecvDatagram is sock_recv of a socket of datagrams.
func (h *Host) sockRecvDatagram(c *call, d *descriptor, o *datagrams, bufs [][]byte, size, flags []byte) errno {
	n, _, e := h.recvFrom(c.ctx, d, o, bufs, c.u32(3)&recvPeek != 0)
	le.PutUint16(flags, 0)
	if e == emsgsize {
		le.PutUint16(flags, recvTruncated)
		e = esuccess
	}
	if e != esuccess {
		return c.after(e)
	}
	le.PutUint32(size, uint32(n))
	return esuccess
}
