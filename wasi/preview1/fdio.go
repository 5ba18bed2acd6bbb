package preview1

import (
	"errors"
	"io"
	"math"
	"net/netip"
)

// gatherLimit is the most that is copied together so that several buffers are
// written as one.
const gatherLimit = 64 << 10

func (h *Host) fdRead(c *call) errno {
	bufs, _, e := c.iovecs(1, h.limits.Iovecs)
	if e != esuccess {
		return e
	}
	out, e := c.out(3, 4)
	if e != esuccess {
		return e
	}
	d, e := h.fds.get(c.u32(0), 0)
	if e != esuccess {
		return e
	}
	var n int
	switch o := d.object.(type) {
	case *directory:
		return eisdir
	case *listener, *socket:
		return notConnected(o)
	case *datagrams:
		if e := d.check(rightFDRead); e != esuccess {
			return e
		}
		n, _, e = h.recvFrom(c.ctx, d, o, bufs, false)
		e = c.after(e)
	case *output:
		return ebadf
	case *regular:
		if e := d.check(rightFDRead); e != esuccess {
			return e
		}
		n, e = c.readAt(o, bufs, o.offset)
		o.offset += int64(n)
	case *input:
		if e := d.check(rightFDRead); e != esuccess {
			return e
		}
		n, e = h.readInput(c, o.Input, bufs, d.flags&flagNonblock != 0)
	case *connection:
		if e := d.check(rightFDRead); e != esuccess {
			return e
		}
		n, e = h.recv(c, d, o, bufs, 0)
	case *pipeEnd:
		n, e = o.read(bufs)
	}
	return putCount(out, n, e)
}

// putCount writes how much was moved. What was moved before an error counts;
// the error comes back with the next call.
func putCount(out []byte, n int, e errno) errno {
	if n == 0 && e != esuccess {
		return e
	}
	le.PutUint32(out, uint32(n))
	return esuccess
}

func (h *Host) fdPread(c *call) errno {
	bufs, _, e := c.iovecs(1, h.limits.Iovecs)
	if e != esuccess {
		return e
	}
	out, e := c.out(4, 4)
	if e != esuccess {
		return e
	}
	_, r, e := h.regular(c.u32(0), rightFDRead|rightFDSeek)
	if e != esuccess {
		return e
	}
	if c.u64(3) > math.MaxInt64 {
		return einval
	}
	n, e := c.readAt(r, bufs, int64(c.u64(3)))
	return putCount(out, n, e)
}

// readAt reads from a file straight into guest memory.
func (c *call) readAt(r *regular, bufs [][]byte, off int64) (int, errno) {
	total := 0
	for _, b := range bufs {
		for len(b) > 0 {
			if c.canceled() {
				return total, ecanceled
			}
			if off > math.MaxInt64-transferChunk {
				return total, esuccess // far past any end
			}
			n, err := r.file.ReadAt(b[:min(len(b), transferChunk)], off)
			total += n
			off += int64(n)
			b = b[n:]
			if errors.Is(err, io.EOF) || err == nil && n == 0 {
				return total, esuccess
			}
			if err != nil {
				return total, c.fail(err)
			}
		}
	}
	return total, esuccess
}

func (h *Host) fdWrite(c *call) errno {
	bufs, total, e := c.iovecs(1, h.limits.Iovecs)
	if e != esuccess {
		return e
	}
	out, e := c.out(3, 4)
	if e != esuccess {
		return e
	}
	d, e := h.fds.get(c.u32(0), 0)
	if e != esuccess {
		return e
	}
	var n int
	switch o := d.object.(type) {
	case *directory:
		return eisdir
	case *listener, *socket:
		return notConnected(o)
	case *datagrams:
		if e := d.check(rightFDWrite); e != esuccess {
			return e
		}
		n, e = h.sendTo(c.ctx, o, bufs, netip.AddrPort{})
		e = c.after(e)
	case *input:
		return ebadf
	case *regular:
		if e := d.check(rightFDWrite); e != esuccess {
			return e
		}
		n, e = c.writeFile(d, o, gather(bufs, total))
	case *output:
		if e := d.check(rightFDWrite); e != esuccess {
			return e
		}
		n, e = h.writeOutput(c, d, o, gather(bufs, total))
	case *connection:
		if e := d.check(rightFDWrite); e != esuccess {
			return e
		}
		n, e = h.send(c, d, o, bufs)
	case *pipeEnd:
		n, e = o.write(bufs)
	}
	return putCount(out, n, e)
}

func (h *Host) fdPwrite(c *call) errno {
	bufs, total, e := c.iovecs(1, h.limits.Iovecs)
	if e != esuccess {
		return e
	}
	out, e := c.out(4, 4)
	if e != esuccess {
		return e
	}
	d, r, e := h.regular(c.u32(0), rightFDWrite|rightFDSeek)
	if e != esuccess {
		return e
	}
	if c.u64(3) > math.MaxInt64 {
		return einval
	}
	// The offset holds on an appending descriptor too: that is what POSIX says.
	n, e := c.writeAt(r, gather(bufs, total), int64(c.u64(3)))
	return putCount(out, n, c.syncAfter(d, r, n, e))
}

// gather joins several small buffers, so that they are written as one.
func gather(bufs [][]byte, total uint64) [][]byte {
	if len(bufs) < 2 || total > gatherLimit {
		return bufs
	}
	one := make([]byte, 0, total)
	for _, b := range bufs {
		one = append(one, b...)
	}
	return [][]byte{one}
}

// writeFile writes at the descriptor's position, or at the end when it appends.
func (c *call) writeFile(d *descriptor, r *regular, bufs [][]byte) (int, errno) {
	var n int
	var e errno
	if d.flags&flagAppend != 0 {
		n, e = c.appendFile(r, bufs)
	} else {
		n, e = c.writeAt(r, bufs, r.offset)
		r.offset += int64(n)
	}
	return n, c.syncAfter(d, r, n, e)
}

// syncAfter makes the bytes durable that a descriptor opened for that wrote.
func (c *call) syncAfter(d *descriptor, r *regular, n int, e errno) errno {
	if e != esuccess || n == 0 || d.flags&(flagSync|flagDsync) == 0 {
		return e
	}
	return c.fail(r.file.Sync(d.flags&flagSync == 0))
}

func (c *call) writeAt(r *regular, bufs [][]byte, off int64) (int, errno) {
	total := 0
	for _, b := range bufs {
		for len(b) > 0 {
			if c.canceled() {
				return total, ecanceled
			}
			if off > math.MaxInt64-transferChunk {
				return total, efbig
			}
			n, err := r.file.WriteAt(b[:min(len(b), transferChunk)], off)
			total += n
			off += int64(n)
			b = b[n:]
			if err != nil {
				return total, c.fail(err)
			}
			if n == 0 {
				return total, eio
			}
		}
	}
	return total, esuccess
}

func (c *call) appendFile(r *regular, bufs [][]byte) (int, errno) {
	total := 0
	for _, b := range bufs {
		for len(b) > 0 {
			if c.canceled() {
				return total, ecanceled
			}
			off, n, err := r.file.Append(b[:min(len(b), transferChunk)])
			total += n
			b = b[n:]
			if n > 0 {
				r.offset = off + int64(n)
			}
			if err != nil {
				return total, c.fail(err)
			}
			if n == 0 {
				return total, eio
			}
		}
	}
	return total, esuccess
}

func (h *Host) fdSeek(c *call) errno {
	out, e := c.out(3, 8)
	if e != esuccess {
		return e
	}
	if c.u32(2) >= uint32(len(c.layout.whence)) {
		return einval
	}
	delta, whence := int64(c.u64(1)), c.layout.whence[c.u32(2)]
	need := rightFDSeek
	if delta == 0 && whence == io.SeekCurrent {
		need = 0 // telling, which the right to seek includes
	}
	d, r, e := h.regular(c.u32(0), need)
	if e != esuccess {
		return e
	}
	if need == 0 && d.base&(rightFDSeek|rightFDTell) == 0 {
		return enotcapable
	}
	var from int64
	switch whence {
	case io.SeekCurrent:
		from = r.offset
	case io.SeekEnd:
		st, err := r.file.Stat()
		if err != nil {
			return c.fail(err)
		}
		from = st.Size
	}
	if delta > 0 && from > math.MaxInt64-delta {
		return eoverflow
	}
	if from+delta < 0 {
		return einval
	}
	r.offset = from + delta
	le.PutUint64(out, uint64(r.offset))
	return esuccess
}

func (h *Host) fdTell(c *call) errno {
	out, e := c.out(1, 8)
	if e != esuccess {
		return e
	}
	d, r, e := h.regular(c.u32(0), 0)
	if e != esuccess {
		return e
	}
	if d.base&(rightFDSeek|rightFDTell) == 0 {
		return enotcapable
	}
	le.PutUint64(out, uint64(r.offset))
	return esuccess
}
