package preview1

import (
	"context"
	"strings"
)

// maxPath is the longest path a guest may name, in bytes.
const maxPath = 4096

// memory is the guest's linear memory: Read returns n bytes at off, the bytes
// themselves and not a copy, or false when they are not all there.
type memory interface {
	Read(off, n uint32) ([]byte, bool)
}

// call is one call of a WASI function: its arguments and the memory they point
// into. A function that must not return to the guest leaves its reason in
// unwind.
type call struct {
	ctx    context.Context
	mem    memory
	args   []uint64
	layout *layout
	unwind error
}

func (c *call) u32(i int) uint32 { return uint32(c.args[i]) }
func (c *call) u64(i int) uint64 { return c.args[i] }

// stop unwinds the guest for err.
func (c *call) stop(err error) errno {
	c.unwind = err
	return ecanceled
}

// canceled reports whether the call's context is done, and if so unwinds the
// guest: no guest outlives its context by a retry loop.
func (c *call) canceled() bool {
	if c.ctx.Err() == nil {
		return false
	}
	c.unwind = context.Cause(c.ctx)
	return true
}

// fail is the result of an operation that ended with err.
func (c *call) fail(err error) errno {
	if err != nil && c.canceled() {
		return ecanceled
	}
	return errnoOf(err)
}

// after is the result of something that waited: none, when the guest must be
// unwound meanwhile.
func (c *call) after(e errno) errno {
	if e != esuccess && c.canceled() {
		return ecanceled
	}
	return e
}

// bytes is the part of memory at argument ptr whose length is argument n.
func (c *call) bytes(ptr, n int) ([]byte, errno) { return c.at(c.u32(ptr), c.u32(n)) }

// out is the part of memory for a result of n bytes at argument ptr.
func (c *call) out(ptr int, n uint32) ([]byte, errno) { return c.at(c.u32(ptr), n) }

func (c *call) at(off, n uint32) ([]byte, errno) {
	b, ok := c.mem.Read(off, n)
	if !ok {
		return nil, efault
	}
	return b, esuccess
}

// array is the part of memory that holds n elements of the given size. The
// product is taken in 64 bits: in 32 it would wrap.
func (c *call) array(off, n, size uint32) ([]byte, errno) {
	total := uint64(n) * uint64(size)
	if total > 1<<32-1 {
		return nil, efault
	}
	return c.at(off, uint32(total))
}

// path is the path at argument ptr with its length at argument ptr+1. What the
// bytes mean is the tree's business; only a NUL cannot be part of any name.
func (c *call) path(ptr int) (string, errno) {
	if c.u32(ptr+1) > maxPath {
		return "", enametoolong
	}
	b, e := c.bytes(ptr, ptr+1)
	if e != esuccess {
		return "", e
	}
	if len(b) == 0 {
		return "", enoent
	}
	s := string(b)
	if strings.IndexByte(s, 0) >= 0 {
		return "", einval
	}
	return s, esuccess
}

// iovecs are the buffers listed at argument ptr, their number at argument
// ptr+1, and their total length. Empty buffers are left out.
func (c *call) iovecs(ptr, limit int) (bufs [][]byte, total uint64, e errno) {
	n := c.u32(ptr + 1)
	if uint64(n) > uint64(limit) {
		return nil, 0, einval
	}
	list, e := c.array(c.u32(ptr), n, sizeIovec)
	if e != esuccess {
		return nil, 0, e
	}
	bufs = make([][]byte, 0, n)
	for ; len(list) > 0; list = list[sizeIovec:] {
		b, e := c.at(le.Uint32(list), le.Uint32(list[4:]))
		if e != esuccess {
			return nil, 0, e
		}
		if total += uint64(len(b)); total > 1<<32-1 {
			return nil, 0, einval
		}
		if len(b) > 0 {
			bufs = append(bufs, b)
		}
	}
	return bufs, total, esuccess
}
