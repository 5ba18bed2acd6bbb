package engine

import (
	"context"
	"sync"
)

// flight is a module on its way, for all in this process who wait for it.
type flight struct {
	key     string
	waiters int // guarded by the engine's mu
	// life ends with the engine, and earlier when nobody wants the module any more and there is no cache to put it into.
	life   context.Context
	abort  context.CancelFunc
	done   chan struct{} // closed when code, stats and err are set
	report reporter

	mu   sync.Mutex
	left bool          // the leader has gone: its make must not be called
	made chan struct{} // not nil while make runs, closed when it has returned
	// draft is the folder of the entry that is being made, unless nobody waits for it any more.
	draft     string
	abandoned bool

	code  *code
	stats LoadStats
	err   error
}

// make calls the leader's make, unless the leader has gone.
func (f *flight) make(ctx context.Context, make MakeFunc) (Artifact, error) {
	if !f.making() {
		return Artifact{}, errLeft
	}
	defer close(f.made)
	return make(ctx)
}

func (f *flight) making() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.left {
		f.made = make(chan struct{})
	}
	return !f.left
}

// leave lets the leader go, once its make has returned: make may use what the leader's caller owns.
func (f *flight) leave() {
	f.mu.Lock()
	f.left = true
	made := f.made
	f.mu.Unlock()
	if made != nil {
		<-made
	}
}

// drafted notes where the entry is being made. What was abandoned meanwhile does not stay there.
func (f *flight) drafted(dir string, drop func(dir string)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.draft = dir; f.abandoned {
		drop(dir)
	}
}

// abandon drops what is there of the entry, and what will be.
func (f *flight) abandon(drop func(dir string)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.abandoned = true; f.draft != "" {
		drop(f.draft)
	}
}

func (e *Engine) newFlight(key string) *flight {
	f := &flight{key: key, done: make(chan struct{})}
	f.life, f.abort = context.WithCancel(e.life)
	f.report.done = f.done
	return f
}
