package guard

import (
	"os"
	"time"
)

// While a handler works net/http reads ahead, one byte, to hear of a client that leaves,
// and when the handler is done it ends that by a deadline in the past. For a handler of
// microseconds this is a call of the system that finds nothing, a wait at its poller, and
// two deadlines. So a read of one byte lingers before it asks the system, and a deadline in
// the past ends it here. A client that leaves is heard of so much later.
const (
	ahead     = 1 // bytes
	lingerFor = 10 * time.Millisecond
)

// reads are those of a connection: their deadline, and the one that lingers.
type reads struct {
	lazy
	direct bool // no read lingers any more
	inside int  // reads that have asked the system

	lingers bool
	ends    chan error // of the one that lingers: nil when it is to ask the system
	since   time.Time
	timer   *time.Timer // runs on when a read ends: the next one's time is looked at then
	runs    bool
}

// passed tells a deadline that is used to end what goes on.
func passed(t time.Time) bool { return !t.IsZero() && t.Unix() < 1<<20 }

// put moves the deadline.
func (r *reads) put(t time.Time, set func(time.Time) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if passed(t) {
		r.release(os.ErrDeadlineExceeded)
		if r.inside == 0 { // the next one sees it
			r.want = t
			return nil
		}
	}
	return r.move(t, set)
}

// begin is called before a read asks the system; an error is its end.
func (r *reads) begin(lingers bool, set func(time.Time) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if lingers && !r.direct && !passed(r.want) {
		if err := r.linger(); err != nil {
			return err
		}
	}
	if passed(r.want) {
		return os.ErrDeadlineExceeded
	}
	r.inside++
	if passed(r.set) { // of a read before
		r.set = r.want
		return set(r.want)
	}
	return nil
}

func (r *reads) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inside--
}

// linger waits. The caller holds mu, which is free meanwhile.
func (r *reads) linger() error {
	if r.ends == nil {
		r.ends = make(chan error, 1)
	}
	r.lingers, r.since = true, time.Now()
	switch {
	case r.timer == nil:
		r.timer, r.runs = time.AfterFunc(lingerFor, r.fire), true
	case !r.runs:
		r.runs = true
		r.timer.Reset(lingerFor)
	}
	r.mu.Unlock()
	err := <-r.ends
	r.mu.Lock()
	return err
}

// release ends the read that lingers, if one does. The caller holds mu.
func (r *reads) release(err error) {
	if r.lingers {
		r.lingers = false
		r.ends <- err
	}
}

// fire is the timer's.
func (r *reads) fire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs = false
	if !r.lingers {
		return
	}
	if left := lingerFor - time.Since(r.since); left > 0 {
		r.runs = true
		r.timer.Reset(left)
		return
	}
	r.release(nil)
}

// close has no read linger any more: the connection is closed, or somebody else's.
func (r *reads) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.direct = true
	r.release(nil)
}
