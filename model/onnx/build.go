package onnx

import "fmt"

// A build is one compilation of ONNX Runtime to WebAssembly, whose names are short.
type build struct {
	version string
	module  string            // of its imports
	imports map[string]string // Emscripten's names by its own
	exports map[string]string // its own by ONNX Runtime's
	// external is the number of the JavaScript that loads external data.
	external uint32
}

// Version is the release of ONNX Runtime that this package knows.
const Version = "1.18.0"

// The module that this package knows, by its digest: the build with SIMD and without
// threads of the npm package onnxruntime-web. In another build the same short names
// stand for other functions.
const moduleDigest = "sha256:f533b5f21790563d7556c611c3835ac65848ee326da2689aac54ed7d9cc8c6a4"

// UnknownBuildError is a module of which nobody here knows what its exports are called.
type UnknownBuildError struct {
	// Digest is the module's.
	Digest string
}

func (e *UnknownBuildError) Error() string {
	return fmt.Sprintf("no build of ONNX Runtime that is known here (%s): the base image onnx has version %s", e.Digest, Version)
}

// buildOf finds a build by the digest of its module.
func buildOf(digest string) (*build, error) {
	if digest != moduleDigest {
		return nil, &UnknownBuildError{Digest: digest}
	}
	return web1180(), nil
}

// web1180 is onnxruntime-web 1.18.0, ort-wasm-simd.wasm.
func web1180() *build {
	return &build{
		version: "1.18.0", module: "a", external: 798392,
		imports: map[string]string{
			"a": "__cxa_throw", "b": "emscripten_get_now", "c": "strftime_l", "d": "abort", "e": "__syscall_fcntl64",
			"f": "fd_close", "g": "__syscall_openat", "h": "emscripten_date_now", "i": "fd_write", "j": "fd_read",
			"k": "_emscripten_get_now_is_monotonic", "l": "_mmap_js", "m": "_munmap_js", "n": "_gmtime_js",
			"o": "_localtime_js", "p": "_mktime_js", "q": "fd_seek", "r": "strftime", "s": "emscripten_resize_heap",
			"t": "_tzset_js", "u": "emscripten_get_heap_max", "v": "__syscall_rmdir", "w": "__syscall_unlinkat",
			"x": "__syscall_getcwd", "y": "__syscall_readlinkat", "z": "__syscall_getdents64",
			"A": "__syscall_mkdirat", "B": "emscripten_asm_const_int", "C": "environ_get", "D": "environ_sizes_get",
			"E": "__syscall_newfstatat", "F": "__syscall_lstat64", "G": "__syscall_stat64", "H": "__syscall_fstat64",
			"I": "emscripten_memcpy_js", "J": "__syscall_ioctl",
		},
		exports: map[string]string{
			"__wasm_call_ctors": "L", "OrtInit": "M", "OrtGetLastError": "N", "OrtCreateSessionOptions": "O",
			"OrtAddSessionConfigEntry": "R", "OrtReleaseSessionOptions": "S", "OrtCreateSession": "T",
			"OrtReleaseSession": "U", "OrtReleaseRunOptions": "ca",
			"OrtGetInputOutputCount": "V", "OrtGetInputName": "W", "OrtGetOutputName": "X", "OrtFree": "Y",
			"OrtCreateTensor": "Z", "OrtGetTensorData": "_", "OrtReleaseTensor": "$", "OrtCreateRunOptions": "aa",
			"OrtRun": "ja", "malloc": "la", "free": "ma", "setTempRet0": "oa",
		},
	}
}
