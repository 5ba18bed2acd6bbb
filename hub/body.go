package hub

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// minRate is how many bytes a client must send or take within the patience of the
// registry: a connection that drips holds a place for ever.
const minRate = 16 << 10

var errSlow = errors.New("too little came for too long")

// patientBody is the body of a request from which something must come now and then.
type patientBody struct {
	body     io.Reader
	control  *http.ResponseController
	patience time.Duration
	since    time.Time
	came     int64
	ended    atomic.Bool
}

func (h *Hub) body(w http.ResponseWriter, r *http.Request) *patientBody {
	return &patientBody{body: r.Body, control: http.NewResponseController(w), patience: h.patience}
}

// end ends a Read that waits, and those that come, from another goroutine.
func (b *patientBody) end() {
	b.ended.Store(true)
	_ = b.control.SetReadDeadline(time.Unix(1, 0))
}

func (b *patientBody) Read(p []byte) (int, error) {
	now := time.Now()
	if b.since.IsZero() {
		b.since = now
	}
	if now.Sub(b.since) > b.patience {
		if b.came < minRate {
			return 0, errSlow
		}
		b.since, b.came = now, 0
	}
	// A connection without deadlines is a test's.
	_ = b.control.SetReadDeadline(now.Add(b.patience))
	if b.ended.Load() { // after the deadline, which may be over that of end
		return 0, errSlow
	}
	n, err := b.body.Read(p)
	b.came += int64(n)
	return n, err
}

// patientWriter is an answer of which something must go now and then. What is of a file
// goes in pieces that the system copies by itself.
type patientWriter struct {
	http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
}

func (h *Hub) patient(w http.ResponseWriter) http.ResponseWriter {
	return &patientWriter{w, http.NewResponseController(w), h.patience}
}

func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *patientWriter) Write(p []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.patience))
	return w.ResponseWriter.Write(p)
}

// ReadFrom implements io.ReaderFrom.
func (w *patientWriter) ReadFrom(r io.Reader) (int64, error) {
	to, ok := w.ResponseWriter.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	left := int64(1) << 62
	if l, ok := r.(*io.LimitedReader); ok {
		if f, ok := l.R.(*os.File); ok { // the system knows how to send a file, one limit around it
			r, left = f, l.N
			defer func() { l.N = left }()
		}
	}
	const piece = 1 << 20
	var sent int64
	for left > 0 {
		_ = w.control.SetWriteDeadline(time.Now().Add(w.patience))
		want := min(piece, left)
		n, err := to.ReadFrom(io.LimitReader(r, want))
		sent, left = sent+n, left-n
		if err != nil || n < want {
			return sent, err
		}
	}
	return sent, nil
}
