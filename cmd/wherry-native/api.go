package main

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/wherry-run/wherry/model"
)

// apiVersion is that of ONNX Runtime 1.18. Later releases have it, too: the table of
// functions only ever grows.
const apiVersion = 18

// The functions of the C API that are called, by their places in its table (struct
// OrtApi in onnxruntime_c_api.h).
const (
	fnGetErrorCode              = 1
	fnGetErrorMessage           = 2
	fnCreateEnv                 = 3
	fnCreateSession             = 7
	fnRun                       = 9
	fnCreateSessionOptions      = 10
	fnSetIntraOpNumThreads      = 24
	fnCreateTensorAsValue       = 48
	fnCreateTensorWithData      = 49
	fnIsTensor                  = 50
	fnGetTensorMutableData      = 51
	fnFillStringTensor          = 52
	fnGetStringTensorDataLength = 53
	fnGetStringTensorContent    = 54
	fnGetTensorElementType      = 60
	fnGetDimensionsCount        = 61
	fnGetDimensions             = 62
	fnGetTensorTypeAndShape     = 65
	fnCreateCPUMemoryInfo       = 69
	fnGetAllocator              = 78
	fnReleaseStatus             = 93
	fnReleaseValue              = 96
	fnReleaseTensorTypeAndShape = 99
	fnReleaseSessionOptions     = 100
)

// api is ONNX Runtime in this process.
type api struct {
	table     unsafe.Pointer
	version   string
	env, info uintptr
	strings   uintptr // the allocator of tensors of strings
}

// open loads the library.
func open(library string) (*api, error) {
	base, err := symbol(library, "OrtGetApiBase")
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", library, err)
	}
	b, _, _ := purego.SyscallN(base)
	if b == 0 {
		return nil, fmt.Errorf("%s is no ONNX Runtime", library)
	}
	functions := unsafe.Slice((*uintptr)(pointer(b)), 2) // GetApi, GetVersionString
	v, _, _ := purego.SyscallN(functions[1])
	a := &api{version: text(v)}
	table, _, _ := purego.SyscallN(functions[0], apiVersion)
	if table == 0 {
		return nil, fmt.Errorf("ONNX Runtime %s is too old: 1.%d or later is needed", a.version, apiVersion)
	}
	a.table = pointer(table)
	var m pinned
	defer m.Unpin()
	const logErrors = 3
	env, info, strings := m.word(), m.word(), m.word()
	if err := errors.Join(
		a.do(fnCreateEnv, logErrors, m.text("wherry"), at(env)),
		a.do(fnCreateCPUMemoryInfo, 0, 0, at(info)),
		a.do(fnGetAllocator, at(strings)),
	); err != nil {
		return nil, err
	}
	a.env, a.info, a.strings = *env, *info, *strings
	return a, nil
}

// Version implements native.Engine.
func (a *api) Version() string { return a.version }

// pointer is an address that is none of Go's.
func pointer(address uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&address)) }

// maxText bounds what is read of a text of the library's.
const maxText = 64 << 10

// text reads a text with a zero behind it.
func text(address uintptr) string {
	if address == 0 {
		return ""
	}
	n := 0
	for n < maxText && *(*byte)(unsafe.Add(pointer(address), n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(pointer(address)), n))
}

// call calls a function of the table.
func (a *api) call(function int, args ...uintptr) uintptr {
	f := *(*uintptr)(unsafe.Add(a.table, uintptr(function)*unsafe.Sizeof(uintptr(0))))
	r, _, _ := purego.SyscallN(f, args...)
	return r
}

// statuses are the names of OrtErrorCode.
var statuses = [...]string{
	"OK", "FAIL", "INVALID_ARGUMENT", "NO_SUCHFILE", "NO_MODEL", "ENGINE_ERROR", "RUNTIME_EXCEPTION",
	"INVALID_PROTOBUF", "MODEL_LOADED", "NOT_IMPLEMENTED", "INVALID_GRAPH", "EP_FAIL",
}

// do calls a function that returns a status.
func (a *api) do(function int, args ...uintptr) error {
	status := a.call(function, args...)
	if status == 0 {
		return nil
	}
	code, name := uint32(a.call(fnGetErrorCode, status)), "FAIL"
	if int(code) < len(statuses) {
		name = statuses[code]
	}
	err := &model.ModelError{Type: name, Message: text(a.call(fnGetErrorMessage, status))}
	a.call(fnReleaseStatus, status)
	return err
}

// pinned is memory of Go's that the library is given. It stays where it is until
// Unpin.
type pinned struct{ runtime.Pinner }

// word is room for a word.
func (p *pinned) word() *uintptr {
	w := new(uintptr)
	p.Pin(w)
	return w
}

func at(w *uintptr) uintptr { return uintptr(unsafe.Pointer(w)) }

// bytes is the address of some bytes; without any, of one that is not used.
func (p *pinned) bytes(b []byte) uintptr {
	if len(b) == 0 {
		b = make([]byte, 8)
	}
	p.Pin(&b[0])
	return uintptr(unsafe.Pointer(&b[0]))
}

// text is the address of a text with a zero behind it.
func (p *pinned) text(s string) uintptr { return p.bytes(append([]byte(s), 0)) }

// words is the address of some words.
func (p *pinned) words(list []uintptr) uintptr {
	if len(list) == 0 {
		list = make([]uintptr, 1)
	}
	p.Pin(&list[0])
	return uintptr(unsafe.Pointer(&list[0]))
}

// numbers is the address of the lengths of dimensions.
func (p *pinned) numbers(list []int64) uintptr {
	if len(list) == 0 {
		list = make([]int64, 1)
	}
	p.Pin(&list[0])
	return uintptr(unsafe.Pointer(&list[0]))
}
