package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/wherry-run/wherry/internal/wasm"
)

// Artifact is a prepared module. Its slices are the engine's from now on: a Load that was cancelled may still compile
// them in the background, so they must not lie in memory that the caller takes away.
type Artifact struct {
	// Wasm is the module. If it is metered it imports the function "wherry"."yield" and exports the mutable i64 global
	// "wherry.fuel", which starts at 0; if exceptions were lowered it exports the mutable i32 global "wherry.pending".
	Wasm []byte
	// Names is the sidecar with the names of functions, as [wasm.Names] writes it. It may be empty.
	Names []byte
	// Part is set for a part of a module; it takes the place of Names.
	Part *Part
}

// MakeFunc prepares a module. It runs on a goroutine of the engine, and its context ends with that of the Load that
// brought it; that Load does not return before it does, so that it may use what its caller owns.
type MakeFunc func(context.Context) (Artifact, error)

// errLeft is the end of a flight whose leader was cancelled before the module was prepared.
var errLeft = errors.New("the caller that prepared the module has left")

// keyBytes is the length of a key.
const keyBytes = 32

// Load gives the module with this key, which is the hex SHA-256 of everything that shapes the compiled code: the
// module's digest, how it was prepared, and Identity.
//
// If the key was compiled before, by any process of this user, neither make nor the compiler runs. Otherwise exactly
// one caller of all processes prepares and compiles it while the others wait. When ctx ends Load returns at once,
// except that it waits for its own make; what is being compiled then is compiled to its end in the background, into
// the cache.
func (e *Engine) Load(ctx context.Context, key string, make MakeFunc, p Progress) (*Module, error) {
	if !validKey(key) {
		return nil, fmt.Errorf("load module: key %.80q is not a hex SHA-256", key)
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m, f, leader, err := e.board(ctx, key, make)
		if err != nil || m != nil {
			return m, err
		}
		stop := f.report.watch(p)
		m, err = e.await(ctx, f, leader)
		stop()
		if errors.Is(err, errLeft) && !leader {
			continue
		}
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("load module: %w", err)
		}
		return m, err
	}
}

func validKey(key string) bool {
	if len(key) != 2*keyBytes {
		return false
	}
	for _, c := range []byte(key) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// board finds the module if it is loaded, or joins the flight that loads it, or begins one as its leader.
func (e *Engine) board(ctx context.Context, key string, make MakeFunc) (m *Module, f *flight, leader bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, nil, false, ErrClosed
	}
	if c := e.loaded[key]; c != nil && c.hold() {
		return &Module{code: c, stats: LoadStats{Hit: true}}, nil, false, nil
	}
	if f = e.flights[key]; f == nil {
		leader = true
		f = e.newFlight(key)
		e.flights[key] = f
		e.jobs.Add(1)
		go e.fly(ctx, f, make)
	}
	f.waiters++
	return nil, f, leader, nil
}

// await waits for a flight to land.
func (e *Engine) await(ctx context.Context, f *flight, leader bool) (*Module, error) {
	select {
	case <-f.done:
	case <-ctx.Done():
		if leader {
			f.leave()
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		select {
		case <-f.done:
			if f.code != nil {
				go f.code.drop() // our share; it may be the last
			}
		default:
			if f.waiters--; f.waiters == 0 && !e.keeps() {
				f.abort()
			}
		}
		return nil, ctx.Err()
	}
	if f.err != nil {
		return nil, f.err
	}
	stats := f.stats
	return &Module{code: f.code, stats: stats}, nil
}

// fly loads a module in the background and hands it to all who wait.
func (e *Engine) fly(caller context.Context, f *flight, make MakeFunc) {
	defer e.jobs.Done()
	go f.report.run()
	c, err := e.bring(caller, f, make)
	f.abort()
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.flights, f.key)
	switch {
	case c == nil && errors.Is(err, ErrClosed) && !e.closed:
		err = errLeft // aborted, and boarded again too late
	case c == nil:
	case f.waiters == 0 || e.closed:
		go c.free()
		c = nil
		if err == nil {
			err = ErrClosed
		}
	default:
		c.refs = f.waiters
		e.loaded[f.key] = c
	}
	f.code, f.err = c, err
	close(f.done)
}

// bring loads the module from the cache, or makes it.
func (e *Engine) bring(caller context.Context, f *flight, make MakeFunc) (c *code, err error) {
	// wazero's compiler gives up some modules by panicking, and make is not ours.
	defer func() {
		if r := recover(); r != nil {
			c, err = nil, fmt.Errorf("panic while loading: %v\n%s", r, debug.Stack())
		}
	}()
	ctx, cancel := context.WithCancel(caller)
	defer cancel()
	defer context.AfterFunc(f.life, cancel)()

	if c, err := e.recall(ctx, f); c != nil || err != nil {
		return c, err
	}
	if !e.keeps() {
		if e.cache != nil {
			f.stats.CacheErr = errReadOnly
		}
		return e.produce(ctx, f, make, nil)
	}
	wait := time.Now()
	unlock, err := e.cache.lock(ctx, f.key, func() { f.report.phase("wait", 0, 0) })
	f.stats.Wait = time.Since(wait)
	if err != nil {
		if ctx.Err() != nil {
			return nil, e.left()
		}
		f.stats.CacheErr = err
		return e.produce(ctx, f, make, nil)
	}
	defer unlock()
	if c, err := e.recall(ctx, f); c != nil || err != nil {
		return c, err
	}
	c, err = e.produce(ctx, f, make, e.cache)
	if err == nil && c.outline.primary() && f.stats.CacheErr == nil {
		// Its groups come from the cache, so it has to be loaded as one that looks for them there.
		stats := f.stats
		if again, _ := e.recall(ctx, f); again != nil {
			c.free()
			c = again
		}
		f.stats = stats
	}
	return c, err
}

// left says why a flight ended before anything was compiled.
func (e *Engine) left() error {
	if e.life.Err() != nil {
		return ErrClosed
	}
	return errLeft
}

// recall loads a module from a cache; it gives nil when none has it in a form that can be used.
func (e *Engine) recall(ctx context.Context, f *flight) (*code, error) {
	for _, from := range e.shelves() {
		if ctx.Err() != nil {
			return nil, nil
		}
		if c, err := e.recallFrom(from, f); c != nil || err != nil {
			return c, err
		}
	}
	return nil, nil
}

func (e *Engine) recallFrom(from *cache, f *flight) (*code, error) {
	entry, err := from.open(f.key, e.Identity())
	if err != nil {
		return nil, nil // produce, which holds the lock, replaces what is there
	}
	defer entry.close()
	f.report.phase("load", 0, 0)
	begin := time.Now()
	var c *code
	if entry.Outline.primary() {
		c, err = e.buildPrimary(f, entry)
	} else {
		c, err = e.build(f.life, entry.wasm, entry.names, &entry.Outline, entry.dir, f.key)
	}
	if errors.Is(err, ErrClosed) {
		return nil, err
	}
	if err == nil && !entry.unchanged() {
		c.free()
		err = errUnusable
	}
	if err != nil {
		entry.close()
		from.discard(f.key)
		return nil, nil
	}
	f.stats.Hit, f.stats.Load = true, time.Since(begin)
	return c, nil
}

// produce prepares and compiles a module and, if there is a cache to put it into, keeps it.
func (e *Engine) produce(ctx context.Context, f *flight, make MakeFunc, into *cache) (*code, error) {
	f.report.phase("prepare", 0, 0)
	begin := time.Now()
	artifact, err := f.make(ctx, make)
	f.stats.Prepare = time.Since(begin)
	if err != nil {
		if ctx.Err() != nil {
			return nil, e.left()
		}
		return nil, err
	}
	o, err := readOutline(artifact.Wasm)
	if err != nil {
		return nil, err
	}
	if artifact.Part != nil {
		artifact.Names = encodePart(artifact.Part)
	}

	artifact.Wasm = traceable(artifact)

	var dir string
	if into != nil {
		if dir, err = into.draft(f.key); err != nil {
			f.stats.CacheErr = err
		}
		f.drafted(dir, into.dropDraft)
	}
	c, err := e.compile(f, artifact, o, dir)
	if err != nil {
		into.dropDraft(dir)
		return nil, err
	}
	c.part = artifact.Part
	if c.unkept != nil {
		f.stats.CacheErr = c.unkept
		into.dropDraft(dir)
	} else if dir != "" {
		f.report.phase("load", 0, 0)
		if err := e.keep(f, dir, artifact, o); err != nil {
			f.stats.CacheErr = fmt.Errorf("keep compiled module: %w", err)
		}
	}
	if o.CodeBytes > muchCode {
		// The compiler leaves garbage of some thirty times the code, gigabytes for the largest modules: hand it back
		// before the guest wants memory.
		debug.FreeOSMemory()
	}
	return c, nil
}

// keep makes an entry of a draft that holds machine code.
func (e *Engine) keep(f *flight, dir string, a Artifact, o *outline) error {
	defer e.cache.dropDraft(dir)
	if skeleton, err := e.transplant(f.life, dir, a.Wasm); err == nil {
		a.Wasm = skeleton // otherwise the entry holds the module itself, and loads more slowly
	}
	return e.cache.publish(dir, f.key, e.Identity(), a, o, f.stats)
}

// compile has the compiler work on a prepared module, and leave the machine code in dir too if there is one.
func (e *Engine) compile(f *flight, a Artifact, o *outline, dir string) (*code, error) {
	leave, err := e.queue(f, o.CodeBytes)
	if err != nil {
		return nil, err
	}
	defer leave()
	begin, used := time.Now(), processorTime()
	stop := f.report.estimate("compile", o.CodeBytes, e.rate())
	c, err := e.build(f.life, a.Wasm, a.Names, o, dir, f.key)
	stop()
	f.stats.Compile = time.Since(begin)
	if err == nil {
		e.learn(o.CodeBytes, processorTime()-used)
	}
	return c, err
}

// queue waits for the turn to compile so much code. Of large modules one is compiled at a time in this process and, with
// a cache, on this machine.
func (e *Engine) queue(f *flight, code int64) (leave func(), err error) {
	lane := e.lanes.of(code)
	select {
	case lane <- struct{}{}:
	default:
		f.report.phase("wait", 0, 0)
		select {
		case lane <- struct{}{}:
		case <-f.life.Done():
			return nil, ErrClosed
		}
	}
	unlock := func() {}
	if e.cache != nil && code > muchCode {
		if u, err := e.cache.lock(f.life, compileLock, func() { f.report.phase("wait", 0, 0) }); err == nil {
			unlock = u
		} else if f.life.Err() != nil {
			<-lane
			return nil, ErrClosed
		}
	}
	return func() {
		unlock()
		<-lane
	}, nil
}

const (
	// muchCode is from where compiling takes so much memory that only one process at a time should do it.
	muchCode = 8 << 20
	// littleCode is up to where one goroutine compiles: a panic of the compiler can be caught there, in wazero's own
	// workers it cannot. Modules made to break a compiler are small; the structural limits bound how long they take,
	// which nothing else does for them.
	littleCode = 256 << 10
)

// build has wazero decode and validate the module and compile it, or load its machine code from dir.
func (e *Engine) build(ctx context.Context, bin, names []byte, o *outline, dir, key string) (*code, error) {
	c, err := e.newCode(ctx, names, o, dir, key)
	if err != nil {
		return nil, err
	}
	if err := c.compile(ctx, bin); err != nil {
		c.free()
		return nil, err
	}
	return c, nil
}

// newCode makes the runtime of a module.
func (e *Engine) newCode(ctx context.Context, names []byte, o *outline, dir, key string) (*code, error) {
	c := &code{engine: e, key: key, outline: o, names: names, instances: map[*Instance]struct{}{}}
	// The source of randomness is one that nothing here reads; wazero would seed one for each instance.
	c.config = wazero.NewModuleConfig().WithName("").WithStartFunctions().WithRandSource(rand.Reader)
	config := runtimeConfig(e.config.Interpreter).WithDebugInfoEnabled(wasm.HasPlaces(names)) // see traceable
	if dir != "" {
		var err error
		if c.cache, err = wazero.NewCompilationCacheWithDir(dir); err != nil {
			return nil, fmt.Errorf("open machine code: %w", err)
		}
		config = config.WithCompilationCache(c.cache)
	}
	c.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	return c, nil
}

// compile makes or loads the machine code, and the host's side of the imports.
func (c *code) compile(ctx context.Context, bin []byte) (err error) {
	if c.compiled, c.unkept, err = c.compileModule(ctx, bin, c.outline.CodeBytes); err != nil {
		return err
	}
	c.machine = machineOf(c.compiled)
	if c.shims, err = link(ctx, c.runtime, c.outline); err != nil {
		return &InvalidModuleError{Err: err}
	}
	return nil
}

// compileModule has wazero compile a module of so much code, or load its machine code. unkept is why what was compiled
// is in memory only.
func (c *code) compileModule(ctx context.Context, bin []byte, codeBytes int64) (compiled wazero.CompiledModule, unkept, err error) {
	workers := ctx
	if codeBytes > littleCode && !c.engine.config.Sparing {
		// With at least two workers the compiler looks at its context between functions.
		budget := c.engine.config.budget(codeBytes)
		timed, cancel := context.WithTimeoutCause(ctx, budget, &BudgetError{Budget: budget, Code: codeBytes})
		defer cancel()
		workers = experimental.WithCompilationWorkers(timed, max(2, c.engine.config.Workers))
	}
	compiled, err = c.runtime.CompileModule(workers, bin)
	var file *fs.PathError
	if errors.As(err, &file) {
		// The disk did not take the machine code. wazero has it in memory all the same, and gives it when asked again.
		unkept = fmt.Errorf("keep machine code: %w", err)
		compiled, err = c.runtime.CompileModule(workers, bin)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, ErrClosed
		}
		if over := (*BudgetError)(nil); errors.As(context.Cause(workers), &over) {
			return nil, nil, over
		}
		return nil, nil, &InvalidModuleError{Err: err}
	}
	return compiled, unkept, nil
}
