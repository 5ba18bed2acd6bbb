package runtime

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/wasi"
)

// DefaultPath is the PATH of a container whose image sets none.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// A Container is one image with a file system of its own and limits. Run runs
// its program, Exec runs others over the same files. All methods may be called
// from any goroutine.
type Container struct {
	rt      *Runtime
	spec    Spec
	config  ispec.ImageConfig
	limits  Limits
	layers  []layer.Layer
	derived DerivedImage // nil: nothing is known of its programs
	tree    *rootfs.Tree
	fresh   uint64 // Changed of the tree at the start
	blank   uint64 // and Written
	clock   wasi.Clock
	account *account
	caller  *session      // whose program it works for; nil: nobody's
	slots   chan struct{} // one for each program that may run

	acceleration acceleration
	subshells    atomic.Int64 // of its scripts, that run now

	mu     sync.Mutex
	closed bool
	stop   context.CancelCauseFunc // ends every program of the container
	life   context.Context
	stats  Times
	// How its programs started.
	restored, groups int64
	notes            []string
	functions        prepare.HotSet // that its programs have run, if that is recorded
}

// Create makes a container of an image. Nothing of it runs yet. ctx bounds the
// making only; Close the container when it is done.
func (rt *Runtime) Create(ctx context.Context, image Image, spec Spec) (*Container, error) {
	return rt.create(ctx, image, spec, nil)
}

// create makes a container that works for a program of caller's, if there is one.
func (rt *Runtime) create(ctx context.Context, image Image, spec Spec, caller *session) (*Container, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	limits := spec.limits()
	if err := limits.check(); err != nil {
		return nil, fmt.Errorf("create container: %w", err)
	}
	config := image.Config()
	if spec.Deterministic {
		var err error
		if spec, err = determine(spec, config); err != nil {
			return nil, fmt.Errorf("create container: %w", err)
		}
	}
	clock := spec.Clock
	if clock == nil {
		clock = wasi.NewSystemClock()
	}
	parent := rt.account
	if caller != nil {
		parent = caller.account
	}
	account := newAccount(ScopeContainer, limits, parent)
	tree, err := rt.newTree(image, spec, limits, clock, diskQuota{account})
	if err != nil {
		return nil, fmt.Errorf("create file system: %w", err)
	}
	life, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	c := &Container{
		rt: rt, spec: spec, config: config, layers: image.Layers(), limits: limits, tree: tree, clock: clock,
		account: account, caller: caller,
		slots: make(chan struct{}, limits.Processes),
		stop:  stop, life: life,
	}
	c.derived, _ = image.(DerivedImage)
	c.fresh, c.blank = tree.Changed(), tree.Written()
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.closed {
		tree.Close()
		stop(ErrClosed)
		return nil, fmt.Errorf("create container: runtime is %w", ErrClosed)
	}
	rt.containers[c] = struct{}{}
	return c, nil
}

func (rt *Runtime) newTree(image Image, spec Spec, limits Limits, clock wasi.Clock, quota rootfs.Quota) (*rootfs.Tree, error) {
	layers := image.Layers()
	o := rootfs.Options{
		Layers:   layers,
		Checked:  rt.checked.has(layers),
		Upper:    rootfs.Upper{Dir: spec.Dir},
		ReadOnly: spec.ReadOnly,
		MaxBytes: limits.Disk,
		Now:      clock.Now,
		Random:   spec.Random,
		Quota:    quota,
	}
	targets := map[string]bool{}
	for _, m := range spec.Mounts {
		if !path.IsAbs(m.Target) {
			return nil, fmt.Errorf("mount %q: the path in the container must be absolute", m.Target)
		}
		target := path.Clean(m.Target)
		targets[target] = true
		size := m.Size
		if size == 0 {
			size = limits.Disk
		}
		o.Mounts = append(o.Mounts, rootfs.Mount{
			Target: strings.TrimPrefix(target, "/"), Host: m.Source, ReadOnly: m.ReadOnly, MaxBytes: size, Data: m.Data, Mode: m.Mode,
		})
	}
	// What every program may expect of a system, where the image has nothing.
	if !targets["/dev"] {
		o.Mounts = append(o.Mounts, rootfs.Mount{Target: "dev", Devices: true})
	}
	if !targets["/tmp"] && !hasPath(image, "tmp") {
		o.Mounts = append(o.Mounts, rootfs.Mount{Target: "tmp", MaxBytes: limits.Disk})
	}
	slices.SortStableFunc(o.Mounts, func(a, b rootfs.Mount) int { return strings.Compare(a.Target, b.Target) })
	t, err := rootfs.New(o)
	if err == nil && !o.Checked {
		rt.checked.set(layers)
	}
	return t, err
}

// checked remembers the layers that were last seen to be valid: many containers
// of one image are made one after another.
type checked struct {
	last atomic.Pointer[[]*layer.Index]
}

func (c *checked) has(layers []layer.Layer) bool {
	last := c.last.Load()
	return last != nil && slices.EqualFunc(*last, layers, func(x *layer.Index, l layer.Layer) bool { return x == l.Index })
}

func (c *checked) set(layers []layer.Layer) {
	list := make([]*layer.Index, len(layers))
	for i, l := range layers {
		list[i] = l.Index
	}
	c.last.Store(&list)
}

func hasPath(image Image, name string) bool {
	for _, l := range slices.Backward(image.Layers()) {
		if e := l.Index.Lookup(name); e != nil {
			return e.Kind == layer.Dir
		}
	}
	return false
}

// Run runs the container's program to its end. It returns nil when the program
// exited with 0, else an *ExitError, *TrapError, *LimitError, *NotFoundError or
// *FormatError, or what cancelled ctx; errors.As finds them.
func (c *Container) Run(ctx context.Context) error {
	args := c.Command()
	if len(args) == 0 {
		return errors.New("the image names no program; give one as arguments")
	}
	return c.Exec(ctx, Process{Args: args})
}

// Command is the program and its arguments, see [Spec.Command].
func (c *Container) Command() []string { return c.spec.Command(c.config) }

// Environment is the whole environment of the container's programs, as "NAME=value".
func (c *Container) Environment() []string { return c.environment() }

// environment is the whole environment of the container's programs.
func (c *Container) environment() []string {
	env := newEnviron([]string{"PATH=" + DefaultPath, "HOME=/root"})
	if c.spec.Deterministic {
		env.set(fixedSeeds...)
	}
	env.set(c.config.Env...)
	env.set(c.spec.Env...)
	return env.list()
}

func (c *Container) workingDir() string {
	dir := c.config.WorkingDir
	if c.spec.WorkingDir != "" {
		dir = c.spec.WorkingDir
	}
	return path.Clean("/" + dir)
}

// Changes lists what the container wrote to its image's files, as a layer to be
// put on top of them, and opens their data while the container is open. Mounts
// are not part of it.
func (c *Container) Changes(ctx context.Context) (*layer.Index, layer.Content, error) {
	return c.tree.Diff(ctx)
}

// touched tells whether programs have changed the container's files.
func (c *Container) touched() bool { return c.tree.Changed() != c.fresh }

// Touched tells whether programs have changed files of the container since it
// was made: its own, or those of its file systems in memory, such as /tmp. What
// they did to mounted folders of the host is not part of it.
func (c *Container) Touched() bool { return c.tree.Written() != c.blank }

// Close ends the container's programs and frees what it holds. What it wrote
// stays in Spec.Dir, when that was given.
func (c *Container) Close(context.Context) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.mu.Unlock()
	c.stop(ErrClosed)
	for range cap(c.slots) { // every program has ended when every slot is ours
		c.slots <- struct{}{}
	}
	c.rt.mu.Lock()
	delete(c.rt.containers, c)
	c.rt.mu.Unlock()
	return c.tree.Close()
}

// environ is a list of variables in which a later one replaces an earlier one
// of its name, in place.
type environ struct {
	names  []string
	values map[string]string
}

func newEnviron(list []string) *environ {
	e := &environ{values: map[string]string{}}
	e.set(list...)
	return e
}

func (e *environ) set(list ...string) {
	for _, kv := range list {
		name, value, ok := strings.Cut(kv, "=")
		if !ok || name == "" {
			continue
		}
		if _, known := e.values[name]; !known {
			e.names = append(e.names, name)
		}
		e.values[name] = value
	}
}

func (e *environ) list() []string {
	out := make([]string, len(e.names))
	for i, n := range e.names {
		out[i] = n + "=" + e.values[n]
	}
	return out
}
