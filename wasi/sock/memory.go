package sock

import (
	"context"
	"encoding/binary"
	"net/netip"

	"github.com/wherry-run/wherry/wasi/preview1"
)

var le = binary.LittleEndian

// Bounds of what one call hands over.
const (
	maxBuffers = 1024
	maxHost    = 256 // of a name, with the zero at its end
)

// memory is the guest's linear memory: Read returns n bytes at off, the bytes
// themselves and not a copy, or false when they are not all there.
type memory interface {
	Read(off, n uint32) ([]byte, bool)
}

// call is one call of a function of the extension.
type call struct {
	ctx     context.Context
	mem     memory
	args    []uint64
	sockets *preview1.Sockets
}

func (c *call) u32(i int) uint32 { return uint32(c.args[i]) }

// at is a part of memory.
func (c *call) at(off, n uint32) ([]byte, preview1.Errno) {
	b, ok := c.mem.Read(off, n)
	if !ok {
		return nil, preview1.EFAULT
	}
	return b, preview1.ESUCCESS
}

// out is the part of memory for a result at argument i.
func (c *call) out(i int, n uint32) ([]byte, preview1.Errno) { return c.at(c.u32(i), n) }

// The kinds of addresses.
const (
	familyAny   = 0
	familyInet4 = 1
	familyInet6 = 2
)

// addressSize is the size of an address that says its kind.
const addressSize = 128

// buffer is the memory of an address: where argument i points is where it lies and
// how long it is.
func (c *call) buffer(i int) ([]byte, preview1.Errno) {
	b, e := c.out(i, 8)
	if e != preview1.ESUCCESS {
		return nil, e
	}
	size := le.Uint32(b[4:])
	switch size {
	case 4, 16, addressSize:
		return c.at(le.Uint32(b), size)
	}
	return nil, preview1.EINVAL
}

// address reads the address at argument i, with the port at the next one.
func (c *call) address(i int) (netip.AddrPort, preview1.Errno) {
	b, e := c.buffer(i)
	if e != preview1.ESUCCESS {
		return netip.AddrPort{}, e
	}
	port := c.u32(i + 1)
	if port > 65535 {
		return netip.AddrPort{}, preview1.EINVAL
	}
	a, e := decodeAddress(b)
	return netip.AddrPortFrom(a, uint16(port)), e
}

// decodeAddress reads the bytes of an address.
func decodeAddress(b []byte) (netip.Addr, preview1.Errno) {
	if len(b) == addressSize {
		switch le.Uint16(b) {
		case familyInet4:
			b = b[2:6]
		case familyInet6:
			b = b[2:18]
		default:
			return netip.Addr{}, preview1.EAFNOSUPPORT
		}
	}
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.Addr{}, preview1.EINVAL
	}
	return a, preview1.ESUCCESS
}

// putAddress writes an address where there is room for it.
func putAddress(b []byte, a netip.Addr) preview1.Errno {
	kind := uint16(familyInet4)
	if a.Is6() {
		kind = familyInet6
	}
	if len(b) == addressSize {
		clear(b)
		le.PutUint16(b, kind)
		b = b[2:]
	}
	raw := a.AsSlice()
	if len(b) < len(raw) {
		return preview1.EINVAL
	}
	copy(b, raw)
	return preview1.ESUCCESS
}

// buffers are those listed at argument i, their number at the next one.
func (c *call) buffers(i int) ([][]byte, preview1.Errno) {
	n := c.u32(i + 1)
	if n > maxBuffers {
		return nil, preview1.EINVAL
	}
	list, e := c.at(c.u32(i), n*8)
	if e != preview1.ESUCCESS {
		return nil, e
	}
	bufs := make([][]byte, 0, n)
	total := uint64(0)
	for ; len(list) > 0; list = list[8:] {
		b, e := c.at(le.Uint32(list), le.Uint32(list[4:]))
		if e != preview1.ESUCCESS {
			return nil, e
		}
		if total += uint64(len(b)); total > 1<<32-1 {
			return nil, preview1.EINVAL
		}
		if len(b) > 0 {
			bufs = append(bufs, b)
		}
	}
	return bufs, preview1.ESUCCESS
}
