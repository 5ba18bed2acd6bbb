package runtime

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/internal/shell"
	"github.com/wherry-run/wherry/internal/wasm"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/door"
	"github.com/wherry-run/wherry/wasi/preview1"
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
}

// Exec runs one more program over the container's files, to its end. Its
// errors are those of Run.
func (c *Container) Exec(ctx context.Context, p Process) error {
	if len(p.Args) == 0 {
		return errors.New("run in container: no program is named")
	}
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return fmt.Errorf("run in container: %w", ErrClosed)
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	p = c.complete(p)
	if err := c.ensureDir(p.Dir); err != nil {
		return fmt.Errorf("enter %s: %w", p.Dir, err)
	}
	return c.cause(ctx, (&session{container: c}).exec(ctx, p))
}

// bound ties a call to the container's life and to its deadline.
func (c *Container) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(c.life, func() { cancel(context.Cause(c.life)) })
	stop := func() { unhook(); cancel(nil) }
	if c.limits.Timeout == 0 {
		return ctx, stop
	}
	late := &LimitError{Resource: "wall time", Limit: c.limits.Timeout.String()}
	ctx, expire := context.WithTimeoutCause(ctx, c.limits.Timeout, late)
	return ctx, func() { expire(); stop() }
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

// ensureDir makes the working directory, as Docker does.
func (c *Container) ensureDir(dir string) error {
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
	c := s.container
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	default:
		return &LimitError{Resource: "processes", Limit: fmt.Sprint(cap(c.slots))}
	}
	x, err := c.find(p)
	if err != nil {
		return err
	}
	defer x.close()
	if x.builtin != nil {
		return s.runBuiltin(ctx, x, p)
	}
	return s.runModule(ctx, x, p)
}

func (s *session) runBuiltin(ctx context.Context, x *executable, p Process) error {
	status, err := x.builtin(ctx, world{s.container, s}, shell.Process{
		Args: x.args, Env: p.Env, Dir: p.Dir,
		Stdin: s.reader(ctx, p.Stdin), Stdout: p.Stdout, Stderr: p.Stderr, Terminal: p.Terminal,
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
	c := s.container
	started := time.Now()
	module, release, err := c.load(ctx, x)
	if err != nil {
		return err
	}
	defer release()
	loaded := time.Now()

	host, err := s.newHost(x, p)
	if err != nil {
		return err
	}
	defer host.Close()
	imports := []wasi.HostModule{host.Module(), host.UnstableModule(), door.New(c.spec.Door)}
	imports = append(imports, c.rt.config.hostModules...)
	imports = append(imports, c.spec.HostModules...)
	config := engine.InstanceConfig{Imports: imports, MemoryLimit: c.limits.Memory, Meter: c.meter}
	if c.spec.UnknownImports {
		config.UnknownImports = engine.TrapCalls
	}
	instance, err := c.rt.engine.Instantiate(ctx, module, config)
	if err != nil {
		return c.translate(x, err)
	}
	defer instance.Close(context.WithoutCancel(ctx))
	instantiated := time.Now()
	err = start(ctx, instance, x)
	c.account(instance, loaded.Sub(started), instantiated.Sub(loaded), time.Since(instantiated))
	return c.translate(x, err)
}

func (c *Container) account(i *engine.Instance, load, start, run time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Load += load
	c.stats.Start += start
	c.stats.Run += run
	c.stats.PeakMemory = max(c.stats.PeakMemory, i.PeakMemory())
}

// load compiles the program, or takes it from the cache.
func (c *Container) load(ctx context.Context, x *executable) (*engine.Module, func(), error) {
	digest, read, err := identify(x, int64(c.rt.prepareOptions().Limits.Module))
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", x.path, err)
	}
	m, release, err := c.rt.acquire(ctx, digest, read)
	if err != nil {
		return nil, nil, refuse(x, err)
	}
	return m, release, nil
}

// identify is the digest of the program's content, and how to read just that
// content: the cache believes in the pair. So bytes that a guest could change
// meanwhile are read once; those of a layer, whose digest is known, nobody can
// change.
func identify(x *executable, limit int64) (digest string, read func() ([]byte, error), err error) {
	ref, blob, ok := x.file.Content()
	if !ok {
		st, err := x.file.Stat()
		if err != nil {
			return "", nil, err
		}
		ref = layer.Ref{Size: st.Size}
	}
	if ref.Size > limit { // a guest can make a file of any length, all holes
		return "", nil, &FormatError{x.path, fmt.Sprintf("exec format error: a module of %d bytes, more than %d", ref.Size, limit)}
	}
	if ok {
		return fmt.Sprintf("%s@%d+%d", ref.Digest, ref.Offset, ref.Size), func() ([]byte, error) {
			return readAll(blob, ref.Offset, ref.Size)
		}, nil
	}
	data, err := readAll(x.file, 0, ref.Size)
	if err != nil {
		return "", nil, err
	}
	sum := sha256.Sum256(data)
	digest = fmt.Sprintf("sha256:%s@0+%d", hex.EncodeToString(sum[:]), len(data))
	return digest, func() ([]byte, error) { return data, nil }, nil
}

func readAll(r io.ReaderAt, off, size int64) ([]byte, error) {
	data := make([]byte, size)
	_, err := io.ReadFull(io.NewSectionReader(r, off, size), data)
	return data, err
}

// refuse says of a module that could not be loaded why, in words that name the
// file when the fault lies in it.
func refuse(x *executable, err error) error {
	var malformed *wasm.Error
	var unsupported *prepare.Unsupported
	var invalid *engine.InvalidModuleError
	var limit *engine.LimitError
	if errors.As(err, &malformed) || errors.As(err, &unsupported) || errors.As(err, &invalid) || errors.As(err, &limit) {
		return &FormatError{x.path, "exec format error: " + err.Error()}
	}
	return err
}

// newHost gives the program its WASI: arguments, environment, streams, clock,
// randomness and the container's files.
func (s *session) newHost(x *executable, p Process) (*preview1.Host, error) {
	c := s.container
	env := newEnviron(p.Env)
	env.set("PWD=" + p.Dir)
	random := c.spec.Random
	if random == nil {
		random = wasi.SystemRandom()
	}
	stdout, stderr := wasi.NewOutput(p.Stdout), wasi.NewOutput(p.Stderr)
	if p.Terminal {
		stdout, stderr = wasi.NewTerminalOutput(p.Stdout), wasi.NewTerminalOutput(p.Stderr)
	}
	return preview1.New(preview1.Config{
		Args: x.args, Env: env.list(),
		Stdin: s.input(p.Stdin, p.Terminal), Stdout: stdout, Stderr: stderr,
		Clock: c.clock, Random: random,
		Tree:     c.tree,
		Preopens: []preview1.Preopen{{GuestPath: "/", Node: c.tree.Root()}},
		Limits:   preview1.Limits{FDs: c.limits.OpenFiles},
	})
}

// start runs a command's _start, or a reactor's _initialize and then its run.
func start(ctx context.Context, i *engine.Instance, x *executable) error {
	if i.HasFunc("_start") {
		_, err := i.Call(ctx, "_start")
		return err
	}
	if i.HasFunc("_initialize") {
		if _, err := i.Call(ctx, "_initialize"); err != nil {
			return err
		}
	}
	if !i.HasFunc("run") {
		return &FormatError{x.path, "exports neither _start (a command) nor run (a reactor): it is a library"}
	}
	result, err := i.Call(ctx, "run")
	if err != nil {
		return err
	}
	if len(result) == 1 && uint32(result[0]) != 0 {
		return &ExitError{Code: uint32(result[0])}
	}
	return nil
}

// translate turns the engine's errors into those of this package.
func (c *Container) translate(x *executable, err error) error {
	var exit *engine.ExitError
	var trap *engine.Trap
	var unknown *engine.UnknownImportError
	switch {
	case err == nil:
		return nil
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
		return &FormatError{x.path, "exec format error: " + unknown.Error()}
	}
	return err
}
