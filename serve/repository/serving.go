package repository

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/wherry-run/wherry/model"
)

// serving is a model that answers, and the queue before it: at most limit of its
// requests, or batches of them, are worked on at once, the others wait in their
// order, or are turned away.
type serving struct {
	entry  *entry
	loaded *Loaded
	batch  Batching
	limit  int  // instances
	bound  int  // of those that wait
	joins  bool // its inputs are rows

	mu      sync.Mutex
	queue   queue
	running int
	closing bool
	ended   bool          // closed: nothing is answered any more
	idle    chan struct{} // when closing: closed when nothing runs or waits
	pace    pace
	timer   *time.Timer // runs while those that wait may be joined by others
	closed  sync.Once
	failed  error // of closing
}

// newServing puts a queue before a model.
func newServing(e *entry, l *Loaded) *serving {
	s := &serving{entry: e, loaded: l, limit: max(l.Instances, 1), bound: e.repository.config.Waiting, idle: make(chan struct{})}
	switch {
	case s.bound == 0:
		s.bound = DefaultWaiting
	case s.bound < 0:
		s.bound = 0
	}
	if s.joins = batches(l.Signature()); s.joins && l.Batch.Max > 1 {
		s.batch = l.Batch
	}
	return s
}

func (s *serving) memory() int64 {
	if s.loaded.Memory == nil {
		return 0
	}
	return s.loaded.Memory()
}

// errMoved is a request for a model that was replaced, or put to sleep, since it
// was looked up.
var errMoved = errors.New("the model was replaced")

// infer has the model answer a request when its turn comes.
func (s *serving) infer(ctx context.Context, c *Call, r *Receipt) (*model.Response, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return nil, errMoved
	}
	if s.running < s.limit && s.queue.len() == 0 && s.batch.Delay == 0 {
		s.running++
		s.mu.Unlock()
		return s.alone(ctx, c, r)
	}
	t, err := s.enqueue(ctx, c)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	select {
	case d := <-t.done:
		r.Queue = time.Since(began)
		if d.run {
			return s.alone(ctx, c, r)
		}
		return d.tell(t, r)
	case <-ctx.Done():
	}
	r.Queue = time.Since(began)
	if d, ok := s.leave(t); ok { // it has what it waited for after all
		return d.tell(t, r)
	}
	if t.begun() {
		return nil, context.Cause(ctx)
	}
	return nil, s.late(ctx)
}

// alone runs one request in the goroutine that brought it, which has a slot.
func (s *serving) alone(ctx context.Context, c *Call, r *Receipt) (*model.Response, error) {
	began := time.Now()
	response, err := s.predict(ctx, c)
	r.Compute = time.Since(began)
	r.Rows = s.length(c)
	r.Batch = r.Rows
	s.entry.counts.executed(r.Rows, r.Compute)
	s.release(r.Compute, 1, ctx.Err() == nil)
	return response, err
}

// predict asks the model, and survives it.
func (s *serving) predict(ctx context.Context, c *Call) (response *model.Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			response, err = nil, NewPanicError(p)
		}
	}()
	if c.Emit == nil {
		return s.loaded.Predict(ctx, c.Request)
	}
	usage, err := model.Stream(ctx, s.loaded.Predictor, c.Request, c.Emit)
	return &model.Response{Usage: usage}, err
}

// release gives back a slot after calls that took so long, and gives it to who is
// next. whole: nobody cut them short.
func (s *serving) release(took time.Duration, calls int, whole bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	s.pace.note(took, calls, whole)
	s.pump()
}

// pump gives free slots to those that wait. The caller holds mu.
func (s *serving) pump() {
	for s.running < s.limit && s.queue.len() > 0 {
		if s.hold() {
			return
		}
		s.running++
		group := s.take()
		if len(group) == 1 {
			group[0].done <- delivery{run: true}
			continue
		}
		go s.together(group)
	}
	if s.closing && s.running == 0 && s.queue.len() == 0 && !s.ended {
		s.ended = true
		close(s.idle)
	}
}

// drain takes no more requests, and returns when those that there are are answered.
func (s *serving) drain(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	s.pump()
	s.mu.Unlock()
	select {
	case <-s.idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// close ends the model; what waits ends with it.
func (s *serving) close(ctx context.Context) error {
	s.closed.Do(func() {
		s.mu.Lock()
		s.closing = true
		for s.queue.len() > 0 {
			s.queue.pop().done <- delivery{err: model.ErrClosed}
		}
		s.pump()
		s.mu.Unlock()
		err := s.loaded.Predictor.Close(ctx)
		if s.loaded.Close != nil {
			err = errors.Join(err, s.loaded.Close(ctx))
		}
		s.failed = err
	})
	return s.failed
}

// A PanicError is a bug that was met while a request was answered.
type PanicError struct {
	// Value is what was panicked with, Stack where, for the log.
	Value string
	Stack []byte
}

// NewPanicError is for what recover gave, where it did.
func NewPanicError(value any) *PanicError {
	return &PanicError{fmt.Sprint(value), debug.Stack()}
}

func (e *PanicError) Error() string { return "panic: " + e.Value }
