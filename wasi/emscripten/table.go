package emscripten

import (
	"context"
	"slices"

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
	return fileForms(name)
}

// fileForms are the system calls on files and memory maps. This host has no files:
// it says what a kernel without the call would, which a program sees as an error.
func fileForms(name string) map[signature]call {
	switch name {
	case "_mmap_js", "mmap_js":
		return same(noSys, "iiiiiiii:i", "iiiilii:i")
	case "_munmap_js", "munmap_js":
		return same(noSys, "iiiiiii:i", "iiiiil:i")
	case "__syscall_ioctl", "__syscall_fcntl64", "__syscall_getdents64", "__syscall_mkdirat", "__syscall_unlinkat":
		return same(noSys, "iii:i")
	case "__syscall_fstat64", "__syscall_lstat64", "__syscall_stat64", "__syscall_getcwd":
		return same(noSys, "ii:i")
	case "__syscall_openat", "__syscall_newfstatat", "__syscall_readlinkat":
		return same(noSys, "iiii:i")
	case "__syscall_rmdir":
		return same(noSys, "i:i")
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
	return func(ctx context.Context, g *wasi.Guest, stack []uint64) {
		args := make([]uint64, max(len(f.Params), len(f.Results)))
		for i, at := 0, 0; i < len(f.Params); i, at = i+1, at+1 {
			if args[i] = stack[at]; wide[i] {
				at++
				args[i] = uint64(uint32(args[i])) | stack[at]<<32
			}
		}
		f.Call(ctx, g, args)
		copy(stack, args[:len(f.Results)])
	}, true
}
