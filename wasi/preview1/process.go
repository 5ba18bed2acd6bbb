package preview1

import (
	"fmt"
	"io"
	goruntime "runtime"
)

// exit is the unwinding of a guest that ended itself with a code.
type exit struct{ code uint32 }

func (e *exit) Error() string { return fmt.Sprintf("exit %d", e.code) }

func (h *Host) argsGet(c *call) errno {
	if h.observed != nil {
		h.observed.Args = true
	}
	return c.putStrings(h.args)
}

func (h *Host) environGet(c *call) errno {
	if h.observed != nil {
		h.observed.Env = true
	}
	return c.putStrings(h.env)
}

func (h *Host) argsSizesGet(c *call) errno    { return c.putSizes(h.args) }
func (h *Host) environSizesGet(c *call) errno { return c.putSizes(h.env) }

// putStrings writes pointers at argument 0 to C strings at argument 1.
func (c *call) putStrings(list []string) errno {
	table, e := c.array(c.u32(0), uint32(len(list)), 4)
	if e != esuccess {
		return e
	}
	buf, e := c.out(1, stringBytes(list))
	if e != esuccess {
		return e
	}
	at := c.u32(1)
	for i, s := range list {
		le.PutUint32(table[4*i:], at)
		n := copy(buf, s)
		buf[n] = 0
		buf = buf[n+1:]
		at += uint32(n + 1)
	}
	return esuccess
}

func (c *call) putSizes(list []string) errno {
	count, e := c.out(0, 4)
	if e != esuccess {
		return e
	}
	size, e := c.out(1, 4)
	if e != esuccess {
		return e
	}
	le.PutUint32(count, uint32(len(list)))
	le.PutUint32(size, stringBytes(list))
	return esuccess
}

func stringBytes(list []string) uint32 {
	n := 0
	for _, s := range list {
		n += len(s) + 1
	}
	return uint32(n)
}

func (h *Host) procExit(c *call) errno { return c.stop(&exit{c.u32(0)}) }

// Signals by their WASI numbers, as far as they matter here.
const (
	sigNone  = 0
	sigChld  = 16
	sigCont  = 17
	sigStop  = 18
	sigTtou  = 21
	sigUrg   = 22
	sigWinch = 27
	sigLast  = 30
)

// procRaise does what a signal without a handler does: most end the guest, and
// it ends with the code that a shell gives a killed program.
func (h *Host) procRaise(c *call) errno {
	switch sig := c.u32(0); {
	case sig > sigLast:
		return einval
	case sig == sigNone, sig == sigChld, sig == sigCont, sig == sigUrg, sig == sigWinch:
		return esuccess
	case sig >= sigStop && sig <= sigTtou:
		return enotsup // nobody could continue a stopped guest
	default:
		return c.stop(&exit{128 + sig})
	}
}

func (h *Host) schedYield(*call) errno {
	goruntime.Gosched()
	return esuccess
}

// transferChunk is how much is moved between two looks at the context.
const transferChunk = 1 << 20

func (h *Host) randomGet(c *call) errno {
	buf, e := c.bytes(0, 1)
	if e != esuccess {
		return e
	}
	if h.observed != nil {
		h.observed.Random = true
	}
	for len(buf) > 0 {
		n := min(len(buf), transferChunk)
		if _, err := io.ReadFull(h.random, buf[:n]); err != nil {
			return c.fail(err)
		}
		buf = buf[n:]
		if c.canceled() {
			return ecanceled
		}
	}
	return esuccess
}
