package runtime

import (
	"sync"
	"time"
)

// deadline is the wall time of a call, or of one call after the other. It does not run
// while a module of the call is being loaded: how long compiling takes is a matter of
// this machine and its cache, not of the program, and has bounds of its own.
//
// Most calls are over long before their time is, and to start and stop a timer takes a
// good part of a short one. So a timer that runs stays when a call ends; when it fires it
// sees for whom it is.
type deadline struct {
	mu      sync.Mutex
	timer   *time.Timer
	fires   time.Time // when the timer does; zero: it does not run
	over    expirer   // hears when the time of the call under way is over; nil: there is none
	until   time.Time // when that is
	loading int       // modules being loaded
	since   time.Time // since when it stands still
	grace   time.Duration
}

// expirer is told once.
type expirer interface{ expire() }

// mostLoading is for how long altogether a deadline stands still: a program can
// write modules and run them without end.
const mostLoading = 15 * time.Minute

// begin is called when a call begins, whose time over hears the end of, unless the call
// ends before. A timeout of zero is none.
func (d *deadline) begin(timeout time.Duration, over expirer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over, d.loading, d.grace = nil, 0, mostLoading
	if timeout <= 0 {
		return
	}
	d.over, d.until = over, time.Now().Add(timeout)
	d.arm(timeout)
}

// arm has the timer fire at until, which is so long from now, or earlier. The caller
// holds mu.
func (d *deadline) arm(left time.Duration) {
	if !d.fires.IsZero() && !d.until.Before(d.fires) {
		return
	}
	d.fires = d.until
	if d.timer == nil {
		d.timer = time.AfterFunc(left, d.fire)
		return
	}
	d.timer.Reset(left)
}

// fire is the timer's.
func (d *deadline) fire() {
	d.mu.Lock()
	d.fires = time.Time{}
	over := d.over
	if over == nil {
		d.mu.Unlock()
		return
	}
	if left := time.Until(d.until); left > 0 { // it ran for a call before
		d.arm(left)
		d.mu.Unlock()
		return
	}
	d.over = nil
	d.mu.Unlock()
	over.expire()
}

// hold lets the deadline stand still until the returned function is called.
func (d *deadline) hold() (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over == nil || d.grace <= 0 {
		return func() {}
	}
	if d.loading++; d.loading == 1 {
		d.since, d.until = time.Now(), d.until.Add(d.grace)
	}
	return d.release
}

func (d *deadline) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.loading--; d.loading > 0 || d.over == nil {
		return
	}
	now := time.Now()
	stood := now.Sub(d.since)
	d.until = d.until.Add(stood - d.grace)
	d.grace -= stood
	if d.grace < 0 { // and what came after it counted
		d.until = d.until.Add(d.grace)
	}
	d.arm(d.until.Sub(now))
}

// end is called when a call ends.
func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = nil
}

// stop is called when there will be no more.
func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = nil
	if d.timer != nil {
		d.timer.Stop()
	}
}
