package engine

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrClosed is returned by what is used after its Close, and by a Call that a Close cut short.
var ErrClosed = errors.New("engine: closed")

// ErrBusy is returned when an instance is called while another call of it is running.
var ErrBusy = errors.New("engine: the instance is running another call")

// ExitError ends a Call because the guest asked to exit. Code may be 0.
type ExitError struct{ Code uint32 }

func (e *ExitError) Error() string { return fmt.Sprintf("guest exited with code %d", e.Code) }

// TrapKind says why a guest trapped.
type TrapKind string

// The kinds of traps. The first ones are those of the WebAssembly text.
const (
	TrapUnreachable   TrapKind = "unreachable"
	TrapMemory        TrapKind = "out of bounds memory access"
	TrapTable         TrapKind = "invalid table access"
	TrapIndirectType  TrapKind = "indirect call type mismatch"
	TrapOverflow      TrapKind = "integer overflow"
	TrapDivideByZero  TrapKind = "integer divide by zero"
	TrapConversion    TrapKind = "invalid conversion to integer"
	TrapUnaligned     TrapKind = "unaligned atomic"
	TrapSharedMemory  TrapKind = "expected shared memory"
	TrapNullReference TrapKind = "null reference"
	TrapStack         TrapKind = "stack overflow"
	TrapException     TrapKind = "uncaught exception"
	// TrapUnknownImport is the call of a function that the host does not offer, under UnknownImports = Trap.
	TrapUnknownImport TrapKind = "unknown import"
	// TrapOther is a trap the engine reported in words that are new to us.
	TrapOther TrapKind = "trap"
)

// Trap ends a Call because the guest did what WebAssembly forbids.
type Trap struct {
	Kind    TrapKind
	Message string
	// Frames is the guest's call stack, innermost first, cut after 30.
	Frames []Frame
}

// Frame is one function of a guest's call stack. Func is empty when the module carried no name for it. Index is the
// function's index in the module before it was prepared, and Offset that of the instruction in the module's file; it is
// 0 where that is not known.
type Frame struct {
	Func   string
	Index  uint32
	Offset uint64
}

// String gives the function's name, or its index as the text format writes it, and the offset.
func (f Frame) String() string {
	name := plain(f.Func)
	if f.Func == "" {
		name = fmt.Sprintf("func[%d]", f.Index)
	}
	if f.Offset == 0 {
		return name
	}
	return fmt.Sprintf("%s (%#x)", name, f.Offset)
}

func (t *Trap) Error() string {
	msg := string(t.Kind)
	if t.Message != "" {
		msg = t.Message
	}
	if len(t.Frames) == 0 {
		return "guest trapped: " + msg
	}
	return fmt.Sprintf("guest trapped: %s in %s", msg, t.Frames[0])
}

// Backtrace gives the call stack, one function a line.
func (t *Trap) Backtrace() string {
	var b strings.Builder
	for i, f := range t.Frames {
		fmt.Fprintf(&b, "%3d: %s\n", i, f)
	}
	return b.String()
}

// HostPanicError ends a Call because a host function panicked. It is a fault of the host, not of the guest.
type HostPanicError struct {
	Func  string // the host function, as module.name, where it is known
	Value string
	// Stack is the goroutine's stack where the Go runtime raised the panic. It names files of the build machine: it is
	// for logs, never for guests.
	Stack string
	err   error
}

func (e *HostPanicError) Error() string {
	if e.Func == "" {
		return "host function panicked: " + e.Value
	}
	return fmt.Sprintf("host function %s panicked: %s", e.Func, e.Value)
}

func (e *HostPanicError) Unwrap() error { return e.err }

// LimitError says that a module needs more than its limits allow, before it has run.
type LimitError struct {
	What  string // "memory" (bytes) or "table" (entries)
	Want  uint64
	Limit uint64
}

func (e *LimitError) Error() string {
	if e.What == "memory" {
		return fmt.Sprintf("guest needs %d bytes of memory to start, the limit is %d", e.Want, e.Limit)
	}
	return fmt.Sprintf("guest needs a %s of %d entries, the limit is %d", e.What, e.Want, e.Limit)
}

// ImportProblem is one import that the host cannot satisfy.
type ImportProblem struct {
	Import
	// Offered is the signature of the host's function of that name; it is empty when there is none.
	Offered string
}

func (p ImportProblem) String() string {
	name := plain(p.Module) + "." + plain(p.Name)
	switch {
	case p.Kind != KindFunc:
		return fmt.Sprintf("%s (a %s)", name, p.Kind)
	case p.Offered != "":
		return fmt.Sprintf("%s wanted as %s, offered as %s", name, signature(p.Params, p.Results), p.Offered)
	}
	return name + " " + signature(p.Params, p.Results)
}

// plain is a name out of a module without what a terminal would obey, and not longer than a person reads.
func plain(name string) string {
	const most = 200
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "") + "..."
	}
	q := strconv.QuoteToGraphic(name)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// UnknownImportError lists every import of a module that its host does not offer, or offers with another signature.
type UnknownImportError struct{ Imports []ImportProblem }

func (e *UnknownImportError) Error() string {
	return "module imports what this host does not offer: " + e.List()
}

// List names the first few of them.
func (e *UnknownImportError) List() string {
	const shown = 5
	var parts []string
	for i, p := range e.Imports {
		if i == shown {
			parts = append(parts, fmt.Sprintf("and %d more", len(e.Imports)-shown))
			break
		}
		parts = append(parts, p.String())
	}
	return strings.Join(parts, "; ")
}

// NoFunctionError says that a module exports no function of this name.
type NoFunctionError struct{ Name string }

func (e *NoFunctionError) Error() string { return fmt.Sprintf("module exports no function %q", e.Name) }

// InvalidModuleError says that the engine does not take a module.
type InvalidModuleError struct{ Err error }

func (e *InvalidModuleError) Error() string { return "module is not valid: " + e.Err.Error() }

func (e *InvalidModuleError) Unwrap() error { return e.Err }
