package engine

import (
	"context"

	"github.com/wherry-run/wherry/internal/wasm"
)

// ValueType is the type of a parameter, a result or a global.
type ValueType = wasm.ValueType

// The value types a function can have at the border between guest and host.
const (
	I32       = wasm.I32
	I64       = wasm.I64
	F32       = wasm.F32
	F64       = wasm.F64
	V128      = wasm.V128
	FuncRef   = wasm.FuncRef
	ExternRef = wasm.ExternRef
)

// The kinds of imports and exports.
const (
	KindFunc   = "func"
	KindTable  = "table"
	KindMemory = "memory"
	KindGlobal = "global"
	KindTag    = "tag"
)

// Import is something a module wants from its host. Params and Results are set for functions only.
type Import struct {
	Module  string      `json:"module"`
	Name    string      `json:"name"`
	Kind    string      `json:"kind"`
	Params  []ValueType `json:"params,omitempty"`
	Results []ValueType `json:"results,omitempty"`
}

// Export is something a module offers. Params and Results are set for functions only.
type Export struct {
	Name    string      `json:"name"`
	Kind    string      `json:"kind"`
	Params  []ValueType `json:"params,omitempty"`
	Results []ValueType `json:"results,omitempty"`
}

// HostFunc is one function the host gives to an instance.
//
// Call finds its arguments in stack and leaves its results there, from index 0 on; a v128 takes two places. It runs on
// the goroutine of the guest's call. ctx ends when that call is to end: whatever waits must watch it, and should then
// call g.Fail(ctx.Err()). Views of the guest's memory are valid until Call returns or calls into the guest.
type HostFunc struct {
	Name    string
	Params  []ValueType
	Results []ValueType
	Call    func(ctx context.Context, g *Guest, stack []uint64)
}

// HostModule is a table of host functions under one import module name, made for one instance.
// Several tables may share a name, as long as no function is in two of them.
type HostModule struct {
	Name  string
	Funcs []HostFunc
}

// Meter is told what a guest spends and says how far it may go on.
type Meter interface {
	// Yield is called with nothing spent when a call begins, at intervals while it runs, and once more when it ends.
	// spent is what was used since the last time. The guest goes on until it has used more than grant units; the engine
	// may ask earlier. An error unwinds the guest, and the running Call returns it.
	Yield(ctx context.Context, spent uint64) (grant uint64, err error)
}

// Quota is a sum of memory that several instances share.
type Quota interface {
	// Grow asks for n more bytes and reports whether they are granted.
	Grow(n uint64) bool
	// Release gives n bytes back.
	Release(n uint64)
	// Refused is told of n bytes that were not asked for, since the instance's own limit has no room for them.
	Refused(n uint64)
}

// Progress hears how loading a module goes on. Report is not called twice at once, and after Load has returned for
// groups only.
type Progress interface {
	// Report names the phase - "wait", "prepare", "compile" or "load" - and how much of it is done. A total of 0 means
	// that nobody knows. Compiling is measured in bytes of code, and estimated: the compiler does not say. The phase
	// "groups" counts those that a running program had to wait for, once all of them took a second to compile.
	Report(phase string, done, total int64)
}

// signature renders a function's type as people write it.
func signature(params, results []ValueType) string {
	return wasm.FuncType{Params: params, Results: results}.String()
}
