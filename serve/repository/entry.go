package repository

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wherry-run/wherry/model"
)

// An entry is one version of a model: what opens it, and what answers for it now.
type entry struct {
	repository *Repository
	source     Source
	name       string
	version    string

	turn    chan struct{} // who holds it loads or unloads
	current atomic.Pointer[serving]
	used    atomic.Int64 // when it was asked last, in nanoseconds
	counts  counts

	mu      sync.Mutex
	known   Status // as of the last load
	off     bool   // unloaded on purpose
	closed  bool
	waking  chan struct{} // closed when the loading that a request began is over
	wakeErr error         // of that, if it failed
	failed  time.Time     // when it did
}

func newEntry(r *Repository, s Source) *entry {
	e := &entry{repository: r, source: s, name: s.Name, version: s.Version, turn: make(chan struct{}, 1)}
	e.known = Status{Name: s.Name, Version: s.Version, State: StateUnavailable, Reason: "it was not loaded yet"}
	e.counts.name, e.counts.version = s.Name, s.Version
	return e
}

// lock waits for the turn to load or unload.
func (e *entry) lock(ctx context.Context) error {
	select {
	case e.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (e *entry) unlock() { <-e.turn }

// load opens the model and has it answer from now on. The old one answers what it
// took.
func (e *entry) load(ctx context.Context) error {
	if err := e.lock(ctx); err != nil {
		return err
	}
	defer e.unlock()
	e.set(func(s *Status) {
		if e.current.Load() == nil {
			s.State, s.Reason = StateLoading, "it is being loaded"
		}
	})
	next, err := e.open(ctx)
	if err == nil {
		err = e.warm(ctx, next)
	}
	if err != nil {
		e.set(func(s *Status) {
			if e.current.Load() == nil {
				s.State, s.Reason = StateUnavailable, notLoaded
			}
		})
		return fmt.Errorf("load model %s: %w", e.name, err)
	}
	old := e.current.Load()
	if old != nil && next.same(old) {
		// The one that there is has its instances, and has learned its pace.
		return next.close(context.WithoutCancel(ctx))
	}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return next.close(context.WithoutCancel(ctx))
	}
	e.off = false
	e.describe(next)
	e.current.Store(next)
	e.mu.Unlock()
	e.used.Store(time.Now().UnixNano())
	if old != nil {
		e.retire(old)
	}
	return nil
}

// open makes the model ready.
func (e *entry) open(ctx context.Context) (_ *serving, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = NewPanicError(p)
		}
	}()
	loaded, err := e.source.Open(ctx)
	if err != nil {
		return nil, err
	}
	return newServing(e, loaded), nil
}

// A warmer makes instances before they are needed, as wherry.Model does.
type warmer interface {
	Warm(ctx context.Context, n int) error
	Stats() model.PoolStats
}

// warm gives a model that is to take the place of another as many instances as that
// one has, so that nobody waits for them.
func (e *entry) warm(ctx context.Context, next *serving) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.Join(NewPanicError(p), next.close(context.WithoutCancel(ctx)))
		}
	}()
	old := e.current.Load()
	if old == nil || next.same(old) {
		return nil
	}
	was, ok := old.loaded.Predictor.(warmer)
	is, ok2 := next.loaded.Predictor.(warmer)
	if !ok || !ok2 {
		return nil
	}
	if err := is.Warm(ctx, min(was.Stats().Instances, next.limit)); err != nil {
		return errors.Join(err, next.close(context.WithoutCancel(ctx)))
	}
	return nil
}

// same tells whether two are the same image.
func (s *serving) same(other *serving) bool {
	return s.loaded.Digest != "" && s.loaded.Digest == other.loaded.Digest
}

// describe notes what a model is. The caller holds mu.
func (e *entry) describe(s *serving) {
	e.known.State, e.known.Reason = StateReady, ""
	e.known.Signature, e.known.Digest = s.loaded.Signature(), s.loaded.Digest
	e.known.Batch, e.known.Tasks, e.known.Instances = s.batch, s.loaded.Tasks, s.limit
	e.known.Examples = s.loaded.Examples
}

// retire closes what does not answer any more, when it has answered what it took.
func (e *entry) retire(s *serving) {
	r := e.repository
	r.work.Go(func() {
		_ = s.drain(r.life)
		_ = s.close(context.WithoutCancel(r.life))
	})
}

// unload ends the model on purpose.
func (e *entry) unload(ctx context.Context) error {
	if err := e.lock(ctx); err != nil {
		return err
	}
	defer e.unlock()
	e.mu.Lock()
	e.off = true
	old := e.current.Swap(nil)
	e.known.State, e.known.Reason, e.known.Memory = StateUnloading, "it is being unloaded", 0
	e.mu.Unlock()
	var err error
	if old != nil {
		if err = old.drain(ctx); err != nil { // later, then
			e.retire(old)
		} else {
			err = old.close(ctx)
		}
	}
	e.set(func(s *Status) { s.State, s.Reason = StateUnavailable, "unloaded" })
	return err
}

// close ends it for good.
func (e *entry) close(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	old := e.current.Swap(nil)
	e.known.State, e.known.Reason = StateUnavailable, shuttingDown
	e.mu.Unlock()
	if old == nil {
		return nil
	}
	return old.close(ctx)
}

func (e *entry) set(change func(*Status)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(&e.known)
}

func (e *entry) status() Status {
	e.mu.Lock()
	s := e.known
	e.mu.Unlock()
	s.Memory = 0
	s.Asleep = s.State == StateReady && e.current.Load() == nil
	return s
}

// ready tells whether it answers, or was told not to.
func (e *entry) ready() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.off || e.known.State == StateReady
}

// wake loads a model that was put to sleep, and waits for that no longer than ctx:
// who comes next has it.
func (e *entry) wake(ctx context.Context) error {
	e.mu.Lock()
	switch {
	case e.current.Load() != nil:
		e.mu.Unlock()
		return nil
	case e.closed || e.repository.draining.Load():
		e.mu.Unlock()
		return &NotReadyError{Model: e.name, Version: e.version, Reason: shuttingDown}
	case e.off:
		reason := e.known.Reason
		e.mu.Unlock()
		return &NotReadyError{Model: e.name, Version: e.version, Reason: reason}
	case e.waking == nil && e.wakeErr != nil && time.Since(e.failed) < pause:
		defer e.mu.Unlock()
		return e.unloadable()
	}
	if e.waking == nil {
		e.waking = make(chan struct{})
		e.repository.work.Go(e.rouse)
	}
	done := e.waking
	e.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if e.current.Load() != nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.wakeErr != nil {
		return e.unloadable()
	}
	return nil
}

// pause is how long requests for a model that could not be loaded do not try that
// again.
const pause = time.Second

// unloadable is the error of a request for a model that could not be loaded. The
// caller holds mu.
func (e *entry) unloadable() error {
	return &NotReadyError{Model: e.name, Version: e.version, Reason: notLoaded, Cause: e.wakeErr}
}

const notLoaded = "it could not be loaded"

// rouse does what wake began.
func (e *entry) rouse() {
	r := e.repository
	var err error
	defer func() { // whatever happens, nobody waits for ever
		if p := recover(); p != nil {
			err = NewPanicError(p)
		}
		e.mu.Lock()
		close(e.waking)
		e.waking, e.wakeErr, e.failed = nil, err, time.Now()
		e.mu.Unlock()
		if err != nil {
			r.failed(err)
		}
	}()
	r.fit(e)
	err = e.load(r.life)
	r.fit(e)
}

// sleep unloads it until its next request; false when it does not run.
func (e *entry) sleep() bool {
	select {
	case e.turn <- struct{}{}:
	default:
		return false
	}
	defer e.unlock()
	e.mu.Lock()
	old := e.current.Swap(nil)
	if old != nil {
		e.known.Memory = old.memory()
	}
	e.mu.Unlock()
	if old == nil {
		return false
	}
	e.retire(old)
	return true
}
