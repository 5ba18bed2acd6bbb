package runtime

import (
	"context"
	"errors"
	"fmt"
	"github.com/wherry-run/wherry/oci"
)

// A Worker is a program of a container that waits for work and is called many
// times. It does one request at a time; its methods may be called from any
// goroutine. Close it when it is done.
type Worker struct {
	container *Container
	session   *session
	process   Process
	slot      func() // gives the place among the container's programs back
	unhook    func() bool
	life      context.Context // ends when it is closed, or its container
	stop      context.CancelCauseFunc

	turn chan struct{} // held by whoever uses what follows
	sitting
	broken error // why the program cannot go on
	ended  bool
}

// A BrokenError is returned by calls on a Worker whose program ended: it
// trapped, exited, met a limit or was cancelled. Reset makes it work again.
type BrokenError struct {
	// Cause is how it ended.
	Cause error
}

func (e *BrokenError) Error() string {
	return "the worker has ended (Reset starts it again): " + e.Cause.Error()
}

// Unwrap gives the cause.
func (e *BrokenError) Unwrap() error { return e.Cause }

// Worker starts a program that answers requests: where its image's snapshot
// fits, from there, else from its beginning; Stats say which, and why. Without
// Args it is the container's own program. The limits of p bound each request, the
// start and a Reset by themselves; those of memory, tables and open files, and
// the share of the processors, the Worker as a whole. It counts as one of the
// programs that the container may run until it is closed.
//
// A program that is in its snapshot as a whole stands ready then, and nothing of it
// has run: with its first Turn, and the first after a Reset, it is seeded anew, its
// on_restore is called, and what it printed while it loaded is printed.
//
// A Python model, predict FILE.py, answers requests. Of any other program the
// error is a *FormatError; of one that fails while it loads an *ExceptionError,
// or as of Exec.
func (c *Container) Worker(ctx context.Context, p Process) (*Worker, error) {
	if len(p.Args) == 0 {
		p.Args = c.Command()
	}
	if err := c.checkProcess(p); err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	w := &Worker{container: c, turn: make(chan struct{}, 1)}
	w.life, w.stop = context.WithCancelCause(c.life)
	w.turn <- struct{}{}
	w.process = c.complete(p)
	if err := c.ensureDir(w.process.Dir); err != nil {
		return nil, fmt.Errorf("enter %s: %w", w.process.Dir, err)
	}
	held := p.Limits
	held.Fuel, held.CPUTime, held.Output, held.Timeout = 0, 0, 0, 0
	w.session = c.newSession(held)
	w.process.Stdout, w.process.Stderr = w.out.to(w.process.Stdout), w.out.to(w.process.Stderr)
	w.session.stderr = w.process.Stderr
	w.session.deadline = &deadline{}
	leave, err := w.session.enter()
	if err != nil {
		return nil, err
	}
	w.slot = leave
	if err = w.call(ctx, func(ctx context.Context) error { return w.begin(ctx, false) }); err != nil {
		w.end()
		return nil, err
	}
	w.unhook = context.AfterFunc(c.life, func() { w.Close(context.WithoutCancel(ctx)) })
	<-w.turn
	return w, nil
}

// Restored is the snapshot that the program began with, and tells whether that has the
// program as a whole. nil: it began at its beginning.
func (w *Worker) Restored() (s *oci.Snapshot, whole bool) {
	if w.plan == nil || w.plan.snapshot == nil {
		return nil, false
	}
	return w.plan.snapshot, w.loaded()
}

// Turn has the program answer one request: JSON, a list of words as on the
// command line or an object with the values of predict's parameters. The answer
// is JSON, what predict returned. An *ExceptionError says that the program raised
// an exception; it goes on, unless it raised it in on_restore. After that, and after
// every other error of the program, it is broken. Within the timeout of a Turn, what
// comes before the request has the other limits for itself.
// Turn waits until the requests before are done, and no longer than ctx.
func (w *Worker) Turn(ctx context.Context, request []byte) (answer []byte, err error) {
	if len(request) > MaxRequest {
		return nil, fmt.Errorf("a request of %d bytes, more than %d", len(request), MaxRequest)
	}
	answer, _, err = w.ask(ctx, appendFrame(frameRequest, request), false, nil)
	return answer, err
}

// Exchange has the program answer one request that carries bytes: JSON that says
// what they are, and the pieces they are in. The answer is JSON as well, and bytes,
// which are the caller's. Everything else is as of Turn.
func (w *Worker) Exchange(ctx context.Context, head []byte, pieces ...[]byte) (answer, data []byte, err error) {
	if err := checkMessage(head, pieces); err != nil {
		return nil, nil, err
	}
	return w.ask(ctx, appendMessage(head, pieces), true, nil)
}

// Converse is Exchange for a request that the program may answer in parts: part gets
// each of them, in order, before the answer is there. The program waits while part
// does, and its limits are those of one request, the timeout with all waiting. After an
// error of part the program hears that nobody wants more of it. Once it has come to its
// end Converse returns that error, as it is; when it had to be ended, wrapped, and it is
// broken.
func (w *Worker) Converse(ctx context.Context, part func(answer, data []byte) error, head []byte, pieces ...[]byte) (answer, data []byte, err error) {
	if err := checkMessage(head, pieces); err != nil {
		return nil, nil, err
	}
	return w.ask(ctx, appendMessage(head, pieces), true, part)
}

func checkMessage(head []byte, pieces [][]byte) error {
	size := 0
	for _, p := range pieces {
		size += len(p)
	}
	if size > MaxData || len(head) > maxHead || len(pieces) > maxPieces {
		return fmt.Errorf("a request of %d bytes in %d pieces, %d bytes to describe them: more than %d, %d or %d",
			size, len(pieces), len(head), MaxData, maxPieces, maxHead)
	}
	return nil
}

// maxPieces bounds the pieces of a request.
const maxPieces = 1 << 14

// ask has the program answer a frame: with a message, or with JSON alone, and with parts
// before it where there is something that takes them.
func (w *Worker) ask(ctx context.Context, request []byte, message bool, part func(answer, data []byte) error) (answer, data []byte, err error) {
	if err := w.enter(ctx); err != nil {
		return nil, nil, err
	}
	defer w.leave()
	if w.broken != nil {
		return nil, nil, &BrokenError{w.broken}
	}
	steps := []step{w.work(request, w.owed)}
	if w.owed {
		steps = []step{w.greet, steps[0]}
	}
	w.part, w.unwanted = part, nil
	err = w.call(ctx, steps...)
	unwanted := w.unwanted
	w.part, w.unwanted = nil, nil
	switch {
	case err != nil && unwanted != nil:
		w.broken = err
		return nil, nil, fmt.Errorf("%w (and then: %w)", unwanted, err)
	case err != nil:
	case unwanted != nil:
		return nil, nil, unwanted
	case w.told.exception != nil:
		return nil, nil, w.told.exception
	case w.told.answer == nil || w.told.message != message:
		err = errors.New("the program did not answer the request")
	default:
		return w.told.answer, w.told.data, nil
	}
	w.broken = err
	return nil, nil, err
}

// Reset makes the program forget every request: its memory is what it was when
// the Worker was started, what it opened is closed, and with its next Turn it is
// seeded anew and its on_restore is called. Files that it wrote stay, for they are the container's;
// Container.Touched tells of them. A program that did not start from a snapshot, or
// whose memory has grown, is started again, which takes as long as the first time.
func (w *Worker) Reset(ctx context.Context) error {
	if err := w.enter(ctx); err != nil {
		return err
	}
	defer w.leave()
	w.broken = w.call(ctx, func(ctx context.Context) error {
		if err := w.restore(ctx); !errors.Is(err, errAnew) {
			return err
		}
		w.quit()
		return w.begin(ctx, true)
	})
	return w.broken
}

// Close ends the program; a request that is under way ends with ErrClosed.
func (w *Worker) Close(ctx context.Context) error {
	w.stop(fmt.Errorf("worker is %w", ErrClosed))
	select {
	case w.turn <- struct{}{}:
		w.finish()
		return nil
	case <-ctx.Done():
		go func() {
			w.turn <- struct{}{}
			w.finish()
		}()
		return context.Cause(ctx)
	}
}

// finish ends the Worker once, and gives the turn back.
func (w *Worker) finish() {
	defer func() { <-w.turn }()
	if !w.ended {
		w.ended = true
		w.unhook()
		w.end()
	}
}

// enter waits for the Worker, until leave.
func (w *Worker) enter(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
	default: // to ask a context for its channel makes that
		select {
		case w.turn <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	err := w.gone()
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		w.leave()
	}
	return err
}

func (w *Worker) leave() { <-w.turn }

// gone is an error when the Worker, or its container, was closed.
func (w *Worker) gone() error {
	if w.life.Err() == nil {
		return nil
	}
	return context.Cause(w.life)
}

// end gives everything back. The caller has the turn.
func (w *Worker) end() {
	w.stop(ErrClosed)
	w.quit()
	w.session.deadline.stop()
	w.session.close(w.life)
	w.slot()
}
