package python

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wherry-run/wherry/internal/servercmd"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/serve/web/pool"
	"github.com/wherry-run/wherry/serve/web/socket"
	"github.com/wherry-run/wherry/serve/web/wire"
)

// Config says which application answers.
type Config struct {
	Application *servercmd.Application
	// Container has the program, and the files that all its instances share.
	Container *runtime.Container
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

// A Handler answers by instances of an application.
type Handler struct {
	Config
	instances *pool.Pool[*instance]
	bodies    sync.Pool // of *[]byte
	sockets   hub
	first     sync.Once
	began     string // how the first instance did
}

// instance is an application that was imported.
type instance struct {
	worker *runtime.Worker
	turn   atomic.Pointer[turn]
	// said hears what is said of WebSockets; nil: the instance answers requests.
	said func(letter byte, rest []byte) []byte
}

// New makes a handler, and a first instance of its application.
func New(ctx context.Context, c Config) (*Handler, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Limits.Timeout = 0
	h := &Handler{Config: c, bodies: sync.Pool{New: func() any { return new([]byte) }}}
	h.sockets.Config, h.sockets.begin = c, h.sitting
	var err error
	h.instances, err = pool.Start(ctx, pool.Config[*instance]{Most: c.Instances, Waiting: c.Waiting, Make: h.make, End: h.end})
	if err != nil {
		return nil, err
	}
	return h, nil
}

// make begins an instance. It does not end with the request that it is made for.
func (h *Handler) make(ctx context.Context) (*instance, error) {
	i := &instance{}
	w, err := h.Container.Worker(context.WithoutCancel(ctx), runtime.Process{
		Args: h.Application.Args(), Limits: h.Limits, Streams: true, Stdout: h.Output, Stderr: h.Output, Answer: i.answer,
	})
	if err != nil {
		var raised *runtime.ExceptionError
		if errors.As(err, &raised) && raised.Traceback != "" && h.Output != nil {
			fmt.Fprint(h.Output, raised.Traceback)
		}
		return nil, fmt.Errorf("import the application %s: %w", h.Application.Target, err)
	}
	i.worker = w
	h.first.Do(func() {
		if h.began = began(w); h.began == FromBeginning {
			for _, why := range h.Container.Stats().Notes {
				h.Log.Info("the application begins at its beginning: " + why)
			}
		}
	})
	return i, nil
}

// How an instance began, of Handler.Began.
const (
	FromSnapshot  = "snapshot"  // as it was, imported
	FromPackages  = "packages"  // its packages were imported, its own files are now
	FromBeginning = "beginning" // everything is imported now
)

// Began is how the first instance began.
func (h *Handler) Began() string { return h.began }

func began(w *runtime.Worker) string {
	from, whole := w.Restored()
	switch {
	case whole:
		return FromSnapshot
	case from != nil && from.Packages:
		return FromPackages
	}
	return FromBeginning
}

// sitting begins an instance for WebSockets.
func (h *Handler) sitting(ctx context.Context, said func(letter byte, rest []byte) []byte) (guest, error) {
	i, err := h.make(ctx)
	if err != nil {
		return nil, err
	}
	i.said = said
	return &sitting{i.worker, h, i}, nil
}

// sitting is an instance that has WebSockets.
type sitting struct {
	*runtime.Worker
	h *Handler
	i *instance
}

// End implements guest.
func (s *sitting) End(ctx context.Context) { s.h.end(ctx, s.i) }

// lastWords is how long an application has to hear that there are no more requests.
const lastWords = 5 * time.Second

// end tells an application of ASGI that there are no more requests, and ends it.
func (h *Handler) end(ctx context.Context, i *instance) {
	ctx = context.WithoutCancel(ctx)
	if h.Application.Protocol == servercmd.ASGI {
		last, cancel := context.WithTimeout(ctx, lastWords)
		_, _, _ = i.worker.Exchange(last, []byte(`{"end":true}`)) // one that is broken hears nothing
		cancel()
	}
	_ = i.worker.Close(ctx)
}

// Close ends the instances.
func (h *Handler) Close(ctx context.Context) error {
	return errors.Join(h.sockets.close(), h.instances.Close(ctx))
}

// turn is one request at an instance.
type turn struct {
	request *http.Request
	answer  *wire.Answer
	silent  *time.Timer
	timeout time.Duration
	over    chan struct{} // closed when the answer is complete
	once    sync.Once
	wrong   error // what is no answer

	mu   sync.Mutex
	left bool // nothing is to be read of the request any more
}

// Letters of what an application says over the door, after head.
const (
	head        = "\x00web\x01"
	letterRead  = 'r'
	letterBegin = 'a'
	letterPiece = 'w'
	letterEnd   = 'e'
)

var (
	done = []byte{0}
	gone = []byte{1}
)

// answer hears what an application says over the door.
func (i *instance) answer(_ context.Context, message []byte) ([]byte, bool, error) {
	if len(message) <= len(head) || string(message[:len(head)]) != head {
		return nil, false, nil
	}
	letter, rest := message[len(head)], message[len(head)+1:]
	if i.said != nil {
		return i.said(letter, rest), true, nil
	}
	t := i.turn.Load()
	if t == nil {
		return gone, true, nil
	}
	switch letter {
	case letterRead:
		return t.read(rest), true, nil
	case letterBegin:
		return t.begin(rest), true, nil
	case letterPiece:
		return t.piece(rest), true, nil
	case letterEnd:
		t.end()
		return done, true, nil
	}
	return nil, true, errors.New("a message of another version")
}

// mostRead bounds a piece of a request's body.
const mostRead = 1 << 20

func (t *turn) read(size []byte) []byte {
	if len(size) != 4 {
		return gone
	}
	b := make([]byte, 1+min(binary.LittleEndian.Uint32(size), mostRead))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left || len(b) == 1 {
		return gone
	}
	for {
		n, err := t.request.Body.Read(b[1:])
		if n > 0 || err == io.EOF {
			t.silent.Reset(t.timeout)
			return b[:1+n]
		}
		if err != nil {
			return gone
		}
	}
}

func (t *turn) begin(rest []byte) []byte {
	if len(rest) < 4 || uint64(binary.LittleEndian.Uint32(rest)) > uint64(len(rest)-4) {
		t.wrong = errors.New("a message of another version")
		return gone
	}
	n := binary.LittleEndian.Uint32(rest)
	text, body := rest[4:4+n], rest[4+n:]
	status, header, err := parseAnswer(text)
	if err != nil {
		t.wrong = err
		return gone
	}
	if t.answer.Begin(status, header, -1) != nil {
		return gone
	}
	return t.piece(body)
}

func (t *turn) piece(p []byte) []byte {
	if t.wrong != nil || !t.answer.Begun() {
		return gone
	}
	if len(p) > 0 {
		if _, err := t.answer.Write(p); err != nil {
			return gone
		}
	}
	t.silent.Reset(t.timeout)
	return done
}

// end says that the answer is complete: the request is over, whatever the application
// does then.
func (t *turn) end() {
	t.once.Do(func() { close(t.over) })
}

// ServeHTTP has an instance answer.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.Application.Protocol == servercmd.ASGI && socket.Asked(r) {
		h.sockets.serve(w, r)
		return
	}
	room := h.bodies.Get().(*[]byte)
	body, more, err := wire.Body((*room)[:0], r)
	if err != nil {
		http.Error(w, "the body of the request did not come", http.StatusBadRequest)
		return
	}
	*room = body
	text, err := h.say(r, len(body), more)
	if err != nil {
		http.Error(w, "the request cannot be told", http.StatusBadRequest)
		return
	}
	i, err := h.instances.Get(r.Context())
	if err != nil {
		pool.Refuse(w, r, h.Log, "application", err)
		return
	}
	if more {
		_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/2 has it anyway
	}
	t := &turn{request: r, answer: wire.NewAnswer(w, r), timeout: h.Timeout, over: make(chan struct{})}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.Context()))
	t.silent = time.AfterFunc(h.Timeout, func() { cancel(wire.ErrSilent) })
	i.turn.Store(t)
	failed := make(chan error, 1)
	go func() {
		err := h.ask(ctx, i, t, text, body)
		h.tell(r, err)
		failed <- err
		t.end()
		i.turn.Store(nil)
		t.silent.Stop()
		cancel(nil)
		h.bodies.Put(room)
		h.giveBack(ctx, i, err)
	}()
	<-t.over
	t.answer.End()
	t.mu.Lock()
	t.left = true
	t.mu.Unlock()
	select {
	case err = <-failed:
	default: // it goes on, after its answer
	}
	if err == nil && t.wrong != nil {
		err = t.wrong
		h.tell(r, err)
	}
	if err != nil {
		h.fail(w, t, err)
	}
}

// say is the JSON of a request.
func (h *Handler) say(r *http.Request, size int, more bool) ([]byte, error) {
	m := message{Root: h.Application.Root, Size: size, More: more}
	if h.Application.Protocol == servercmd.ASGI {
		m.Scope = scope(r)
	} else {
		m.Environ = environ(r, m.Root)
	}
	return json.Marshal(m)
}

// ask has an application answer. What it gives back at its end is sent.
func (h *Handler) ask(ctx context.Context, i *instance, t *turn, text, body []byte) error {
	told, data, err := i.worker.Exchange(ctx, text, body)
	if err != nil {
		return err
	}
	if t.wrong != nil || t.answer.Begun() {
		return nil
	}
	status, header, err := parseAnswer(told)
	if err != nil {
		t.wrong = err
		return nil
	}
	_ = t.answer.Whole(status, header, data) // a client that left
	return nil
}

// giveBack gives an instance back, or ends it when it is broken. An exception is the
// request's.
func (h *Handler) giveBack(ctx context.Context, i *instance, err error) {
	ctx = context.WithoutCancel(ctx)
	if err == nil || errors.As(err, new(*runtime.ExceptionError)) && !errors.As(err, new(*runtime.BrokenError)) {
		h.instances.Put(ctx, i)
		return
	}
	h.instances.Drop(ctx, i)
}

// tell writes down what went wrong with a request, whether it was answered or not.
func (h *Handler) tell(r *http.Request, err error) {
	var raised *runtime.ExceptionError
	switch {
	case err == nil:
	case errors.As(err, &raised) && raised.Traceback != "" && h.Output != nil:
		fmt.Fprint(h.Output, raised.Traceback)
	default:
		h.Log.Error("a request was not answered, or not to its end", "path", r.URL.Path, "error", err)
	}
}

// fail answers for an application that did not.
func (h *Handler) fail(w http.ResponseWriter, t *turn, err error) {
	var raised *runtime.ExceptionError
	if t.answer.Begun() {
		panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
	}
	switch {
	case errors.As(err, &raised), t.wrong != nil:
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
	case errors.Is(err, wire.ErrSilent):
		http.Error(w, "the application behind this address did not answer", http.StatusGatewayTimeout)
	default:
		http.Error(w, "the application behind this address did not answer", http.StatusBadGateway)
	}
}
