package preview1

import (
	"context"
	"math"
	"reflect"
	"time"

	"github.com/wherry-run/wherry/wasi"
)

const (
	eventClock   = 0
	eventFDRead  = 1
	eventFDWrite = 2

	eventHangup = 1 // flag of a descriptor event

	clockAbsolute = 1 // flag of a clock subscription
)

// streamRoom is how many bytes a poll says that a stream will take.
const streamRoom = 64 << 10

// A subscription is one thing that a poll waits for.
type subscription struct {
	userdata uint64
	kind     uint8

	// A clock: how long from the start of the poll.
	timeout time.Duration

	// A descriptor: ready is closed once it is; nil means that it is at once.
	// look then says how many bytes, and whether it has ended.
	ready <-chan struct{}
	look  func() (n uint64, ended bool)
	input bool // the descriptor is standard input

	err  errno // what is wrong with the subscription; it is due at once
	idle bool  // nothing has happened when the poll ends
}

func (h *Host) pollOneoff(c *call) errno {
	n := c.u32(2)
	if n == 0 || uint64(n) > uint64(h.limits.Subscriptions) {
		return einval
	}
	in, e := c.array(c.u32(0), n, c.layout.sizeSubscription)
	if e != esuccess {
		return e
	}
	events, e := c.array(c.u32(1), n, sizeEvent)
	if e != esuccess {
		return e
	}
	count, e := c.out(3, 4)
	if e != esuccess {
		return e
	}
	// All of the input is read before any of the output is written: a guest may
	// use one buffer for both.
	subs := make([]subscription, n)
	for i := range subs {
		subs[i] = h.subscription(c.layout, in[uint32(i)*c.layout.sizeSubscription:])
	}
	if !h.await(c.ctx, subs) {
		c.canceled()
		return ecanceled
	}
	le.PutUint32(count, putEvents(events, subs))
	return esuccess
}

// subscription reads one subscription and finds what it waits for.
func (h *Host) subscription(l *layout, b []byte) subscription {
	s := subscription{userdata: le.Uint64(b), kind: b[8], timeout: math.MaxInt64}
	switch s.kind {
	case eventClock:
		flags := le.Uint16(b[l.clockFlags:])
		if flags&^clockAbsolute != 0 {
			s.err = einval
			break
		}
		s.timeout, s.err = h.timeout(le.Uint32(b[l.clockID:]), le.Uint64(b[l.timeout:]), flags != 0)
	case eventFDRead:
		h.subscribe(&s, le.Uint32(b[16:]), rightFDRead)
	case eventFDWrite:
		h.subscribe(&s, le.Uint32(b[16:]), rightFDWrite)
	default:
		s.err = einval
	}
	return s
}

// subscribe finds the readiness of a descriptor.
func (h *Host) subscribe(s *subscription, fd uint32, need rights) {
	d, e := h.fds.get(fd, 0)
	if e != esuccess {
		s.err = e
		return
	}
	if l, ok := d.object.(*listener); ok && need == rightFDRead {
		need = rightSockAccept
		s.ready, s.look = l.Ready(), func() (uint64, bool) { return 1, false }
	}
	if s.err = d.check(need); s.err != esuccess {
		return
	}
	if s.err = d.check(rightPollFDReadwrite); s.err != esuccess {
		return
	}
	switch o := d.object.(type) {
	case *regular:
		s.look = func() (uint64, bool) { return o.remaining(need), false }
	case *input:
		s.ready, s.look = awaitInput(o.Input)
		s.input = true
	case *output:
		s.ready, s.look = o.Ready(), func() (uint64, bool) { return streamRoom, false }
	case *pipeEnd:
		o.await(s)
	case *socket:
		o.await(s, need)
	case *datagrams:
		o.await(s, need)
	case *connection:
		switch {
		case need == rightFDWrite:
			s.ready, s.look = o.Writable(), func() (uint64, bool) { return streamRoom, false }
		case o.shutRead:
			s.look = func() (uint64, bool) { return 0, true }
		default:
			s.ready, s.look = awaitInput(o.Input())
		}
	}
}

func awaitInput(in *wasi.Input) (<-chan struct{}, func() (uint64, bool)) {
	return in.Ready(), func() (uint64, bool) {
		n, ended := in.Buffered()
		return uint64(n), ended
	}
}

// remaining is how many bytes of a file lie after its position. A file never
// blocks; where it is written to, any amount is taken.
func (r *regular) remaining(need rights) uint64 {
	if need == rightFDWrite {
		return streamRoom
	}
	st, err := r.file.Stat()
	if err != nil {
		return 0
	}
	return uint64(max(st.Size-r.offset, 0))
}

// due reports whether the subscription's event has happened.
func (s *subscription) due(elapsed time.Duration) bool {
	switch {
	case s.err != esuccess:
		return true
	case s.kind == eventClock:
		return s.timeout <= elapsed
	case s.ready == nil:
		return true
	}
	select {
	case <-s.ready:
		return true
	default:
		return false
	}
}

// await waits until at least one subscription is due, and marks
// those that are not as idle. It returns false when the context is
// done first.
func (h *Host) await(ctx context.Context, subs []subscription) bool {
	if h.patient && !awaitInputs(ctx, subs) {
		return false
	}
	if anyDue(subs, 0) {
		return keepDue(subs, 0)
	}
	cases := []reflect.SelectCase{{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(ctx.Done())}}
	first := time.Duration(math.MaxInt64)
	for i := range subs {
		if s := &subs[i]; s.kind == eventClock {
			first = min(first, s.timeout)
		} else {
			cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(s.ready)})
		}
	}
	start := h.clock.Monotonic()
	timer := -1
	if first < math.MaxInt64 {
		done, stop := h.clock.After(first)
		defer stop()
		timer = len(cases)
		cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(done)})
	}
	chosen, _, _ := reflect.Select(cases)
	elapsed := h.clock.Monotonic() - start
	h.blocked += elapsed
	if ctx.Err() != nil {
		return false
	}
	if chosen == timer {
		elapsed = max(elapsed, first)
	}
	return keepDue(subs, elapsed)
}

// awaitInputs waits for the inputs among the subscriptions, and returns false
// when the context is done first.
func awaitInputs(ctx context.Context, subs []subscription) bool {
	for i := range subs {
		if s := &subs[i]; s.input && s.err == esuccess {
			select {
			case <-s.ready:
			case <-ctx.Done():
				return false
			}
		}
	}
	return true
}

func anyDue(subs []subscription, elapsed time.Duration) bool {
	for i := range subs {
		if subs[i].due(elapsed) {
			return true
		}
	}
	return false
}

func keepDue(subs []subscription, elapsed time.Duration) bool {
	for i := range subs {
		subs[i].idle = !subs[i].due(elapsed)
	}
	return true
}

// putEvents writes the events of those subscriptions that have one.
func putEvents(out []byte, subs []subscription) uint32 {
	n := uint32(0)
	for i := range subs {
		s := &subs[i]
		if s.idle {
			continue
		}
		b := out[n*sizeEvent : (n+1)*sizeEvent]
		clear(b)
		le.PutUint64(b, s.userdata)
		le.PutUint16(b[8:], uint16(s.err))
		b[10] = s.kind
		if s.err == esuccess && s.look != nil {
			bytes, ended := s.look()
			le.PutUint64(b[16:], bytes)
			if ended && bytes == 0 {
				le.PutUint16(b[24:], eventHangup)
			}
		}
		n++
	}
	return n
}
