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
	worker  *runtime.Worker
	driver  *driver
	silence silence
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
	var err error
	h.instances, err = pool.Start(ctx, pool.Config[*instance]{
		Most: c.Instances, Waiting: c.Waiting, Make: h.make,
		End: func(ctx context.Context, i *instance) {
			i.silence.stop()
			_ = i.worker.Close(context.WithoutCancel(ctx))
		},
	})
	if err != nil {
		return nil, err
	}
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
	return &instance{worker: w, driver: d}, nil
}

// Close ends the instances.
func (h *Handler) Close(ctx context.Context) error { return h.instances.Close(ctx) }

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
		pool.Refuse(w, r, h.Log, "program", err)
		return
	}
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/2 has it anyway
	}
	h.answer(w, r, i, request)
}

// answer has an instance answer, and gives it back.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, i *instance, frame []byte) {
	t := &turn{request: r, frame: frame, instance: i}
	t.Begin(context.WithoutCancel(r.Context()), nil)
	defer t.Cancel(nil)
	t.answer.Open(w, r)
	defer t.answer.End()
	i.silence.begin(t, h.Timeout)
	i.driver.turn = t
	err := i.worker.Do(t, t.work)
	i.driver.turn = nil
	i.silence.end()
	if err == nil {
		err = t.wrong
	}
	if err == nil || errors.As(err, new(*protocolError)) { // it goes on
		h.instances.Put(t, i)
	} else {
		h.instances.Drop(context.WithoutCancel(t), i)
	}
	if err != nil {
		h.fail(w, r, t, err)
	}
}

// fail answers for an instance that did not.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, t *turn, err error) {
	if errors.Is(err, errCut) {
		panic(http.ErrAbortHandler) // it has said why, if it wants to
	}
	h.Log.Error("a request was not answered", "path", r.URL.Path, "error", err)
	if t.answer.Begun() {
		panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
	}
	status := http.StatusBadGateway
	if errors.Is(err, wire.ErrSilent) {
		status = http.StatusGatewayTimeout
	}
	http.Error(w, "the program behind this address did not answer", status)
}
