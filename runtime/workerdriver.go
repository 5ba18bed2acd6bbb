package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/preview1"
)

// driven is what a Worker with a Driver has besides a sitting.
type driven struct {
	machine *Machine
	shared  *shared // what Workers of the key begin with; nil: nothing
	making  bool    // it is this Worker that makes it
	// What the instance began with.
	from  *engine.Image // nil: nothing
	since time.Duration // the monotonic clock of that
	state []byte
}

// Do has a Worker with a Driver do something: work calls exports of its module and
// uses its memory, within the limits of one request. An error of work's own is
// returned as it is, and the Worker goes on; when a call of the guest ended in
// another way than by returning, it is broken, whatever work makes of that. Do waits until what was asked before is
// done, and no longer than ctx.
func (w *Worker) Do(ctx context.Context, work func(ctx context.Context, m *Machine) error) error {
	if w.process.Driver == nil {
		return errors.New("a worker without a driver answers requests by Turn")
	}
	if err := w.enter(ctx); err != nil {
		return err
	}
	defer w.leave()
	if w.broken != nil {
		return &BrokenError{w.broken}
	}
	m := w.machine
	err := w.call(ctx, func(ctx context.Context) error {
		return w.instance.Watched(func() error { return work(ctx, m) })
	})
	if m.failed {
		if err == nil {
			err = errors.New("a call of the guest failed, and the work went on")
		}
		w.broken = err
	}
	return err
}

// drives tells whether a snapshot is one that this driver can go on from, or with none
// the host itself.
func drives(d Driver, s *oci.Snapshot) bool {
	if d == nil || s.Protocol != oci.ProtocolDriver {
		return d == nil && s.Protocol != oci.ProtocolDriver
	}
	return s.Driver == d.Name()
}

// mostWhole is how large a module may be that is loaded whole though an image says nothing
// of it, in bytes.
const mostWhole = 16 << 20

// planDriver is planStart for a Driver: its module is loaded in parts even when nothing
// was found out about it before, so that its memory can be kept. One whose memory nobody
// shares gains nothing by that, and pays for each call from a part to another: it stays
// whole, unless only some of it can be compiled while somebody waits.
func (s *session) planDriver(ctx context.Context, x *executable, p Process, ref layer.Ref, options prepare.Options) *plan {
	out := s.planStart(ctx, x, p, ref, options)
	if out.cutting == nil && (p.Driver.Key() != "" || ref.Size > mostWhole) {
		s.planCut(ctx, out, x, ref, options)
	}
	return out
}

// planAnew is planDriver for one whose snapshot has turned out wrong.
func (s *session) planAnew(ctx context.Context, x *executable, p Process, ref layer.Ref, options prepare.Options) *plan {
	out := s.planWhole(ctx, x, p, ref, options)
	s.planCut(ctx, out, x, ref, options)
	return out
}

// planCut has a module loaded in parts of which an image says nothing.
func (s *session) planCut(ctx context.Context, out *plan, x *executable, ref layer.Ref, options prepare.Options) {
	c, key := s.container, keyOf(contentName(ref), options.SplitKey())
	c.rt.mu.Lock()
	found, known := c.rt.surveys[key]
	c.rt.mu.Unlock()
	if !known {
		var err error
		if found, err = s.surveyed(ctx, x, options); err != nil {
			out.note("it cannot be loaded in parts: %v", err)
			return
		}
		c.rt.mu.Lock()
		if len(c.rt.surveys) >= maxSurveys {
			clear(c.rt.surveys)
		}
		c.rt.surveys[key] = found
		c.rt.mu.Unlock()
	}
	layers, encoded := c.layers, found.encoded
	out.cutting = &cutting{content: contentName(ref), facts: keyOf(string(encoded)), open: func() (*prepare.Split, io.Closer, error) {
		return openSplit(layers, ref, encoded, options)
	}}
}

// maxSurveys bounds how many modules are remembered whose facts no image had.
const maxSurveys = 16

// drive is begin for a Worker with a Driver.
func (w *Worker) drive(ctx context.Context) error {
	defer w.yield()
	err := w.bring(ctx, w.session.planDriver)
	if errors.Is(err, engine.ErrImage) || errors.Is(err, ErrState) {
		w.quit()
		err = w.bring(ctx, w.session.planAnew)
	}
	return err
}

// bring starts an instance and brings it to where it waits for work.
func (w *Worker) bring(ctx context.Context, planning planner) error {
	if err := w.start(ctx, planning); err != nil {
		return err
	}
	if err := w.settle(ctx); err != nil {
		return err
	}
	w.container.started(w.plan, 0)
	return nil
}

// yield lets another Worker make what this one has not made.
func (w *Worker) yield() {
	if w.making {
		w.making = false
		<-w.shared.turn
	}
}

// join finds what the Worker begins with: what others of its key have come to, its
// snapshot, or nothing.
func (w *Worker) join(ctx context.Context) error {
	w.from, w.since, w.state = nil, 0, nil
	if s := w.plan.snapshot; s != nil {
		w.from, w.since, w.state = w.plan.image(), time.Duration(s.Monotonic), s.State
		w.from.Key = "" // much of what it touches it only reads, and has in common with others
	}
	d, c, rt := w.process.Driver, w.plan.cutting, w.container.rt
	if d.Key() == "" || c == nil || w.container.spec.Deterministic {
		return nil
	}
	if w.shared == nil {
		s, slot := rt.share(keyOf("driver", c.content, d.Name(), d.Key(), memoryKey(w.plan.snapshot), w.container.kernelsKey())), w.slot
		w.shared, w.slot = s, func() {
			rt.leave(s)
			slot()
		}
	}
	if !w.making {
		defer w.session.hold()() // another Worker's work is not this one's
		making, err := w.shared.enter(ctx)
		if err != nil {
			return err
		}
		w.making = making
	}
	limit := w.session.limits.Memory
	if s := w.shared; !w.making && s.image != nil && (limit == 0 || s.image.Size <= limit) {
		w.from, w.since, w.state = s.image, s.since, s.state
	}
	return nil
}

// memoryKey names the memory that a snapshot has, which may be other than its image
// should have come to; "" is none.
func memoryKey(s *oci.Snapshot) string {
	if s == nil {
		return ""
	}
	return keyOf(fmt.Sprint(s.Memory, s.Pages, s.Globals), string(s.State))
}

// settle has the driver bring a new instance, or one that was put back, to where it
// waits for work.
func (w *Worker) settle(ctx context.Context) error {
	d := w.process.Driver
	state, err := d.Begin(ctx, w.machine, w.state)
	if err != nil {
		return err
	}
	if len(state) > MaxState {
		return fmt.Errorf("driver %s: a state of %d bytes", d.Name(), len(state))
	}
	if !w.making {
		return nil
	}
	s := w.shared
	s.made = true
	if w.from != nil && bytes.Equal(state, w.state) {
		return nil // the snapshot has it all
	}
	if err := s.take(w.container.rt.imageDir(), w.instance, state); err != nil {
		return nil // every Worker comes there by itself
	}
	s.since = w.machine.World.Clock.Monotonic()
	w.from, w.since, w.state = s.image, s.since, s.state
	if err := w.instance.Reset(w.from); err != nil { // its memory is theirs, too
		return fmt.Errorf("share memory: %w", err)
	}
	return nil
}

// machineFor prepares the world of a driver and what it gives the module.
func (s *session) machineFor(d Driver, x *executable, p Process, m *engine.Module, host *preview1.Host, clock wasi.Clock, opened func(string)) (*Machine, []wasi.HostModule, error) {
	path, container := x.path, s.container
	w := &World{
		Args: x.args, Env: p.environ().list(), Stdout: p.Stdout, Stderr: p.Stderr, Clock: clock,
		WASI: wasiOf(host, imported(m)), Files: host.POSIX(), Imports: imported(m), container: container, opened: opened,
		module: func() (string, error) {
			f, err := container.Open(path)
			if err != nil {
				return "", err
			}
			defer f.Close()
			return f.Digest()
		},
	}
	hosts, err := d.Hosts(w)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", x.path, err)
	}
	return &Machine{World: w}, hosts, nil
}

// imported are the module's own imports.
func imported(m *engine.Module) []wasi.Import {
	return slices.DeleteFunc(slices.Clone(m.Imports()), func(i wasi.Import) bool { return i.Module == prepare.ReservedModule })
}

// putBack is restore for a Worker with a Driver.
func (w *Worker) putBack(ctx context.Context) error {
	if w.instance == nil || w.from == nil {
		return errAnew
	}
	began := time.Now()
	if err := w.instance.Reset(w.from); err != nil {
		return errAnew
	}
	if err := w.host.Reset(); err != nil {
		return fmt.Errorf("open what the program begins with: %w", err)
	}
	w.unload()
	w.machine.failed = false
	w.container.book(Times{Start: time.Since(began)})
	return w.settle(ctx)
}
