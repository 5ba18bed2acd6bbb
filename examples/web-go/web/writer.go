package web

import (
	"context"
	"encoding/binary"
	"net/http"
	"unsafe"
)

// most is how much of an answer waits to be sent.
const most = 64 << 10

// writer is an answer: its head and the beginning of its body wait in buffer.
type writer struct {
	header http.Header // nil until somebody asks for it
	buffer []byte
	begun  bool // the head is in buffer, or sent
	sent   bool
	gone   bool // nobody reads any more
	over   *during
}

func (w *writer) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header)
	}
	return w.header
}

func (w *writer) WriteHeader(status int) {
	if status >= 200 {
		w.head(status, "")
	}
}

// head writes the head, once: kind is the Content-Type unless the header has one; "" is
// none. What net/http adds by itself is not seen in the header there, either.
func (w *writer) head(status int, kind string) {
	if w.begun {
		return
	}
	w.begun = true
	if len(w.header) > 0 {
		w.buffer = appendHead(w.buffer, status, kind, w.header)
		return
	}
	if last.status != status || last.kind != kind {
		last.status, last.kind, last.head = status, kind, appendHead(nil, status, kind, nil)
	}
	w.buffer = append(w.buffer, last.head...)
}

// last is the head that was written last without fields of a handler's.
var last struct {
	status int
	kind   string
	head   []byte
}

func appendHead(b []byte, status int, kind string, header http.Header) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(status))
	count, n := len(b), uint32(0)
	b = append(b, 0, 0, 0, 0)
	if kind != "" {
		b = appendText(appendText(b, "Content-Type"), kind)
		n += 2
	}
	for name, values := range header {
		for _, v := range values {
			b = appendText(appendText(b, name), v)
			n += 2
		}
	}
	binary.LittleEndian.PutUint32(b[count:], n)
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
}

func (w *writer) begin(p []byte) {
	if w.begun {
		return
	}
	kind := ""
	if len(p) > 0 && !w.typed() {
		kind = detect(p)
	}
	w.head(http.StatusOK, kind)
}

// typed tells whether the handler has said what the answer is, or packed it.
func (w *writer) typed() bool {
	if len(w.header) == 0 {
		return false
	}
	_, set := w.header["Content-Type"]
	return set || w.header.Get("Content-Encoding") != ""
}

func (w *writer) Write(p []byte) (int, error) {
	w.begin(p)
	if w.gone {
		return 0, context.Canceled
	}
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

func (w *writer) WriteString(s string) (int, error) {
	return w.Write(unsafe.Slice(unsafe.StringData(s), len(s)))
}

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
		w.over.end()
	}
}

func (w *writer) err() error {
	if w.gone {
		return context.Canceled
	}
	return nil
}

// finish is what the host reads at the end. Who writes later hears that nobody reads: the
// buffer is the next request's.
func (w *writer) finish() []byte {
	w.begin(nil)
	b := w.buffer
	w.buffer, w.gone = nil, true
	return b
}
