// Package hostmath does the linear algebra of a guest on the host's own vector
// units. It knows two things: pins, which say that a function of a module known
// by its digest computes this or that, and kernels, which compute it on the
// guest's memory. It knows no engine, no image and no model.
//
// Whoever runs the module puts a call of the kernel in front of the function's
// body: a kernel that declines has changed nothing, and the body runs as it
// always did, with the traps it always had. So a kernel has to be right only
// where it says that it is done.
//
// All arguments are the guest's and hostile: every address, dimension and
// stride is held against the memory in 64 bits before a byte is touched, and
// what is out of order is declined. The memory is asked for anew after every
// tick. Code in assembly cannot be preempted and runs for less than a
// millisecond between ticks.
//
// A kernel gives the same bits for the same arguments in every run. Kernels of
// different sets, and the body, may differ in the last bits, for they add in
// another order: who needs the same bits everywhere uses the body.
package hostmath

//go:generate go run ./generate

// Version is raised with every change of what a kernel computes.
const Version = 4

// Env is what a call sees of its guest. A call uses it from one goroutine.
type Env interface {
	// Memory returns the guest's memory as it is now. It may have moved after a
	// Tick or a Hold.
	Memory() []byte
	// Tick charges work, in multiplications with an addition, and asks whether to
	// go on. An error stops the call where it is: the guest must not go on after.
	Tick(work uint64) error
	// Hold charges bytes of scratch memory to the guest, or gives them back when
	// bytes is negative. When it says false the kernel declines.
	Hold(bytes int64) bool
}

// A Func is a kernel. The stack holds the parameters as the engine's does: one
// element for each, of which an i32 or f32 uses the low half and leaves garbage
// above. When done is true the results are at the beginning of the stack and
// the body must not run; when it is false nothing was changed. An error is what
// Tick said; memory may be half written then.
type Func func(env Env, stack []uint64) (done bool, err error)

// A Pin says that one function of one module can be replaced.
type Pin struct {
	Module   [32]byte // SHA-256 of the module
	Function uint32   // index in the module, imports counted
	Type     string   // its type: i I f F for i32 i64 f32 f64, a colon before the results
	Body     [32]byte // SHA-256 of its declarations of locals and instructions
	Kernel   string   // name of the kernel: Set.Func
	Work     []Factor // their product is the work of a call: small ones do not ask the host
}

// A Factor is one factor of the work of a call: a parameter of type i32, or with
// Load what is at an offset from the address that is in the parameter. Both are
// unsigned.
type Factor struct {
	Param  uint8
	Load   bool
	Offset uint32
}

// MinWork is the work of a call from which on it is worth asking the host.
const MinWork = 512

// Pins returns what can be replaced in the module with this digest, by function.
func Pins(module [32]byte) []Pin {
	switch module {
	case onnxRuntime118:
		return onnxRuntimePins()
	case wasiPython010:
		return wasiPythonPins()
	}
	return nil
}
