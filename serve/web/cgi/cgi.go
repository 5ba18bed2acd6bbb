package cgi

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/serve/web/pool"
	"github.com/wherry-run/wherry/serve/web/wire"
)

// Config says which program answers.
type Config struct {
	// Container has the program, and the files that all its runs share.
	Container *runtime.Container
	// Args are the program and its arguments; none are the container's own.
	Args []string
	// Limits bound each run. Its Timeout is not used.
	Limits runtime.Limits
	// Timeout is how long a run may take to say anything, and to say more.
	Timeout time.Duration
	// Most is how many may run at once, Waiting how many requests may wait for that.
	Most, Waiting int
	// Stderr gets what runs say on their standard error; nil discards it.
	Stderr io.Writer
	// Log gets what was wrong with a run; nil: none.
	Log *slog.Logger
}

// A Handler answers by running a program.
type Handler struct {
	Config
	turns *pool.Pool[struct{}]
}

// New makes a handler.
func New(c Config) (*Handler, error) {
	if len(c.Args) == 0 {
		c.Args = c.Container.Command()
	}
	if len(c.Args) == 0 {
		return nil, errors.New("the image names no program to run: give it an ENTRYPOINT")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Limits.Timeout = 0
	return &Handler{Config: c, turns: pool.New(pool.Config[struct{}]{
		Most: c.Most, Waiting: c.Waiting,
		Make: func(context.Context) (struct{}, error) { return struct{}{}, nil },
		End:  func(context.Context, struct{}) {},
	})}, nil
}

// Close waits until nothing runs.
func (h *Handler) Close(ctx context.Context) error { return h.turns.Close(ctx) }

// maxRedirects bounds how often a program may name another path that answers.
const maxRedirects = 8

// ServeHTTP runs the program.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	turn, err := h.turns.Get(r.Context())
	if err != nil {
		pool.Busy(w)
		return
	}
	defer h.turns.Put(r.Context(), turn)
	_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/2 has it anyway
	for range maxRedirects {
		next := h.run(w, r)
		if next == nil {
			return
		}
		r = next
	}
	h.fail(w, r, http.StatusBadGateway, "it names another path again and again")
}

// run answers by one run. It gives the request for another path that the program says
// is to be answered instead.
func (h *Handler) run(w http.ResponseWriter, r *http.Request) *http.Request {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	silent := time.AfterFunc(h.Timeout, func() { cancel(wire.ErrSilent) })
	defer silent.Stop()
	out := &output{w: w, r: r, heard: func() { silent.Reset(h.Timeout) }}
	defer out.end()
	env := append(h.Container.Environment(), variables(r)...)
	err := h.Container.Exec(ctx, runtime.Process{
		Args: h.Args, Env: env, Streams: true, Stdin: r.Body, Stdout: out, Stderr: h.Stderr, Limits: h.Limits,
	})
	out.end()
	switch {
	case out.wrong != nil:
		h.fail(w, r, http.StatusBadGateway, out.wrong.Error())
	case r.Context().Err() != nil: // the client left
		panic(http.ErrAbortHandler)
	case out.local != "":
		return elsewhere(r, out.local)
	case !out.begun:
		h.unanswered(w, r, err)
	case err != nil && !errors.As(err, new(*runtime.ExitError)):
		h.Log.Error("a program did not come to the end of its answer", "path", r.URL.Path, "error", err)
		panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
	case err != nil:
		h.Log.Warn("a program ended with an error", "path", r.URL.Path, "error", err)
	}
	return nil
}

// unanswered answers for a program that has said nothing.
func (h *Handler) unanswered(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case err == nil:
		h.fail(w, r, http.StatusBadGateway, "it ended without an answer")
	case errors.Is(err, wire.ErrSilent):
		h.fail(w, r, http.StatusGatewayTimeout, err.Error())
	default:
		h.fail(w, r, http.StatusBadGateway, err.Error())
	}
}

// fail answers for a program; why is for the log alone.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, status int, why string) {
	h.Log.Error("a program did not answer", "path", r.URL.Path, "why", why)
	clear(w.Header())
	http.Error(w, "the program behind this address did not answer", status)
}

// elsewhere is the request for another path of the same server (RFC 3875, 6.2.2).
func elsewhere(r *http.Request, local string) *http.Request {
	to, err := r.URL.Parse(local)
	if err != nil {
		return nil
	}
	next := r.Clone(r.Context())
	next.Method, next.URL, next.RequestURI = http.MethodGet, to, to.RequestURI()
	next.Body, next.ContentLength, next.TransferEncoding = http.NoBody, 0, nil
	next.Header.Del("Content-Type")
	next.Header.Del("Content-Length")
	return next
}
