package engine

import (
	"context"
	"math"
	"strconv"
	"strings"

	"github.com/tetratelabs/wazero/api"
)

// accelerateName and a function's index in the original is the import of ownModule that a prepared module asks before
// that function runs: its parameters, and an i32 before its result.
const accelerateName = "accelerate."

// A Kernel does what a function of the guest would. The stack holds the function's parameters, and its result when done
// is true; when it is false nothing was changed, and the function runs. It is on the goroutine of the guest's call, and
// charges the guest for its work with Guest.Spend. An error ends the call with it.
type Kernel func(ctx context.Context, g *Guest, stack []uint64) (done bool, err error)

// accelerated gives the function that an import of ours is for.
func accelerated(i Import) (function uint32, ok bool) {
	digits, ok := strings.CutPrefix(i.Name, accelerateName)
	if !ok || len(i.Results) == 0 || len(i.Results) > 2 || i.Results[0] != I32 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), err == nil
}

// bindKernels finds the kernel of every function that the module asks for; those without one are declined.
func bindKernels(c *code, kernels func(function uint32) Kernel) []Kernel {
	if kernels == nil {
		return nil
	}
	var table []Kernel
	for n, i := range c.shims.slots {
		if !ownImport(i) {
			continue
		}
		if f, ok := accelerated(i); ok {
			if table == nil {
				table = make([]Kernel, len(c.shims.slots))
			}
			table[n] = kernels(f)
		}
	}
	return table
}

// kernelShim is an import that is asked before a function: the number of its slot.
type kernelShim int

// Call implements wazero's function interface.
func (s kernelShim) Call(ctx context.Context, mod api.Module, stack []uint64) {
	i := instanceOf(ctx)
	if i.kernels == nil || i.kernels[s] == nil {
		stack[0] = 0
		return
	}
	i.bind(mod)
	done, err := i.kernels[s](ctx, &i.guest, stack)
	if err != nil {
		i.guest.Fail(err)
	}
	if !done {
		stack[0] = 0
		return
	}
	if len(stack) > 1 {
		stack[1] = stack[0]
	}
	stack[0] = 1
}

// Spend charges the guest for work that its host does in its place. Like the guest itself it looks after each slice of
// fuel whether the call is to go on, and lets others have their turn. The error says why it is to end: the host function
// gives it to Fail, when it has left the guest's memory as it shall be.
func (g *Guest) Spend(ctx context.Context, units uint64) error {
	i := g.instance
	if i.meter.counter == nil {
		return i.cancelled(ctx)
	}
	left := int64(i.meter.counter.Get()) - int64(min(units, math.MaxInt64/2))
	i.meter.counter.Set(uint64(left))
	if left >= 0 {
		return nil
	}
	return i.turn(ctx)
}
