package engine

import (
	"context"
	"math"
	"time"

	"github.com/tetratelabs/wazero/api"
)

// What a prepared module has for its engine. The counter starts at 0 and is subtracted from as the guest works; below
// zero the guest calls yield. pending is not zero when an exception left the outermost guest function uncaught.
const (
	ownModule     = "wherry"
	yieldName     = "yield"
	fuelGlobal    = "wherry.fuel"
	pendingGlobal = "wherry.pending"
)

func ownImport(i Import) bool {
	if i.Kind != KindFunc || i.Module != ownModule {
		return false
	}
	if len(i.Results) > 0 {
		_, ok := accelerated(i)
		return ok
	}
	return i.Name == yieldName && len(i.Params) == 0 || i.Name == loadName && len(i.Params) == 1 && i.Params[0] == I32
}

// The length of a slice of fuel, in units of about one instruction. The guest is asked how it is doing every millisecond
// or so: often enough to stop it, for the collector to stop the world, and for other guests to have their turn; seldom
// enough to cost nothing. A loop body may be charged as little as a 512th of its instructions, which with the longest
// slice is still less than the 100 ms in which everything must stop.
const (
	firstSlice   = 100_000
	shortSlice   = 10_000
	longSlice    = 400_000
	sliceTarget  = time.Millisecond
	sliceTooLong = 4 * time.Millisecond
)

// meter keeps the books of one instance's fuel.
type meter struct {
	counter api.MutableGlobal // nil: the module is not metered
	hook    Meter             // may be nil
	slice   int64             // what the counter was set to last
	length  int64             // how long a slice should be
	began   time.Time         // when the instance was made
	resumed time.Duration     // when the slice began, since then
}

// spend says what was used since the counter was set.
func (m *meter) spend() uint64 {
	used := m.slice - int64(m.counter.Get())
	if used < 0 { // only a module that adds to its counter comes here, and it must not earn anything by it
		used = 0
	}
	return uint64(used)
}

// fill sets the counter to the next slice.
func (m *meter) fill(grant uint64) {
	m.slice = int64(min(uint64(m.length), grant)) // the guest yields below zero
	m.counter.Set(uint64(m.slice))
	m.resumed = time.Since(m.began)
}

// pace adapts the length of a slice to how long the last one took.
func (m *meter) pace() {
	took := time.Since(m.began) - m.resumed
	switch {
	case took > sliceTooLong:
		m.length /= 4
	case took > sliceTarget:
		m.length -= m.length / 4
	case took < sliceTarget/2:
		m.length *= 2
	}
	m.length = min(max(m.length, shortSlice), longSlice)
}

// begin opens the books for an outermost call.
func (i *Instance) begin(ctx context.Context) error {
	m := &i.meter
	if m.counter == nil {
		return nil
	}
	grant := uint64(math.MaxUint64)
	if m.hook != nil {
		var err error
		if grant, err = m.hook.Yield(ctx, 0); err != nil {
			return err
		}
	}
	m.fill(grant)
	return nil
}

// settle closes the books after an outermost call. What the hook says no longer matters: the call has ended.
func (i *Instance) settle(ctx context.Context) {
	m := &i.meter
	if m.counter == nil {
		return
	}
	used := m.spend()
	m.slice = 0
	m.counter.Set(0)
	i.spent.Add(used)
	if m.hook != nil {
		_, _ = m.hook.Yield(ctx, used)
	}
}

// yield is what the guest calls when its slice is spent.
func (i *Instance) yield(ctx context.Context) {
	if err := i.turn(ctx); err != nil {
		i.guest.Fail(err)
	}
}

// turn begins the next slice, unless the call is to end.
func (i *Instance) turn(ctx context.Context) error {
	if err := i.cancelled(ctx); err != nil {
		return err
	}
	m := &i.meter
	if m.counter == nil {
		return nil
	}
	used := m.spend()
	i.spent.Add(used)
	m.slice = int64(m.counter.Get()) // so that a failing hook leaves nothing to be counted twice
	m.pace()
	grant := uint64(math.MaxUint64)
	if m.hook != nil {
		var err error
		if grant, err = m.hook.Yield(ctx, used); err != nil {
			return err
		}
	}
	m.fill(grant)
	return nil
}

// yieldShim is the import of prepared modules.
type yieldShim struct{}

// Call implements wazero's function interface.
func (yieldShim) Call(ctx context.Context, mod api.Module, _ []uint64) {
	i := instanceOf(ctx)
	i.bind(mod)
	i.yield(ctx)
}
