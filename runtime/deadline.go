package runtime

import (
	"sync"
	"time"
)

// deadline is the wall time of one call. It does not run while a module of the
// call is being loaded: how long compiling takes is a matter of this machine and
// its cache, not of the program, and has bounds of its own.
type deadline struct {
	mu      sync.Mutex
	timer   *time.Timer
	left    time.Duration // when it ran last
	since   time.Time     // since when it runs, or stands still
	loading int           // modules being loaded
	grace   time.Duration // for how long it may still stand still
	over    bool
}

// mostLoading is for how long altogether a deadline stands still: a program can
// write modules and run them without end.
const mostLoading = 15 * time.Minute

// newDeadline calls expire when the time is over, unless it is ended before. A
// timeout of zero is none.
func newDeadline(timeout time.Duration, expire func()) *deadline {
	d := &deadline{left: timeout, grace: mostLoading}
	if timeout > 0 {
		d.since = time.Now()
		d.timer = time.AfterFunc(timeout, expire)
	}
	return d
}

// hold lets the deadline stand still until the returned function is called.
func (d *deadline) hold() (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer == nil || d.over || d.grace <= 0 {
		return func() {}
	}
	if d.loading++; d.loading == 1 {
		d.timer.Stop()
		now := time.Now()
		d.left -= now.Sub(d.since)
		d.since = now
		d.timer.Reset(max(d.left, 0) + d.grace)
	}
	return d.release
}

func (d *deadline) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.loading--; d.loading > 0 || d.over {
		return
	}
	now := time.Now()
	d.grace -= now.Sub(d.since)
	d.since = now
	if d.grace < 0 { // and what came after it counted
		d.left += d.grace
	}
	d.timer.Reset(max(d.left, 0))
}

// end stops the deadline for good.
func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	if d.timer != nil {
		d.timer.Stop()
	}
}
