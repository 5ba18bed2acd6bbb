package runtime

import (
	"context"
	"io"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/wherry-run/wherry/wasi"
)

// session is one Run or Exec with all the programs that it starts. It knows
// the inputs in use: programs of one script read the same pipe or terminal in
// turn, and what the host read ahead for one must be there for the next.
type session struct {
	container *Container
	account   *account // of this call
	limits    Limits   // of one program of it
	deadline  *deadline
	stderr    io.Writer // of the call
	flooded   atomic.Pointer[LimitError]

	mu     sync.Mutex
	recent []sharedInput
	door   Door // nil: nobody has asked for it
}

// newSession begins a call with limits of its own.
func (c *Container) newSession(call Limits) *session {
	limits := c.limits
	limits.Memory = within(limits.Memory, call.Memory)
	limits.Tables = within(limits.Tables, call.Tables)
	limits.OpenFiles = within(limits.OpenFiles, call.OpenFiles)
	return &session{container: c, account: newAccount(ScopeCall, call, c.account), limits: limits}
}

// bounded counts what is written to one of the call's streams, and ends the
// call at the limit: nobody would take a part of the output for the whole.
func (s *session) bounded(dst io.Writer, stop context.CancelCauseFunc) io.Writer {
	return &boundedWriter{s, dst, stop}
}

type boundedWriter struct {
	session *session
	dst     io.Writer
	stop    context.CancelCauseFunc
}

func (w *boundedWriter) Write(p []byte) (int, error) {
	return writeBounded(w.dst, p, w.session.account, &w.session.flooded, w.stop)
}

// writeBounded writes what an account still allows of p. At its limit it says so
// to flooded and stop.
func writeBounded(dst io.Writer, p []byte, a *account, flooded *atomic.Pointer[LimitError], stop context.CancelCauseFunc) (int, error) {
	allowed, limit := a.print(int64(len(p)))
	n := 0
	if allowed > 0 {
		var err error
		if n, err = dst.Write(p[:allowed]); err != nil {
			return n, err
		}
	}
	if limit == nil {
		return n, nil
	}
	flooded.CompareAndSwap(nil, limit)
	stop(limit)
	return n, wasi.ErrOutputLimit
}

type sharedInput struct {
	reader io.Reader
	input  *wasi.Input
}

// maxShared bounds the inputs that are remembered: those of the programs that
// run now, and a few before them.
const maxShared = 16

// reader is r for a program of ours: through the Input that read ahead of it,
// if one did.
func (s *session) reader(ctx context.Context, r io.Reader) io.Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !reflect.TypeOf(r).Comparable() {
		return r
	}
	for _, k := range s.recent {
		if k.reader == r {
			return k.input.Reader(ctx)
		}
	}
	return r
}

// input is the Input over r: the same one for the same reader.
func (s *session) input(r io.Reader, terminal bool) *wasi.Input {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := reflect.TypeOf(r).Comparable()
	for _, k := range s.recent {
		if known && k.reader == r {
			return k.input
		}
	}
	in := wasi.NewInput(r)
	if terminal {
		in = wasi.NewTerminalInput(r)
	}
	if s.container.spec.Deterministic {
		in.Whole()
	}
	if known {
		s.recent = append(s.recent, sharedInput{r, in})
		if len(s.recent) > maxShared {
			s.recent = s.recent[1:]
		}
	}
	return in
}
