package emscripten

import (
	"context"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/wasi"
)

// signature is how a function is imported: letters for its parameters, i (32 bits), l
// (64), f and d, a colon, and its result.
type signature string

func signatureOf(params, results []wasi.ValueType) signature {
	letters := map[wasi.ValueType]byte{wasi.I32: 'i', wasi.I64: 'l', wasi.F32: 'f', wasi.F64: 'd'}
	var s []byte
	for _, t := range params {
		s = append(s, letters[t])
	}
	s = append(s, ':')
	for _, t := range results {
		s = append(s, letters[t])
	}
	return signature(s)
}

// call is a host function: arguments and result in stack, as the engine has them.
type call = func(ctx context.Context, g *wasi.Guest, stack []uint64)

// function finds a function by its name, in the form that is wanted.
func (h *host) function(name string, params, results []wasi.ValueType) (wasi.HostFunc, bool) {
	want := signatureOf(params, results)
	do, ok := h.forms(name)[want]
	if !ok {
		do, ok = h.jumpForms(name, params, results)[want]
	}
	if !ok {
		do, ok = h.wasi(name, want)
	}
	if !ok {
		return wasi.HostFunc{}, false
	}
	return wasi.HostFunc{Params: params, Results: results, Call: do}, true
}

// forms are the signatures of a function of Emscripten's and what they do.
func (h *host) forms(name string) map[signature]call {
	switch name {
	case "__cxa_throw":
		return map[signature]call{"iii:": h.throw}
	case "abort", "_abort_js":
		return map[signature]call{":": func(_ context.Context, g *wasi.Guest, _ []uint64) { g.Fail(&AbortError{}) }}
	case "__assert_fail":
		return map[signature]call{"iiii:": assertFail}
	case "exit", "_exit":
		return map[signature]call{"i:": func(_ context.Context, g *wasi.Guest, s []uint64) { g.Exit(uint32(s[0])) }}
	case "emscripten_get_heap_max":
		return map[signature]call{":i": func(_ context.Context, _ *wasi.Guest, s []uint64) { s[0] = maxHeap }}
	case "emscripten_resize_heap":
		return map[signature]call{"i:i": h.resizeHeap}
	case "emscripten_memcpy_js", "_emscripten_memcpy_js", "emscripten_memcpy_big":
		return map[signature]call{"iii:": copyMemory, "iii:i": copyMemory}
	case "emscripten_asm_const_int", "emscripten_asm_const_ptr":
		return map[signature]call{"iii:i": h.asm}
	case "environ_get", "environ_sizes_get":
		if h.Env == nil {
			return nil
		}
		if name == "environ_get" {
			return map[signature]call{"ii:i": h.environ}
		}
		return map[signature]call{"ii:i": h.environSizes}
	}
	if f := h.timeForms(name); f != nil {
		return f
	}
	if f := h.fileForms(name); f != nil {
		return f
	}
	return fixedForms(name)
}

// fileForms are the system calls on files and memory maps, with 64 bits in one parameter
// or in two. A host without files says what a kernel without the call would, which a
// program sees as an error.
func (h *host) fileForms(name string) map[signature]call {
	e, ok := syscalls(name)
	if !ok {
		return nil
	}
	halves, wide := e.form.halves()
	if h.Files == nil {
		return same(noSys, e.form, halves)
	}
	form := h.call(e.do, wide...)
	return map[signature]call{halves: form(len(wide) > 0), e.form: form(false)}
}

// halves is a signature with two parameters for each of 64 bits, and which those are.
func (s signature) halves() (two signature, wide []int) {
	params, result, _ := strings.Cut(string(s), ":")
	for i, p := range params {
		if p == 'l' {
			wide = append(wide, i)
		}
	}
	return signature(strings.ReplaceAll(params, "l", "ii") + ":" + result), wide
}

// fixedForms always answer the same: a program is alone, is root, and has no sockets.
func fixedForms(name string) map[signature]call {
	const eAddressFamily, eNotSocket, aloneID = 5, 57, 42
	fixed := func(v uint32) call { return func(_ context.Context, _ *wasi.Guest, s []uint64) { s[0] = uint64(v) } }
	switch name {
	case "__syscall_getuid32", "__syscall_geteuid32", "__syscall_getgid32", "__syscall_getegid32":
		return same(fixed(0), ":i")
	case "__syscall_getpid":
		return same(fixed(aloneID), ":i")
	case "__syscall_getppid":
		return same(fixed(1), ":i")
	case "__syscall_socket":
		return same(fixed(negative(eAddressFamily)), "iiiiii:i")
	case "__syscall_bind", "__syscall_connect", "__syscall_listen", "__syscall_accept4", "__syscall_recvfrom", "__syscall_sendto",
		"__syscall_getsockname", "__syscall_getpeername", "__syscall_getsockopt", "__syscall_shutdown":
		return same(fixed(negative(eNotSocket)), "iiiiii:i")
	case "__syscall_recvmsg", "__syscall_sendmsg":
		return same(fixed(negative(eNotSocket)), "iiiiii:i", "iii:i")
	}
	return nil
}

func same(do call, forms ...signature) map[signature]call {
	m := make(map[signature]call, len(forms))
	for _, f := range forms {
		m[f] = do
	}
	return m
}

// eNoSys is ENOSYS, by WASI's numbers, which Emscripten's are.
const eNoSys = 52

func noSys(_ context.Context, _ *wasi.Guest, stack []uint64) {
	stack[0] = uint64(negative(eNoSys))
}

// negative is how a system call returns an error.
func negative(errno int32) uint32 { return uint32(-errno) }

// wasi is a function of preview 1 under the build's name, with its 64 bits in one
// parameter or in two.
func (h *host) wasi(name string, want signature) (call, bool) {
	at := slices.IndexFunc(h.WASI.Funcs, func(f wasi.HostFunc) bool { return f.Name == name })
	if at < 0 {
		return nil, false
	}
	f := h.WASI.Funcs[at]
	if signatureOf(f.Params, f.Results) == want {
		if name == "fd_seek" {
			return h.seekFolder(f.Call, false), true
		}
		return f.Call, true
	}
	halves, wide := make([]wasi.ValueType, 0, 2*len(f.Params)), make([]bool, len(f.Params))
	for i, p := range f.Params {
		if wide[i] = p == wasi.I64; wide[i] {
			halves = append(halves, wasi.I32)
			p = wasi.I32
		}
		halves = append(halves, p)
	}
	if signatureOf(halves, f.Results) != want {
		return nil, false
	}
	do := func(ctx context.Context, g *wasi.Guest, stack []uint64) {
		args := make([]uint64, max(len(f.Params), len(f.Results)))
		for i, at := 0, 0; i < len(f.Params); i, at = i+1, at+1 {
			if args[i] = stack[at]; wide[i] {
				at++
				args[i] = uint64(uint32(args[i])) | stack[at]<<32
			}
		}
		f.Call(ctx, g, args)
		copy(stack, args[:len(f.Results)])
	}
	if name == "fd_seek" {
		return h.seekFolder(do, true), true
	}
	return do, true
}
