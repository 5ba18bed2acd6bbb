package guard

import (
	"bufio"
	"context"
	"encoding/hex"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// A Record is what is known of one request. Handlers find it by Of; it is theirs
// until they return.
type Record struct {
	// ID is the name of the request: the client's X-Request-Id when it is a sane one.
	ID string
	// Trace is the trace it belongs to; "" when it is not traced.
	Trace string
	// Traceparent is what requests that are made for this one say of their trace, as
	// W3C Trace Context writes it; "" when it is not traced.
	Traceparent string
	// Key is the name of the key that it came with, never the key.
	Key     string
	Method  string
	Path    string
	Pattern string // of the route that answered; "" when none did
	Remote  string
	Agent   string
	Began   time.Time
	Took    time.Duration
	Status  int
	// In and Out count the bytes of bodies.
	In, Out int64

	mu sync.Mutex
	// of the inferences that were made for it
	calls    int
	protocol string
	receipt  repository.Receipt
	fuel     uint64 // their shares
	err      error
}

// Inferences sums up what was inferred for the request: how many times, by which
// protocol, the receipt (times and fuel of all, the most memory, the last model),
// and the last error.
func (r *Record) Inferences() (calls int, protocol string, receipt repository.Receipt, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls, r.protocol, r.receipt, r.err
}

// Observe notes an inference in the record of the request that it was made for.
func Observe(ctx context.Context, e repository.Event) {
	r := Of(ctx)
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	sum, got := r.receipt, e.Receipt
	r.fuel += got.Share() // several may have been computed together
	if r.calls > 0 {
		got.Fuel = r.fuel
	}
	got.Memory = max(got.Memory, sum.Memory)
	got.Queue += sum.Queue
	got.Compute += sum.Compute
	got.Rows += sum.Rows
	got.Batch = max(got.Batch, sum.Batch)
	r.receipt = got
	r.calls++
	r.protocol = e.Call.Protocol
	if e.Err != nil {
		r.err = e.Err
	}
}

type recordKey struct{}

// Of gives the record of the request that a context is of; nil when there is none.
func Of(ctx context.Context) *Record {
	r, _ := ctx.Value(recordKey{}).(*Record)
	return r
}

// With gives a context that has a record: for protocols that do not come by
// net/http.
func With(ctx context.Context, r *Record) context.Context {
	return context.WithValue(ctx, recordKey{}, r)
}

// Forward puts the name and the trace of the request that a context is of into the
// headers of one that is made for it.
func Forward(ctx context.Context, h http.Header) {
	r := Of(ctx)
	if r == nil {
		return
	}
	h.Set(HeaderID, r.ID)
	if r.Traceparent != "" {
		h.Set("Traceparent", r.Traceparent)
	}
}

// HeaderID names a request, in it and in its answer.
const HeaderID = "X-Request-Id"

// maxID bounds what a client may call its request.
const maxID = 128

// RequestID gives the name of a request: the client's when it is a sane one, else
// a new one.
func RequestID(client string) string {
	if sane(client) {
		return client
	}
	var b [16]byte
	for i, n := 0, rand.Uint64(); i < 8; i, n = i+1, n>>8 {
		b[i] = byte(n)
	}
	for i, n := 8, rand.Uint64(); i < 16; i, n = i+1, n>>8 {
		b[i] = byte(n)
	}
	return hex.EncodeToString(b[:])
}

// sane tells names that may stand in a log and in a header.
func sane(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case c == '-', c == '_', c == '.', c == ':', c == '/', c == '+', c == '=', c == '@':
		default:
			return false
		}
	}
	return true
}

// exchange is what is made for each request, in one piece.
type exchange struct {
	context.Context // of the request, that has the record too
	record          Record
	answer          answer
	id              [1]string
}

// Value implements context.Context.
func (e *exchange) Value(key any) any {
	if key == (recordKey{}) {
		return &e.record
	}
	return e.Context.Value(key)
}

// record is the outermost: it names the request, answers for a panic, and writes
// down what became of the request.
func (c *Config) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := &exchange{
			Context: r.Context(),
			record: Record{
				ID: RequestID(route.First(r.Header, HeaderID)), Method: r.Method, Path: r.URL.Path, Remote: r.RemoteAddr,
				Agent: route.First(r.Header, "User-Agent"), Began: time.Now(),
			},
			answer: answer{ResponseWriter: w, control: deadlinesOf(w), timeout: c.WriteTimeout, http2: r.ProtoMajor == 2},
		}
		e.answer.began = e.record.Began
		e.id[0] = e.record.ID
		w.Header()[HeaderID] = e.id[:]
		inner := r.WithContext(e)
		if r.ContentLength != 0 { // of a request that is turned away, too: net/http reads a little of its body before it answers
			_ = e.answer.control.SetReadDeadline(e.record.Began.Add(c.ReadTimeout))
		}
		defer c.finish(e, inner)
		next.ServeHTTP(&e.answer, inner)
	})
}

// finish writes down what became of a request. It is deferred: it answers for a panic.
func (c *Config) finish(e *exchange, r *http.Request) {
	rec, out := &e.record, &e.answer
	rec.Took, rec.Pattern = time.Since(rec.Began), r.Pattern
	cut := false
	if p := recover(); p != nil {
		cut = c.panicked(out, r, rec, p)
	}
	if rec.Status = out.status; rec.Status == 0 {
		rec.Status = http.StatusOK
	}
	rec.Out = out.written
	out.deadline(rec.Took) // net/http has something to write yet
	c.access(e, rec)
	if c.Done != nil {
		c.Done(rec)
	}
	if cut {
		panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
	}
}

// panicked logs a panic and answers for it. It tells whether the connection is to
// be cut.
func (c *Config) panicked(out *answer, r *http.Request, rec *Record, p any) (cut bool) {
	if p == http.ErrAbortHandler {
		if out.status == 0 {
			out.status = statusClientClosed
		}
		return true
	}
	c.Log.Error("panic", "id", rec.ID, "method", rec.Method, "path", rec.Path, "panic", p, "stack", string(debug.Stack()))
	if out.status != 0 {
		return true
	}
	c.Refuse(out, r, http.StatusInternalServerError, "the server failed to answer this request; its log says why, under "+rec.ID)
	return false
}

// statusClientClosed is what logs have for a request whose answer nobody got, as
// nginx writes it.
const statusClientClosed = 499

// answer notes what is answered, and bounds how long a client may take for it.
type answer struct {
	http.ResponseWriter
	control deadlines // of the same
	began   time.Time
	timeout time.Duration
	http2   bool
	status  int
	written int64
	until   time.Duration // the deadline that is set, since the request began; 0: none
	body    body          // of the request
}

// deadlines are what is set of a connection.
type deadlines interface {
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// deadlinesOf are those of net/http's own writer, else of what is in a writer.
func deadlinesOf(w http.ResponseWriter) deadlines {
	if own, ok := w.(deadlines); ok {
		return own
	}
	return http.NewResponseController(w)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Status is what was answered; 0 while nothing was.
func (a *answer) Status() int { return a.status }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		a.status = status
	}
	a.deadline(time.Since(a.began))
	a.ResponseWriter.WriteHeader(status)
	a.relax()
}

func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	a.deadline(time.Since(a.began))
	n, err := a.ResponseWriter.Write(p)
	a.relax()
	a.written += int64(n)
	return n, err
}

// Flush is what handlers of streams look for.
func (a *answer) Flush() {
	a.deadline(time.Since(a.began))
	if a.status == 0 {
		a.status = http.StatusOK
	}
	_ = http.NewResponseController(a.ResponseWriter).Flush()
	a.relax()
}

// Hijack hands the connection over, as to h2c.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if a.status == 0 {
		a.status = http.StatusSwitchingProtocols
	}
	c, buffered, err := http.NewResponseController(a.ResponseWriter).Hijack()
	if own, ok := c.(*conn); ok {
		own.reads.close()
	}
	return c, buffered, err
}

// deadline gives the client its time for the next part, so long after the request began.
// It is moved only when a quarter of it is gone: to set one costs a lock of the poller.
func (a *answer) deadline(now time.Duration) {
	if a.timeout <= 0 || a.until-now > a.timeout*3/4 {
		return
	}
	a.until = now + a.timeout
	_ = a.control.SetWriteDeadline(a.began.Add(a.until))
}

// relax takes the deadline away until there is a next part. With HTTP/2 it would end
// the request when it comes, whether anything waits to be written or not; with HTTP/1
// only a write knows of it, and net/http takes it away after the request.
func (a *answer) relax() {
	if a.http2 && a.until != 0 {
		a.until = 0
		_ = a.control.SetWriteDeadline(time.Time{})
	}
}
