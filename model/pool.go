package model

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/wherry-run/wherry/internal/late"
)

// An Instance is one copy of a model, with a memory of its own. It answers one
// request at a time, and is used by one goroutine at a time.
type Instance interface {
	// Predict answers a request that fits the signature. After *InputError and
	// *ModelError the instance goes on; after any other error it is not used again.
	Predict(ctx context.Context, r *Request) (*Response, error)
	// Reset makes it forget every request: its memory, and the files it wrote.
	// After an error it is not used again.
	Reset(ctx context.Context) error
	// Close frees it.
	Close(ctx context.Context) error
}

// Reuse says what a request may find of the requests before it in an instance.
type Reuse string

// The ways to use an instance again.
const (
	ReuseAlways Reuse = "always" // whatever they left; the zero Reuse means this too
	ReuseReset  Reuse = "reset"  // nothing: the instance is put back to where it began
	ReuseNever  Reuse = "never"  // nothing: each request has an instance of its own
)

// ErrBusy is returned when as many requests wait as may.
var ErrBusy = errors.New("the model is busy: too many requests wait for it")

// PoolConfig says how a Pool works.
type PoolConfig struct {
	// Signature is what requests are checked against.
	Signature *Signature
	// Check says in which way a request does not fit; nil means Signature.Check.
	Check func(r *Request) error
	// New makes an instance. ctx ends with the pool, not with the request that the
	// instance is made for.
	New func(ctx context.Context) (Instance, error)
	// First is an instance that was made already; nil is none.
	First Instance
	// Instances is how many there may be at once; 0 means 1.
	Instances int
	// Waiting is how many requests may wait for others to be done; 0 means as many as
	// come. Those beyond get ErrBusy.
	Waiting int
	// Reuse says when an instance answers another request.
	Reuse Reuse
}

// A Pool is a Predictor over instances of one model. They are made when requests
// come, and kept. An instance that broke is replaced; the request that broke it
// has the error, no other notices. Close it when it is done.
type Pool struct {
	config PoolConfig
	life   context.Context // ends with Close
	end    context.CancelCauseFunc
	work   sync.WaitGroup // what Close waits for

	mu      sync.Mutex
	closed  bool
	idle    []Instance // the one that was used last is last
	waiting []*waiter  // the one that waits longest is first
	live    int        // instances that are idle, in use, being made or being ended
	making  int        // of these, those being made
	full    time.Time  // until then no more are made: making one failed
	counts  PoolStats
}

// PoolStats tells what a Pool has and did.
type PoolStats struct {
	Instances int // there are now, those being made among them
	Idle      int // of these, those that nobody uses
	Waiting   int // requests that wait for one
	Made      int // instances since the beginning
	Broken    int // instances that were given up because of an error
	Requests  int // requests that reached an instance
}

// NewPool makes a Pool. It makes no instance yet. ctx gives its values only.
func NewPool(ctx context.Context, c PoolConfig) (*Pool, error) {
	switch {
	case c.Signature == nil || c.New == nil:
		return nil, errors.New("a pool needs a signature and a way to make instances")
	case c.Instances < 0 || c.Waiting < 0:
		return nil, fmt.Errorf("a pool of %d instances, where %d may wait", c.Instances, c.Waiting)
	}
	switch c.Reuse {
	case "":
		c.Reuse = ReuseAlways
	case ReuseAlways, ReuseReset, ReuseNever:
	default:
		return nil, fmt.Errorf("reuse %q: it is always, reset or never", string(c.Reuse))
	}
	if c.Check == nil {
		c.Check = c.Signature.Check
	}
	c.Instances = max(c.Instances, 1)
	p := &Pool{config: c}
	if c.First != nil {
		p.idle, p.live, p.counts.Made = []Instance{c.First}, 1, 1
	}
	p.life, p.end = context.WithCancelCause(context.WithoutCancel(ctx))
	return p, nil
}

// Signature says what the model takes and gives.
func (p *Pool) Signature() *Signature { return p.config.Signature }

// Stats tells what the pool has and did.
func (p *Pool) Stats() PoolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.counts
	s.Instances, s.Idle, s.Waiting = p.live, len(p.idle), len(p.waiting)
	return s
}

// Warm makes instances until there are n, or as many as may be, so that the
// first requests find them.
func (p *Pool) Warm(ctx context.Context, n int) error {
	var held []Instance
	defer func() {
		for _, i := range held {
			p.release(i)
		}
	}()
	for range min(n, p.config.Instances) {
		i, _, err := p.acquire(ctx)
		if err != nil {
			return err
		}
		p.work.Done()
		held = append(held, i)
	}
	return nil
}

// Predict checks a request and has an instance answer it, waiting for one no
// longer than ctx.
func (p *Pool) Predict(ctx context.Context, r *Request) (*Response, error) {
	return p.ask(ctx, r, predict)
}

// predict has an instance answer as a whole.
func predict(ctx context.Context, i Instance, r *Request) (*Response, error) {
	response, err := i.Predict(ctx, r)
	if err != nil {
		return response, err
	}
	return response, checkResponse(response)
}

// asking has an instance answer a request. What it answers can be relied on.
type asking func(ctx context.Context, i Instance, r *Request) (*Response, error)

// ask finds an instance for a request.
func (p *Pool) ask(ctx context.Context, r *Request, how asking) (*Response, error) {
	if err := p.config.Check(r); err != nil {
		return nil, err
	}
	began := time.Now()
	i, waited, err := p.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer p.work.Done()
	response, err := p.use(ctx, i, r, how)
	if response == nil {
		return nil, err
	}
	if err != nil {
		response = &Response{Usage: response.Usage} // what it took, and nothing of an answer
	}
	response.Usage.Wait = waited
	response.Usage.Compute = time.Since(began) - waited
	return response, err
}

// use has an instance answer, and gives it back, or gives it up.
func (p *Pool) use(ctx context.Context, i Instance, r *Request, how asking) (response *Response, err error) {
	call := late.New(ctx, p.life)
	defer call.Cancel(nil)
	sound := false // stays so when the instance panics
	defer func() {
		if sound {
			p.after(i)
		} else {
			p.discard(i, true)
		}
	}()
	response, err = how(call, i, r)
	sound = err == nil || asked(err)
	switch {
	case err == nil:
		return response, nil
	case sound:
	case p.life.Err() != nil:
		err = ErrClosed
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		err = context.Cause(ctx)
	}
	return response, err
}

// checkResponse refuses what a guest gives that is none: whoever gets it may rely on
// its tensors.
func checkResponse(r *Response) error {
	if r == nil {
		return errors.New("the model gave no response")
	}
	for i := range r.Outputs {
		if err := r.Outputs[i].Check(); err != nil {
			return fmt.Errorf("the model gave what is no tensor: %s", err)
		}
	}
	return nil
}

// asked tells errors that are the request's from those that are the instance's.
func asked(err error) bool {
	if _, ok := err.(*stopError); ok { // as it is: the instance is where it was
		return true
	}
	return errors.As(err, new(*InputError)) || errors.As(err, new(*ModelError))
}

// after does with a sound instance what Reuse says. Nobody waits for it but who
// needs the next instance.
func (p *Pool) after(i Instance) {
	switch p.config.Reuse {
	case ReuseAlways:
		p.release(i)
	case ReuseNever:
		p.work.Go(func() { p.discard(i, false) }) // this request holds work: it is not at 0
	case ReuseReset:
		p.work.Go(func() {
			if survive(func() error { return i.Reset(p.life) }) != nil {
				p.discard(i, true)
				return
			}
			p.release(i)
		})
	}
}

// survive does what no request does, where a panic would end the process: it is an
// error there.
func survive(do func() error) (err error) {
	defer func() {
		if bug := recover(); bug != nil {
			err = fmt.Errorf("panic: %v\n%s", bug, debug.Stack())
		}
	}()
	return do()
}

// Close ends the model: requests that wait or are under way end with ErrClosed.
// It returns when all instances are freed, or with the error of ctx; they are
// freed then, too, but later.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	idle := p.idle
	first := !p.closed
	p.closed, p.idle = true, nil
	for p.hand(handed{err: ErrClosed}) {
	}
	if first {
		p.work.Add(1)
	}
	p.mu.Unlock()
	p.end(ErrClosed)
	done := make(chan struct{})
	go func() {
		if first {
			for _, i := range idle {
				p.discard(i, false)
			}
			p.work.Done()
		}
		p.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
