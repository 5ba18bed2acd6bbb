package wasi

import (
	"sync"
	"time"
)

// A Clock is the time that a guest sees.
//
// Implementations are safe for concurrent use.
type Clock interface {
	// Now returns the wall-clock time.
	Now() time.Time
	// Monotonic returns the time since an arbitrary start. It never goes back.
	Monotonic() time.Duration
	// After returns a channel that is closed once d has passed, and a function
	// that gives the timer up. Calling stop twice, or late, is harmless.
	After(d time.Duration) (done <-chan struct{}, stop func())
}

// SystemClock is the time of this machine.
type SystemClock struct {
	start time.Time
}

// NewSystemClock returns the machine's clock, its monotonic reading starting
// near zero.
func NewSystemClock() *SystemClock {
	return &SystemClock{start: time.Now()}
}

// Now returns the machine's wall-clock time.
func (c *SystemClock) Now() time.Time { return time.Now() }

// Monotonic returns the time since the clock was made. The first reading is
// never zero, because guests use zero for "unknown".
func (c *SystemClock) Monotonic() time.Duration { return time.Since(c.start) + 1 }

// After returns a channel that is closed once d has passed.
func (c *SystemClock) After(d time.Duration) (<-chan struct{}, func()) {
	done := make(chan struct{})
	if d <= 0 {
		close(done)
		return done, func() {}
	}
	t := time.AfterFunc(d, func() { close(done) })
	return done, func() { t.Stop() }
}

// fixedTick is how far a FixedClock moves with every reading: enough for a
// loop that waits for time to pass to come to an end, little enough for a
// build to stay close to its epoch.
const fixedTick = time.Microsecond

// FixedClock is a clock that knows nothing of the machine: it starts at a
// given moment, moves by one microsecond with every reading and by the whole
// of every sleep, which takes no real time. Two runs that ask the same
// questions get the same answers.
type FixedClock struct {
	mu      sync.Mutex
	start   time.Time
	elapsed time.Duration
}

// NewFixedClock returns a clock that starts at the given moment.
func NewFixedClock(start time.Time) *FixedClock {
	return &FixedClock{start: start.Round(0).UTC()}
}

// Now returns the start plus all ticks and sleeps so far.
func (c *FixedClock) Now() time.Time { return c.start.Add(c.advance(fixedTick)) }

// Monotonic returns the sum of all ticks and sleeps so far.
func (c *FixedClock) Monotonic() time.Duration { return c.advance(fixedTick) }

// After moves the clock by d and returns a channel that is closed already.
func (c *FixedClock) After(d time.Duration) (<-chan struct{}, func()) {
	if d > 0 {
		c.advance(d)
	}
	done := make(chan struct{})
	close(done)
	return done, func() {}
}

func (c *FixedClock) advance(d time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if sum := c.elapsed + d; sum > c.elapsed {
		c.elapsed = sum
	}
	return c.elapsed
}
