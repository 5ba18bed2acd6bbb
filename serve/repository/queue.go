package repository

import (
	"context"
	"time"

	"github.com/wherry-run/wherry/model"
)

// A ticket is a request that waits.
type ticket struct {
	ctx      context.Context
	call     *Call
	priority int
	number   uint64 // those with a smaller one came before
	at       int    // in the queue; -1: not there any more
	rows     int    // that it may have in a batch; 0: it goes alone
	since    time.Time
	done     chan delivery // gets one
	batch    *batch        // that it was taken into, or nil
	wasted   uint64        // fuel of attempts to answer it with others, or in its share of time
}

// begun tells whether somebody worked on it. The caller is who waited for it.
func (t *ticket) begun() bool { return t.batch != nil }

// delivery is what a ticket comes to: the slot to run in, or the answer.
type delivery struct {
	run            bool
	response       *model.Response
	err            error
	queue, compute time.Duration
	batch          int    // rows
	wasted         uint64 // fuel
}

// tell gives the answer to who waited for it, and notes what it took.
func (d *delivery) tell(t *ticket, r *Receipt) (*model.Response, error) {
	r.Queue, r.Compute, r.Rows, r.Batch, r.Wasted = d.queue, d.compute, t.rows, d.batch, d.wasted
	return d.response, d.err
}

// Priorities, from the first to the last.
const (
	firstPriority  = 1
	middlePriority = 50
	lastPriority   = 100
)

func priority(c *Call) int {
	if c.Priority <= 0 {
		return middlePriority
	}
	return min(c.Priority, lastPriority)
}

// queue has those that wait, in a heap: the smallest priority first, of equal ones
// who came first.
type queue struct {
	list    []*ticket
	numbers uint64
	rows    int                   // of those that can be joined
	level   [lastPriority + 1]int // how many there are of each priority
}

func (q *queue) len() int { return len(q.list) }

// ahead counts those that a newcomer of this priority has before it.
func (q *queue) ahead(priority int) int {
	if q.level[priority] == len(q.list) {
		return len(q.list)
	}
	n := 0
	for _, k := range q.level[firstPriority : priority+1] {
		n += k
	}
	return n
}

// oldest is since when the one waits that came before all others.
func (q *queue) oldest() time.Time {
	first := q.list[0]
	for _, t := range q.list {
		if t.number < first.number {
			first = t
		}
	}
	return first.since
}

func (q *queue) push(t *ticket) {
	q.numbers++
	t.number, t.at = q.numbers, len(q.list)
	q.list = append(q.list, t)
	q.level[t.priority]++
	q.rows += t.rows
	q.up(t.at)
}

// pop takes the first.
func (q *queue) pop() *ticket {
	t := q.list[0]
	q.remove(t)
	return t
}

// remove takes one out that is in it.
func (q *queue) remove(t *ticket) {
	last := len(q.list) - 1
	at := t.at
	q.swap(at, last)
	q.list[last] = nil
	q.list = q.list[:last]
	if at < last {
		q.down(at)
		q.up(at)
	}
	t.at = -1
	q.level[t.priority]--
	q.rows -= t.rows
}

func (q *queue) less(i, j int) bool {
	a, b := q.list[i], q.list[j]
	return a.priority < b.priority || a.priority == b.priority && a.number < b.number
}

func (q *queue) swap(i, j int) {
	q.list[i], q.list[j] = q.list[j], q.list[i]
	q.list[i].at, q.list[j].at = i, j
}

func (q *queue) up(i int) {
	for i > 0 && q.less(i, (i-1)/2) {
		q.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (q *queue) down(i int) {
	for {
		least := i
		for _, c := range [2]int{2*i + 1, 2*i + 2} {
			if c < len(q.list) && q.less(c, least) {
				least = c
			}
		}
		if least == i {
			return
		}
		q.swap(i, least)
		i = least
	}
}

// enqueue lets a request wait, or turns it away. The caller holds mu.
func (s *serving) enqueue(ctx context.Context, c *Call) (*ticket, error) {
	p := priority(c)
	// Where an instance is free they wait for others to join them, a batch at most.
	if n := s.queue.len(); n >= s.bound && (s.running >= s.limit || n >= s.batch.Max) {
		return nil, &OverloadedError{Model: s.entry.name, Full: true, RetryAfter: s.pace.wait(s.queue.len(), s.limit)}
	}
	if deadline, ok := ctx.Deadline(); ok && s.running >= s.limit { // else it does not wait for others to end
		// Half of those that run now are about half done; and then it takes its time.
		if s.pace.wait(2*s.queue.ahead(p)+1, 2*s.limit)+s.pace.each > time.Until(deadline) {
			return nil, &OverloadedError{Model: s.entry.name, RetryAfter: s.pace.wait(s.queue.len(), s.limit)}
		}
	}
	t := &ticket{ctx: ctx, call: c, priority: p, since: time.Now(), done: make(chan delivery, 1)}
	t.rows = s.rows(c)
	s.queue.push(t)
	s.pump()
	return t, nil
}

// leave takes back a ticket whose client does not wait any longer. It is true when
// there is an answer already.
func (s *serving) leave(t *ticket) (delivery, bool) {
	s.mu.Lock()
	if t.at >= 0 {
		s.queue.remove(t)
		s.pump()
		s.mu.Unlock()
		return delivery{}, false
	}
	s.mu.Unlock()
	if t.batch != nil {
		select {
		case d := <-t.done:
			return d, true
		default:
			t.batch.leave()
			return delivery{}, false
		}
	}
	d := <-t.done
	if d.run { // the slot came too late
		s.mu.Lock()
		s.running--
		s.pump()
		s.mu.Unlock()
		return delivery{}, false
	}
	return d, true
}

// late is the error of a request that was not begun.
func (s *serving) late(ctx context.Context) error {
	if ctx.Err() != context.DeadlineExceeded {
		return context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &OverloadedError{Model: s.entry.name, RetryAfter: s.pace.wait(s.queue.len(), s.limit)}
}

// pace is how long a request takes of a slot, as measured.
type pace struct {
	each time.Duration
	// guessed: nobody waited for the end yet.
	guessed bool
}

// outlier is how many times the pace a measurement counts at most: one request that
// never ends does not make all others look as if they could not be answered.
const outlier = 8

// note takes up that calls were answered together in so long. Those that were cut
// short would have taken longer.
func (p *pace) note(took time.Duration, calls int, whole bool) {
	if calls == 0 {
		return
	}
	each := took / time.Duration(calls)
	switch {
	case !whole && each <= p.each:
		return
	case p.each == 0 || p.guessed && whole:
		p.each, p.guessed = each, !whole
		return
	}
	p.each += (min(each, outlier*p.each+time.Millisecond) - p.each) / 8
}

// How long requests may take while others of their batch wait for them.
const (
	manyTimes     = 4 // the pace, at least
	leastPatience = 250 * time.Millisecond
	mostPatience  = 30 * time.Second // where there is no pace yet
)

// patience is how long n requests may take together before one of them is taken for
// endless: a few times what they usually take, or half of the time that is left, when
// that is more and not long.
func (p *pace) patience(n int, left time.Duration) time.Duration {
	long := mostPatience
	if p.each > 0 {
		long = leastPatience
	}
	return max(manyTimes*time.Duration(n)*p.each, min(long, left/2), 1)
}

// wait estimates how long n requests take.
func (p *pace) wait(n, slots int) time.Duration {
	return p.each * time.Duration(n) / time.Duration(slots)
}
