package emscripten

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/wherry-run/wherry/wasi"
)

const (
	page = 64 << 10
	// maxHeap is the largest memory Emscripten asks for: 4 GiB less a page.
	maxHeap = 4<<30 - page
	// eager bounds how much more memory is made than a program asks for.
	eager = 96 << 20
)

// resizeHeap makes the memory at least as large as is asked for. As Emscripten's own
// does, it makes more of it at once, so that growing is seldom, and less when there is
// no room for that.
func (h *host) resizeHeap(_ context.Context, g *wasi.Guest, stack []uint64) {
	want, have := uint64(uint32(stack[0])), g.Memory().Size()
	stack[0] = 0
	if want > maxHeap || h.Full != nil && h.Full() {
		return
	}
	for part := uint64(5); part <= 20; part *= 2 {
		size := max(want, min(have+have/part, want+eager))
		size = min(maxHeap, (size+page-1)/page*page)
		if size > have {
			if _, ok := g.Grow(uint32((size - have) / page)); !ok {
				continue
			}
		}
		stack[0] = 1
		return
	}
}

// copyMemory is memmove; the form with a result gives where it copied to.
func copyMemory(_ context.Context, g *wasi.Guest, stack []uint64) {
	from, ok := g.Memory().Read(uint32(stack[1]), uint32(stack[2]))
	if !ok || !g.Memory().Write(uint32(stack[0]), from) {
		g.Fail(&FaultError{"emscripten_memcpy_js"})
	}
}

// maxText bounds a text of the program's, in bytes.
const maxText = 4096

// text is a string that ends with a zero, or at maxText, as text that can be shown.
func text(m wasi.Memory, at uint32) string {
	if at == 0 || uint64(at) >= m.Size() {
		return ""
	}
	b, _ := m.Read(at, uint32(min(maxText, m.Size()-uint64(at))))
	if end := bytes.IndexByte(b, 0); end >= 0 {
		b = b[:end]
	}
	return strings.ToValidUTF8(string(b), string(utf8.RuneError))
}

// throw ends the program. The exception's class is named by its type_info, whose
// second word is a string; what it says, std::exception has in the third entry of its
// table of functions.
func (h *host) throw(ctx context.Context, g *wasi.Guest, stack []uint64) {
	m, object := g.Memory(), uint32(stack[0])
	name, _ := m.ReadUint32Le(uint32(stack[1]) + 4)
	e := &ThrowError{Type: text(m, name)}
	table, _ := m.ReadUint32Le(object)
	if what, ok := m.ReadUint32Le(table + 8); ok && what != 0 && !h.throwing {
		h.throwing = true // what says so may throw itself
		word := []wasi.ValueType{wasi.I32}
		// It may be no std::exception, and trap: then it says nothing.
		if said, err := g.CallTable(ctx, what, word, word, uint64(object)); err == nil && len(said) == 1 {
			e.Message = text(g.Memory(), uint32(said[0]))
		}
		h.throwing = false
	}
	g.Fail(e)
}

func assertFail(_ context.Context, g *wasi.Guest, stack []uint64) {
	m := g.Memory()
	reason := text(m, uint32(stack[1])) + ": " + text(m, uint32(stack[0]))
	g.Fail(&AbortError{Reason: reason})
}

// maxArgs bounds the arguments of a piece of JavaScript.
const maxArgs = 64

// asm runs what stands for a piece of JavaScript: its number, a string with a letter
// for each argument, and where they lie.
func (h *host) asm(ctx context.Context, g *wasi.Guest, stack []uint64) {
	m, letters, at := g.Memory(), uint32(stack[1]), uint32(stack[2])
	do, ok := h.Build.Asm[uint32(stack[0])]
	if !ok {
		g.Fail(&AbortError{Reason: fmt.Sprintf("JavaScript in the program that this host does not know (%d)", uint32(stack[0]))})
	}
	var args []uint64
	for {
		letter, ok := m.ReadUint8(letters)
		if !ok || len(args) == maxArgs {
			g.Fail(&FaultError{"emscripten_asm_const"})
		}
		if letter == 0 {
			break
		}
		letters++
		if letter == 'p' || letter == 'i' {
			v, ok := m.ReadUint32Le(at)
			if !ok {
				g.Fail(&FaultError{"emscripten_asm_const"})
			}
			args, at = append(args, uint64(v)), at+4
			continue
		}
		at = (at + 7) &^ 7
		v, ok := m.ReadUint64Le(at)
		if !ok {
			g.Fail(&FaultError{"emscripten_asm_const"})
		}
		args, at = append(args, v), at+8
	}
	stack[0] = uint64(do(ctx, g, args))
}

// eFault is EFAULT, by WASI's numbers.
const eFault = 21

// environSizes is WASI's environ_sizes_get: how many variables there are, and how many
// bytes they take with a zero behind each.
func (h *host) environSizes(_ context.Context, g *wasi.Guest, stack []uint64) {
	size := 0
	for _, v := range h.Env {
		size += len(v) + 1
	}
	m, at := g.Memory(), uint32(stack[0])
	stack[0] = eFault
	if m.WriteUint32Le(at, uint32(len(h.Env))) && m.WriteUint32Le(uint32(stack[1]), uint32(size)) {
		stack[0] = 0
	}
}

// environ is WASI's environ_get: the addresses of the variables, and their bytes.
func (h *host) environ(_ context.Context, g *wasi.Guest, stack []uint64) {
	m, list, at := g.Memory(), uint32(stack[0]), uint32(stack[1])
	stack[0] = eFault
	for _, v := range h.Env {
		if !m.WriteUint32Le(list, at) || !m.WriteString(at, v+"\x00") {
			return
		}
		list, at = list+4, at+uint32(len(v))+1
	}
	stack[0] = 0
}
