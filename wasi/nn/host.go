package nn

import (
	"context"
	"errors"
	"math"

	"github.com/wherry-run/wherry/wasi"
)

// ModuleName is the name under which programs import wasi-nn.
const ModuleName = "wasi_ephemeral_nn"

// Errno is what a function returns.
type Errno uint32

// What functions return. Those from 100 on are WasmEdge's.
const (
	Success Errno = iota
	InvalidArgument
	InvalidEncoding
	MissingMemory
	Busy
	RuntimeError
	UnsupportedOperation
	TooLarge
	NotFound

	EndOfSequence Errno = 100
	ModelNotFound Errno = 103
)

// The encodings and targets that are accepted.
const (
	encodingONNX       = 1
	encodingAutodetect = 5

	targetCPU  = 0
	targetAuto = 3 // WasmEdge's
)

// What one program may hold.
const (
	maxGraphs   = 16
	maxContexts = 1 << 16
	maxDims     = 32
	maxName     = 4096
	maxConfig   = 64 << 10
	contextCost = 512 // bytes of the host, about
)

// A Quota is asked for the memory that a program has its host hold.
type Quota interface {
	Grow(n uint64) bool
	Release(n uint64)
}

// Host is wasi-nn for one instance of a program.
type Host struct {
	backend  Backend // nil: none
	quota    Quota
	graphs   handles[*graph]
	contexts handles[*execution]
	held     uint64
	end      error // what the program ends with; nil: it goes on
}

// graph is a model, and how many bytes its handle holds.
type graph struct {
	Graph
	inputs []Input
}

// execution is an execution context.
type execution struct {
	graph    uint32
	inputs   []Tensor
	outputs  []Tensor
	computed bool
	ended    bool // what compute_single had to give was given
}

// New is wasi-nn with a backend; with nil every load says that there is none. The
// quota may be nil.
func New(b Backend, q Quota) *Host {
	return &Host{backend: b, quota: q, graphs: handles[*graph]{most: maxGraphs}, contexts: handles[*execution]{most: maxContexts}}
}

// Close frees all that the program has loaded.
func (h *Host) Close(ctx context.Context) error {
	var errs []error
	for _, g := range h.graphs.all {
		errs = append(errs, g.Close(ctx))
	}
	h.graphs.all, h.contexts.all = nil, nil
	h.give(h.held)
	return errors.Join(errs...)
}

// take books n bytes of what is held for the program.
func (h *Host) take(n uint64) bool {
	if h.quota != nil && !h.quota.Grow(n) {
		return false
	}
	h.held += n
	return true
}

func (h *Host) give(n uint64) {
	if h.quota != nil {
		h.quota.Release(n)
	}
	h.held -= n
}

// handles are things that a program knows by numbers. No number is given twice.
type handles[T any] struct {
	all  map[uint32]T
	next uint32
	most int
}

// full tells whether there is no room for one more.
func (l *handles[T]) full() bool { return len(l.all) >= l.most || l.next == math.MaxUint32 }

func (l *handles[T]) add(v T) uint32 {
	if l.all == nil {
		l.all = map[uint32]T{}
	}
	n := l.next
	l.all[n] = v
	l.next++
	return n
}

// memory is a guest's: n bytes of it, to be read and written.
type memory interface {
	Read(off, n uint32) ([]byte, bool)
}

// Module is what the program imports.
func (h *Host) Module() wasi.HostModule {
	m := wasi.HostModule{Name: ModuleName}
	for _, f := range h.functions() {
		params := make([]wasi.ValueType, f.params)
		for i := range params {
			params[i] = wasi.I32
		}
		m.Funcs = append(m.Funcs, wasi.HostFunc{
			Name: f.name, Params: params, Results: []wasi.ValueType{wasi.I32},
			Call: func(ctx context.Context, g *wasi.Guest, stack []uint64) {
				args := make([]uint32, f.params)
				for i := range args {
					args[i] = uint32(stack[i])
				}
				code := f.call(ctx, g.Memory(), args)
				if ctx.Err() != nil {
					g.Fail(context.Cause(ctx))
				}
				if h.end != nil {
					g.Fail(h.end)
				}
				stack[0] = uint64(code)
			},
		})
	}
	return m
}

// function is one of wasi-nn's. All of its parameters are words.
type function struct {
	name   string
	params int
	call   func(ctx context.Context, m memory, args []uint32) Errno
}

func (h *Host) functions() []function {
	return []function{
		{"load", 5, h.load},
		{"load_by_name", 3, h.loadByName},
		{"init_execution_context", 2, h.initExecutionContext},
		{"set_input", 3, h.setInput},
		{"compute", 1, h.compute},
		{"get_output", 5, h.getOutput},
		// WasmEdge's.
		{"load_by_name_with_config", 5, h.loadByNameWithConfig},
		{"compute_single", 1, h.computeSingle},
		{"get_output_single", 5, h.getOutput},
		{"fini_single", 1, h.finiSingle},
		{"unload", 1, h.unload},
		{"finalize_execution_context", 1, h.finalizeExecutionContext},
	}
}
