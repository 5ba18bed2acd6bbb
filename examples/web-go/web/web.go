// Package web has a Go program answer HTTP in Wherry by an http.Handler. Copy it into a
// module of your own: it needs nothing but the standard library. A program calls Serve
// from an init function, has an empty main, and is built as a reactor:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared
package web

import (
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"unsafe"
)

var (
	handler http.Handler
	room    []byte // is written to by the host
	reply   []byte // is read by the host until the next call
)

// Serve says what answers. It is called from init.
func Serve(h http.Handler) {
	handler = h
	collectSeldom()
}

//go:wasmexport wherry_alloc
func alloc(size int32) int32 {
	if n := int(uint32(size)); n > cap(room) {
		room = make([]byte, n+n/4)
	}
	return int32(uintptr(unsafe.Pointer(unsafe.SliceData(room))))
}

//go:wasmexport wherry_http
func answer(_, size int32) int64 {
	x := next()
	x.writer.buffer = reply[:0]
	x.serve(room[:uint32(size)])
	reply = x.writer.finish()
	x.over.end()
	x.body = body{}
	collect()
	if x.cut {
		return -1
	}
	at := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(reply))))
	return int64(at<<32 | uint64(len(reply)))
}

// serve has the handler answer a request.
func (x *exchange) serve(b []byte) {
	defer x.recovered()
	if err := x.read(b); err != nil {
		http.Error(&x.writer, err.Error(), http.StatusBadRequest)
		return
	}
	handler.ServeHTTP(&x.writer, &x.request)
}

// recovered answers for a panic, if nothing was sent yet. Else, and when the handler wants
// it so, the client must not take half an answer for a whole one.
func (x *exchange) recovered() {
	p := recover()
	if p == nil {
		return
	}
	if x.cut = p == http.ErrAbortHandler || x.writer.sent; p == http.ErrAbortHandler {
		return
	}
	fmt.Fprintf(os.Stderr, "panic while answering: %v\n%s", p, debug.Stack())
	if w := &x.writer; !w.sent {
		w.begun, w.buffer, w.header = false, w.buffer[:0], nil
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
}
