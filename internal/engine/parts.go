package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// A module can be loaded in parts: a primary at once, and groups of functions when a function of theirs is first
// called. Groups share the memory, the tables and the globals of the primary. What the parts must have for each other
// is made by package prepare; the engine relies on these names.
const (
	loadName    = "load"           // of ownModule: (slot i32) -> (), have the group of a slot loaded
	stateModule = "wherry.primary" // what groups import memory, tables and globals from
	fillExport  = "wherry.fill"    // (slot, stub, count i32) -> ()
	fillsExport = "wherry.fills"   // (at, n i32) -> (), the same for triples in memory
	startExport = "wherry.start"
	hitsExport  = "wherry.hits" // and a number
	stateExport = "wherry.g"    // and a number
)

// Parts prepares the parts of a module. Its methods may be called by several goroutines, on goroutines of the engine and
// under its context, not that of whoever waits.
type Parts interface {
	// Group prepares a group.
	Group(ctx context.Context, group uint32) (Artifact, error)
	// GroupOf gives the group with the function of a slot, false when there is none.
	GroupOf(slot uint32) (group uint32, ok bool, err error)
	// Name gives the name of a function by its index in the whole module, or "".
	Name(function uint32) string
	// Close ends their use: none of the other methods runs, or will.
	Close() error
}

// Shaped is Parts of which some groups are shaped by more than the key of all groups says.
type Shaped interface {
	// Shape says by what, "" for nothing.
	Shape(group uint32) string
}

// Part says what the engine must know of a prepared part beside its bytes.
type Part struct {
	// First is the index of the first function that the part defines, and Origins has for each of them its index in the
	// whole module, or ^0 for what was added.
	First   uint32
	Origins []uint32
	// Fills are the runs of slots that hold stubs when a primary begins.
	Fills []Fill
}

// Fill is a run of slots and the slot of the stub that they get.
type Fill struct{ Slot, Stub, Count uint32 }

// LoadParts is Load for a primary whose groups are loaded when they are needed. groups is the key of all groups: the
// hex SHA-256 of what shapes them, which is less than what shapes the primary.
//
// parts are the engine's from now on. It closes them when the last Module of the key and the last instance of one are
// closed, and at once when the load fails or the module has its parts already; see [Module.Parts].
func (e *Engine) LoadParts(ctx context.Context, key, groups string, primary MakeFunc, parts Parts, p Progress) (*Module, error) {
	if !validKey(groups) {
		_ = parts.Close()
		return nil, fmt.Errorf("load module: key %.80q is not a hex SHA-256", groups)
	}
	m, err := e.Load(ctx, key, primary, p)
	if err != nil {
		_ = parts.Close()
		return nil, err
	}
	if m.code.part == nil || !m.code.outline.primary() {
		_ = m.Close(ctx)
		_ = parts.Close()
		return nil, errors.New("load module: it is no part of one")
	}
	if !m.code.adopt(groups, parts, p) {
		_ = parts.Close()
	}
	return m, nil
}

// Parts gives what prepares the parts of the module: what it was loaded with first. It is nil for a whole module.
func (m *Module) Parts() Parts { return m.code.preparer() }

// groupSet is the groups of a code.
type groupSet struct {
	mu    sync.Mutex
	key   string
	parts Parts
	list  map[uint32]*group
	tally tally
}

// group is a group on its way into a code, or in it.
type group struct {
	done     chan struct{}
	compiled wazero.CompiledModule
	part     *Part
	err      error
}

// adopt takes the parts, unless there are some.
func (c *code) adopt(key string, parts Parts, p Progress) bool {
	c.groups.mu.Lock()
	defer c.groups.mu.Unlock()
	if c.groups.parts != nil {
		return false
	}
	c.groups.key, c.groups.parts, c.groups.list = key, parts, map[uint32]*group{}
	c.groups.tally.watcher = p
	return true
}

// preparer is nil when the module was loaded without its parts.
func (c *code) preparer() Parts {
	c.groups.mu.Lock()
	defer c.groups.mu.Unlock()
	return c.groups.parts
}

// group gives a compiled group. It is loaded once for all who ask, and to its end even when all of them leave. A failure
// is not kept.
func (c *code) group(ctx context.Context, n uint32) (*group, error) {
	s := &c.groups
	s.mu.Lock()
	g := s.list[n]
	if g == nil {
		g = &group{done: make(chan struct{})}
		err := c.aside(func(life context.Context) {
			if g.err = c.bringGroup(life, n, g); g.err != nil {
				s.mu.Lock()
				delete(s.list, n)
				s.mu.Unlock()
			}
			close(g.done)
		})
		if err != nil {
			s.mu.Unlock()
			return nil, err
		}
		s.list[n] = g
	}
	s.mu.Unlock()
	select {
	case <-g.done:
		return g, g.err
	case <-ctx.Done():
		return nil, contextError(ctx)
	}
}

// groupOf finds the group of a slot: the first who asks has the module opened, which takes its time.
func (c *code) groupOf(ctx context.Context, slot uint32) (n uint32, ok bool, err error) {
	type answer struct {
		n   uint32
		ok  bool
		err error
	}
	found := make(chan answer, 1)
	err = c.aside(func(context.Context) {
		var a answer
		defer func() {
			if r := recover(); r != nil {
				a.err = fmt.Errorf("find the group of slot %d: panic: %v", slot, r)
			}
			found <- a
		}()
		a.n, a.ok, a.err = c.preparer().GroupOf(slot)
	})
	if err != nil {
		return 0, false, err
	}
	select {
	case a := <-found:
		return a.n, a.ok, a.err
	case <-ctx.Done():
		return 0, false, contextError(ctx)
	}
}

// aside does something in the background for an instance, which may leave: the code stays until it is done.
func (c *code) aside(do func(life context.Context)) error {
	e := c.engine
	e.mu.Lock()
	closed := e.closed
	if !closed {
		e.jobs.Add(1)
	}
	e.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if !c.hold() {
		e.jobs.Done()
		return ErrClosed
	}
	go func() {
		defer e.jobs.Done()
		defer c.drop()
		do(e.life)
	}()
	return nil
}

// bringGroup has a group compiled, into the cache if there is one, and loads it into this code's runtime.
func (c *code) bringGroup(ctx context.Context, n uint32, g *group) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("load group %d: panic: %v", n, r)
		}
		if err != nil && ctx.Err() != nil {
			err = ErrClosed // nothing but the end of the engine ends it
		}
	}()
	e := c.engine
	key := GroupKey(c.groups.key, c.preparer(), n)
	made := func(ctx context.Context) (Artifact, error) { return c.preparer().Group(ctx, n) }
	if c.session == "" {
		return c.makeGroup(ctx, made, g)
	}
	for range 3 {
		for _, from := range e.shelves() {
			if g.compiled, g.part, err = c.recallGroup(ctx, from, key); err == nil {
				return nil
			}
			if errors.Is(err, errUnusable) {
				from.discard(key)
			}
		}
		if !e.keeps() {
			break
		}
		began := time.Now()
		m, err := e.Load(ctx, key, made, nil)
		c.groups.tally.add(time.Since(began))
		if err != nil {
			return fmt.Errorf("load group %d: %w", n, err)
		}
		kept := m.stats.CacheErr
		_ = m.Close(ctx)
		if kept != nil {
			break
		}
	}
	return c.makeGroup(ctx, made, g) // the disk is of no use
}

// makeGroup prepares and compiles a group for this code alone.
func (c *code) makeGroup(ctx context.Context, made MakeFunc, g *group) error {
	a, err := made(ctx)
	if err != nil {
		return err
	}
	if a.Part == nil {
		return errors.New("it is no part of a module")
	}
	lane := c.engine.lanes.of(int64(len(a.Wasm)))
	select {
	case lane <- struct{}{}:
	case <-ctx.Done():
		return ErrClosed
	}
	defer func() { <-lane }()
	g.part = a.Part
	g.compiled, _, err = c.compileModule(ctx, a.Wasm, int64(len(a.Wasm)))
	return err
}

// buildPrimary loads a primary that is in the cache. Its runtime looks for machine code in a folder of its own, where
// that of each part is put while it is loaded: wazero takes the folder for the life of a runtime, and an entry has just
// one module.
func (e *Engine) buildPrimary(f *flight, entry *entry) (*code, error) {
	part, err := decodePart(entry.names)
	if err != nil {
		return nil, err
	}
	session, err := e.session()
	if err != nil {
		return nil, err
	}
	unlink, err := entry.lend(session)
	if err != nil {
		removeAll(session)
		return nil, err
	}
	defer unlink()
	c, err := e.build(f.life, entry.wasm, nil, &entry.Outline, session, f.key)
	if err == nil && !entry.lent(session) {
		c.free()
		err = errUnusable
	}
	if err != nil {
		removeAll(session)
		return nil, err
	}
	c.part, c.session = part, session
	return c, nil
}

// recallGroup loads a group that is in a cache.
func (c *code) recallGroup(ctx context.Context, from *cache, key string) (wazero.CompiledModule, *Part, error) {
	entry, err := from.open(key, c.engine.Identity())
	if err != nil {
		return nil, nil, err
	}
	defer entry.close()
	part, err := decodePart(entry.names)
	if err != nil {
		return nil, nil, err
	}
	unlink, err := entry.lend(c.session)
	if err != nil {
		return nil, nil, err
	}
	defer unlink()
	compiled, unkept, err := c.compileModule(ctx, entry.wasm, 0)
	if err != nil {
		return nil, nil, err
	}
	if unkept != nil || !entry.lent(c.session) {
		_ = compiled.Close(ctx)
		return nil, nil, errors.New("its machine code has been taken away")
	}
	return compiled, part, nil
}

// lend puts an entry's machine code where a runtime with this session looks for it. wazero reads the file when the
// module is compiled, and then no more.
func (e *entry) lend(session string) (unlink func(), err error) {
	if e.native == nil {
		return func() {}, nil
	}
	path := filepath.FromSlash(e.Native.Path)
	to := filepath.Join(session, path)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return nil, err
	}
	_ = os.Remove(to)
	if err := os.Link(filepath.Join(e.dir, path), to); err != nil {
		if err := copyFile(e.native, to); err != nil {
			return nil, err
		}
	}
	return func() { _ = os.Remove(to) }, nil
}

// lent reports whether the machine code is still there: otherwise wazero has compiled a skeleton.
func (e *entry) lent(session string) bool {
	if e.native == nil {
		return true
	}
	checked, err := e.native.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(filepath.Join(session, filepath.FromSlash(e.Native.Path)))
	return err == nil && (os.SameFile(checked, now) || now.Size() == checked.Size())
}

// loadSlot loads the group of a slot into an instance. It is called by the guest, through a stub.
func (i *Instance) loadSlot(ctx context.Context, slot uint32) error {
	if i.code.preparer() == nil {
		return errors.New("the module was loaded without its groups")
	}
	n, ok, err := i.code.groupOf(ctx, slot)
	if err != nil {
		return err
	}
	if _, there := i.parts[n]; !ok || there {
		return &Trap{Kind: TrapTable, Message: fmt.Sprintf("slot %d has no function that could be loaded", slot)}
	}
	began := time.Now()
	defer func() { i.loading += time.Since(began) }()
	g, err := i.code.group(ctx, n)
	if err != nil {
		return err
	}
	mod, err := i.code.runtime.InstantiateModule(experimental.WithImportResolver(ctx, i.resolve), g.compiled, i.code.config)
	if err != nil {
		return fmt.Errorf("load group %d: %w", n, err)
	}
	if i.parts == nil {
		i.parts = map[uint32]loadedPart{}
	}
	i.parts[n] = loadedPart{mod, g.part}
	return nil
}

// loadedPart is a group in an instance.
type loadedPart struct {
	mod  api.Module
	part *Part
}

// resolve is wazero's ImportResolver for the parts of an instance.
func (i *Instance) resolve(name string) api.Module {
	if name == stateModule {
		return i.mod
	}
	return i.code.shims.resolve(name)
}

// loadShim is the import by which a stub has a group loaded.
type loadShim struct{}

// Call implements wazero's function interface.
func (loadShim) Call(ctx context.Context, mod api.Module, stack []uint64) {
	i := instanceOf(ctx)
	i.bind(mod)
	if err := i.loadSlot(ctx, uint32(stack[0])); err != nil {
		i.guest.Fail(err)
	}
}
