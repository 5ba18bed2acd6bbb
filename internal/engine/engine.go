// Package engine runs prepared WebAssembly modules on wazero and is the only package that knows wazero.
//
// It knows how to compile a module once for all processes of this user and keep the machine code, how to make
// instances with host functions, memory and a meter of their own, and how to end a call: by return, exit, trap, a
// cancelled context or a spent meter. It knows nothing of WASI, of images, or of how a module is prepared; what it
// relies on in a prepared module is listed at Load.
package engine

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// Config says where and how an Engine works. The zero Config keeps compiled code in memory only.
type Config struct {
	// CacheDir is the folder for compiled modules, of this engine alone: it is made, or set to be, accessible to this
	// user alone, since whoever can write to it decides what machine code runs here. On a file system that can only be
	// read it is as BakedDir. Empty: nothing is kept on disk.
	CacheDir string
	// BakedDir is a folder that Bake has filled, and that is only read: what is not in CacheDir is looked for there. It
	// must belong to this user or to root, and nobody else may be able to write it or anything in it.
	BakedDir string
	// Interpreter chooses wazero's interpreter where its compiler would run too. It is tens of times slower.
	Interpreter bool
	// Workers is how many goroutines compile one module; 0 means one for each processor.
	Workers int
	// Sparing compiles a module on one goroutine, in half the memory. It cannot be interrupted then, and has all the time
	// it wants: it is for a process that does nothing else and can be ended.
	Sparing bool
	// CompileTime is how long compiling one module may take; 0 means a minute and 40 µs for each byte of code.
	CompileTime time.Duration
}

// Engine compiles modules and makes instances of them. Its methods may be called by several goroutines at once.
type Engine struct {
	config  Config
	cache   *cache // nil: in memory only
	baked   *cache // nil: there is none
	touched *touched
	self    func() self

	// life ends when the engine is closed; what goes on in the background goes on under it.
	life   context.Context
	finish context.CancelFunc
	jobs   sync.WaitGroup

	lanes lanes

	mu      sync.Mutex
	closed  bool
	flights map[string]*flight // modules being loaded, by key
	loaded  map[string]*code   // modules that somebody holds, by key
}

// New makes an Engine. It refuses a cache folder that belongs to somebody else.
func New(ctx context.Context, c Config) (*Engine, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if c.Workers <= 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	e := &Engine{config: c, flights: map[string]*flight{}, loaded: map[string]*code{}, lanes: newLanes(c.Workers)}
	if c.CacheDir != "" {
		var err error
		if e.cache, err = openCache(c.CacheDir); err != nil {
			return nil, fmt.Errorf("open compile cache: %w", err)
		}
	}
	e.touched = newTouched(e.cache)
	if c.BakedDir != "" {
		var err error
		if e.baked, err = openBaked(c.BakedDir); err != nil {
			return nil, fmt.Errorf("open baked cache: %w", err)
		}
	}
	e.life, e.finish = context.WithCancel(context.WithoutCancel(ctx))
	e.self = sync.OnceValue(func() self { return examine(e.life, c.Interpreter) })
	return e, nil
}

// Close ends what the engine still does: compiles in the background are given up, running calls are cancelled, and all
// instances and modules are closed. It returns when that is done, or when ctx ends; then the rest ends by itself.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	codes := make([]*code, 0, len(e.loaded))
	for _, c := range e.loaded {
		codes = append(codes, c)
	}
	e.mu.Unlock()
	e.finish()

	done := make(chan struct{})
	go func() {
		e.jobs.Wait()
		close(done)
	}()
	var err error
	for _, c := range codes {
		for _, i := range c.running() {
			if cerr := i.Close(ctx); cerr != nil && err == nil {
				err = cerr
			}
		}
		c.retire()
	}
	select {
	case <-done:
		return err
	case <-ctx.Done():
		e.abandon()
		return ctx.Err()
	}
}

// abandon takes from under what is still being compiled the folder it would go
// into: the process may end before it does.
func (e *Engine) abandon() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range e.flights {
		f.abandon(e.cache.dropDraft)
	}
}
