package repository

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A deadline is a context that ends at a time. Its timer is started when somebody
// waits for it: most requests are over before anybody does.
type deadline struct {
	context.Context // the parent
	at              time.Time

	mu     sync.Mutex
	cancel context.CancelFunc
	inner  atomic.Pointer[context.Context] // nil: nobody waits yet
}

func newDeadline(parent context.Context, at time.Time) *deadline {
	if earlier, ok := parent.Deadline(); ok && earlier.Before(at) {
		at = earlier
	}
	return &deadline{Context: parent, at: at}
}

// end frees what it made. It is called when the request is over, and nothing uses
// the context any more.
func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cancel != nil {
		d.cancel()
	}
}

func (d *deadline) waited() context.Context {
	if inner := d.inner.Load(); inner != nil {
		return *inner
	}
	return nil
}

// Deadline is a method of context.Context.
func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }

// Done is a method of context.Context.
func (d *deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	inner := d.waited()
	if inner == nil {
		inner, d.cancel = context.WithDeadline(d.Context, d.at)
		d.inner.Store(&inner)
	}
	return inner.Done()
}

// Err is a method of context.Context.
func (d *deadline) Err() error {
	if inner := d.waited(); inner != nil {
		return inner.Err()
	}
	if err := d.Context.Err(); err != nil {
		return err
	}
	if time.Until(d.at) <= 0 { // which asks for one of the two clocks alone
		<-d.Done() // at once: from here on it says so
		return d.waited().Err()
	}
	return nil
}

// Value is a method of context.Context. Through it context.Cause finds the cause.
func (d *deadline) Value(key any) any {
	if inner := d.waited(); inner != nil {
		return inner.Value(key)
	}
	return d.Context.Value(key)
}
