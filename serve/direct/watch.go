package direct

import (
	"errors"
	"os"
	"time"
)

// watchAfter is how long a request has been under way before anybody looks whether its
// client is still there. Most are over by then.
const watchAfter = 10 * time.Millisecond

// watch hears of a client that leaves while its request is answered. The connection's mu
// is held by who uses it.
type watch struct {
	timer *time.Timer // stays when a request ends: it sees then for which it is
	runs  bool
	now   *exchange // the request under way; nil: none
	since time.Time
	reads chan struct{} // closed when the one who reads has ended; nil: nobody does
	gone  bool          // the client
}

// begin is called when a request begins.
func (w *watch) begin(c *conn, x *exchange, now time.Time) {
	w.now, w.since = x, now
	if w.gone { // what it has sent before is answered, to whoever listens yet
		x.ctx.Cancel(nil)
		return
	}
	switch {
	case w.runs:
	case w.timer == nil:
		w.timer, w.runs = time.AfterFunc(watchAfter, c.look), true
	default:
		w.runs = true
		w.timer.Reset(watchAfter)
	}
}

// look is the timer's.
func (c *conn) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &c.watch
	w.runs = false
	if w.now == nil || w.reads != nil || w.gone {
		return
	}
	left := watchAfter - time.Since(w.since)
	if left <= 0 && !w.now.body.whole() {
		left = watchAfter // the handler reads, and hears by itself
	}
	if left > 0 {
		w.runs = true
		w.timer.Reset(left)
		return
	}
	if c.from == c.to {
		c.from, c.to = 0, 0
	}
	if c.to == len(c.in) { // full of what comes next
		return
	}
	w.reads = make(chan struct{})
	go c.listen(w.now, w.reads)
}

// listen reads on while a request is answered. What comes is the next one.
func (c *conn) listen(x *exchange, done chan struct{}) {
	defer close(done)
	n, err := c.Read(c.in[c.to:])
	c.mu.Lock()
	defer c.mu.Unlock()
	c.to += n
	if n > 0 || err == nil || c.watch.now != x || errors.Is(err, os.ErrDeadlineExceeded) { // it was ended, with its request
		return
	}
	c.watch.gone = true
	x.ctx.Cancel(nil)
}

// end is called when a request ends. It is false when its client has left, and nothing
// that it sent before is left.
func (c *conn) end() (more bool) {
	c.mu.Lock()
	w := &c.watch
	w.now = nil
	reads, gone := w.reads, w.gone
	c.mu.Unlock()
	if reads == nil {
		return !gone || c.from < c.to
	}
	_ = c.SetReadDeadline(longAgo)
	<-reads
	_ = c.SetReadDeadline(time.Time{})
	c.mu.Lock()
	defer c.mu.Unlock()
	w.reads = nil
	return !w.gone || c.from < c.to
}
