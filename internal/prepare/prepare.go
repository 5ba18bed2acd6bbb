// Package prepare rewrites a WebAssembly module before it runs, so that a guest can be metered, stopped and trusted on
// an engine that knows nothing of that.
//
// In this order a module is held against structural limits, validated, stripped of custom sections, freed of the
// instructions the engine gets wrong, of the NaNs whose bits are the CPU's when that is asked for, and of exceptions,
// metered by fuel, and held against the limits again.
// It is one scan that collects a table of facts about every function, some arithmetic over that table, and one walk
// that writes every function anew with all passes fused; both go function by function on all cores. There is no tree
// and no intermediate form: bytes that no pass touches are copied. What a prepared module gives to its instances is
// described at [Prepared].
//
// The package knows no engine, no WASI and no image.
package prepare

import (
	"context"
	"fmt"
	"runtime"

	"github.com/wherry-run/wherry/internal/wasm"
)

// Names of what a prepared module imports and exports beside what the original did. The prefix is reserved: a module
// that brings one of these names itself is refused.
const (
	ReservedModule = "wherry"         // module of the import below
	YieldImport    = "yield"          // () -> (): called when the fuel is below zero; the callee refills it
	FuelExport     = "wherry.fuel"    // mutable i64: what is left of the slice the engine granted
	PendingExport  = "wherry.pending" // mutable i32: not zero while an exception is in flight
	MemoryExport   = "wherry.memory"  // memory 0, when the original does not export it as "memory"
	reservedPrefix = "wherry."
)

// version is raised with every change of what a pass writes; it is part of every cache key.
const version = 2

// Options says which passes run.
type Options struct {
	// EngineFixes replaces the instructions that wazero's amd64 compiler gets wrong.
	EngineFixes bool
	// Fuel meters the module.
	Fuel bool
	// Deterministic makes every NaN canonical that an instruction computes, for their bits differ between CPUs.
	Deterministic bool
	// Trace notes where the code was in the original for larger modules too. Small ones are traced anyway.
	Trace bool
	// Rewrites are done for the sake of the machine code that the engine makes. What a program does stays the same.
	Rewrites Rewrites
	// TrapEnds states that of an instance that has trapped nothing is looked at but that it did: neither its memory nor
	// its globals, nor which of two traps it was. It lets [GroupChecks] do more.
	TrapEnds bool
	// Accelerate lists functions that the host may do itself. What the module does not have is left out.
	Accelerate []Accelerated
	// Limits bounds the module before and after; the zero value stands for wasm.DefaultLimits.
	Limits wasm.Limits
	// GroupBytes is how much code of the original a group of a split module has; zero stands for a good measure.
	GroupBytes int
	// Workers is how many cores to use; zero means all. It does not change the output.
	Workers int
}

// Key returns a string that is the same for two Options exactly when they turn every module into the same bytes. It is
// part of the key under which a prepared or compiled module is cached.
func (o Options) Key() string {
	passes := "strip,exceptions"
	if o.EngineFixes {
		passes += ",fixes"
	}
	if o.Fuel {
		passes += ",fuel"
	}
	if o.Deterministic {
		passes += ",nan"
	}
	if o.Trace {
		passes += ",trace"
	}
	passes += o.rewritesKey() + accelerateKey(o.Accelerate)
	return fmt.Sprintf("prepare/%d;%s;limits=%+v", version, passes, o.limits())
}

func (o Options) limits() wasm.Limits {
	if o.Limits == (wasm.Limits{}) {
		return wasm.DefaultLimits()
	}
	return o.Limits
}

func (o Options) workers() int {
	if o.Workers > 0 {
		return o.Workers
	}
	return runtime.GOMAXPROCS(0)
}

// Prepared is a module that is ready for the engine.
//
// With fuel it imports "wherry"."yield" behind its own imports and exports "wherry.fuel": code subtracts its cost at
// loop headers and at the entries of some functions and calls yield when the result is negative. The global begins at
// zero, so the first check calls yield and what it puts there is the first slice.
//
// When exceptions were lowered it exports "wherry.pending": after every call of an export the engine must read it, and
// a value other than zero is an exception that nobody caught. A start function that throws traps.
type Prepared struct {
	Wasm   []byte
	Names  []byte // sidecar of package wasm: the names of functions, by their index in Wasm, and where their code was
	Report Report
}

// Report says what was done.
type Report struct {
	Functions   int  // defined by the original
	Exceptions  bool // they were lowered, and "wherry.pending" is exported
	Throwing    int  // functions an exception can leave
	Loops       int  // loop headers that check fuel
	EntryChecks int  // functions that check fuel at their entry
	Added       int  // functions that were added
	Accelerated int  // functions that ask the host first, in the whole module
}

// Prepare checks and rewrites a module. The result shares no memory with bin. An error about the module wraps a
// *wasm.Error or an *Unsupported.
func Prepare(ctx context.Context, bin []byte, o Options) (*Prepared, error) {
	m, err := wasm.Decode(bin, o.limits())
	if err != nil {
		return nil, fmt.Errorf("decode module: %w", err)
	}
	p, err := rewrite(ctx, m, o, nil)
	if err != nil {
		return nil, err
	}
	return &Prepared{Wasm: p.out, Names: p.sidecar(), Report: p.report()}, nil
}

// rewrite checks a module, or a part of one, and runs the passes.
func rewrite(ctx context.Context, m *wasm.Module, o Options, part *partPlan) (*plan, error) {
	if err := wasm.Validate(ctx, m, o.workers()); err != nil {
		return nil, fmt.Errorf("validate module: %w", err)
	}
	p, err := newPlan(ctx, m, o, part)
	if err != nil {
		return nil, fmt.Errorf("plan module: %w", err)
	}
	if err := p.write(ctx); err != nil {
		return nil, fmt.Errorf("rewrite module: %w", err)
	}
	if p.out, err = p.assemble(); err != nil {
		return nil, fmt.Errorf("assemble module: %w", err)
	}
	if err := checkOutput(ctx, p.out, o); err != nil {
		if p.rewrites == 0 || ctx.Err() != nil {
			return nil, err
		}
		o.Rewrites = 0 // what is within the limits without them has to run
		return rewrite(ctx, m, o, part)
	}
	return p, nil
}

// checkOutput holds the rewritten module against the limits, for the passes add blocks and locals. They make up to two
// loops of one, in one another, and what is counted in loops may double; what is estimated as work may not.
func checkOutput(ctx context.Context, out []byte, o Options) error {
	limits := o.limits()
	limits.LoopNesting *= 2
	limits.LoopsLocals *= 2
	m, err := wasm.Decode(out, limits)
	if err != nil {
		return fmt.Errorf("decode prepared module: %w", err)
	}
	if err := wasm.CheckLimits(ctx, m, o.workers()); err != nil {
		return fmt.Errorf("check prepared module: %w", err)
	}
	return nil
}

// Unsupported says that a valid module uses a feature that cannot be prepared.
type Unsupported struct {
	What string // "tag 3 carries (f64)"
	Hint string // what to do about it
}

// Error says what is not supported and what to do.
func (u *Unsupported) Error() string {
	if u.Hint == "" {
		return u.What + " is not supported"
	}
	return u.What + " is not supported; " + u.Hint
}
