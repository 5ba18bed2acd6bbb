package guard

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/wherry-run/wherry/serve/route"
)

// bodies bounds the bodies of requests, and how long they may take to come. The
// whole-request deadline of net/http is not used: it would go on while the model
// computes, and end the request's context then.
func (c *Config) bodies(next http.Handler) http.Handler {
	held := new(atomic.Int64) // bytes of the bodies of all requests under way
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > c.MaxBody {
			w.Header()["Connection"] = []string{"close"}
			c.Refuse(w, r, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has %d bytes; this server takes %d", r.ContentLength, c.MaxBody))
			return
		}
		if r.ContentLength == 0 {
			next.ServeHTTP(w, r)
			return
		}
		if c.MaxBodies > 0 && held.Load()+max(r.ContentLength, 0) > c.MaxBodies {
			w.Header()["Retry-After"] = []string{"1"}
			w.Header()["Connection"] = []string{"close"}
			c.Refuse(w, r, http.StatusServiceUnavailable, full.Message)
			return
		}
		rec, out := Of(r.Context()), w.(*answer) // of record
		b := &out.body
		*b = body{held: held, most: c.MaxBodies, ReadCloser: r.Body, rec: rec, began: rec.Began, timeout: c.ReadTimeout, control: out.control, next: extendEvery}
		if r.ContentLength < 0 { // what says how long it is has no more
			b.ReadCloser = http.MaxBytesReader(innermost(w), r.Body, c.MaxBody)
		}
		r.Body = b
		defer func() { held.Add(-rec.In - b.unpacked) }()
		next.ServeHTTP(w, r)
	})
}

// full is what a client hears when all requests together have sent as much as may be
// in memory.
var full = &route.RequestError{Status: http.StatusServiceUnavailable, Message: "the server has as many bytes of requests as it may: ask again"}

// innermost is net/http's own writer, which closes the connection after a body that
// was too large.
func innermost(w http.ResponseWriter) http.ResponseWriter {
	for {
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = u.Unwrap()
	}
}

// extendEvery is after how many bytes the deadline of a body is moved.
const extendEvery = 1 << 20

// body is a request's body that has a deadline: so long, and a second more for each
// MinRate bytes that have come.
type body struct {
	io.ReadCloser
	rec     *Record
	control deadlines
	began   time.Time
	timeout time.Duration
	next    int64 // bytes at which the deadline is moved
	settled bool
	held    *atomic.Int64 // by all bodies
	most    int64
	// unpacked are the bytes that were made of it.
	unpacked int64
}

// Hold implements route.Holder.
func (b *body) Hold(bytes int64) error {
	b.unpacked += bytes
	if all := b.held.Add(bytes); b.most > 0 && all > b.most && bytes > 0 {
		return full
	}
	return nil
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.rec.In += int64(n)
	if all := b.held.Add(int64(n)); b.most > 0 && all > b.most && n > 0 {
		return n, full
	}
	switch {
	case err == io.EOF:
		b.settle()
	case b.rec.In >= b.next:
		b.extend()
	}
	return n, err
}

func (b *body) extend() {
	b.next = b.rec.In + extendEvery
	_ = b.control.SetReadDeadline(b.began.Add(b.timeout + time.Duration(b.rec.In/MinRate)*time.Second))
}

// settle takes the deadline away when the body is there: what net/http reads from
// now on is whether the client is. For a body that nobody read to its end it stays,
// for net/http reads on a little to keep the connection.
func (b *body) settle() {
	if !b.settled {
		b.settled = true
		_ = b.control.SetReadDeadline(time.Time{})
	}
}
