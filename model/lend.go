package model

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Who has which instance of a Pool: those that nobody uses are lent, others are made, and
// what breaks is given up.

// waiter is a request without an instance yet.
type waiter struct{ got chan handed }

// handed is what a waiter gets: one of both.
type handed struct {
	instance Instance
	err      error
}

// acquire gets an instance: one that is idle, else the first that another request
// is done with or that was made, and says how long that took. With one comes a count of
// work, for which Close waits.
func (p *Pool) acquire(ctx context.Context) (i Instance, waited time.Duration, err error) {
	if ctx.Err() != nil {
		return nil, 0, context.Cause(ctx)
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, 0, ErrClosed
	}
	if n := len(p.idle); n > 0 {
		i = p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.counts.Requests++
		p.work.Add(1)
		p.mu.Unlock()
		return i, 0, nil
	}
	if p.config.Waiting > 0 && len(p.waiting) >= p.config.Waiting+p.making+p.config.Instances-p.live {
		p.mu.Unlock()
		return nil, 0, ErrBusy
	}
	w := &waiter{make(chan handed, 1)}
	p.waiting = append(p.waiting, w)
	p.work.Add(1)
	p.grow()
	p.mu.Unlock()
	began := time.Now()
	if i, err = p.wait(ctx, w); err != nil {
		p.work.Done()
	}
	return i, time.Since(began), err
}

// wait is for what a waiter is handed.
func (p *Pool) wait(ctx context.Context, w *waiter) (Instance, error) {
	select {
	case h := <-w.got:
		return h.instance, h.err
	case <-ctx.Done():
	}
	p.leave(w)
	return nil, context.Cause(ctx)
}

// leave takes back a waiter, and what it was handed meanwhile.
func (p *Pool) leave(w *waiter) {
	p.mu.Lock()
	if n := slices.Index(p.waiting, w); n >= 0 {
		p.waiting = slices.Delete(p.waiting, n, n+1)
	}
	p.mu.Unlock()
	select {
	case h := <-w.got:
		if h.instance != nil {
			p.release(h.instance)
		}
	default:
	}
}

// grow makes instances for those who wait, as far as there may be more. The
// caller holds mu, and somebody holds work.
func (p *Pool) grow() {
	for !p.closed && p.making < len(p.waiting) && p.live < p.config.Instances {
		// After a failure those that there are suffice for a while.
		if p.live > p.making && time.Now().Before(p.full) {
			return
		}
		p.live++
		p.making++
		p.work.Go(p.make)
	}
}

// pause is how long a pool that has instances tries to make no more after it
// could not.
const pause = time.Second

// make makes an instance, for whoever waits when it is there: the request that it
// was begun for may have found another, or have been given up.
func (p *Pool) make() {
	var i Instance
	err := survive(func() (err error) {
		i, err = p.config.New(p.life)
		return err
	})
	if err == nil && i == nil {
		err = errors.New("no instance was made")
	}
	p.mu.Lock()
	p.making--
	if err == nil {
		p.counts.Made++
		p.mu.Unlock()
		p.release(i)
		return
	}
	defer p.mu.Unlock()
	p.live--
	p.full = time.Now().Add(pause)
	// With others at work it is no reason to refuse anybody.
	if p.live == p.making {
		p.hand(handed{err: fmt.Errorf("start the model: %w", err)})
		p.grow()
	}
}

// hand gives something to who waits longest; false when nobody waits. The caller
// holds mu.
func (p *Pool) hand(h handed) bool {
	if len(p.waiting) == 0 {
		return false
	}
	w := p.waiting[0]
	p.waiting[0] = nil
	p.waiting = p.waiting[1:]
	if h.instance != nil {
		p.counts.Requests++
	}
	w.got <- h
	return true
}

// release gives back an instance that can be used.
func (p *Pool) release(i Instance) {
	p.mu.Lock()
	if !p.closed {
		if !p.hand(handed{instance: i}) {
			p.idle = append(p.idle, i)
		}
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	p.discard(i, false)
}

// discard ends an instance, and has another made when somebody waits. Its memory
// is free before that.
func (p *Pool) discard(i Instance, broken bool) {
	_ = survive(func() error { return i.Close(context.WithoutCancel(p.life)) }) // nothing hangs on how it ends
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live--
	if broken {
		p.counts.Broken++
	}
	p.grow()
}
