package runtime

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/wasm"
	"github.com/wherry-run/wherry/wasi"
)

// Progress hears how preparing and compiling a module goes on. Phase is
// "wait" (another process compiles the same module), "prepare", "compile" or
// "load"; total is 0 when it is not known. "groups" counts the parts of a module
// that were compiled while a program ran and waited for them, when that takes
// long in all.
type Progress interface {
	Report(phase string, done, total int64)
}

// An Option changes how a Runtime is made.
type Option func(*config)

type config struct {
	engine      engine.Config
	hostModules []wasi.HostModule
	progress    Progress
	totals      Totals
	kernels     string
	accelerator *accelerator // of a test
	groupBytes  int          // of modules in parts; 0: the usual measure
}

// WithCacheDir keeps prepared and compiled modules in dir, which belongs to
// this user alone: it holds native code. Without it every Runtime compiles
// anew.
func WithCacheDir(dir string) Option { return func(c *config) { c.engine.CacheDir = dir } }

// WithBakedCache looks for compiled modules in dir, too, which Warm filled and
// which is only read. It must belong to this user or to root, and nobody else may
// be able to write anything in it: it holds native code.
func WithBakedCache(dir string) Option { return func(c *config) { c.engine.BakedDir = dir } }

// WithInterpreter runs guests on the interpreter: no native code, some fifty
// times slower.
func WithInterpreter() Option { return func(c *config) { c.engine.Interpreter = true } }

// WithWorkers bounds the cores used to compile one module; 0 is all of them.
func WithWorkers(n int) Option { return func(c *config) { c.engine.Workers = n } }

// WithSparingCompiler compiles in half the memory. What is being compiled cannot
// be interrupted then, except by the end of the process.
func WithSparingCompiler() Option { return func(c *config) { c.engine.Sparing = true } }

// WithHostModule gives every container of the Runtime Go functions to import.
func WithHostModule(m wasi.HostModule) Option {
	return func(c *config) { c.hostModules = append(c.hostModules, m) }
}

// WithProgress reports preparing and compiling.
func WithProgress(p Progress) Option { return func(c *config) { c.progress = p } }

// A Runtime holds the engine, its caches and the modules in use. Its methods
// may be called from any goroutine. Close it when its containers are done.
type Runtime struct {
	config  config
	engine  *engine.Engine
	account *account // what all containers use together
	crew    crew
	checked checked
	kernels *accelerator // nil: none

	mu         sync.Mutex
	closed     bool
	modules    map[string]*module
	idle       []string // keys of modules that no process uses, oldest first
	containers map[*Container]struct{}
	images     map[string]*shared // memories that drivers have come to
	surveys    map[string]survey  // of modules that an image says nothing about
}

// module is a compiled module and how many processes run it.
type module struct {
	compiled *engine.Module
	users    int
}

// maxIdle bounds how many compiled modules are kept ready that nothing runs.
const maxIdle = 8

// New starts a Runtime. ctx bounds its making only.
func New(ctx context.Context, options ...Option) (*Runtime, error) {
	var c config
	for _, o := range options {
		o(&c)
	}
	limits := c.totals.limits()
	if err := limits.check(); err != nil {
		return nil, fmt.Errorf("start runtime: %w", err)
	}
	kernels := c.accelerator
	if kernels == nil {
		var err error
		if kernels, err = newAccelerator(c.kernels); err != nil {
			return nil, fmt.Errorf("start runtime: %w", err)
		}
	}
	e, err := engine.New(ctx, c.engine)
	if err != nil {
		return nil, fmt.Errorf("start engine: %w", err)
	}
	account := newAccount(ScopeRuntime, limits, nil)
	account.disks, account.open = uint64(limits.Disk), uint64(limits.OpenFiles)
	return &Runtime{
		config: c, engine: e, account: account, kernels: kernels,
		modules:    map[string]*module{},
		containers: map[*Container]struct{}{},
		images:     map[string]*shared{},
		surveys:    map[string]survey{},
	}, nil
}

// Close stops every container of the Runtime and frees its memory.
func (rt *Runtime) Close(ctx context.Context) error {
	rt.mu.Lock()
	if rt.closed {
		rt.mu.Unlock()
		return nil
	}
	rt.closed = true
	running := make([]*Container, 0, len(rt.containers))
	for c := range rt.containers {
		running = append(running, c)
	}
	rt.mu.Unlock()
	for _, c := range running {
		c.Close(ctx)
	}
	rt.mu.Lock()
	for _, m := range rt.modules { // what still runs has a share of its own
		m.compiled.Close(ctx)
	}
	rt.mu.Unlock()
	return rt.engine.Close(ctx)
}

// Engine describes the engine: its version, the platform and the features it
// uses, in one line.
func (rt *Runtime) Engine() string { return rt.engine.Identity() }

// prepareOptions are the passes every module goes through. tables is how many
// elements its tables may grow to.
func (rt *Runtime) prepareOptions(tables uint32) prepare.Options {
	limits := wasm.DefaultLimits()
	limits.TableMax = tables
	return prepare.Options{
		EngineFixes: rt.engine.NeedsFixes(),
		Fuel:        true,
		Rewrites:    rewrites(rt.engine.Weak()),
		TrapEnds:    true, // Worker.Do, Worker.Turn and Guest.Call see to it
		Limits:      limits,
		GroupBytes:  rt.config.groupBytes,
		Workers:     rt.config.engine.Workers,
	}
}

// rewrites are those that make up for what the compiler does not.
func rewrites(weak engine.Weak) (r prepare.Rewrites) {
	for rewrite, wanted := range map[prepare.Rewrites]bool{
		prepare.FuseBranches: weak.Branches,
		prepare.SplatLoads:   weak.Splats,
		prepare.GroupChecks:  weak.Checks,
		prepare.UnrollLoops:  weak.Loops,
		prepare.ChooseFloats: weak.Selects,
	} {
		if wanted {
			r |= rewrite
		}
	}
	return r
}

// acquire returns the compiled form of the module with this digest, reading
// its bytes only when it is neither loaded nor cached. stats say what that
// took; release gives the module back.
func (rt *Runtime) acquire(ctx context.Context, digest string, options prepare.Options, read func() ([]byte, error)) (m *engine.Module, stats engine.LoadStats, release func(), err error) {
	key := rt.wholeKey(digest, options)
	release = func() { rt.release(context.WithoutCancel(ctx), key) }
	rt.mu.Lock()
	m = rt.reuse(key)
	rt.mu.Unlock()
	if m != nil {
		return m, engine.LoadStats{Hit: true}, release, nil
	}
	compiled, err := rt.engine.Load(ctx, key, whole(options, read), rt.config.progress)
	if err != nil {
		return nil, stats, nil, err
	}
	return rt.keep(ctx, key, compiled), compiled.Stats(), release, nil
}

// wholeKey is the key of a module in one piece.
func (rt *Runtime) wholeKey(digest string, options prepare.Options) string {
	sum := sha256.Sum256([]byte(digest + "\n" + options.Key() + "\n" + rt.engine.Identity()))
	return hex.EncodeToString(sum[:])
}

// whole reads and prepares a module in one piece.
func whole(options prepare.Options, read func() ([]byte, error)) engine.MakeFunc {
	return func(ctx context.Context) (engine.Artifact, error) {
		bin, err := read()
		if err != nil {
			return engine.Artifact{}, fmt.Errorf("read module: %w", err)
		}
		p, err := prepare.Prepare(ctx, bin, options)
		if err != nil {
			return engine.Artifact{}, err
		}
		return engine.Artifact{Wasm: p.Wasm, Names: p.Names}, nil
	}
}

// reuse counts one more user of a module that is loaded; nil when it is not.
// The caller holds mu.
func (rt *Runtime) reuse(key string) *engine.Module {
	m := rt.modules[key]
	if m == nil {
		return nil
	}
	m.users++
	for i, k := range rt.idle {
		if k == key {
			rt.idle = append(rt.idle[:i:i], rt.idle[i+1:]...)
			break
		}
	}
	return m.compiled
}

// keep files a loaded module; when another goroutine was faster, its copy wins.
func (rt *Runtime) keep(ctx context.Context, key string, compiled *engine.Module) *engine.Module {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if m := rt.reuse(key); m != nil {
		if m != compiled {
			compiled.Close(context.WithoutCancel(ctx))
		}
		return m
	}
	rt.modules[key] = &module{compiled: compiled, users: 1}
	return compiled
}

// release gives a module back. The last few that nobody uses stay loaded.
func (rt *Runtime) release(ctx context.Context, key string) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	m := rt.modules[key]
	if m.users--; m.users > 0 {
		return
	}
	rt.idle = append(rt.idle, key)
	if len(rt.idle) <= maxIdle {
		return
	}
	oldest := rt.idle[0]
	rt.idle = rt.idle[1:]
	rt.modules[oldest].compiled.Close(ctx)
	delete(rt.modules, oldest)
}

// Compiles tells whether guests run as native code; else they are interpreted.
func (rt *Runtime) Compiles() bool { return rt.engine.Compiles() }
