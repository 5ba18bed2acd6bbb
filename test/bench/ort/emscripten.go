package ort

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
)

// A host is what one instance of an Emscripten program imports. Names of imports
// are Emscripten's own; a build that shortens them brings a map of its own.
type host struct {
	began time.Time
	log   io.Writer
}

// maxHeap is the largest memory Emscripten asks for: 4 GiB less a page.
const maxHeap = 4<<30 - page

const page = 64 << 10

// What a program gets that asks for files: errors of WASI.
const (
	wasiNoSys = 52
	wasiPipe  = 70
)

// maxIovecs bounds the buffers of one write.
const maxIovecs = 1024

var (
	errThrow = errors.New("the program threw a C++ exception, which this build cannot catch")
	errAbort = errors.New("the program aborted")
)

const (
	i32 = engine.I32
	f64 = engine.F64
)

// function is an import by its Emscripten name. Those that are missing here trap
// when they are called: time zones, and what a program without files never asks.
func (h *host) function(name string) (f engine.HostFunc, ok bool) {
	switch name {
	case "__cxa_throw":
		return fails(3, errThrow), true
	case "abort":
		return fails(0, errAbort), true
	case "emscripten_get_now":
		return clock(func() float64 { return float64(time.Since(h.began)) / float64(time.Millisecond) }), true
	case "emscripten_date_now":
		return clock(func() float64 { return float64(time.Now().UnixMilli()) }), true
	case "_emscripten_get_now_is_monotonic":
		return constant(0, 1), true
	case "emscripten_get_heap_max":
		return constant(0, maxHeap), true
	case "emscripten_resize_heap":
		return returns(1, resizeHeap), true
	case "emscripten_memcpy_js":
		return engine.HostFunc{Params: words(3), Call: memcpy}, true
	case "emscripten_asm_const_int": // JavaScript in the program: this build asks for a model's external data
		return constant(3, 1), true
	case "environ_get":
		return constant(2, 0), true
	case "environ_sizes_get":
		return returns(2, noEnviron), true
	case "fd_write":
		return returns(4, h.write), true
	case "fd_close":
		return constant(1, wasiNoSys), true
	case "fd_read":
		return constant(4, wasiNoSys), true
	case "fd_seek":
		return constant(5, wasiPipe), true
	}
	return engine.HostFunc{}, false
}

// module is the host's functions under a build's own names for them.
func (h *host) module(name string, short map[string]string) engine.HostModule {
	m := engine.HostModule{Name: name}
	for as, known := range short {
		if f, ok := h.function(known); ok {
			f.Name = as
			m.Funcs = append(m.Funcs, f)
		}
	}
	return m
}

func words(n int) []engine.ValueType {
	list := make([]engine.ValueType, n)
	for i := range list {
		list[i] = i32
	}
	return list
}

// returns is a function of n words that gives one.
func returns(n int, call func(ctx context.Context, g *engine.Guest, args []uint64) uint32) engine.HostFunc {
	return engine.HostFunc{Params: words(n), Results: words(1), Call: func(ctx context.Context, g *engine.Guest, stack []uint64) {
		stack[0] = uint64(call(ctx, g, stack))
	}}
}

func constant(params int, result uint32) engine.HostFunc {
	return returns(params, func(context.Context, *engine.Guest, []uint64) uint32 { return result })
}

func clock(now func() float64) engine.HostFunc {
	return engine.HostFunc{Results: []engine.ValueType{f64}, Call: func(_ context.Context, _ *engine.Guest, stack []uint64) {
		stack[0] = bits(now())
	}}
}

func fails(params int, err error) engine.HostFunc {
	return engine.HostFunc{Params: words(params), Call: func(_ context.Context, g *engine.Guest, _ []uint64) { g.Fail(err) }}
}

// resizeHeap makes the memory at least so large; like Emscripten's own, a fifth
// larger than it was, so that growing is seldom.
func resizeHeap(ctx context.Context, g *engine.Guest, args []uint64) uint32 {
	want, have := uint64(uint32(args[0])), g.Memory().Size()
	if want > maxHeap {
		return 0
	}
	size := min(max(want, min(have+have/5, want+96<<20)), maxHeap)
	if size <= have {
		return 1
	}
	got, err := g.Call(ctx, growExport, (size-have+page-1)/page)
	if err != nil {
		g.Fail(err)
	}
	if int32(got[0]) == -1 {
		return 0
	}
	return 1
}

func memcpy(_ context.Context, g *engine.Guest, args []uint64) {
	from, ok := g.Memory().Read(uint32(args[1]), uint32(args[2]))
	if !ok || !g.Memory().Write(uint32(args[0]), from) {
		g.Fail(errors.New("emscripten_memcpy_js: outside of the memory"))
	}
}

func noEnviron(_ context.Context, g *engine.Guest, args []uint64) uint32 {
	m := g.Memory()
	if !m.WriteUint32Le(uint32(args[0]), 0) || !m.WriteUint32Le(uint32(args[1]), 0) {
		return 21 // EFAULT of WASI
	}
	return 0
}

// write takes what the program says; every descriptor is its log.
func (h *host) write(_ context.Context, g *engine.Guest, args []uint64) uint32 {
	const fault = 21
	m, at, total := g.Memory(), uint32(args[1]), uint32(0)
	for range min(uint32(args[2]), maxIovecs) {
		address, ok1 := m.ReadUint32Le(at)
		length, ok2 := m.ReadUint32Le(at + 4)
		text, ok3 := m.Read(address, length)
		if !ok1 || !ok2 || !ok3 {
			return fault
		}
		if _, err := h.log.Write(text); err != nil {
			return 29 // EIO
		}
		at, total = at+8, total+length
	}
	if !m.WriteUint32Le(uint32(args[3]), total) {
		return fault
	}
	return 0
}
