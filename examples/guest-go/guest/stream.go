package guest

import (
	"runtime"
	"unsafe"
)

// Stream answers a request in parts. emit hands on one; it is false when nobody wants any
// more, and Stream returns then. An error, or a panic, ends the answer after the parts
// that there are.
type Stream func(r *Request, emit func(...Tensor) bool) error

// ServeStream is Serve for a program that gives its answer in parts. The signature says
// what one of them has.
func ServeStream(s Signature, f Stream) {
	s.Streams = true
	Serve(s, func(r *Request) ([]Tensor, error) {
		wanted := true
		return nil, f(r, func(outputs ...Tensor) bool {
			if wanted {
				part := model.writer.frame(outputs)
				wanted = emit(unsafe.Pointer(unsafe.SliceData(part)), uint32(len(part))) == 0
				runtime.KeepAlive(part)
			}
			return wanted
		})
	})
}

//go:wasmimport wherry_model emit
func emit(at unsafe.Pointer, size uint32) int32
