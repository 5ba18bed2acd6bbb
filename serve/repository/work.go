package repository

import (
	"context"
	"sync"
)

// Work is what goes on beside requests, or after them: goroutines that can be waited
// for while more may be begun. A panic ends the one that it is in, and nothing else.
type Work struct {
	// Panicked is told of a panic; nil: nobody is.
	Panicked func(*PanicError)

	mu   sync.Mutex
	n    int
	none chan struct{} // closed when n is 0 again
}

// Go runs f beside the caller.
func (w *Work) Go(f func()) {
	w.mu.Lock()
	if w.n == 0 {
		w.none = make(chan struct{})
	}
	w.n++
	w.mu.Unlock()
	go func() {
		defer func() {
			if p := recover(); p != nil && w.Panicked != nil {
				w.Panicked(NewPanicError(p))
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.n--; w.n == 0 {
				close(w.none)
			}
		}()
		f()
	}()
}

// Survive does what is done beside requests, where a panic would end the process: it is
// a *PanicError there.
func Survive(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = NewPanicError(p)
		}
	}()
	return do()
}

// Wait returns when nothing goes on, or with the error of ctx.
func (w *Work) Wait(ctx context.Context) error {
	w.mu.Lock()
	none := w.none
	w.mu.Unlock()
	if none == nil {
		return nil
	}
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
