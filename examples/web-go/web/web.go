// Package web has a Go program answer HTTP in Wherry by an http.Handler. Copy it into a
// module of your own: it needs nothing but the standard library. A program calls Serve
// from an init function, has an empty main, and is built as a reactor:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared
package web

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"strconv"
	"unsafe"
)

var (
	handler http.Handler
	room    []byte // is written to by the host
	reply   []byte // is read by the host until the next call
)

// Serve says what answers. It is called from init.
func Serve(h http.Handler) { handler = h }

//go:wasmimport wherry_http read
func hostRead(at unsafe.Pointer, size uint32) int32

//go:wasmimport wherry_http write
func hostWrite(at unsafe.Pointer, size uint32) int32

//go:wasmexport wherry_alloc
func alloc(size int32) int32 {
	if n := int(uint32(size)); n > cap(room) {
		room = make([]byte, n+n/4)
	}
	return int32(uintptr(unsafe.Pointer(unsafe.SliceData(room))))
}

//go:wasmexport wherry_http
func answer(_, size int32) int64 {
	w := &writer{header: http.Header{}, buffer: reply[:0]}
	w.serve(room[:uint32(size)])
	reply = w.finish()
	at := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(reply))))
	return int64(at<<32 | uint64(len(reply)))
}

// frame reads what the host says.
type frame struct{ rest []byte }

func (f *frame) number() uint32 {
	n := binary.LittleEndian.Uint32(f.rest)
	f.rest = f.rest[4:]
	return n
}

func (f *frame) text() string {
	n := f.number()
	s := string(f.rest[:n])
	f.rest = f.rest[n:]
	return s
}

// request makes a request of what the host says. Its body is valid until the answer.
func request(ctx context.Context, b []byte) (*http.Request, error) {
	f := &frame{b}
	more, texts := f.number()&1 != 0, f.number()
	r := &http.Request{Method: f.text(), RequestURI: f.text(), Proto: f.text(), Host: f.text(), RemoteAddr: f.text()}
	f.text() // the scheme
	r.Header = make(http.Header, (texts-6)/2)
	for i := uint32(6); i < texts; i += 2 {
		name := f.text()
		r.Header[name] = append(r.Header[name], f.text())
	}
	var ok bool
	if r.ProtoMajor, r.ProtoMinor, ok = http.ParseHTTPVersion(r.Proto); !ok {
		r.ProtoMajor, r.ProtoMinor = 1, 1
	}
	var err error
	if r.URL, err = url.ParseRequestURI(r.RequestURI); err != nil {
		return nil, err
	}
	r.Body, r.ContentLength = http.NoBody, 0
	if n := r.Header.Get("Content-Length"); n != "" {
		r.ContentLength, _ = strconv.ParseInt(n, 10, 64)
		delete(r.Header, "Content-Length")
	} else if more || len(f.rest) > 0 {
		r.ContentLength = -1
	}
	if more || len(f.rest) > 0 {
		r.Body = &body{first: f.rest, more: more}
	}
	return r.WithContext(ctx), nil
}

// body is that of a request: its beginning, and what the host has more of it.
type body struct {
	first []byte
	more  bool
}

var errBody = errors.New("the body of the request did not come")

func (b *body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if n := copy(p, b.first); n > 0 {
		b.first = b.first[n:]
		return n, nil
	}
	if !b.more {
		return 0, io.EOF
	}
	switch n := hostRead(unsafe.Pointer(unsafe.SliceData(p)), uint32(len(p))); {
	case n < 0:
		return 0, errBody
	case n == 0:
		b.more = false
		return 0, io.EOF
	default:
		return int(n), nil
	}
}

func (b *body) Close() error { return nil }

// most is how much of an answer waits to be sent.
const most = 64 << 10

// writer is an answer: its head and the beginning of its body wait in buffer.
type writer struct {
	header http.Header
	buffer []byte
	begun  bool // the head is in buffer, or sent
	sent   bool
	gone   bool
	cancel context.CancelFunc
}

func (w *writer) Header() http.Header { return w.header }

func (w *writer) WriteHeader(status int) {
	if w.begun || status < 200 {
		return
	}
	w.begun = true
	w.buffer = binary.LittleEndian.AppendUint32(w.buffer, uint32(status))
	count := len(w.buffer)
	w.buffer = append(w.buffer, 0, 0, 0, 0)
	n := uint32(0)
	for name, values := range w.header {
		for _, v := range values {
			w.text(name)
			w.text(v)
			n += 2
		}
	}
	binary.LittleEndian.PutUint32(w.buffer[count:], n)
}

func (w *writer) text(s string) {
	w.buffer = binary.LittleEndian.AppendUint32(w.buffer, uint32(len(s)))
	w.buffer = append(w.buffer, s...)
}

func (w *writer) begin(p []byte) {
	if w.begun {
		return
	}
	if _, set := w.header["Content-Type"]; !set && len(p) > 0 {
		w.header.Set("Content-Type", http.DetectContentType(p))
	}
	w.WriteHeader(http.StatusOK)
}

func (w *writer) Write(p []byte) (int, error) {
	w.begin(p)
	if len(w.buffer)+len(p) > most {
		w.send()
		if len(p) >= most && !w.gone {
			w.put(p)
			return len(p), w.err()
		}
	}
	w.buffer = append(w.buffer, p...)
	return len(p), w.err()
}

func (w *writer) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// Flush sends what there is.
func (w *writer) Flush() {
	w.begin(nil)
	w.send()
}

func (w *writer) send() {
	if len(w.buffer) > 0 && !w.gone {
		w.put(w.buffer)
	}
	w.buffer = w.buffer[:0]
}

func (w *writer) put(p []byte) {
	w.sent = true
	if hostWrite(unsafe.Pointer(unsafe.SliceData(p)), uint32(len(p))) < 0 {
		w.gone = true
		w.cancel()
	}
}

func (w *writer) err() error {
	if w.gone {
		return context.Canceled
	}
	return nil
}

// serve has the handler answer a request.
func (w *writer) serve(b []byte) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w.cancel = cancel
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			fmt.Fprintf(os.Stderr, "panic while answering: %v\n%s", p, debug.Stack())
			if !w.sent {
				w.begun, w.buffer, w.header = false, w.buffer[:0], http.Header{}
				http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			}
		}
	}()
	r, err := request(ctx, b)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	handler.ServeHTTP(w, r)
}

// finish is what the host reads at the end.
func (w *writer) finish() []byte {
	w.begin(nil)
	return w.buffer
}
