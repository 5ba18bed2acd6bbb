package sock

import (
	"math"
	"time"

	"github.com/wherry-run/wherry/wasi/preview1"
)

// The options of sockets, of the one level that there is.
const (
	optReuseAddress   = 0
	optType           = 1
	optError          = 2
	optDontRoute      = 3
	optBroadcast      = 4
	optSendBuffer     = 5
	optReceiveBuffer  = 6
	optKeepAlive      = 7
	optInlineUrgent   = 8
	optLinger         = 9
	optLowWater       = 10
	optReceiveTimeout = 11
	optSendTimeout    = 12
	optListens        = 13
)

// bufferSize is what a connection holds in each direction.
const bufferSize = 64 << 10

// sizeTimeval is two numbers of 64 bits: seconds and microseconds.
const sizeTimeval = 16

// maxOption bounds the value of an option.
const maxOption = 256

// setOption takes what the network has a meaning for, and what it has none for as
// long as it changes nothing that a program could see.
func (c *call) setOption() preview1.Errno {
	fd, level, name, size := c.u32(0), c.u32(1), c.u32(2), c.u32(4)
	if size > maxOption {
		return preview1.EINVAL
	}
	value, e := c.at(c.u32(3), size)
	if e != preview1.ESUCCESS {
		return e
	}
	if _, e := c.sockets.State(fd); e != preview1.ESUCCESS {
		return e
	}
	if level != 0 {
		return preview1.ENOPROTOOPT
	}
	switch name {
	case optReuseAddress, optBroadcast, optSendBuffer, optReceiveBuffer, optKeepAlive:
		if size != 4 {
			return preview1.EINVAL
		}
		return preview1.ESUCCESS
	case optReceiveTimeout, optSendTimeout:
		if size != sizeTimeval {
			return preview1.EINVAL
		}
		most, ok := timeval(value)
		if !ok {
			return preview1.EINVAL
		}
		if name == optSendTimeout {
			return preview1.ESUCCESS // a send waits for the peer, which the network bounds
		}
		return c.sockets.SetPatience(fd, most)
	case optLinger:
		return preview1.ESUCCESS // what was written is always delivered, for some seconds
	}
	return preview1.ENOPROTOOPT
}

// timeval reads a duration; 0 is for ever.
func timeval(b []byte) (time.Duration, bool) {
	seconds, micros := int64(le.Uint64(b)), int64(le.Uint64(b[8:]))
	if seconds < 0 || micros < 0 || micros >= 1_000_000 {
		return 0, false
	}
	if seconds > math.MaxInt64/int64(time.Second)-1 {
		return math.MaxInt64, true
	}
	return time.Duration(seconds)*time.Second + time.Duration(micros)*time.Microsecond, true
}

// getOption has two forms with one signature: WasmEdge's gets where the size of the
// value is, others the size itself, which is 4 and no address of anything.
func (c *call) getOption() preview1.Errno {
	fd, level, name := c.u32(0), c.u32(1), c.u32(2)
	size, place := uint32(4), []byte(nil)
	if c.u32(4) != 4 {
		var e preview1.Errno
		if place, e = c.out(4, 4); e != preview1.ESUCCESS {
			return e
		}
		size = le.Uint32(place)
	}
	if size < 4 || size > maxOption {
		return preview1.EINVAL
	}
	out, e := c.at(c.u32(3), size)
	if e != preview1.ESUCCESS {
		return e
	}
	if level != 0 {
		return preview1.ENOPROTOOPT
	}
	n, e := c.option(fd, name, out)
	if e == preview1.ESUCCESS && place != nil {
		le.PutUint32(place, n)
	}
	return e
}

// option writes the value of an option, and gives its size.
func (c *call) option(fd, name uint32, out []byte) (uint32, preview1.Errno) {
	state, e := c.sockets.State(fd)
	if e != preview1.ESUCCESS {
		return 0, e
	}
	number := func(v uint32) (uint32, preview1.Errno) {
		le.PutUint32(out, v)
		return 4, preview1.ESUCCESS
	}
	flag := func(on bool) (uint32, preview1.Errno) {
		if on {
			return number(1)
		}
		return number(0)
	}
	switch name {
	case optType:
		if state.Datagram {
			return number(typeDgram)
		}
		return number(typeStream)
	case optError:
		failed, e := c.sockets.Failed(fd)
		if e != preview1.ESUCCESS {
			return 0, e
		}
		return number(uint32(failed))
	case optListens:
		return flag(state.Listens)
	case optReuseAddress, optKeepAlive, optBroadcast, optDontRoute, optInlineUrgent:
		return flag(false)
	case optSendBuffer, optReceiveBuffer:
		return number(bufferSize)
	case optLowWater:
		return number(1)
	case optReceiveTimeout, optSendTimeout:
		if len(out) < sizeTimeval {
			return 0, preview1.EINVAL
		}
		most := state.Patience
		if name == optSendTimeout {
			most = 0
		}
		le.PutUint64(out, uint64(most/time.Second))
		le.PutUint64(out[8:], uint64(most%time.Second/time.Microsecond))
		return sizeTimeval, preview1.ESUCCESS
	}
	return 0, preview1.ENOPROTOOPT
}
