package engine

import (
	"context"
	"sync"
	"time"
)

// lateContext is a context that can be cancelled, of which nothing is made before
// somebody waits for it. Most calls into a guest are over in microseconds, and nobody
// does.
type lateContext struct {
	parent context.Context

	mu    sync.Mutex
	inner context.Context // nil: nobody waits yet
	stop  context.CancelCauseFunc
	over  bool // cancelled
	cause error
}

// late makes the context that others can wait for.
func (c *lateContext) late() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner == nil {
		parent := c.parent
		if c.over { // before anything could happen to its parent
			parent = context.WithoutCancel(parent)
		}
		c.inner, c.stop = context.WithCancelCause(parent)
		if c.over {
			c.stop(c.cause)
		}
	}
	return c.inner
}

// current is the context if there is one or must be one, else its parent.
func (c *lateContext) current() context.Context {
	c.mu.Lock()
	inner, over := c.inner, c.over
	c.mu.Unlock()
	switch {
	case inner != nil:
		return inner
	case over:
		return c.late()
	}
	return c.parent
}

// cancel is a context.CancelCauseFunc.
func (c *lateContext) cancel(cause error) {
	c.mu.Lock()
	if c.inner == nil && !c.over && c.parent.Err() == nil {
		c.over, c.cause = true, cause
	}
	stop := c.stop
	c.mu.Unlock()
	if stop != nil {
		stop(cause)
	}
}

// Deadline is a method of context.Context.
func (c *lateContext) Deadline() (time.Time, bool) { return c.parent.Deadline() }

// Done is a method of context.Context.
func (c *lateContext) Done() <-chan struct{} { return c.late().Done() }

// Err is a method of context.Context.
func (c *lateContext) Err() error { return c.current().Err() }

// Value is a method of context.Context. Through it context.Cause finds the cause.
func (c *lateContext) Value(key any) any { return c.current().Value(key) }
