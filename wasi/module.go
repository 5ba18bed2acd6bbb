package wasi

import "github.com/wherry-run/wherry/internal/engine"

// HostModule is a table of functions that an instance may import, all under
// one module name.
type HostModule = engine.HostModule

// HostFunc is one function of a HostModule.
type HostFunc = engine.HostFunc

// Guest is the instance that called a HostFunc.
type Guest = engine.Guest

// Memory is the linear memory of a guest.
type Memory = engine.Memory

// ValueType is the type of a parameter or a result of a HostFunc.
type ValueType = engine.ValueType

// The value types.
const (
	I32       = engine.I32
	I64       = engine.I64
	F32       = engine.F32
	F64       = engine.F64
	V128      = engine.V128
	FuncRef   = engine.FuncRef
	ExternRef = engine.ExternRef
)

// Import is something that a module wants from its host.
type Import = engine.Import

// KindFunc is the kind of an Import that is a function.
const KindFunc = engine.KindFunc
