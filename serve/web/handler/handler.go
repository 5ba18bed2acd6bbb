package handler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/serve/web/pool"
	"github.com/wherry-run/wherry/serve/web/wire"
)

// Config says which program answers.
type Config struct {
	// Container has the program, and the files that all its instances share.
	Container *runtime.Container
	// Args are the program and its arguments; none are the container's own.
	Args []string
	// Limits bound each request, and what an instance has. Their Timeout is not used.
	Limits runtime.Limits
	// Timeout is how long a request may take to be answered, and each further piece of
	// an answer.
	Timeout time.Duration
	// Instances is how many requests are answered at once, Waiting how many may wait.
	Instances, Waiting int
	// Output gets what instances print; nil discards it.
	Output io.Writer
	// Log gets what was wrong with an answer; nil: none.
	Log *slog.Logger
}

// A Handler answers by instances of a reactor.
type Handler struct {
	Config
	instances *pool.Pool[*instance]
	frames    sync.Pool // of *[]byte
}

// instance is a reactor that has begun.
type instance struct {
	worker *runtime.Worker
	driver *driver
}

// New makes a handler, and a first instance of its program.
func New(ctx context.Context, c Config) (*Handler, error) {
	if len(c.Args) == 0 {
		c.Args = c.Container.Command()
	}
	if len(c.Args) == 0 {
		return nil, errors.New("the image names no module to run: give it an ENTRYPOINT")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Limits.Timeout = 0
	h := &Handler{Config: c, frames: sync.Pool{New: func() any { return new([]byte) }}}
	h.instances = pool.New(pool.Config[*instance]{
		Most: c.Instances, Waiting: c.Waiting, Make: h.make,
		End: func(ctx context.Context, i *instance) { _ = i.worker.Close(context.WithoutCancel(ctx)) },
	})
	first, err := h.instances.Get(ctx)
	if err != nil {
		return nil, err
	}
	h.instances.Put(ctx, first)
	return h, nil
}

// make begins an instance. It does not end with the request that it is made for.
func (h *Handler) make(ctx context.Context) (*instance, error) {
	d := &driver{}
	w, err := h.Container.Worker(context.WithoutCancel(ctx), runtime.Process{
		Args: h.Args, Driver: d, Limits: h.Limits, Streams: true, Stdout: h.Output, Stderr: h.Output,
	})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", h.Args[0], err)
	}
	return &instance{w, d}, nil
}

// Close ends the instances.
func (h *Handler) Close(ctx context.Context) error { return h.instances.Close(ctx) }

// errSilent is that of an instance that said nothing for too long.
var errSilent = errors.New("it said nothing for too long")

// turn is one request at an instance.
type turn struct {
	request *http.Request
	answer  *wire.Answer
	silent  *time.Timer
	timeout time.Duration
	wrong   error // what is no answer
}

// read is the guest's import.
func (t *turn) read(p []byte) int32 {
	if len(p) == 0 {
		return 0
	}
	n, err := t.request.Body.Read(p[:min(len(p), 1<<20)])
	if n > 0 {
		t.silent.Reset(t.timeout)
		return int32(n)
	}
	if err == io.EOF {
		return 0
	}
	return -1
}

// write is the guest's import.
func (t *turn) write(p []byte) int32 {
	if t.wrong != nil {
		return -1
	}
	if !t.answer.Begun() {
		status, header, body, err := wire.ParseAnswer(p)
		if err != nil {
			t.wrong = err
			return -1
		}
		if t.answer.Begin(status, header, -1) != nil {
			return -1
		}
		p = body
	}
	if len(p) > 0 {
		if _, err := t.answer.Write(p); err != nil {
			return -1
		}
	}
	t.silent.Reset(t.timeout)
	return 0
}

// ServeHTTP has an instance answer.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	frame := h.frames.Get().(*[]byte)
	defer h.frames.Put(frame)
	request, err := wire.Request((*frame)[:0], r)
	if err != nil { // of the body: who sent it hears of it, if anybody listens
		http.Error(w, "the body of the request did not come", http.StatusBadRequest)
		return
	}
	if cap(request) <= 2*wire.AtOnce {
		*frame = request
	}
	i, err := h.instances.Get(r.Context())
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/2 has it anyway
	}
	h.answer(w, r, i, request)
}

// answer has an instance answer, and gives it back.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, i *instance, request []byte) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.Context()))
	defer cancel(nil)
	t := &turn{request: r, answer: wire.NewAnswer(w, r), timeout: h.Timeout}
	t.silent = time.AfterFunc(h.Timeout, func() { cancel(errSilent) })
	defer t.silent.Stop()
	defer t.answer.End()
	i.driver.turn = t
	err := i.worker.Do(ctx, func(ctx context.Context, m *runtime.Machine) error {
		rest, err := ask(ctx, m, request)
		if err != nil {
			return err
		}
		return t.finish(rest)
	})
	i.driver.turn = nil
	if err == nil {
		err = t.wrong
	}
	if err == nil {
		h.instances.Put(ctx, i)
		return
	}
	if errors.As(err, new(*protocolError)) { // it goes on
		h.instances.Put(ctx, i)
	} else {
		h.instances.Drop(context.WithoutCancel(ctx), i)
	}
	h.fail(w, r, t, err)
}

// protocolError is an answer that is none.
type protocolError struct{ error }

// finish sends what the guest returned.
func (t *turn) finish(rest []byte) error {
	if t.wrong != nil {
		return &protocolError{t.wrong}
	}
	if t.answer.Begun() {
		if len(rest) > 0 {
			_, _ = t.answer.Write(rest) // a client that left
		}
		return nil
	}
	status, header, body, err := wire.ParseAnswer(rest)
	if err != nil {
		return &protocolError{err}
	}
	_ = t.answer.Whole(status, header, body) // a client that left
	return nil
}

// fail answers for an instance that did not.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, t *turn, err error) {
	h.Log.Error("a request was not answered", "path", r.URL.Path, "error", err)
	if t.answer.Begun() {
		panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
	}
	status := http.StatusBadGateway
	if errors.Is(err, errSilent) {
		status = http.StatusGatewayTimeout
	}
	http.Error(w, "the program behind this address did not answer", status)
}

// refuse answers for instances that there are not enough of.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case r.Context().Err() != nil:
		panic(http.ErrAbortHandler)
	case errors.Is(err, pool.ErrFull):
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many requests: ask again", http.StatusServiceUnavailable)
	default:
		h.Log.Error("there is no instance for a request", "path", r.URL.Path, "error", err)
		http.Error(w, "the program behind this address did not start", http.StatusBadGateway)
	}
}
