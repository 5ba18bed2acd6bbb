package wasm

import (
	"fmt"
	"strings"
)

// Error says what is wrong with a module and where. Every error of this package that is about the input is an *Error.
type Error struct {
	Offset  int    // byte offset in the module, -1 when there is no single place
	Section string // name of the section, "" for the header
	Func    int    // function index (imports counted), -1 outside code
	Msg     string // what is wrong

	// Feature is set when the module may be fine but needs something that is not supported, such as "multi-memory".
	Feature string
	// Limit is set when the module passes a structural limit; it names the field of [Limits].
	Limit string
}

// Error renders the message as "wasm: code section, function 12, offset 0x1f: what is wrong".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("wasm: ")
	sep := ""
	if e.Section != "" {
		b.WriteString(e.Section + " section")
		sep = ", "
	}
	if e.Func >= 0 {
		fmt.Fprintf(&b, "%sfunction %d", sep, e.Func)
		sep = ", "
	}
	if e.Offset >= 0 {
		fmt.Fprintf(&b, "%soffset %#x", sep, e.Offset)
		sep = ", "
	}
	if sep != "" {
		b.WriteString(": ")
	}
	b.WriteString(e.Msg)
	return b.String()
}

// fault is an error at a position of the slice being read, before the module offset, section and function are known.
type fault struct {
	at      int
	msg     string
	feature string
	limit   string
}

// in turns a fault into an Error; base is where the slice begins in the module.
func (f *fault) in(base int, section string, fn int) *Error {
	return &Error{Offset: base + f.at, Section: section, Func: fn, Msg: f.msg, Feature: f.feature, Limit: f.limit}
}

// unsupported words a fault about a feature that is known and refused.
func unsupported(at int, feature, what string) *fault {
	return &fault{at: at, feature: feature, msg: fmt.Sprintf("%s needs the %s feature, which is not supported", what, feature)}
}

// over words a fault about a limit.
func over(at int, limit, what string, have, most int64) *fault {
	msg := fmt.Sprintf("%s: %d, the limit is %d", what, have, most)
	switch limit {
	case "Body", "Locals", "Nesting", "LoopNesting", "LoopsLocals", "BrTable", "BrTables", "Blocks", "Checks":
		msg += "; " + remedy
	}
	return &fault{at: at, limit: limit, msg: msg}
}

// remedy is what to do about a function that passes a limit.
const remedy = "split the function up, or build it with optimization (-O2)"
