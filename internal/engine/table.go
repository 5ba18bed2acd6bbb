package engine

import (
	"context"
	"errors"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental/table"
)

// slotExport is the global of a module in parts that says which slot is called: a stub has its function loaded.
const slotExport = "wherry.slot"

// ErrNoEntry is returned by CallTable when an entry is no function of the wanted type.
var ErrNoEntry = errors.New("engine: no function of that type in the table")

// Caught has the guest go on that a nested call was unwound from, by Exit or Fail with an error that is target: the host
// function goes on in its place. It reports false when it was unwound for something else, or not at all.
func (g *Guest) Caught(target error) bool {
	i := g.instance
	if i.cause == nil || !errors.Is(i.cause, target) {
		return false
	}
	i.cause = nil
	return true
}

// CallTable calls the function in an entry of the guest's first table, as call_indirect would, from within a host
// function. Errors are those of Call, and ErrNoEntry.
func (g *Guest) CallTable(ctx context.Context, entry uint32, params, results []ValueType, args ...uint64) ([]uint64, error) {
	if _, ok := ctx.(*call); !ok {
		ctx = &call{Context: ctx, instance: g.instance}
	}
	i := g.instance
	f := i.entry(entry, apiTypes(params), apiTypes(results))
	if f == nil {
		return nil, ErrNoEntry
	}
	if slot, ok := i.mod.ExportedGlobal(slotExport).(api.MutableGlobal); ok && i.code.part != nil {
		slot.Set(uint64(entry))
	}
	leave, err := i.nest()
	if err != nil {
		return nil, err
	}
	defer leave()
	got, err := f.Call(ctx, args...)
	if err = i.failure(err); err == nil {
		err = i.uncaught()
	}
	if err != nil {
		i.fell(err)
		return nil, err
	}
	return got, nil
}

// entry looks a function up; wazero panics for what is none, and has no table of a module without one.
func (i *Instance) entry(n uint32, params, results []api.ValueType) (f api.Function) {
	defer func() {
		if p := recover(); p != nil {
			f = nil
		}
	}()
	return table.LookupFunction(i.mod, 0, n, params, results)
}
