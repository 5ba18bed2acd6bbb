package sock

import (
	"net/netip"

	"github.com/wherry-run/wherry/wasi/preview1"
)

// Types of sockets.
const (
	typeAny    = 0
	typeDgram  = 1
	typeStream = 2
)

func (c *call) open() preview1.Errno {
	out, e := c.out(2, 4)
	if e != preview1.ESUCCESS {
		return e
	}
	family, kind := c.u32(0), c.u32(1)
	switch {
	case family != familyInet4 && family != familyInet6:
		return preview1.EAFNOSUPPORT
	case kind != typeAny && kind != typeDgram && kind != typeStream:
		return preview1.EINVAL
	}
	fd, e := c.sockets.Open(family == familyInet6, kind == typeDgram)
	if e != preview1.ESUCCESS {
		return e
	}
	le.PutUint32(out, fd)
	return preview1.ESUCCESS
}

func (c *call) bind() preview1.Errno {
	at, e := c.address(1)
	if e != preview1.ESUCCESS {
		return e
	}
	return c.sockets.Bind(c.u32(0), at)
}

// listen leaves the number of connections that wait to the network.
func (c *call) listen() preview1.Errno { return c.sockets.Listen(c.ctx, c.u32(0)) }

func (c *call) accept() preview1.Errno      { return c.take(0, 1) }
func (c *call) acceptFlags() preview1.Errno { return c.take(c.u32(1), 2) }

// take accepts a connection, whose descriptor goes to where argument i points.
func (c *call) take(flags uint32, i int) preview1.Errno {
	out, e := c.out(i, 4)
	if e != preview1.ESUCCESS {
		return e
	}
	fd, e := c.sockets.Accept(c.ctx, c.u32(0), flags)
	if e != preview1.ESUCCESS {
		return e
	}
	le.PutUint32(out, fd)
	return preview1.ESUCCESS
}

func (c *call) connect() preview1.Errno {
	to, e := c.address(1)
	if e != preview1.ESUCCESS {
		return e
	}
	return c.sockets.Connect(c.ctx, c.u32(0), to)
}

// received writes what came of a receive.
func (c *call) received(n int, e preview1.Errno, size, flags []byte) preview1.Errno {
	if e != preview1.ESUCCESS && e != preview1.EMSGSIZE {
		return e
	}
	le.PutUint32(size, uint32(n))
	le.PutUint16(flags, 0)
	if e == preview1.EMSGSIZE {
		le.PutUint16(flags, 1) // the datagram was longer
	}
	return preview1.ESUCCESS
}

// results are the parts of memory for a number of bytes and for flags, at the
// arguments i and the next.
func (c *call) results(i int) (size, flags []byte, e preview1.Errno) {
	if size, e = c.out(i, 4); e == preview1.ESUCCESS {
		flags, e = c.out(i+1, 2)
	}
	return size, flags, e
}

func (c *call) recv() preview1.Errno {
	bufs, e := c.buffers(1)
	if e != preview1.ESUCCESS {
		return e
	}
	size, flags, e := c.results(4)
	if e != preview1.ESUCCESS {
		return e
	}
	n, _, e := c.sockets.RecvFrom(c.ctx, c.u32(0), bufs, c.u32(3))
	return c.received(n, e, size, flags)
}

func (c *call) recvFrom() preview1.Errno {
	port, e := c.out(5, 2)
	if e != preview1.ESUCCESS {
		return e
	}
	return c.recvAt(port, 6)
}

// recvFromFirst has no place for a port.
func (c *call) recvFromFirst() preview1.Errno { return c.recvAt(make([]byte, 2), 5) }

// recvAt receives, and writes from whom.
func (c *call) recvAt(port []byte, results int) preview1.Errno {
	bufs, e := c.buffers(1)
	if e != preview1.ESUCCESS {
		return e
	}
	at, e := c.buffer(3)
	if e != preview1.ESUCCESS {
		return e
	}
	size, flags, e := c.results(results)
	if e != preview1.ESUCCESS {
		return e
	}
	n, from, e := c.sockets.RecvFrom(c.ctx, c.u32(0), bufs, c.u32(4))
	if e := c.received(n, e, size, flags); e != preview1.ESUCCESS {
		return e
	}
	if from.IsValid() {
		le.PutUint16(port, from.Port())
		return putAddress(at, from.Addr())
	}
	return preview1.ESUCCESS
}

func (c *call) send() preview1.Errno { return c.sendAs(netip.AddrPort{}, 4) }

func (c *call) sendTo() preview1.Errno {
	to, e := c.address(3)
	if e != preview1.ESUCCESS {
		return e
	}
	return c.sendAs(to, 6)
}

func (c *call) sendAs(to netip.AddrPort, result int) preview1.Errno {
	bufs, e := c.buffers(1)
	if e != preview1.ESUCCESS {
		return e
	}
	size, e := c.out(result, 4)
	if e != preview1.ESUCCESS {
		return e
	}
	n, e := c.sockets.SendTo(c.ctx, c.u32(0), bufs, to)
	if n == 0 && e != preview1.ESUCCESS {
		return e
	}
	le.PutUint32(size, uint32(n))
	return preview1.ESUCCESS
}

func (c *call) local() preview1.Errno  { return c.where(c.sockets.Local, -1, 2) }
func (c *call) remote() preview1.Errno { return c.where(c.sockets.Remote, -1, 2) }

// The first version says the kind of the address by a parameter of its own.
func (c *call) localFirst() preview1.Errno  { return c.where(c.sockets.Local, 2, 3) }
func (c *call) remoteFirst() preview1.Errno { return c.where(c.sockets.Remote, 2, 3) }

// The kinds of addresses as the first version numbers them.
const (
	firstInet4 = 4
	firstInet6 = 6
)

// where writes an address of a socket: its kind, if kind is an argument, and its
// port.
func (c *call) where(of func(uint32) (netip.AddrPort, preview1.Errno), kind, port int) preview1.Errno {
	at, e := c.buffer(1)
	if e != preview1.ESUCCESS {
		return e
	}
	out, e := c.out(port, 4)
	if e != preview1.ESUCCESS {
		return e
	}
	a, e := of(c.u32(0))
	if e != preview1.ESUCCESS {
		return e
	}
	if kind >= 0 {
		b, e := c.out(kind, 4)
		if e != preview1.ESUCCESS {
			return e
		}
		le.PutUint32(b, firstInet4)
		if a.Addr().Is6() {
			le.PutUint32(b, firstInet6)
		}
	}
	le.PutUint32(out, uint32(a.Port()))
	return putAddress(at, a.Addr())
}
