package runtime

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	goruntime "runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/hostmath"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/wasm"
)

// NoKernels is the name by which WithKernels has none.
const NoKernels = "none"

// WithKernels chooses the set of kernels by which the linear algebra of known
// modules is done on the host's vector units: "avx512", "avx2", "neon" or "go",
// as far as this processor has it. Without it, or by "", the fastest is taken;
// NoKernels takes none.
func WithKernels(set string) Option { return func(c *config) { c.kernels = set } }

// accelerator is what a Runtime knows of kernels.
type accelerator struct {
	name   string // of their set, with its version
	pins   func(module [32]byte) []hostmath.Pin
	kernel func(name string) hostmath.Func // nil for one that there is not
}

// newAccelerator is of the set with a name, nil for none.
func newAccelerator(name string) (*accelerator, error) {
	if name == NoKernels {
		return nil, nil
	}
	set, err := hostmath.Select(name)
	if err != nil || len(set.Kernels()) == 0 {
		return nil, err
	}
	return &accelerator{fmt.Sprintf("%s/%d", set.Name(), hostmath.Version), hostmath.Pins, set.Func}, nil
}

// Kernels names the set of kernels that is used here, and its version; "" when
// there is none.
func (rt *Runtime) Kernels() string {
	if rt.kernels == nil {
		return ""
	}
	return rt.kernels.name
}

// pins lists what can be accelerated in the module with this content, as
// contentName has it. A module that is a part of a larger blob is none that is
// known: its digest would be.
func (rt *Runtime) pins(content string) []hostmath.Pin {
	if rt.kernels == nil {
		return nil
	}
	digest, extent, _ := strings.Cut(content, "@")
	sum, err := hex.DecodeString(strings.TrimPrefix(digest, "sha256:"))
	if err != nil || len(sum) != 32 || !strings.HasPrefix(extent, "0+") {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(rt.kernels.pins([32]byte(sum))), func(p hostmath.Pin) bool {
		return rt.kernels.kernel(p.Kernel) == nil
	})
}

// accelerate has the functions of pins ask the host. What a deterministic run
// compiles anew anyhow has none.
func accelerate(o prepare.Options, pins []hostmath.Pin) prepare.Options {
	o.Accelerate = nil
	if o.Deterministic {
		return o
	}
	for _, p := range pins {
		t, ok := typeOf(p.Type)
		if !ok {
			continue
		}
		a := prepare.Accelerated{Function: p.Function, Type: t, Body: p.Body, Least: hostmath.MinWork}
		for _, f := range p.Work {
			a.Work = append(a.Work, prepare.Factor{Param: uint32(f.Param), Load: f.Load, Offset: f.Offset})
		}
		o.Accelerate = append(o.Accelerate, a)
	}
	return o
}

// typeOf reads the type of a pin.
func typeOf(text string) (t wasm.FuncType, ok bool) {
	params, results, ok := strings.Cut(text, ":")
	if !ok {
		return t, false
	}
	t.Params, ok = valueTypes(params)
	if ok {
		t.Results, ok = valueTypes(results)
	}
	return t, ok
}

func valueTypes(text string) (list []wasm.ValueType, ok bool) {
	for _, c := range text {
		switch c {
		case 'i':
			list = append(list, wasm.I32)
		case 'I':
			list = append(list, wasm.I64)
		case 'f':
			list = append(list, wasm.F32)
		case 'F':
			list = append(list, wasm.F64)
		default:
			return nil, false
		}
	}
	return list, true
}

// An Accelerated is a kernel that did the work of a program's own functions.
type Accelerated struct {
	// Kernel is its name, and Set that of its set with the version.
	Kernel, Set string
	// Calls are the calls that it did, Declined those that it left to the program,
	// and Work the multiplications with an addition that it did.
	Calls, Declined, Work int64
}

// acceleration counts what the kernels did for the programs of a container.
type acceleration struct {
	calls  atomic.Int64 // of all kernels
	mu     sync.Mutex
	counts map[string]*kernelCount
}

type kernelCount struct{ calls, declined, work atomic.Int64 }

// of gives the count of a kernel.
func (a *acceleration) of(kernel string) *kernelCount {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.counts[kernel]
	if n == nil {
		if a.counts == nil {
			a.counts = map[string]*kernelCount{}
		}
		n = &kernelCount{}
		a.counts[kernel] = n
	}
	return n
}

// list is what was accelerated, by kernel.
func (a *acceleration) list(set string) []Accelerated {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []Accelerated
	for name, n := range a.counts {
		x := Accelerated{Kernel: name, Set: set, Calls: n.calls.Load(), Declined: n.declined.Load(), Work: n.work.Load()}
		if x.Calls+x.Declined > 0 {
			list = append(list, x)
		}
	}
	slices.SortFunc(list, func(x, y Accelerated) int { return cmp.Compare(x.Kernel, y.Kernel) })
	return list
}

// accelerates tells whether the host does anything for the container's programs.
func (c *Container) accelerates() bool {
	return c.rt.kernels != nil && !c.spec.NoAcceleration && !c.spec.Deterministic
}

// kernelsKey names what computed the memory that programs begin with.
func (c *Container) kernelsKey() string {
	if !c.accelerates() {
		return ""
	}
	return c.rt.Kernels()
}

// kernels are what an instance of a module with pins is given.
func (s *session) kernels(pins []hostmath.Pin, m *meter) func(function uint32) engine.Kernel {
	c := s.container
	if len(pins) == 0 || !c.accelerates() {
		return nil
	}
	desk := &kernelDesk{meter: m, all: &c.acceleration.calls}
	return func(function uint32) engine.Kernel {
		at := slices.IndexFunc(pins, func(p hostmath.Pin) bool { return p.Function == function })
		if at < 0 {
			return nil
		}
		name := pins[at].Kernel
		call := c.rt.kernels.kernel(name)
		if call == nil {
			return nil
		}
		count := c.acceleration.of(name)
		return func(ctx context.Context, g *engine.Guest, stack []uint64) (bool, error) {
			return desk.call(ctx, g, name, call, count, stack)
		}
	}
}

// kernelDesk is an instance as its kernels see it. They run one at a time.
type kernelDesk struct {
	ctx   context.Context
	guest *engine.Guest
	meter *meter
	all   *atomic.Int64
	count *kernelCount
	held  int64
}

// call runs a kernel. When it panics, that is a trap of the guest: it may have
// written half of what it had to.
func (d *kernelDesk) call(ctx context.Context, g *engine.Guest, name string, kernel hostmath.Func, count *kernelCount, stack []uint64) (done bool, err error) {
	d.ctx, d.guest, d.count = ctx, g, count
	// A fault at an address of the guest's memory is a panic too, not the end of the process.
	before := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(before)
		if d.held != 0 {
			d.meter.Release(uint64(d.held))
			d.held = 0
		}
		d.ctx, d.guest = nil, nil
		if r := recover(); r != nil {
			if _, fault := r.(interface{ Addr() uintptr }); fault { // which is nobody's business
				r = "it reached outside of the memory"
			}
			done, err = false, &engine.Trap{Kind: engine.TrapOther, Message: fmt.Sprintf("the kernel %s of the host failed: %v", name, r)}
		}
	}()
	done, err = kernel(d, stack)
	if done {
		count.calls.Add(1)
		d.all.Add(1)
	} else {
		count.declined.Add(1)
	}
	return done, err
}

// Memory implements hostmath.Env.
func (d *kernelDesk) Memory() []byte { return d.guest.Memory().All() }

// Tick implements hostmath.Env. A multiplication with an addition is a unit of fuel:
// that is what ONNX Runtime's own functions are charged for one, so that a limit holds
// for the same requests on machines with and without kernels.
func (d *kernelDesk) Tick(work uint64) error {
	d.count.work.Add(int64(work))
	return d.guest.Spend(d.ctx, work)
}

// Cores implements hostmath.Crew: as many processors as the guest was given, where it
// was given some.
func (d *kernelDesk) Cores() int { return min(d.meter.spends.cores(), goruntime.GOMAXPROCS(0)) }

// Computing implements hostmath.Crew.
func (d *kernelDesk) Computing(others int) { d.meter.crew.computing.Add(int32(others)) }

// Computed implements hostmath.Crew. A limit that this oversteps ends the call at its
// next tick, and there the guest rests for it.
func (d *kernelDesk) Computed(cpu time.Duration) { d.meter.helped(cpu) }

// Hold implements hostmath.Env.
func (d *kernelDesk) Hold(bytes int64) bool {
	if bytes < 0 {
		bytes = min(-bytes, d.held)
		d.meter.Release(uint64(bytes))
		d.held -= bytes
		return true
	}
	if d.meter.account.grow(uint64(bytes)) != nil {
		return false
	}
	d.held += bytes
	return true
}
