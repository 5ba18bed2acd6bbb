package preview1

import (
	"context"
	"errors"
	"io"
	"math/bits"
	"net/netip"

	"github.com/wherry-run/wherry/wasi"
)

// readInput reads what is there into the buffers; unless nonblock is set it
// waits for the first byte.
func (h *Host) readInput(c *call, in *wasi.Input, bufs [][]byte, nonblock bool) (int, errno) {
	total := 0
	for _, b := range bufs {
		if left, _ := in.Buffered(); h.patient && total > 0 && left == 0 {
			break // what more there is depends on the moment
		}
		n, err, ok := in.TryRead(b)
		if !ok && total == 0 {
			if nonblock && !h.patient {
				return 0, eagain
			}
			h.wait(func() { n, err = in.Read(c.ctx, b) })
			ok = true
		}
		total += n
		if !ok || n < len(b) {
			if total > 0 || errors.Is(err, io.EOF) {
				return total, esuccess
			}
			return total, c.fail(err)
		}
	}
	return total, esuccess
}

// writeOutput writes to a standard stream: all of it, or with NONBLOCK what
// the stream takes at once.
func (h *Host) writeOutput(c *call, d *descriptor, out *output, bufs [][]byte) (int, errno) {
	total := 0
	for _, b := range bufs {
		var n int
		var err error
		if d.flags&flagNonblock != 0 && !h.patient {
			var ok bool
			if n, err, ok = out.TryWrite(b); !ok {
				err = errWouldBlock
			}
		} else {
			h.wait(func() { n, err = out.Write(c.ctx, b) })
		}
		total += n
		if err != nil {
			return total, c.fail(err)
		}
		if n < len(b) {
			break
		}
	}
	return total, esuccess
}

// Flags of sock_recv, sock_send and sock_shutdown.
const (
	recvPeek    = 1
	recvWaitall = 2
	shutdownRD  = 1
	shutdownWR  = 2
)

// recv reads from a connection.
func (h *Host) recv(c *call, d *descriptor, conn *connection, bufs [][]byte, flags uint32) (int, errno) {
	if conn.shutRead {
		return 0, esuccess
	}
	nonblock := d.flags&flagNonblock != 0
	if flags&recvPeek != 0 {
		return h.peek(c, conn.Input(), bufs, nonblock)
	}
	if conn.patience > 0 && !nonblock && !h.waitFor(c.ctx, conn.Input().Ready(), conn.patience) {
		return 0, c.after(eagain)
	}
	total, e := h.readInput(c, conn.Input(), bufs, nonblock)
	for flags&recvWaitall != 0 && !nonblock && e == esuccess && total > 0 {
		rest := skip(bufs, total)
		if len(rest) == 0 {
			break
		}
		n, err := h.readInput(c, conn.Input(), rest, false)
		if total += n; n == 0 || err != esuccess {
			e = err
			break
		}
	}
	return total, e
}

// skip is what is left of the buffers after n bytes.
func skip(bufs [][]byte, n int) [][]byte {
	for len(bufs) > 0 && n >= len(bufs[0]) {
		n -= len(bufs[0])
		bufs = bufs[1:]
	}
	if n == 0 || len(bufs) == 0 {
		return bufs
	}
	return append([][]byte{bufs[0][n:]}, bufs[1:]...)
}

func (h *Host) peek(c *call, in *wasi.Input, bufs [][]byte, nonblock bool) (int, errno) {
	room := 0
	for _, b := range bufs {
		room += len(b)
	}
	if room == 0 {
		return 0, esuccess
	}
	seen := make([]byte, min(room, gatherLimit))
	for {
		n, err, ok := in.Peek(seen)
		if ok {
			if n == 0 && !errors.Is(err, io.EOF) {
				return 0, c.fail(err)
			}
			seen = seen[:n]
			for _, b := range bufs {
				seen = seen[copy(b, seen):]
			}
			return n, esuccess
		}
		if nonblock {
			return 0, eagain
		}
		h.wait(func() {
			select {
			case <-in.Ready():
			case <-c.ctx.Done():
			}
		})
		if c.canceled() {
			return 0, ecanceled
		}
	}
}

// send writes to a connection: all of it, or with NONBLOCK what there is room
// for.
func (h *Host) send(c *call, d *descriptor, conn *connection, bufs [][]byte) (int, errno) {
	total := 0
	for _, b := range bufs {
		for len(b) > 0 {
			n, err, ok := conn.TryWrite(b)
			if !ok {
				if d.flags&flagNonblock != 0 {
					if total > 0 {
						return total, esuccess
					}
					return 0, eagain
				}
				if conn.holdOut > 0 && !h.waitFor(c.ctx, conn.Writable(), conn.holdOut) {
					if total > 0 {
						return total, esuccess
					}
					return 0, c.after(eagain)
				}
				h.wait(func() { n, err = conn.Write(c.ctx, b) })
			}
			total += n
			b = b[n:]
			if err != nil {
				return total, c.fail(err)
			}
		}
	}
	return total, esuccess
}

// socket is the descriptor fd if it is a socket.
func (h *Host) socket(fd uint32) (*descriptor, errno) {
	d, e := h.fds.get(fd, 0)
	if e != esuccess {
		return nil, e
	}
	if t := d.object.fileType(); t != typeSocketStream && t != typeSocketDatagram {
		return nil, enotsock
	}
	return d, esuccess
}

func (h *Host) connection(fd uint32, need rights) (*descriptor, *connection, errno) {
	d, e := h.socket(fd)
	if e != esuccess {
		return nil, nil, e
	}
	conn, ok := d.object.(*connection)
	if !ok {
		return nil, nil, notConnected(d.object)
	}
	return d, conn, d.check(need)
}

func (h *Host) sockAccept(c *call) errno {
	out, e := c.out(2, 4)
	if e != esuccess {
		return e
	}
	fd, e := h.accept(c.ctx, c.u32(0), c.u32(1))
	if e != esuccess {
		return c.after(e)
	}
	le.PutUint32(out, fd)
	return esuccess
}

// accept takes the next connection of a listener.
func (h *Host) accept(ctx context.Context, fd, flags uint32) (uint32, errno) {
	d, e := h.socket(fd)
	if e != esuccess {
		return 0, e
	}
	l, ok := d.object.(*listener)
	if !ok || flags&^uint32(flagNonblock) != 0 {
		return 0, einval
	}
	if e := d.check(rightSockAccept); e != esuccess {
		return 0, e
	}
	if e := h.fds.admit(); e != esuccess {
		return 0, e
	}
	defer h.fds.dismiss()
	conn, err, ok := l.TryAccept()
	if !ok {
		if d.flags&flagNonblock != 0 {
			return 0, eagain
		}
		h.wait(func() { conn, err = l.Accept(ctx) })
	}
	if err != nil {
		return 0, errnoOf(err)
	}
	fd, e = h.fds.insert(&descriptor{
		base: d.inheriting & rightsOfConnection, flags: fdFlags(flags), object: &connection{Conn: conn},
	})
	if e != esuccess {
		conn.Close()
	}
	return fd, e
}

func (h *Host) sockRecv(c *call) errno {
	bufs, _, e := c.iovecs(1, h.limits.Iovecs)
	if e != esuccess {
		return e
	}
	size, e := c.out(4, 4)
	if e != esuccess {
		return e
	}
	flags, e := c.out(5, 2)
	if e != esuccess {
		return e
	}
	if d, o, ok := h.datagrams(c.u32(0)); ok {
		if e := d.check(rightFDRead); e != esuccess {
			return e
		}
		return h.sockRecvDatagram(c, d, o, bufs, size, flags)
	}
	d, conn, e := h.connection(c.u32(0), rightFDRead)
	if e != esuccess {
		return e
	}
	if c.u32(3)&^(recvPeek|recvWaitall) != 0 || bits.OnesCount32(c.u32(3)) > 1 {
		return enotsup
	}
	n, e := h.recv(c, d, conn, bufs, c.u32(3))
	if e := putCount(size, n, e); e != esuccess {
		return e
	}
	le.PutUint16(flags, 0) // a stream never cuts data off
	return esuccess
}

func (h *Host) sockSend(c *call) errno {
	bufs, _, e := c.iovecs(1, h.limits.Iovecs)
	if e != esuccess {
		return e
	}
	out, e := c.out(4, 4)
	if e != esuccess {
		return e
	}
	if d, o, ok := h.datagrams(c.u32(0)); ok {
		if e := d.check(rightFDWrite); e != esuccess {
			return e
		}
		n, e := h.sendTo(c.ctx, o, bufs, netip.AddrPort{})
		return putCount(out, n, c.after(e))
	}
	d, conn, e := h.connection(c.u32(0), rightFDWrite)
	if e != esuccess {
		return e
	}
	if c.u32(3) != 0 {
		return enotsup // WASI defines no flag
	}
	n, e := h.send(c, d, conn, bufs)
	return putCount(out, n, e)
}

func (h *Host) sockShutdown(c *call) errno {
	return h.shutdown(c.u32(0), c.u32(1))
}

// shutdown ends one or both directions of a connection.
func (h *Host) shutdown(fd, how uint32) errno {
	_, conn, e := h.connection(fd, rightSockShutdown)
	if e != esuccess {
		return e
	}
	if how == 0 || how&^(shutdownRD|shutdownWR) != 0 {
		return einval
	}
	if how&shutdownRD != 0 {
		conn.shutRead = true
		_ = conn.CloseRead() // what arrives later is not wanted either way
	}
	if how&shutdownWR != 0 {
		conn.CloseWrite()
	}
	return esuccess
}
