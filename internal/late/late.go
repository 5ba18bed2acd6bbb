// Package late has contexts that can be cancelled, of which nothing is made before
// somebody waits for them. Most calls into a guest are over in microseconds, and nobody
// does.
package late

import (
	"context"
	"sync"
	"time"
)

// A Context ends with its parent, with the life of what it is a call of, or when it is
// cancelled. Cancel must be called when the call is over. It must not be copied.
type Context struct {
	parent, life context.Context // life may be nil

	mu    sync.Mutex
	inner context.Context // nil: nobody waits yet
	stop  context.CancelCauseFunc
	over  bool // cancelled
	cause error
}

// New gives a context for a call. life may be nil.
func New(parent, life context.Context) *Context { return &Context{parent: parent, life: life} }

// Begin makes of a zero Context what New gives.
func (c *Context) Begin(parent, life context.Context) { c.parent, c.life = parent, life }

// late makes the context that others can wait for.
func (c *Context) late() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner != nil {
		return c.inner
	}
	parent := c.parent
	if c.over { // before anything could happen to its parent
		parent = context.WithoutCancel(parent)
	}
	inner, stop := context.WithCancelCause(parent)
	c.inner, c.stop = inner, stop
	switch {
	case c.over:
		stop(c.cause)
	case c.ended():
		stop(context.Cause(c.life))
	case c.life != nil:
		unhook := context.AfterFunc(c.life, func() { stop(context.Cause(c.life)) })
		c.stop = func(cause error) {
			stop(cause)
			unhook()
		}
	}
	return c.inner
}

// ended tells whether its life has.
func (c *Context) ended() bool { return c.life != nil && c.life.Err() != nil }

// current is the context if there is one or must be one, else its parent.
func (c *Context) current() context.Context {
	c.mu.Lock()
	inner, over := c.inner, c.over
	c.mu.Unlock()
	switch {
	case inner != nil:
		return inner
	case over, c.ended() && c.parent.Err() == nil: // what a parent says may take long to find out
		return c.late()
	}
	return c.parent
}

// Cancel is a context.CancelCauseFunc. Without a cause it is how calls end, and whether
// something else ended before is not looked at.
func (c *Context) Cancel(cause error) {
	c.mu.Lock()
	if c.inner == nil && !c.over && (cause == nil || c.parent.Err() == nil) {
		c.over, c.cause = true, cause
		if c.ended() {
			c.cause = context.Cause(c.life)
		}
	}
	stop := c.stop
	c.mu.Unlock()
	if stop != nil {
		stop(cause)
	}
}

// Deadline is a method of context.Context.
func (c *Context) Deadline() (time.Time, bool) { return c.parent.Deadline() }

// Done is a method of context.Context.
func (c *Context) Done() <-chan struct{} { return c.late().Done() }

// Err is a method of context.Context.
func (c *Context) Err() error { return c.current().Err() }

// Value is a method of context.Context. Through it context.Cause finds the cause.
func (c *Context) Value(key any) any { return c.current().Value(key) }
