// Package pool lends instances of programs to requests: it knows how many there may
// be, who waits for one, how many may wait, and what those hear that get none.
package pool

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
)

// ErrFull says that as many wait already as may.
var ErrFull = errors.New("too many requests wait for an instance")

// ErrClosed says that the pool lends no more.
var ErrClosed = errors.New("the pool is closed")

// Config says what a pool lends.
type Config[T any] struct {
	// Most is how many instances there may be, Waiting how many may wait for one.
	Most, Waiting int
	// Make makes an instance, and End ends one.
	Make func(ctx context.Context) (T, error)
	End  func(ctx context.Context, t T)
}

// A Pool lends each instance to one borrower at a time.
type Pool[T any] struct {
	c     Config[T]
	room  chan struct{} // a place for each instance that may be lent
	gone  chan struct{} // closed with the pool
	queue chan struct{} // a place for each that waits

	mu     sync.Mutex
	idle   []T // the last given back is the last
	closed bool
}

// New makes a pool without instances.
func New[T any](c Config[T]) *Pool[T] {
	return &Pool[T]{c: c, room: make(chan struct{}, max(c.Most, 1)), queue: make(chan struct{}, max(c.Waiting, 0)), gone: make(chan struct{})}
}

// Start makes a pool, and a first instance: one that cannot be made is not to be found
// out by a request.
func Start[T any](ctx context.Context, c Config[T]) (*Pool[T], error) {
	p := New(c)
	first, err := p.Get(ctx)
	if err != nil {
		return nil, err
	}
	p.Put(ctx, first)
	return p, nil
}

// Refuse answers a request for which there was no instance; what is that which did not
// start.
func Refuse(w http.ResponseWriter, r *http.Request, log *slog.Logger, what string, err error) {
	switch {
	case r.Context().Err() != nil:
		panic(http.ErrAbortHandler)
	case errors.Is(err, ErrFull):
		Busy(w)
	default:
		log.Error("there is no instance for a request", "path", r.URL.Path, "error", err)
		http.Error(w, "the "+what+" behind this address did not start", http.StatusBadGateway)
	}
}

// Busy asks a client to come again.
func Busy(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, "too many requests: ask again", http.StatusServiceUnavailable)
}

// Get lends an instance: the idle one that was used last, else a new one. It waits
// until there is room for it, no longer than ctx. Give it back with Put or Drop.
func (p *Pool[T]) Get(ctx context.Context) (t T, err error) {
	if err := p.enter(ctx); err != nil {
		return t, err
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		<-p.room
		return t, ErrClosed
	}
	if n := len(p.idle); n > 0 {
		t = p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return t, nil
	}
	p.mu.Unlock()
	if t, err = p.c.Make(ctx); err != nil {
		<-p.room
	}
	return t, err
}

// enter waits for a place.
func (p *Pool[T]) enter(ctx context.Context) error {
	select {
	case p.room <- struct{}{}:
		return nil
	default:
	}
	select {
	case p.queue <- struct{}{}:
		defer func() { <-p.queue }()
	default:
		return ErrFull
	}
	select {
	case p.room <- struct{}{}:
		return nil
	case <-p.gone:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Put takes an instance back that is as good as before.
func (p *Pool[T]) Put(ctx context.Context, t T) {
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.idle = append(p.idle, t)
	}
	p.mu.Unlock()
	if closed {
		p.c.End(ctx, t)
	}
	<-p.room
}

// Drop ends an instance that was lent.
func (p *Pool[T]) Drop(ctx context.Context, t T) {
	p.c.End(ctx, t)
	<-p.room
}

// Close ends the idle instances, and each other one when it is given back, for which it
// waits no longer than ctx.
func (p *Pool[T]) Close(ctx context.Context) error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	close(p.gone)
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, t := range idle {
		p.c.End(ctx, t)
	}
	for range cap(p.room) {
		select {
		case p.room <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
