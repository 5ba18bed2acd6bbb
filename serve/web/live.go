package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/serve/web/socket"
)

// A Live answers by one Handler after another: those of versions of an image whose files
// change. A request is answered by the handler that began with it, to its end: but one
// that goes on for longer than its handler's Timeout after that was replaced, or beyond so
// many other versions that maxRetired of them wait for their ends, is cut.
type Live struct {
	replacing sync.Mutex // held by who makes the next one

	mu      sync.Mutex
	now     *version
	failure error // why the newest one did not begin; requests hear of it
	closed  bool
	retired []*version // that are not closed yet, the oldest first
	closing sync.WaitGroup
}

// version is one handler, and what is to be done when it is gone.
type version struct {
	*Handler
	done  func()
	users int
	idle  chan struct{} // closed when a retired one has no users
	cut   chan struct{} // closed when a retired one is to wait no longer
}

// NewLive begins with a handler. Close closes it.
func NewLive(h *Handler) *Live { return &Live{now: &version{Handler: h, done: func() {}}} }

var errEnds = errors.New("the server ends")

// Replace has the handler that open makes answer from now on; done is called when that is
// gone itself. Until it is there the one before answers. When there is none requests are
// answered with 500 until the next Replace, and the one before is kept for that.
func (l *Live) Replace(ctx context.Context, open func(ctx context.Context) (*Handler, error), done func()) error {
	l.replacing.Lock()
	defer l.replacing.Unlock()
	if l.ended() {
		done()
		return errEnds
	}
	h, err := open(ctx)
	if err == nil && l.ended() { // meanwhile: Close waits for this
		_ = end(ctx, h)
		err = errEnds
	}
	if err != nil {
		l.mu.Lock()
		l.failure = err
		l.mu.Unlock()
		done()
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.now
	l.failure, l.now = nil, &version{Handler: h, done: done}
	l.retire(ctx, old)
	return nil
}

// Foresee opens a handler as Replace does, and closes it: what it leaves behind is there
// for the next one. Close waits for it, too.
func (l *Live) Foresee(ctx context.Context, open func(ctx context.Context) (*Handler, error)) error {
	l.replacing.Lock()
	defer l.replacing.Unlock()
	if l.ended() {
		return errEnds
	}
	h, err := open(ctx)
	if err != nil {
		return err
	}
	return end(ctx, h)
}

func (l *Live) ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// patience is how long a version has at least for the requests that it began with when it
// was replaced, and how long it may take to end.
const patience = 10 * time.Second

// maxRetired is how many versions there may be that were replaced and have requests yet.
const maxRetired = 4

// end closes a handler, in time.
func end(ctx context.Context, h *Handler) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return h.Close(ctx)
}

// retire closes a version once nobody needs it. l.mu is held.
func (l *Live) retire(ctx context.Context, v *version) {
	idle := make(chan struct{})
	if v.users == 0 {
		close(idle)
	} else {
		v.idle = idle
	}
	v.cut = make(chan struct{})
	if l.retired = append(l.retired, v); len(l.retired) > maxRetired {
		close(l.retired[0].cut)
		l.retired = slices.Delete(l.retired, 0, 1)
	}
	l.closing.Go(func() {
		wait := time.NewTimer(max(patience, v.timeout))
		defer wait.Stop()
		select {
		case <-idle:
		case <-wait.C:
		case <-v.cut:
		}
		_ = end(ctx, v.Handler) // what it was is over
		v.done()
		l.mu.Lock()
		defer l.mu.Unlock()
		if i := slices.Index(l.retired, v); i >= 0 {
			l.retired = slices.Delete(l.retired, i, i+1)
		}
	})
}

// ServeHTTP has the version of the moment answer.
func (l *Live) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	v, failure := l.now, l.failure
	counted := failure == nil && !socket.Asked(r) // connections that stay are told to leave
	if counted {
		v.users++
	}
	l.mu.Unlock()
	if failure != nil {
		w.Header().Set("Cache-Control", "no-store")
		text := "Internal Server Error: the application did not begin, its log says why"
		if raised := (*runtime.ExceptionError)(nil); errors.As(failure, &raised) {
			text += " (" + raised.Type + ")"
		}
		http.Error(w, text, http.StatusInternalServerError)
		return
	}
	if counted {
		defer l.leave(v)
	}
	v.ServeHTTP(w, r)
}

// leave notes that a request is over.
func (l *Live) leave(v *version) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if v.users--; v.users == 0 && v.idle != nil {
		close(v.idle)
		v.idle = nil
	}
}

// Close closes the handler, when no request is under way any more. It waits for what
// Replace and Foresee have begun, and nothing begins after it.
func (l *Live) Close(ctx context.Context) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	for _, v := range l.retired { // what they wait for is over
		close(v.cut)
	}
	l.retired = nil
	l.mu.Unlock()
	l.replacing.Lock() // who has it sees that it is closed, or is here already
	defer l.replacing.Unlock()
	l.mu.Lock()
	v := l.now
	l.mu.Unlock()
	err := v.Close(ctx)
	v.done()
	l.closing.Wait()
	return err
}
