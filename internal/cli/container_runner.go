package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/network"
	"github.com/wherry-run/wherry/internal/state"
	"github.com/wherry-run/wherry/runtime"
)

// runner runs what containers were created for: it is state.Runner over images,
// sandboxes and servers.
type runner struct{ app *app }

// Start begins one life of a container's program.
func (r *runner) Start(ctx context.Context, job state.Job) (state.Program, error) {
	k := &keptRun{job: job, begun: make(chan struct{}), over: make(chan struct{})}
	ctx, k.cancel = context.WithCancelCause(ctx)
	a := *r.app
	a.Streams = ux.Streams{In: job.Streams.Stdin, Out: job.Streams.Stdout, Err: job.Streams.Stderr}
	if a.In == nil {
		a.In = eof{}
	}
	a.quiet, a.progress, a.kept = true, nil, k
	a.compiling = &compiling{talk: a.talk}
	k.app = &a
	go func() {
		defer close(k.over)
		k.finish(ctx, k.run(ctx))
	}()
	select {
	case <-k.begun:
		return k, nil
	case <-k.over:
	}
	select {
	case <-k.begun: // and ended already
		return k, nil
	default:
	}
	if ctx.Err() == nil && k.exit.Code == 0 {
		return k, nil
	}
	return nil, &state.StartError{Code: k.exit.Code, Text: k.exit.Error, Hint: k.hint}
}

// eof is an empty input.
type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// keptRun is one life of a container's program. All methods of a nil one do nothing:
// that is a run without a supervisor.
type keptRun struct {
	app    *app
	job    state.Job
	cancel context.CancelCauseFunc
	once   sync.Once
	begun  chan struct{} // closed when the program runs
	over   chan struct{} // closed when everything is freed
	exit   state.Exit
	hint   string

	traffic traffic // at the ports of a server

	mu        sync.Mutex
	runtime   *runtime.Runtime
	container *runtime.Container // the program's; nil while it has none
	aside     *aside             // for exec, where the program has no container of its own
	ports     []state.Port
	endpoint  *network.Endpoint // nil: none yet
	last      state.Usage
	server    bool
	copied    *overImage // what was copied into a server's container; nil: nothing
	reload    reloading  // nil: it takes nothing over
}

// ready: the program runs.
func (k *keptRun) ready() {
	if k != nil {
		k.once.Do(func() {
			close(k.begun)
			time.AfterFunc(settled, k.settle)
		})
	}
}

// settled is how long after a program has begun its process gives back what only the
// beginning needed: many containers wait most of the time.
const settled = 500 * time.Millisecond

func (k *keptRun) settle() {
	k.mu.Lock()
	rt := k.runtime
	k.mu.Unlock()
	select {
	case <-k.over:
		return
	default:
	}
	if rt == nil {
		return
	}
	if err := rt.Settle(); err != nil {
		fmt.Fprintf(os.Stderr, "warning: %v\n", err) // in the supervisor's own log
	}
}

// running hears of the Runtime.
func (k *keptRun) running(rt *runtime.Runtime) {
	if k == nil {
		return
	}
	k.mu.Lock()
	k.runtime = rt
	k.mu.Unlock()
}

// made hears of the program's container.
func (k *keptRun) made(c *runtime.Container) {
	if k == nil {
		return
	}
	k.mu.Lock()
	k.container = c
	k.mu.Unlock()
}

// attached hears of the container's network.
func (k *keptRun) attached(e *network.Endpoint) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.endpoint = e
	for _, p := range e.Ports() {
		k.ports = append(k.ports, keptPort(p))
	}
}

// serving hears where a server listens.
func (k *keptRun) serving(list []net.Listener) {
	if k == nil {
		return
	}
	k.mu.Lock()
	k.server = true
	for i, l := range list {
		p := state.Port{Container: servedPort, Protocol: "tcp"}
		if i < len(k.job.Config.Ports) {
			p = k.job.Config.Ports[i]
		}
		host, port, err := net.SplitHostPort(l.Addr().String())
		if n, perr := strconv.ParseUint(port, 10, 16); err == nil && perr == nil {
			p.HostIP, p.HostPort = host, uint16(n)
		}
		k.ports = append(k.ports, p)
	}
	k.mu.Unlock()
	k.ready()
}

// reloads hears how the program takes over what was written into its container.
func (k *keptRun) reloads(reload reloading) {
	if k == nil {
		return
	}
	k.mu.Lock()
	k.reload = reload
	k.mu.Unlock()
}

// run does what the container is for.
func (k *keptRun) run(ctx context.Context) error {
	a := k.app
	o, err := restored(k.job.Config)
	if err != nil {
		return err
	}
	o.dir = k.job.Upper
	spec, err := a.spec(o)
	if err != nil {
		return err
	}
	if k.job.Config.Args != nil {
		spec.Args = k.job.Config.Args
	}
	spec.Reached = func(phase string) {
		if phase == "start" {
			k.ready()
		}
	}
	image, done, err := a.openKept(ctx)
	if err != nil {
		return err
	}
	if serves(image, k.job.Config.Args, o) || webKind(image, spec, o) != "" {
		if image, err = k.overlaid(ctx, image, spec); err != nil {
			done()
			return err
		}
	}
	return a.runImage(ctx, k.job.Config.Image.Name, image, done, k.job.Config.Args, spec, o, nil, nil)
}

// openKept opens the image that the container was made of, whatever its name leads to.
func (a *app) openKept(ctx context.Context) (runtime.Image, func(), error) {
	c := a.kept.job.Config
	if c.Image.Digest == "" { // a module
		data, err := os.ReadFile(filepath.Join(filepath.Dir(a.kept.job.Upper), moduleFile))
		if err != nil {
			return nil, nil, fmt.Errorf("read the container's program: %w", err)
		}
		return runtime.Program(filepath.Base(c.Image.Name), data), func() {}, nil
	}
	s, err := a.store(ctx)
	if err != nil {
		return nil, nil, err
	}
	target := ispec.Descriptor{MediaType: c.Image.MediaType, Digest: digest.Digest(c.Image.Digest), Size: c.Image.Size}
	image, err := images.OpenTarget(ctx, s, target, images.Options{})
	if err != nil {
		_ = s.Close()
		return nil, nil, err
	}
	return image, func() { _ = image.Close(); _ = s.Close() }, nil
}

// moduleFile is the program of a container that was made of a file.
const moduleFile = "program.wasm"

// finish puts down how the program ended.
func (k *keptRun) finish(ctx context.Context, err error) {
	k.app.compiling.hush()
	if k.aside != nil {
		k.aside.close(ctx)
	}
	code, message := judge(ctx, err)
	var end *exited
	if err != nil && !errors.As(err, &end) {
		code = 125
	}
	var signal *state.Signalled
	switch cause := context.Cause(ctx); {
	case ctx.Err() == nil, err == nil:
	case errors.As(cause, &signal):
		code, message.Text = signal.Signal.ExitCode(), ""
	default:
		code, message.Text = state.SIGKILL.ExitCode(), ""
	}
	k.exit = state.Exit{Code: code, Error: message.Text, OOMKilled: ctx.Err() == nil && outOfMemory(err)}
	k.hint = message.Hint
	k.cancel(nil)
}

// outOfMemory tells whether a program ended at its limit of memory.
func outOfMemory(err error) bool {
	limit := runtime.LimitOf(err)
	return limit != nil && limit.Resource == "memory"
}

// Wait waits for the end.
func (k *keptRun) Wait() state.Exit {
	<-k.over
	return k.exit
}

// Signal ends the program, if the signal is of that kind: no signal reaches a guest.
func (k *keptRun) Signal(s state.Signal) error {
	if s == state.SIGSTOP || s == state.SIGTSTP {
		return fmt.Errorf("no signal stops a program here; wherry pause does")
	}
	if s.Ends() {
		k.cancel(&state.Signalled{Signal: s})
	}
	return nil
}

// Pause stops what computes in the container, or lets it go on.
func (k *keptRun) Pause(paused bool) error {
	k.mu.Lock()
	rt := k.runtime
	k.mu.Unlock()
	switch {
	case rt == nil:
		return errors.New("it has not begun to run")
	case paused:
		rt.Pause()
	default:
		rt.Resume()
	}
	return nil
}

// Ports are those that are published.
func (k *keptRun) Ports() []state.Port {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.ports)
}

// Usage is what the container has used so far.
func (k *keptRun) Usage() state.Usage {
	k.mu.Lock()
	rt, c, e := k.runtime, k.container, k.endpoint
	k.mu.Unlock()
	if rt == nil {
		return state.Usage{}
	}
	s := rt.Stats()
	u := state.Usage{
		Fuel: s.Fuel, CPU: s.CPU, Throttled: s.Throttled, Memory: s.Memory, PeakMemory: s.PeakMemory, Disk: s.Disk,
		Read: s.Read, Written: s.Written, Programs: int(s.Running), Limit: k.job.Config.Limits.Memory,
	}
	if e != nil {
		in, out := e.Traffic()
		u.Received, u.Sent = uint64(in), uint64(out)
	}
	u.Received += uint64(k.traffic.received.Load())
	u.Sent += uint64(k.traffic.sent.Load())
	if u.Limit == 0 {
		u.Limit = runtime.DefaultLimits().Memory
	}
	if c == nil && k.server && u.Programs == 0 {
		u.Programs = 1
	}
	return u
}
