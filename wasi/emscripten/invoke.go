package emscripten

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/wasi"
)

// errJump unwinds a program to its innermost invoke: it is longjmp's.
var errJump = errors.New("the program jumped to where nobody waits for it (longjmp)")

// maxInvokes bounds how deep invokes are nested: each takes some of the host's memory.
const maxInvokes = 2000

// jumpForms are what setjmp and longjmp are made of where a build has no exceptions. A
// function that calls setjmp makes its calls by functions invoke_..., one for each
// signature: they call an entry of the table, and come back when longjmp is called in
// it, with a word of that in the program's memory.
func (h *host) jumpForms(name string, params, results []wasi.ValueType) map[signature]call {
	switch {
	case name == "_emscripten_throw_longjmp", name == "emscripten_longjmp":
		return same(func(_ context.Context, g *wasi.Guest, _ []uint64) { g.Fail(errJump) }, ":", "ii:")
	case strings.HasPrefix(name, "invoke_") && len(params) > 0 && params[0] == wasi.I32:
		return map[signature]call{signatureOf(params, results): h.invoke(params[1:], results)}
	}
	return nil
}

func (h *host) invoke(params, results []wasi.ValueType) call {
	return func(ctx context.Context, g *wasi.Guest, stack []uint64) {
		if h.invokes++; h.invokes > maxInvokes {
			g.Fail(&AbortError{Reason: "calls that wait for longjmp are nested too deep"})
		}
		defer func() { h.invokes-- }()
		top := h.stackPointer(ctx, g)
		got, err := g.CallTable(ctx, uint32(stack[0]), params, results, slices.Clone(stack[1:1+len(params)])...)
		switch {
		case err == nil:
			copy(stack, got)
		case g.Caught(errJump):
			h.must(ctx, g, []string{"_emscripten_stack_restore", "stackRestore"}, top)
			h.must(ctx, g, []string{"setThrew"}, 1, 0)
			if len(results) > 0 {
				stack[0] = 0
			}
		default:
			g.Fail(err)
		}
	}
}

// stackPointer is where the program's stack in memory ends.
func (h *host) stackPointer(ctx context.Context, g *wasi.Guest) uint64 {
	got := h.must(ctx, g, []string{"emscripten_stack_get_current", "stackSave"})
	if len(got) != 1 {
		g.Fail(&AbortError{Reason: "its stack pointer is no number"})
	}
	return got[0]
}

// must calls the first of the exports that there is.
func (h *host) must(ctx context.Context, g *wasi.Guest, names []string, args ...uint64) []uint64 {
	for _, name := range names {
		if name = h.export(name); !g.HasFunc(name) {
			continue
		}
		got, err := g.Call(ctx, name, args...)
		if err != nil {
			g.Fail(err)
		}
		return got
	}
	g.Fail(&AbortError{Reason: "it exports no " + names[0]})
	return nil
}
