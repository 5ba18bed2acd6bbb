package engine

import (
	"context"
	"errors"

	"github.com/tetratelabs/wazero/api"
)

// shim is a host function as wazero sees it: the number of a slot in the table of whichever instance is calling.
type shim int

// Call implements wazero's function interface.
func (s shim) Call(ctx context.Context, mod api.Module, stack []uint64) {
	i := instanceOf(ctx)
	i.bind(mod)
	i.table[s](ctx, &i.guest, stack)
	if i.cause == nil {
		i.cause = i.trapped
	}
	if i.cause != nil {
		// A nested call was unwound by Exit or Fail, or has trapped, and the host function went on. The guest must not.
		unwind()
	}
}

// Guest is the instance that is calling, as its host functions see it. It is valid during the call of a host function,
// on that goroutine.
type Guest struct{ instance *Instance }

// Memory gives the guest's memory.
func (g *Guest) Memory() Memory { return Memory{g.instance.mem} }

// Call calls a function of the guest from within a host function. An exit, a failure or a trap in it unwinds the calling
// guest as well, when the host function returns: what a trap leaves behind is not what a program can go on with, for
// modules may have been prepared so that it comes sooner than written. An exception that nobody caught is for the host
// function to judge.
func (g *Guest) Call(ctx context.Context, name string, args ...uint64) ([]uint64, error) {
	if _, ok := ctx.(*call); !ok {
		ctx = &call{Context: ctx, instance: g.instance}
	}
	leave, err := g.instance.nest()
	if err != nil {
		return nil, err
	}
	defer leave()
	results, err := g.instance.invoke(ctx, name, args)
	g.instance.fell(err)
	return results, err
}

// fell notes that a nested call has trapped. An exception that nobody caught came where the program says.
func (i *Instance) fell(err error) {
	var trap *Trap
	if i.trapped == nil && errors.As(err, &trap) && trap.Kind != TrapException {
		i.trapped = err
	}
}

// maxNested bounds how deep guest and host call each other. Each level takes about 25 KiB that no limit of the guest's
// counts, half of it of the goroutine's stack, which Go ends the process for when it has 1 GB.
const maxNested = 4096

// nest opens a nested call: one too many is a stack overflow.
func (i *Instance) nest() (leave func(), err error) {
	if i.nested == maxNested {
		return nil, &Trap{Kind: TrapStack}
	}
	i.nested++
	return func() { i.nested-- }, nil
}

// HasFunc reports whether the guest exports a function of this name.
func (g *Guest) HasFunc(name string) bool { return g.instance.HasFunc(name) }

// Exit ends the guest: it does not return, and the running Call returns an *ExitError with this code.
func (g *Guest) Exit(code uint32) { g.Fail(&ExitError{Code: code}) }

// Fail ends the guest: it does not return, and the running Call returns err. A nil err is a fault of the host function.
func (g *Guest) Fail(err error) {
	if err == nil {
		err = errors.New("engine: Fail without an error")
	}
	if g.instance.cause == nil {
		g.instance.cause = err
	}
	unwind()
}
