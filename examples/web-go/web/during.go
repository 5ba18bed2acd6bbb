package web

import (
	"context"
	"sync"
	"time"
)

// during is the context of a request: it ends with it. What others wait for is made when
// somebody does.
type during struct {
	mu    sync.Mutex
	over  bool
	inner context.Context
	stop  context.CancelFunc
}

// Deadline is a method of context.Context.
func (d *during) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done is a method of context.Context.
func (d *during) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inner == nil {
		if d.inner, d.stop = context.WithCancel(context.Background()); d.over {
			d.stop()
		}
	}
	return d.inner.Done()
}

// Err is a method of context.Context.
func (d *during) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return context.Canceled
	}
	return nil
}

// Value is a method of context.Context. By it contexts that are derived from this one end
// with it.
func (d *during) Value(key any) any {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inner == nil {
		return nil
	}
	return d.inner.Value(key)
}

func (d *during) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	if d.stop != nil {
		d.stop()
	}
}
