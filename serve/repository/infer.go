package repository

import (
	"context"
	"errors"
	"time"

	"github.com/wherry-run/wherry/model"
)

// Infer answers a request: it waits for its turn, and gives up when ctx ends, or
// its time is over. The errors are those of model.Predictor, *NotFoundError,
// *NotReadyError and *OverloadedError.
func (r *Repository) Infer(ctx context.Context, c *Call) (*Answer, error) {
	began := time.Now()
	e, err := r.find(c.Model, c.Version)
	if err != nil {
		r.observe(ctx, Event{Call: c, Receipt: Receipt{Model: c.Model, Version: c.Version}, Err: err, Began: began})
		return nil, err
	}
	a := &Answer{Receipt: Receipt{Model: e.name, Version: e.version}}
	a.Response, err = r.infer(ctx, e, c, &a.Receipt, began)
	if a.Response != nil { // of a failure it says what that took
		u := &a.Response.Usage
		a.Receipt.Fuel, a.Receipt.Memory, a.Receipt.Kernels = u.Fuel, u.Memory, u.Kernels
	}
	took := time.Since(began)
	e.counts.ended(&a.Receipt, began.Add(took), took, err)
	if err != nil {
		r.observe(ctx, Event{Call: c, Receipt: a.Receipt, Err: err, Began: began, Took: took})
		return nil, err
	}
	r.observe(ctx, Event{Call: c, Answer: a, Receipt: a.Receipt, Began: began, Took: took})
	return a, nil
}

func (r *Repository) observe(ctx context.Context, e Event) {
	if r.config.Observe != nil {
		r.config.Observe(ctx, e)
	}
}

func (r *Repository) infer(ctx context.Context, e *entry, c *Call, receipt *Receipt, began time.Time) (*model.Response, error) {
	if d := r.timeout(c); d > 0 {
		limited := newDeadline(ctx, began.Add(d))
		defer limited.end()
		ctx = limited
	}
	for {
		s := e.current.Load()
		if s == nil {
			if err := e.wake(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if r.draining.Load() {
			return nil, &NotReadyError{Model: e.name, Version: e.version, Reason: shuttingDown}
		}
		receipt.Digest = s.loaded.Digest
		response, err := s.infer(ctx, c, receipt)
		if err == errMoved {
			if e.current.Load() == s { // it is being closed for good
				return nil, &NotReadyError{Model: e.name, Version: e.version, Reason: shuttingDown}
			}
			continue
		}
		if err == nil && response == nil {
			err = errNothing
		}
		r.touch(e)
		return response, err
	}
}

var errNothing = errors.New("the model gave no response")

// timeout is how long a request may take; 0: as long as it likes.
func (r *Repository) timeout(c *Call) time.Duration {
	d := c.Timeout
	if d <= 0 {
		d = r.config.Timeout
	}
	if most := r.config.MaxTimeout; most > 0 && (d <= 0 || d > most) {
		d = most
	}
	return d
}

// canceled tells whether a client gave a request up.
func canceled(err error) bool { return errors.Is(err, context.Canceled) }
