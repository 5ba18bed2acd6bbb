package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/nn"
	"github.com/wherry-run/wherry/wasi/preview1"
)

// sitting is one instance of a Worker's program and what it was given.
type sitting struct {
	x        *executable // its file is closed
	plan     *plan
	release  func() // gives the module back
	host     *preview1.Host
	meter    *meter
	instance *engine.Instance
	models   *nn.Host // nil: the program does not ask for them
	driven

	owed  bool // it was restored, and does not know yet who it is
	again bool // it was restored before, and has printed what it has to

	// Of the step under way.
	out     workerOutput
	request []byte // a frame, until the program has fetched it
	told    struct {
		answer, data []byte
		message      bool // the answer is one of frameMessage
		exception    *ExceptionError
	}

	// Of the request under way.
	part     func(answer, data []byte) error // takes parts of the answer; nil: nobody does
	unwanted error                           // why nobody takes more of them
}

// step is something that the program does.
type step func(context.Context) error

// call has the program do something, within the time of one call. Each step of it
// may use as much as a call: what a request costs beyond the time does not depend
// on whether the program begins with it.
func (w *Worker) call(ctx context.Context, steps ...step) error {
	c := w.container
	call := c.bound(ctx, w.life, w.process.Limits, w.session.deadline)
	defer call.end()
	for _, do := range steps {
		if err := w.take(call, do); err != nil {
			return c.cause(call, err)
		}
	}
	return nil
}

// take is one step, within limits of its own.
func (w *Worker) take(call *bounds, do step) error {
	l := w.process.Limits
	spends := &spending{call: call}
	account := &spends.account
	account.begin(ScopeCall, Limits{Fuel: l.Fuel, CPUTime: l.CPUTime, Output: l.Output}, w.session.account)
	w.session.account.step.Store(account)
	defer w.session.account.step.Store(nil)
	w.out.now.Store(spends)
	w.request, w.told.answer, w.told.data, w.told.exception = nil, nil, nil, nil
	if w.meter != nil {
		w.meter.spends, w.meter.refused = account, nil
		w.meter.work()
	}
	err := w.failure(do(call))
	if w.meter != nil {
		w.meter.pause()
		err = met(err, w.meter.refused)
	}
	if limit := spends.flooded.Load(); limit != nil {
		return limit
	}
	return err
}

// failure turns an error of the engine into one of this package. To exit is one,
// with any code: a Worker has no end of its own.
func (w *Worker) failure(err error) error {
	if err == nil {
		return nil
	}
	var exit *engine.ExitError
	if errors.As(err, &exit) {
		return &ExitError{Code: exit.Code}
	}
	return w.container.translate(w.x, err)
}

// begin starts the program. When it was there before, it does not print again
// what it printed while it was loaded for its snapshot.
func (w *Worker) begin(ctx context.Context, again bool) error {
	if w.process.Driver != nil {
		return w.drive(ctx)
	}
	err := w.start(ctx, w.session.planWorker)
	if errors.Is(err, engine.ErrImage) { // what is said about its memory is wrong
		w.quit()
		err = w.start(ctx, w.session.planWhole)
	}
	if err != nil {
		return err
	}
	w.owed, w.again = true, again
	if !w.loaded() {
		err = w.greet(ctx)
		var raised *ExceptionError
		if errors.As(err, &raised) && raised.anew && w.plan.snapshot != nil {
			err = w.beginning(ctx, raised.Message)
		}
	}
	if err == nil { // else the plan may be that of a start before, which was given up
		w.container.started(w.plan, 0)
	}
	return err
}

// beginning starts the program at its beginning, for a reason that it found itself.
func (w *Worker) beginning(ctx context.Context, why string) error {
	w.quit()
	w.told.exception = nil
	if err := w.start(ctx, w.session.planBeginning); err != nil {
		return err
	}
	w.plan.note("%s", why)
	return w.greet(ctx)
}

// loaded tells whether the program as a whole is in its snapshot. All that is left to
// do is to tell it who it is, which the next request does: who only wants a program that
// stands ready does not wait for it. A program of which the interpreter alone was kept
// loads when it is told.
func (w *Worker) loaded() bool {
	return w.plan.snapshot != nil && len(w.plan.snapshot.Program) == len(w.x.args)
}

// planWorker is planStart for a Worker.
func (s *session) planWorker(ctx context.Context, x *executable, p Process, ref layer.Ref, options prepare.Options) *plan {
	out := s.planStart(ctx, x, p, ref, options)
	if out.snapshot != nil && out.snapshot.Protocol != oci.ProtocolTurn {
		out.abandon("its snapshot is of a program that goes on to its end")
	}
	return out
}

// start makes an instance of the program.
func (w *Worker) start(ctx context.Context, planning planner) (err error) {
	c, s := w.container, w.session
	if w.x, err = c.find(w.process); err != nil {
		return err
	}
	defer func() {
		w.x.close()
		w.x.file = nil
	}()
	if w.x.builtin != nil {
		return &FormatError{w.x.path, noTurns}
	}
	var times Times
	defer func() { c.book(times) }()
	began := time.Now()
	module, plan, how, release, err := s.load(ctx, w.x, w.process, planning)
	times.loaded(time.Since(began), how)
	if err != nil {
		return err
	}
	w.plan, w.release = plan, release
	d := w.process.Driver
	if d == nil && !takesTurns(module) {
		return &FormatError{w.x.path, noTurns}
	}
	if d != nil {
		if err := w.join(ctx); err != nil {
			return err
		}
	}
	clock := plan.clock(c.clock)
	if d != nil {
		clock = continued{c.clock, w.since}
	}
	if w.host, err = s.newHost(w.x, w.process, clock, nil, nil); err != nil {
		return err
	}
	began = time.Now()
	w.meter = newMeter(s.account, &c.rt.crew)
	w.meter.spends = &w.out.now.Load().account
	w.meter.work()
	config := s.instanceConfig(module, w.host, w.meter, w.answer)
	config.Kernels = s.kernels(plan.pins, w.meter)
	if d == nil {
		config.Image = w.image()
	} else {
		var hosts []wasi.HostModule
		if w.machine, hosts, err = s.machineFor(d, w.x, w.process, module, w.host, clock, nil); err != nil {
			return err
		}
		for _, h := range hosts {
			config.Imports = append(config.Imports, w.meter.watch(h))
		}
		config.Image = w.from
	}
	if w.models = s.models(module, w.process, w.meter); w.models != nil {
		config.Imports = append(config.Imports, w.meter.watch(w.models.Module()))
	}
	instance, err := c.rt.engine.Instantiate(ctx, module, config)
	times.Start = time.Since(began)
	if err != nil {
		if w.meter.refused != nil { // what memory it declares is more than there is left
			return w.meter.refused
		}
		return err
	}
	w.instance = instance
	if d != nil {
		w.machine.instance = instance
	}
	return nil
}

// noTurns is why a program cannot be a Worker.
const noTurns = "it answers no requests: a Python model does (predict FILE.py); run it to its end with Exec"

// takesTurns tells whether a module has what a Worker calls.
func takesTurns(m *engine.Module) bool {
	has := func(name string, params int) bool {
		return slices.ContainsFunc(m.Exports(), func(e engine.Export) bool {
			return e.Kind == engine.KindFunc && e.Name == name && len(e.Params) == params && len(e.Results) == 1
		})
	}
	return has("turn", 2) && has("host_alloc", 1)
}

// greet tells the program who it is from now on, and has it make anew what it shares
// with nobody. Nothing of its own runs before.
func (w *Worker) greet(ctx context.Context) error {
	seed := make([]byte, seedBytes)
	if _, err := io.ReadFull(w.session.random(), seed); err != nil {
		return fmt.Errorf("read randomness: %w", err)
	}
	r := newRequest(w.x, w.process, seed)
	r.Again = w.again
	request, err := json.Marshal(r)
	if err != nil {
		return err
	}
	w.request = appendFrame(frameRequest, request)
	source := turnBegin
	if w.plan.snapshot == nil {
		source = turnFirst
	}
	if err := w.run(ctx, source); err != nil {
		return err
	}
	if w.told.exception != nil {
		return w.told.exception
	}
	w.owed = false
	w.remember(1)
	return nil
}

// work is the step that answers a request, a frame.
func (w *Worker) work(request []byte, first bool) step {
	return func(ctx context.Context) error {
		w.request = request
		err := w.run(ctx, turnWork)
		if err == nil && first {
			w.remember(2)
		}
		return err
	}
}

// remember tells the engine that the program has written what it writes in its first
// calls.
func (w *Worker) remember(calls int) {
	if image := w.image(); image != nil {
		w.instance.Remember(image, calls)
	}
}

// run has the program run source text.
func (w *Worker) run(ctx context.Context, source string) error {
	return w.instance.Watched(func() error { return turn(ctx, w.instance, source) })
}

// image is what the engine restores. It gets no key: what is known of a key are the
// pages of a whole run, and a Worker that begins touches a third of them.
func (w *Worker) image() *engine.Image {
	image := w.plan.image()
	if image != nil {
		image.Key = ""
	}
	return image
}

// errAnew says that a program cannot be put back in place.
var errAnew = errors.New("it has to be started again")

// restore puts the program back to its snapshot.
func (w *Worker) restore(ctx context.Context) error {
	if w.process.Driver != nil {
		return w.putBack(ctx)
	}
	if w.instance == nil || w.plan.snapshot == nil {
		return errAnew
	}
	if err := w.instance.Reset(w.image()); err != nil {
		return errAnew
	}
	if err := w.host.Reset(); err != nil {
		return fmt.Errorf("open what the program begins with: %w", err)
	}
	w.unload()
	w.owed, w.again = true, true
	if w.loaded() {
		return nil
	}
	return w.greet(ctx)
}

// quit ends the instance.
func (w *Worker) quit() {
	if w.instance != nil {
		w.container.loaded(w.instance.Groups())
		w.session.ran(w.plan, w.instance)
		w.instance.Close(w.container.life) // nothing runs: it does not wait
	}
	w.unload()
	if w.meter != nil {
		w.meter.pause()
	}
	if w.host != nil {
		w.host.Close()
	}
	if w.release != nil {
		w.release()
		w.plan.close()
	}
	w.instance, w.meter, w.host, w.release, w.models = nil, nil, nil, nil, nil
}

// unload ends the models that the program has loaded, if it has.
func (w *Worker) unload() {
	if w.models != nil {
		_ = w.models.Close(context.WithoutCancel(w.life)) // nothing hangs on how they end
	}
}

// answer is the door of a Worker's program.
func (w *Worker) answer(ctx context.Context, message []byte) ([]byte, error) {
	if !isFrame(message) {
		if w.process.Answer != nil {
			if answer, ok, err := w.process.Answer(ctx, message); ok {
				return answer, err
			}
		}
		return w.session.answer(ctx, message)
	}
	f, err := parseFrame(message)
	switch {
	case err != nil:
		return nil, err
	case f.kind == frameError:
		w.told.exception = parseException(f.text)
	case f.kind == framePart:
		return w.takePart(f)
	case f.kind != frameNext:
		w.told.answer, w.told.data, w.told.message = f.text, f.data, f.kind == frameMessage
	case w.request == nil:
		return nil, errors.New("there is no request")
	default:
		request := w.request
		w.request = nil
		return request, nil
	}
	return nil, nil
}

// noMore is what a program hears when nobody wants more parts.
var noMore = []byte{1}

// takePart hands on a part of an answer.
func (w *Worker) takePart(f frame) ([]byte, error) {
	if w.part == nil {
		return nil, errors.New("nobody takes parts of this answer")
	}
	if w.unwanted == nil {
		w.unwanted = w.part(f.text, f.data)
	}
	if w.unwanted != nil {
		return bytes.Clone(noMore), nil
	}
	return nil, nil
}

// workerOutput counts what a Worker's program writes, for the call that it writes
// in.
type workerOutput struct{ now atomic.Pointer[spending] }

// spending is what one step of a call uses.
type spending struct {
	account account
	call    *bounds
	flooded atomic.Pointer[LimitError] // why it may write no more
}

// to is dst, bounded.
func (o *workerOutput) to(dst io.Writer) io.Writer { return &workerStream{o, dst} }

type workerStream struct {
	*workerOutput
	dst io.Writer
}

func (s *workerStream) Write(p []byte) (int, error) {
	c := s.now.Load()
	return writeBounded(s.dst, p, &c.account, &c.flooded, c.call.Cancel)
}
