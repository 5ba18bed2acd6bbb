package runtime

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/oci"
)

// WarmSpec says how an image is warmed.
type WarmSpec struct {
	// Workers is how many groups of functions are compiled at a time; 0 is one.
	Workers int
	// Progress hears how many parts of all are in the cache. It is called by one
	// goroutine at a time.
	Progress func(done, total int)
	// Bake is a folder that gets a copy of it all, for WithBakedCache; "" is none.
	Bake string
}

// Warmth is what Warm did.
type Warmth struct {
	// Modules are the programs of the image, and Parts what they are compiled in.
	// Compiled counts those that had not been in the cache before.
	Modules, Parts, Compiled int
	// Notes say of programs that cannot run here why.
	Notes []string
}

// Warm has everything in the cache that programs of an image could need: the
// memories of its snapshots, the module of each program as a run loads it, and all
// its groups. What is there already is left alone, so that a Warm which was
// cancelled goes on where it was.
//
// A run that is deterministic, that has a limit of its own for tables or asks
// for a trace is compiled in another way, which is not among these.
func (rt *Runtime) Warm(ctx context.Context, image Image, spec WarmSpec) (*Warmth, error) {
	c, err := rt.Create(ctx, image, Spec{})
	if err != nil {
		return nil, err
	}
	defer c.Close(context.WithoutCancel(ctx))
	w := &warming{container: c, spec: spec, options: rt.prepareOptions(c.limits.Tables)}
	defer w.close()
	if err := w.restore(ctx); err != nil {
		return nil, err
	}
	if err := w.find(ctx); err != nil {
		return nil, err
	}
	if err := w.run(ctx); err != nil {
		return nil, c.cause(ctx, err)
	}
	if spec.Bake != "" {
		if err := rt.engine.Bake(spec.Bake, w.keys); err != nil {
			return nil, err
		}
	}
	return &w.done, nil
}

// warming is one Warm.
type warming struct {
	container *Container
	spec      WarmSpec
	options   prepare.Options
	parts     []warmPart
	splits    []*parts
	done      Warmth

	mu    sync.Mutex
	ready int
	keys  []string
}

// warmPart is something to have in the cache.
type warmPart struct {
	what  string
	key   string
	make  engine.MakeFunc
	small bool // several may be compiled at a time
}

func (w *warming) close() {
	for _, p := range w.splits {
		_ = p.Close()
	}
}

// restore unpacks the memories of the snapshots.
func (w *warming) restore(ctx context.Context) error {
	d := w.container.known()
	for i := range d.Snapshots {
		f, err := w.container.derived.Memory(ctx, &d.Snapshots[i])
		if err != nil {
			return fmt.Errorf("warm image: unpack the snapshot of %s: %w", strings.Join(d.Snapshots[i].Program, " "), err)
		}
		_ = f.Close()
	}
	return nil
}

// known is what was recorded of the image's programs.
func (c *Container) known() *oci.Derived {
	if c.derived != nil {
		if d := c.derived.Derived(); d != nil {
			return d
		}
	}
	return &oci.Derived{}
}

// find lists the parts of all programs: those that a start needs before the groups.
func (w *warming) find(ctx context.Context) error {
	var groups []warmPart
	err := w.container.programs(ctx, func(x *executable, ref layer.Ref) error {
		w.done.Modules++
		if m := w.container.recorded(ref); m != nil {
			cold, err := w.split(ctx, m, ref)
			if err == nil {
				groups = append(groups, cold...)
				return nil
			}
			if ctx.Err() != nil {
				return err
			}
			w.done.Notes = append(w.done.Notes, fmt.Sprintf("%s cannot be loaded in parts: %v", x.path, err))
		}
		return w.whole(x)
	})
	w.parts = append(w.parts, groups...)
	w.done.Parts = len(w.parts)
	return err
}

// recorded is what was recorded of a module, nil for nothing.
func (c *Container) recorded(ref layer.Ref) *oci.DerivedModule {
	d, content := c.known(), contentName(ref)
	for i := range d.Modules {
		if m := &d.Modules[i]; m.Content == content && m.Whole == "" {
			return &d.Modules[i]
		}
	}
	return nil
}

// programs visits the modules of the image's executable files, each once, under
// the first of its paths.
func (c *Container) programs(ctx context.Context, visit func(x *executable, ref layer.Ref) error) error {
	seen := map[layer.Ref]bool{}
	for _, l := range c.layers {
		for i := range l.Index.Entries {
			e := &l.Index.Entries[i]
			if e.Kind != layer.File || e.Mode&0o111 == 0 {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := c.program("/"+e.Path, seen, visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// program visits the module at a path, if there is one.
func (c *Container) program(path string, seen map[layer.Ref]bool, visit func(x *executable, ref layer.Ref) error) error {
	file, err := c.openExecutable(path)
	if err != nil {
		return nil // covered by another layer, or no program there
	}
	defer file.Close()
	ref, _, ok := file.Content()
	if !ok || seen[ref] {
		return nil
	}
	if interpreter, err := inspect(file, path); err != nil || interpreter != nil {
		return nil
	}
	seen[ref] = true
	return visit(&executable{path: path, args: []string{path}, file: file}, ref)
}

// split adds the primaries of a module, and gives its groups.
func (w *warming) split(ctx context.Context, m *oci.DerivedModule, ref layer.Ref) ([]warmPart, error) {
	c := w.container
	options := accelerate(w.options, c.rt.pins(contentName(ref)))
	base := c.cut(ctx, m, ref, options)
	p := &parts{}
	p.offer(base.open)
	s, err := p.get()
	if err != nil {
		return nil, err
	}
	w.splits = append(w.splits, p)
	cuttings := []cutting{*base}
	for d, i := c.known(), 0; i < len(d.Snapshots); i++ {
		if snap := &d.Snapshots[i]; snap.Content == m.Content {
			restored := *base
			restored.restores(snap)
			cuttings = append([]cutting{restored}, cuttings...)
		}
	}
	for _, x := range cuttings {
		groups, primary := c.rt.partKeys(x, options)
		w.parts = append(w.parts, warmPart{what: "the primary of " + m.Content, key: primary,
			make: func(ctx context.Context) (engine.Artifact, error) { return x.primary(ctx, s) }})
		if len(hinted(s, x.later)) > 0 {
			w.parts = append(w.parts, w.group(&parts{split: withLater(s, x.later), later: x.later}, groups, prepare.LaterGroup))
		}
	}
	key, _ := c.rt.partKeys(*base, options)
	var groups []warmPart
	for n := range uint32(s.Groups()) {
		part := w.group(p, key, n)
		part.small = true
		groups = append(groups, part)
	}
	return groups, nil
}

// group is one group of p.
func (w *warming) group(p *parts, groups string, n uint32) warmPart {
	return warmPart{what: fmt.Sprintf("group %d", n), key: engine.GroupKey(groups, p, n),
		make: func(ctx context.Context) (engine.Artifact, error) { return p.Group(ctx, n) }}
}

// whole adds a module in one piece, unless it could not run.
func (w *warming) whole(x *executable) error {
	c := w.container
	digest, read, err := identify(x, int64(w.options.Limits.Module))
	if err != nil {
		return w.unfit(x, err)
	}
	module, err := read()
	if err != nil {
		return fmt.Errorf("read %s: %w", x.path, err)
	}
	s := c.newSession(Limits{})
	if err := s.fits(x, module, w.options.Limits); err != nil {
		return w.unfit(x, err)
	}
	path := x.path
	again := func() ([]byte, error) { // its file is closed by then
		f, err := c.openExecutable(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		_, read, err := identify(&executable{path: path, file: f}, int64(w.options.Limits.Module))
		if err != nil {
			return nil, err
		}
		return read()
	}
	options := accelerate(w.options, c.rt.pins(digest))
	w.parts = append(w.parts, warmPart{what: x.path, key: c.rt.wholeKey(digest, options), make: whole(options, again)})
	return nil
}

// unfit notes a program that cannot run: the image may have others.
func (w *warming) unfit(x *executable, err error) error {
	var format *FormatError
	if !errors.As(err, &format) {
		return fmt.Errorf("read %s: %w", x.path, err)
	}
	w.done.Notes = append(w.done.Notes, format.Error())
	return nil
}

// run has all parts in the cache: what is large one after the other, then groups.
func (w *warming) run(ctx context.Context) error {
	w.report(0)
	at := 0
	for ; at < len(w.parts) && !w.parts[at].small; at++ {
		if err := w.keep(ctx, &w.parts[at], w.container.rt.config.progress); err != nil {
			return err
		}
	}
	crew, ctx := errgroup.WithContext(ctx)
	next := atomic.Int64{}
	next.Store(int64(at))
	for range max(1, w.spec.Workers) {
		crew.Go(func() error {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(w.parts) {
					return nil
				}
				if err := w.keep(ctx, &w.parts[n], nil); err != nil {
					return err
				}
			}
		})
	}
	return crew.Wait()
}

func (w *warming) keep(ctx context.Context, p *warmPart, progress engine.Progress) error {
	stats, err := w.container.rt.engine.Keep(ctx, p.key, p.make, progress)
	if err == nil {
		err = stats.CacheErr
	}
	if err != nil {
		return fmt.Errorf("warm %s: %w", p.what, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys = append(w.keys, p.key)
	if !stats.Hit {
		w.done.Compiled++
	}
	w.report(1)
	return nil
}

// report counts more parts as ready. The caller holds mu, or is alone.
func (w *warming) report(more int) {
	w.ready += more
	if w.spec.Progress != nil {
		w.spec.Progress(w.ready, len(w.parts))
	}
}
