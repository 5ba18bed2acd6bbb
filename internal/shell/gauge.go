package shell

import (
	"io"
	"time"
)

// byteFuel is what a byte costs that goes through one of the small programs.
const byteFuel = 4

// gauge measures one of the small programs: what it moves, and the time
// between its reads, writes and waits.
type gauge struct {
	resumed time.Time // when it went on computing
	over    error     // why it may not go on
}

// spend books what c has done since it was booked last, and n bytes moved.
func (c *call) spend(n int) error {
	if c.over != nil {
		return c.over
	}
	if c.resumed.IsZero() { // nobody measures
		return c.ctx.Err()
	}
	if err := c.w.Spend(c.ctx, uint64(n)*byteFuel, time.Since(c.resumed)); err != nil {
		if c.ctx.Err() == nil {
			c.over = err
		}
		return err
	}
	c.resumed = time.Now()
	return nil
}

// resume goes on after a wait, which costs nothing.
func (c *call) resume() { c.resumed = time.Now() }

// counted is the output of a program.
type counted struct {
	c *call
	w io.Writer
}

func (o *counted) Write(p []byte) (int, error) {
	if err := o.c.spend(len(p)); err != nil {
		return 0, err
	}
	n, err := o.w.Write(p)
	o.c.resumed = time.Now()
	return n, err
}
