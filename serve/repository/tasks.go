package repository

import (
	"context"
	"sync"
)

// tasks are goroutines that can be waited for while others may be added.
type tasks struct {
	mu   sync.Mutex
	n    int
	none chan struct{} // closed when n is 0 again
}

// start runs f beside the caller.
func (t *tasks) start(f func()) {
	t.mu.Lock()
	if t.n == 0 {
		t.none = make(chan struct{})
	}
	t.n++
	t.mu.Unlock()
	go func() {
		defer func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			if t.n--; t.n == 0 {
				close(t.none)
			}
		}()
		f()
	}()
}

// wait returns when there is none, or with the error of ctx.
func (t *tasks) wait(ctx context.Context) error {
	t.mu.Lock()
	none := t.none
	t.mu.Unlock()
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
