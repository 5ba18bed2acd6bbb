package engine

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/tetratelabs/wazero/sys"

	"github.com/wherry-run/wherry/internal/wasm"
)

// unwind leaves the guest. wazero passes this one kind of panic value on as it is; for all others it renders the
// guest's stack. Why the guest is left stands in the instance.
func unwind() { panic(sys.NewExitError(0)) }

// The words of wazero's errors. Its error types are internal, so the text is all there is; a test provokes each of them.
const (
	wasmPrefix  = "wasm error: "
	stackHeader = "\nwasm stack trace:\n\t"
	recovered   = " (recovered by wazero)"
	goStack     = "\n\nGo runtime stack trace:\n"
)

// wasmTraps are the traps of which wazero's words are known.
func wasmTraps() []TrapKind {
	return []TrapKind{TrapUnreachable, TrapMemory, TrapTable, TrapIndirectType, TrapOverflow, TrapDivideByZero,
		TrapConversion, TrapUnaligned, TrapSharedMemory, TrapNullReference, TrapStack, TrapException}
}

// failure turns what wazero returned into an error of ours.
func (i *Instance) failure(err error) error {
	if i.cause != nil {
		return i.cause
	}
	if err == nil {
		return nil
	}
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		return ErrClosed // nobody but Close ends a wazero module
	}
	head, stack, _ := strings.Cut(err.Error(), stackHeader)
	stack, trace, _ := strings.Cut(stack, goStack)
	frames := i.frames(stack)
	if at := strings.LastIndex(head, recovered); at >= 0 && !strings.Contains(head, wasmPrefix) {
		p := &HostPanicError{Value: head[:at], Stack: trace, err: errors.Unwrap(err)}
		if len(frames) > 0 {
			p.Func = frames[0].Func
		}
		return p
	}
	_, text, isWasm := strings.Cut(head, wasmPrefix)
	if !isWasm {
		text = head
	}
	for _, k := range wasmTraps() {
		if strings.HasSuffix(text, string(k)) {
			return &Trap{Kind: k, Frames: frames}
		}
	}
	if isWasm {
		return &Trap{Kind: TrapOther, Message: text, Frames: frames}
	}
	return err
}

// frames reads wazero's rendering of the stack: a line for each function, "module.name(types) results", where a function
// without a name is "$index", and one for the place in it when the module was made traceable. Prepared modules carry no names, so theirs come from the sidecar.
func (i *Instance) frames(stack string) []Frame {
	var list []Frame
	var prepared uint32 // index of the last function
	for _, line := range strings.Split(stack, "\n\t") {
		if at, ok := sourceOffset(line); ok && len(list) > 0 {
			f := &list[len(list)-1]
			f.Offset, _ = wasm.PlaceOf(i.code.names, prepared, at)
			continue
		}
		name, _, ok := strings.Cut(line, "(")
		if !ok {
			continue
		}
		prepared = math.MaxUint32
		var part *Part
		name = strings.TrimPrefix(name, ".")
		if m, rest, ok := strings.Cut(name, ".$"); ok && i.code.part != nil {
			if part = i.partNamed(m); part != nil {
				name = "$" + rest
			}
		}
		f := Frame{Func: name, Index: math.MaxUint32}
		if digits, ok := strings.CutPrefix(name, "$"); ok {
			if n, err := strconv.ParseUint(digits, 10, 32); err == nil {
				prepared = uint32(n)
				f = i.frame(part, prepared)
			}
		}
		list = append(list, f)
	}
	return list
}

// frame finds the function with an index of the module, or of a part of it.
func (i *Instance) frame(part *Part, index uint32) Frame {
	if i.code.part == nil {
		return Frame{Func: wasm.NameOf(i.code.names, index), Index: i.code.outline.original(index)}
	}
	f := Frame{Index: part.origin(index)}
	if p := i.code.preparer(); p != nil && f.Index != math.MaxUint32 {
		f.Func = p.Name(f.Index)
	}
	return f
}
