package preview1

import (
	"math"
	"time"
)

const (
	clockRealtime = iota
	clockMonotonic
	clockProcessCPU
	clockThreadCPU
)

// clockResolution is what clock_res_get says, in nanoseconds: the coarsest that
// any of our operating systems has.
const clockResolution = 1000

func (h *Host) clockResGet(c *call) errno {
	out, e := c.out(1, 8)
	if e != esuccess {
		return e
	}
	if c.u32(0) > clockThreadCPU {
		return einval
	}
	le.PutUint64(out, clockResolution)
	return esuccess
}

func (h *Host) clockTimeGet(c *call) errno {
	out, e := c.out(2, 8)
	if e != esuccess {
		return e
	}
	now, e := h.readClock(c.u32(0))
	if e != esuccess {
		return e
	}
	le.PutUint64(out, now)
	return esuccess
}

// readClock reads a clock in nanoseconds. The CPU clocks run while the guest
// does: time spent waiting is not counted.
func (h *Host) readClock(id uint32) (uint64, errno) {
	switch id {
	case clockRealtime:
		return nanoseconds(h.clock.Now()), esuccess
	case clockMonotonic:
		return uint64(h.clock.Monotonic()), esuccess
	case clockProcessCPU, clockThreadCPU:
		return uint64(max(h.clock.Monotonic()-h.started-h.blocked, 0)), esuccess
	}
	return 0, einval
}

// timeout is how long to wait for a clock to reach, or to advance by, when.
func (h *Host) timeout(id uint32, when uint64, absolute bool) (time.Duration, errno) {
	if id > clockMonotonic {
		return 0, enotsup // a CPU clock stands still while its guest waits
	}
	if absolute {
		now, e := h.readClock(id)
		if e != esuccess {
			return 0, e
		}
		if when <= now {
			return 0, esuccess
		}
		when -= now
	}
	return time.Duration(min(when, math.MaxInt64)), esuccess
}
