// Package emscripten is the host that Emscripten's programs expect: what its
// JavaScript would give them, by Emscripten's own names and with the signatures that
// a module asks for.
//
// A program's imports and exports may have been shortened when it was built
// (-O3 makes "a.s" of "env.emscripten_resize_heap"): a Build says what they stand
// for. What WASI has, a program gets from the WASI host that it runs with.
//
// Emscripten's names change their signatures with its versions and options: 64 bits
// are one parameter or two. A function is offered in the form that the module
// imports, and not at all when it has none of those known.
package emscripten

import (
	"context"
	"fmt"

	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/preview1"
)

// A Build says how a program was built.
type Build struct {
	// Module is the name that its imports have; "" is "env", and WASI's own.
	Module string
	// Imports are Emscripten's names by those of the build; nil when the build has
	// kept them.
	Imports map[string]string
	// Exports are the build's names by Emscripten's, of those that the host calls; nil
	// when the build has kept them.
	Exports map[string]string
	// Asm are the pieces of JavaScript in the program (EM_ASM), by their numbers.
	Asm map[uint32]Asm
}

// Asm stands for a piece of JavaScript. An argument of 64 bits or floating point has
// its bits in one element.
type Asm func(ctx context.Context, g *wasi.Guest, args []uint64) uint32

// Config is what one instance is given.
type Config struct {
	Build Build
	// Imports are those of the module.
	Imports []wasi.Import
	// WASI has the functions of preview 1, for this instance.
	WASI wasi.HostModule
	// Files are the program's, by the descriptors of WASI; nil has none.
	Files *preview1.POSIX
	// Env is the environment; nil is WASI's, of which is known whether a program looked
	// at it.
	Env []string
	// Clock is the program's time.
	Clock wasi.Clock
	// Full tells that the program is to make do with the memory that it has; nil never
	// does.
	Full func() bool
}

// ThrowError is a C++ exception that the program could not catch: builds without
// exceptions throw them to JavaScript.
type ThrowError struct {
	// Type is the exception's class as C++ mangles it, "" when it cannot be read.
	Type string
	// Message is what it says, "" when it does not.
	Message string
}

func (e *ThrowError) Error() string {
	text := "the program threw a C++ exception, which its build cannot catch"
	if e.Type != "" {
		text += fmt.Sprintf(" (%s)", e.Type)
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// AbortError is a program that aborted.
type AbortError struct {
	// Reason is the assertion that failed, "" for abort itself.
	Reason string
}

func (e *AbortError) Error() string {
	if e.Reason == "" {
		return "the program aborted"
	}
	return "the program aborted: " + e.Reason
}

// FaultError is an address outside of the program's memory.
type FaultError struct {
	// Function is the host's, by Emscripten's name.
	Function string
}

func (e *FaultError) Error() string { return e.Function + ": an address outside of the memory" }

// Module gives the functions that a module of the build imports and this package
// knows, for one instance.
func Module(c Config) wasi.HostModule {
	h := &host{Config: c}
	m := wasi.HostModule{Name: c.Build.Module}
	if m.Name == "" {
		m.Name = "env"
	}
	seen := map[string]bool{}
	for _, i := range c.Imports {
		if i.Module != m.Name || i.Kind != wasi.KindFunc || seen[i.Name] {
			continue
		}
		seen[i.Name] = true
		name := i.Name
		if c.Build.Imports != nil {
			name = c.Build.Imports[i.Name]
		}
		if f, ok := h.function(name, i.Params, i.Results); ok {
			f.Name = i.Name
			m.Funcs = append(m.Funcs, f)
		}
	}
	return m
}

// host is what one instance imports.
type host struct {
	Config
	throwing bool // an exception is asked what it says
	invokes  int  // that are nested
}

// export is the build's name for an export.
func (h *host) export(name string) string {
	if h.Build.Exports == nil {
		return name
	}
	return h.Build.Exports[name]
}
