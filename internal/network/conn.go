package network

import (
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// conn is a connection that tells the container's addresses in place of the
// machine's.
type conn struct {
	net.Conn
	local, remote net.Addr
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// CloseWrite ends the direction that is written.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// CloseRead ends the direction that is read.
func (c *conn) CloseRead() error {
	if half, ok := c.Conn.(interface{ CloseRead() error }); ok {
		return half.CloseRead()
	}
	return c.SetReadDeadline(time.Unix(1, 0))
}

// counted is a connection whose bytes are counted.
type counted struct {
	conn
	received, sent *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.received.Add(int64(n))
	return n, err
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.sent.Add(int64(n))
	return n, err
}

// count has the bytes of a connection counted as the container's.
func (e *Endpoint) count(c net.Conn) net.Conn {
	return &counted{conn{c, c.LocalAddr(), c.RemoteAddr()}, &e.received, &e.sent}
}

// own is count for a connection of the host's: its end here is the container's.
func (e *Endpoint) own(c net.Conn, at netip.Addr, port uint16) net.Conn {
	here := netip.AddrPortFrom(at, port)
	var local net.Addr = net.TCPAddrFromAddrPort(here)
	if _, udp := c.RemoteAddr().(*net.UDPAddr); udp {
		local = net.UDPAddrFromAddrPort(here)
	}
	return &counted{conn{c, local, c.RemoteAddr()}, &e.received, &e.sent}
}
