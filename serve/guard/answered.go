package guard

import "context"

// Answered writes the line of a request in the access log, and tells who wants to
// know: for protocols that do not come by net/http.
func (c *Config) Answered(ctx context.Context, r *Record) {
	c.access(ctx, r)
	if c.Done != nil {
		c.Done(r)
	}
}
