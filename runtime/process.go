package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/late"
	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/internal/shell"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/door"
	"github.com/wherry-run/wherry/wasi/kdf"
	"github.com/wherry-run/wherry/wasi/preview1"
	"github.com/wherry-run/wherry/wasi/ruby"
	"github.com/wherry-run/wherry/wasi/sock"
)

// A Process is one program to run in a container. Zero fields take the
// container's: its environment, working directory and streams.
type Process struct {
	// Args are the program and its arguments.
	Args []string
	// Env is the whole environment; nil is the container's.
	Env []string
	// Dir is the working directory; "" is the container's.
	Dir string
	// Stdin, Stdout and Stderr are used when Streams is set; nil ones are empty
	// or discard.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Terminal       bool
	Streams        bool
	// Limits bound this call, within the container's: its programs together.
	Limits Limits
	// Driver works with a module that is a library. A Worker and a recording take
	// one, and nothing else does.
	Driver Driver
	// Answer hears what a Worker's program says by host.call before the Spec's Door does.
	// ok tells that the message was for it; an error is a fault to the program.
	Answer func(ctx context.Context, message []byte) (answer []byte, ok bool, err error)
}

// Exec runs one more program over the container's files, to its end. Its
// errors are those of Run.
func (c *Container) Exec(ctx context.Context, p Process) error {
	if err := c.checkProcess(p); err != nil {
		return fmt.Errorf("run in container: %w", err)
	}
	call := c.bound(ctx, c.life, p.Limits, &deadline{})
	defer call.stop()
	ctx = call
	p = c.complete(p)
	if err := c.ensureDir(p.Dir); err != nil {
		return fmt.Errorf("enter %s: %w", p.Dir, err)
	}
	s := c.newSession(p.Limits)
	s.deadline = call.deadline
	p.Stdout, p.Stderr = s.bounded(p.Stdout, call.Cancel), s.bounded(p.Stderr, call.Cancel)
	s.stderr = p.Stderr
	defer s.close(ctx)
	err := s.exec(ctx, p)
	if limit := s.flooded.Load(); limit != nil { // whatever the program made of it
		return limit
	}
	return c.cause(ctx, err)
}

// checkProcess refuses what cannot run.
func (c *Container) checkProcess(p Process) error {
	if len(p.Args) == 0 {
		return errors.New("no program is named")
	}
	if err := p.Limits.check(); err != nil {
		return err
	}
	if p.Limits.Disk != 0 {
		return errors.New("Disk is a limit of the container, not of one call")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	return nil
}

// bounds are the context of a call, which ends when its time is over.
type bounds struct {
	late.Context
	deadline *deadline
	timeout  time.Duration
	scope    string
}

// bound ties a call to a life, the container's or one that ends with it, and to a
// deadline.
func (c *Container) bound(ctx, life context.Context, call Limits, d *deadline) *bounds {
	b := &bounds{deadline: d, timeout: within(c.limits.Timeout, call.Timeout), scope: ScopeContainer}
	if b.timeout == call.Timeout {
		b.scope = ScopeCall
	}
	b.Begin(ctx, life)
	d.begin(b.timeout, b)
	return b
}

func (b *bounds) expire() {
	b.Cancel(&LimitError{Resource: "wall time", Limit: b.timeout.String(), Scope: b.scope})
}

// end is for a call after which others may have the same deadline.
func (b *bounds) end() {
	b.deadline.end()
	b.Cancel(nil)
}

func (b *bounds) stop() {
	b.deadline.stop()
	b.Cancel(nil)
}

// cause replaces a bare "context canceled" by what cancelled it.
func (c *Container) cause(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	var exit *ExitError
	if errors.As(err, &exit) {
		return err
	}
	return context.Cause(ctx)
}

func (c *Container) complete(p Process) Process {
	if p.Env == nil {
		p.Env = c.environment()
	}
	if p.Dir == "" {
		p.Dir = c.workingDir()
	}
	if !p.Streams {
		p.Stdin, p.Stdout, p.Stderr, p.Terminal = c.spec.Stdin, c.spec.Stdout, c.spec.Stderr, c.spec.Terminal
	}
	if p.Stdin == nil {
		p.Stdin = bytes.NewReader(nil)
	}
	if p.Stdout == nil {
		p.Stdout = io.Discard
	}
	if p.Stderr == nil {
		p.Stderr = io.Discard
	}
	return p
}

// environ is the program's environment. WASI has no working directory: PWD says
// it, and a program without PWD begins at the root.
func (p Process) environ() *environ {
	env := newEnviron(p.Env)
	if _, set := env.values["PWD"]; set || p.Dir != "/" {
		env.set("PWD=" + p.Dir)
	}
	return env
}

// maxDir bounds the path of a working directory, in bytes.
const maxDir = 4096

// ensureDir makes the working directory, as Docker does.
func (c *Container) ensureDir(dir string) error {
	if len(dir) > maxDir {
		return rootfs.ENAMETOOLONG
	}
	root := c.tree.Root()
	if st, err := c.tree.Stat(root, relative(dir), true); err == nil {
		if st.Kind != rootfs.KindDir {
			return rootfs.ENOTDIR
		}
		return nil
	}
	if parent := path.Dir(dir); parent != dir {
		if err := c.ensureDir(parent); err != nil {
			return err
		}
	}
	return c.tree.Mkdir(root, relative(dir), 0o755)
}

// exec finds and runs a complete process.
func (s *session) exec(ctx context.Context, p Process) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	x, err := s.container.find(p)
	if err != nil {
		return err
	}
	defer x.close()
	if x.builtin != nil {
		return s.runBuiltin(ctx, x, p)
	}
	return s.runModule(ctx, x, p)
}

// enter takes a place among the programs that run, until leave gives it back.
func (s *session) enter() (leave func(), err error) {
	c := s.container
	select {
	case c.slots <- struct{}{}:
	default:
		if c.life.Err() != nil { // Close has them all
			return nil, context.Cause(c.life)
		}
		return nil, c.account.exceeded("processes", fmt.Sprint(cap(c.slots)))
	}
	if limit := s.account.enter(); limit != nil {
		<-c.slots
		return nil, limit
	}
	return func() {
		s.account.leave()
		<-c.slots
	}, nil
}

func (s *session) runBuiltin(ctx context.Context, x *executable, p Process) error {
	s.container.reached("start")
	status, err := x.builtin(ctx, world{s.container, s}, shell.Process{
		Args: x.args, Env: p.Env, Dir: p.Dir,
		Stdin: s.reader(ctx, p.Stdin), Stdout: p.Stdout, Stderr: p.Stderr, Terminal: p.Terminal,
		InOrder: s.container.spec.Deterministic,
	})
	if err != nil {
		return err
	}
	if status != 0 {
		return &ExitError{Code: uint32(status)}
	}
	return nil
}

func (s *session) runModule(ctx context.Context, x *executable, p Process) error {
	err := s.runPlanned(ctx, x, p, s.planStart)
	if errors.Is(err, engine.ErrImage) {
		// What is said about its memory is wrong: nothing of it has run yet.
		return s.runPlanned(ctx, x, p, s.planWhole)
	}
	return err
}

// runPlanned runs a module the way that it is planned.
func (s *session) runPlanned(ctx context.Context, x *executable, p Process, planning planner) error {
	c := s.container
	var times Times
	defer func() { c.book(times) }()
	began := time.Now()
	module, plan, how, release, err := s.load(ctx, x, p, planning)
	times.loaded(time.Since(began), how)
	if err != nil {
		return err
	}
	defer release()
	defer plan.close()
	if err := checkEntries(module, x); err != nil {
		return err
	}
	c.reached("load")

	ports, err := s.listen(ctx, module)
	if err != nil {
		return err
	}
	host, err := s.newHost(x, p, plan.clock(c.clock), nil, ports)
	if err != nil {
		return err
	}
	defer host.Close()
	began = time.Now()
	m := newMeter(s.account, &c.rt.crew)
	m.work()
	defer m.pause()
	config := s.instanceConfig(module, host, m, s.handler())
	config.Image, config.Kernels = plan.image(), s.kernels(plan.pins, m)
	if ruby.Is(exported(module)) {
		config.Imports = append(config.Imports, m.watch(ruby.New()))
	}
	if models := s.models(module, p, m); models != nil {
		config.Imports = append(config.Imports, m.watch(models.Module()))
		defer models.Close(context.WithoutCancel(ctx))
	}
	instance, err := c.rt.engine.Instantiate(ctx, module, config)
	times.Start = time.Since(began)
	if err != nil {
		if m.refused != nil { // what memory it declares is more than there is left
			return m.refused
		}
		return c.translate(x, err)
	}
	defer instance.Close(context.WithoutCancel(ctx))
	c.reached("start")
	defer func() { c.started(plan, instance.Groups()); s.ran(plan, instance) }()
	began = time.Now()
	err = s.start(ctx, instance, plan, x, p)
	times.Run, times.Parts = time.Since(began), instance.Loading()
	c.reached("run")
	return met(c.translate(x, err), m.refused)
}

// reached tells whoever measures it how far a program is.
func (c *Container) reached(phase string) {
	if c.spec.Reached != nil {
		c.spec.Reached(phase)
	}
}

// met adds to the end of a program that it was refused memory, of which it may
// have died.
func met(err error, limit *LimitError) error {
	if err == nil || limit == nil {
		return err
	}
	var exit *ExitError
	var trap *TrapError
	switch {
	case errors.As(err, &exit):
		exit.Limit = limit
	case errors.As(err, &trap):
		trap.Limit = limit
	}
	return err
}

// instanceConfig is what a program is given and how it is measured.
func (s *session) instanceConfig(module *engine.Module, host *preview1.Host, m *meter, answer door.Handler) engine.InstanceConfig {
	c := s.container
	imports := []wasi.HostModule{m.watchWASI(wasiOf(host, module.Imports())), m.watchWASI(host.UnstableModule()), m.watch(door.New(sock.Door(host.Sockets(), kdf.Door(answer))))}
	for _, h := range slices.Concat(c.rt.config.hostModules, c.spec.HostModules) {
		imports = append(imports, m.watch(h))
	}
	config := engine.InstanceConfig{
		Imports: imports, MemoryLimit: s.limits.Memory, TableLimit: uint64(s.limits.Tables), Quota: m, Meter: m,
	}
	if c.spec.UnknownImports {
		config.UnknownImports = engine.TrapCalls
	}
	return config
}

// newHost gives the program its WASI: arguments, environment, streams, clock,
// randomness, the container's files and network, and the ports that are open for it,
// which the host closes.
func (s *session) newHost(x *executable, p Process, clock wasi.Clock, observed *preview1.Observed, ports *listening) (*preview1.Host, error) {
	c := s.container
	env := p.environ()
	env.set(ports.variables()...)
	var listeners []wasi.Listener
	if ports != nil {
		listeners = ports.open
	}
	stdout, stderr := wasi.NewOutput(p.Stdout), wasi.NewOutput(p.Stderr)
	if p.Terminal {
		stdout, stderr = wasi.NewTerminalOutput(p.Stdout), wasi.NewTerminalOutput(p.Stderr)
	}
	host, err := preview1.New(preview1.Config{
		Args: x.args, Env: env.list(),
		Stdin: s.input(p.Stdin, p.Terminal), Stdout: stdout, Stderr: stderr,
		Clock: clock, Random: s.random(), Patient: c.spec.Deterministic,
		Tree: c.tree, Dir: p.Dir,
		Preopens: []preview1.Preopen{{GuestPath: "/", Node: c.tree.Root()}},
		Limits:   preview1.Limits{FDs: s.limits.OpenFiles}, Files: fileQuota{s.account},
		Observed:  observed,
		Listeners: listeners, Dial: c.spec.Dial, Listen: c.spec.Listen,
	})
	if err != nil && ports != nil {
		ports.close()
	}
	if errors.Is(err, preview1.ErrFiles) {
		root := c.rt.account
		return nil, root.exceeded("open files", fmt.Sprint(root.open))
	}
	return host, err
}

// needs is the error for a module that begins with more than a limit.
func (c *Container) needs(limit *engine.LimitError) error {
	unit := " elements"
	if limit.What == "memory" {
		unit = " bytes"
	}
	return c.account.exceeded(limit.What, fmt.Sprintf("%d%s, and the program begins with %d", limit.Limit, unit, limit.Want))
}

// translate turns the engine's errors into those of this package.
func (c *Container) translate(x *executable, err error) error {
	if err == nil {
		return nil
	}
	var exit *engine.ExitError
	var trap *engine.Trap
	var unknown *engine.UnknownImportError
	var limit *engine.LimitError
	switch {
	case errors.As(err, &limit):
		return c.needs(limit)
	case errors.As(err, &exit):
		if exit.Code == 0 {
			return nil
		}
		return &ExitError{Code: exit.Code}
	case errors.As(err, &trap):
		t := &TrapError{Trap: string(trap.Kind)}
		if trap.Message != "" {
			t.Trap += ": " + trap.Message
		}
		for _, f := range trap.Frames {
			t.Backtrace = append(t.Backtrace, f.String())
		}
		return t
	case errors.As(err, &unknown):
		return unfit(x, unknown)
	}
	return err
}
