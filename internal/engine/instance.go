package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/wherry-run/wherry/internal/late"
)

// UnknownImports says what to do about functions that a module imports and its host does not offer.
type UnknownImports int

// The policies for unknown imports.
const (
	// Refuse makes Instantiate return an UnknownImportError. Imports of anything but functions are always refused.
	Refuse UnknownImports = iota
	// TrapCalls lets the module start; calling such a function is a trap.
	TrapCalls
)

// InstanceConfig is what one instance is given. The zero InstanceConfig gives it nothing.
type InstanceConfig struct {
	// Imports are the functions of the host.
	Imports []HostModule
	// UnknownImports is the policy for functions that Imports does not have.
	UnknownImports UnknownImports
	// MemoryLimit is the most bytes of memory; memory.grow gives -1 beyond it. 0: what the module declares.
	MemoryLimit uint64
	// TableLimit is the most entries that all tables may start with. 0: no limit.
	TableLimit uint64
	// Image is what memory and globals begin with. The module must be a primary made for it. It may be nil.
	Image *Image
	// Quota is asked before memory grows. It may be nil.
	Quota Quota
	// Kernels gives what stands in for a function, by its index in the module before it was prepared: of those that were
	// prepared to ask. It may be nil, and may give nil: then the function itself runs.
	Kernels func(function uint32) Kernel
	// Meter is told what the guest spends, if the module was prepared with fuel. It may be nil.
	Meter Meter
}

// Instance is one instance of a module, with memory, tables and globals of its own. One call runs at a time; Close may
// come from any goroutine at any time.
type Instance struct {
	code    *code
	guest   Guest
	mem     *linear // nil: no memory
	table   []hostCall
	kernels []Kernel // nil, or as long as table
	meter   meter
	spent   atomic.Uint64

	// What follows belongs to the goroutine that runs the call.
	mod     api.Module
	pending api.MutableGlobal
	parts   map[uint32]loadedPart // groups that are loaded
	loading time.Duration         // how long that took
	exports map[string]*functions // that were called
	cause   error                 // why the guest is being unwound
	trapped error                 // a nested call has trapped
	nested  int                   // calls of the guest from host functions, one in the other
	pages   pages

	mu      sync.Mutex
	calling *outermost    // the running call
	ended   chan struct{} // closed when calling has ended, if Close waits for that
	closed  bool
}

// call is the context of an outermost call, and the way from a host function to its instance.
type call struct {
	context.Context
	instance *Instance
}

// outermost is a call that no other of the instance is around.
type outermost struct {
	call
	own late.Context
}

type callKey struct{}

// Value finds the instance behind any context that was derived from the call's.
func (c *call) Value(key any) any {
	if key == (callKey{}) {
		return c.instance
	}
	return c.Context.Value(key)
}

func instanceOf(ctx context.Context) *Instance {
	if c, ok := ctx.(*call); ok {
		return c.instance
	}
	return ctx.Value(callKey{}).(*Instance)
}

// Instantiate makes an instance and runs the module's start function, if it has one. Before anything of the guest runs
// it reports every import that cannot be satisfied, and limits that the module does not keep.
func (e *Engine) Instantiate(ctx context.Context, m *Module, c InstanceConfig) (*Instance, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	i := &Instance{code: m.code, exports: map[string]*functions{}, meter: meter{hook: c.Meter, length: firstSlice, began: time.Now()}}
	i.guest.instance = i
	var err error
	if i.table, err = bindImports(m.code, c); err != nil {
		return nil, err
	}
	i.kernels = bindKernels(m.code, c.Kernels)
	if err := checkTables(m.code.outline, c.TableLimit); err != nil {
		return nil, err
	}
	if !m.code.hold() {
		return nil, ErrClosed
	}
	if i.mem, err = makeMemory(m.code.outline, c); err != nil {
		m.code.drop()
		return nil, err
	}
	m.code.enroll(i)
	if err := i.start(ctx, c.Image); err != nil {
		_ = i.Close(ctx)
		return nil, err
	}
	return i, nil
}

// start lets wazero make the instance, which runs the start function, as a call like any other.
func (i *Instance) start(ctx context.Context, image *Image) (err error) {
	c, err := i.enter(ctx)
	if err != nil {
		return err
	}
	defer i.leave()
	inner := experimental.WithImportResolver(c.Context, i.resolve)
	if i.mem != nil {
		inner = experimental.WithMemoryAllocator(inner, experimental.MemoryAllocatorFunc(
			func(uint64, uint64) experimental.LinearMemory { return i.mem }))
	}
	outer := &call{Context: inner, instance: i}
	mod, err := i.code.runtime.InstantiateModule(outer, i.code.compiled, i.code.config)
	if mod != nil && err == nil {
		i.bind(mod)
		err = i.ready(outer, image)
	}
	i.settle(c)
	if err = i.failure(err); err != nil {
		return err
	}
	return i.uncaught()
}

// ready completes a primary: it fills the table, and then restores the image or runs the start function, which must not
// run before.
func (i *Instance) ready(ctx context.Context, image *Image) error {
	if err := i.fillSlots(image); err != nil {
		return err
	}
	if image != nil {
		if i.code.part == nil || i.mod.ExportedFunction(startExport) != nil {
			return ErrImage // it has begun, or wants to
		}
		return i.restore(image)
	}
	if f := i.mod.ExportedFunction(startExport); f != nil && i.code.part != nil {
		_, err := f.Call(ctx)
		return err
	}
	return nil
}

// bind learns the module's instance, which the start function's host calls know before Instantiate does.
func (i *Instance) bind(mod api.Module) {
	if i.mod != nil {
		return
	}
	i.mod = mod
	if g, ok := mod.ExportedGlobal(fuelGlobal).(api.MutableGlobal); ok && g.Type() == api.ValueTypeI64 {
		i.meter.counter = g
	}
	if g, ok := mod.ExportedGlobal(pendingGlobal).(api.MutableGlobal); ok && g.Type() == api.ValueTypeI32 {
		i.pending = g
	}
}

// enter opens an outermost call.
func (i *Instance) enter(ctx context.Context) (*call, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return nil, ErrClosed
	}
	if i.calling != nil {
		return nil, ErrBusy
	}
	o := &outermost{}
	o.own.Begin(ctx, nil)
	o.call = call{Context: &o.own, instance: i}
	i.calling, i.ended, i.cause, i.trapped = o, nil, nil, nil
	return &o.call, nil
}

// leave ends it, and frees the instance when it was closed meanwhile.
func (i *Instance) leave() {
	i.mu.Lock()
	i.calling.own.Cancel(nil)
	i.calling = nil
	closed, ended := i.closed, i.ended
	i.mu.Unlock()
	if closed {
		i.free()
	}
	if ended != nil {
		close(ended)
	}
}

// Call calls an exported function. It returns *ExitError when the guest exits, with code 0 too, *Trap when it traps,
// the context's error when ctx ends first, and the error that a host function or the Meter failed with.
func (i *Instance) Call(ctx context.Context, name string, args ...uint64) (results []uint64, err error) {
	err = i.Together(ctx, func(call Calling) error {
		results, err = call(name, args...)
		return err
	})
	return results, err
}

// Calling calls an exported function, as Instance.Call does.
type Calling func(name string, args ...uint64) ([]uint64, error)

// Together makes several calls as one: the books are opened and closed once for all of them, and each goes on with the
// fuel of the one before. do makes no more calls after one that failed.
func (i *Instance) Together(ctx context.Context, do func(call Calling) error) error {
	if err := contextError(ctx); err != nil {
		return err
	}
	c, err := i.enter(ctx)
	if err != nil {
		return err
	}
	defer i.leave()
	if err := i.begin(c); err != nil {
		return err
	}
	i.prefault()
	if i.mem != nil {
		i.mem.own.used()
	}
	err = do(func(name string, args ...uint64) ([]uint64, error) { return i.invoke(c, name, args) })
	i.settle(c)
	i.pages.fine = succeeded(err)
	return err
}

// succeeded tells of a call's error that it is none, or the guest's own good end.
func succeeded(err error) bool {
	if err == nil {
		return true
	}
	var exit *ExitError
	return errors.As(err, &exit) && exit.Code == 0
}

// invoke runs one function, outermost or not.
func (i *Instance) invoke(ctx context.Context, name string, args []uint64) ([]uint64, error) {
	e := i.exported(name)
	if e == nil {
		return nil, &NoFunctionError{Name: name}
	}
	f := e.take(i.mod, name)
	results, err := f.Call(ctx, args...)
	if err = i.failure(err); err != nil {
		return nil, err // f may hold on to the large stack of a recursion: it is left to the collector
	}
	e.idle = append(e.idle, f)
	if err := i.uncaught(); err != nil {
		return nil, err
	}
	return results, nil
}

// functions are those of wazero for one export that are not running: each owns a stack, so a nested call needs another.
type functions struct{ idle []api.Function }

// exported is what there is for an export; nil when there is none.
func (i *Instance) exported(name string) *functions {
	if e := i.exports[name]; e != nil {
		return e
	}
	f := i.mod.ExportedFunction(name)
	if f == nil {
		return nil
	}
	e := &functions{[]api.Function{f}}
	i.exports[name] = e
	return e
}

// take gives one that is not running.
func (e *functions) take(m api.Module, name string) api.Function {
	if n := len(e.idle); n > 0 {
		f := e.idle[n-1]
		e.idle = e.idle[:n-1]
		return f
	}
	return m.ExportedFunction(name)
}

// uncaught turns an exception that nothing caught into a trap.
func (i *Instance) uncaught() error {
	if i.pending == nil || uint32(i.pending.Get()) == 0 {
		return nil
	}
	i.pending.Set(0)
	return &Trap{Kind: TrapException}
}

// cancelled says why the running call is to end, if it is.
func (i *Instance) cancelled(ctx context.Context) error {
	err := contextError(ctx)
	if err == nil && i.calling != nil {
		err = contextError(&i.calling.call)
	}
	return err
}

// contextError is the context's error together with its cause, if that says more.
func contextError(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	cause := context.Cause(ctx)
	switch {
	case errors.Is(err, cause):
		return err
	case errors.Is(cause, ErrClosed):
		return ErrClosed
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// HasFunc reports whether the module exports a function of this name.
func (i *Instance) HasFunc(name string) bool {
	for _, e := range i.code.outline.Exports {
		if e.Name == name {
			return e.Kind == KindFunc
		}
	}
	return false
}

// Memory gives the instance's memory, for use between calls.
func (i *Instance) Memory() Memory {
	if i.mem != nil {
		i.mem.own.used()
	}
	return Memory{i.mem}
}

// Fuel gives the units of fuel spent so far; while a call runs, up to its last yield.
func (i *Instance) Fuel() uint64 { return i.spent.Load() }

// PeakMemory gives the most bytes of memory the guest had, which is what it has, since memory never shrinks.
func (i *Instance) PeakMemory() uint64 {
	if i.mem == nil {
		return 0
	}
	return i.mem.size.Load()
}

// Close frees the instance. A running call is cancelled first, and Close waits for its end; when ctx ends before that,
// the call frees the instance as soon as it can. A host function may close its own instance: the call ends with
// ErrClosed at its next yield.
func (i *Instance) Close(ctx context.Context) error {
	i.mu.Lock()
	first := !i.closed
	i.closed = true
	running := i.calling
	if running != nil && i.ended == nil {
		i.ended = make(chan struct{})
	}
	ended := i.ended
	i.mu.Unlock()
	if running == nil {
		if first {
			i.free()
		}
		return nil
	}
	running.own.Cancel(ErrClosed)
	if inside, ok := ctx.Value(callKey{}).(*Instance); ok && inside == i {
		return nil
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close instance: its call does not end: %w", ctx.Err())
	}
}

// free runs once: from Close when nothing runs, else from the end of the call. The instance goes first, then its
// memory, then its share of the code.
func (i *Instance) free() {
	for _, p := range i.parts {
		_ = p.mod.Close(i.code.engine.life)
	}
	if i.mod != nil {
		_ = i.mod.Close(i.code.engine.life)
	}
	i.exports = nil
	if i.mem != nil {
		i.learn()
		i.mem.release()
	}
	i.code.dismiss(i)
}
