package engine

import (
	"context"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
)

// Module is a compiled module, ready for any number of instances. It is one holder's share: several Modules of one key
// have the same code behind them, which is freed when the last of them and the last of their instances are closed.
type Module struct {
	code  *code
	stats LoadStats
	once  sync.Once
}

// LoadStats says where a module came from and what that took.
type LoadStats struct {
	// Hit is true when the compiled code was there already, in memory or on disk.
	Hit bool
	// Wait is the time spent waiting for another process.
	Wait, Prepare, Compile, Load time.Duration
	// CacheErr is why the compiled code could not be kept on disk; the module works all the same.
	CacheErr error
}

// Imports lists what the module wants from its host, except what the engine itself gives to prepared modules.
func (m *Module) Imports() []Import {
	var list []Import
	for _, i := range m.code.outline.Imports {
		if !ownImport(i) {
			list = append(list, i)
		}
	}
	return list
}

// Exports lists what the module offers.
func (m *Module) Exports() []Export { return m.code.outline.Exports }

// Stats tells how the module was loaded.
func (m *Module) Stats() LoadStats { return m.stats }

// Close gives this share of the module up. Instances that were made of it go on.
func (m *Module) Close(context.Context) error {
	m.once.Do(m.code.drop)
	return nil
}

// code is a module in one wazero runtime of its own, so that nothing of one module - names, types, machine code - can
// meet another's, and closing it frees everything.
type code struct {
	engine   *Engine
	key      string
	runtime  wazero.Runtime
	cache    wazero.CompilationCache // nil in memory-only mode
	compiled wazero.CompiledModule
	machine  []byte // its machine code, see ShareCode; nil: it is not known where that lies
	config   wazero.ModuleConfig
	outline  *outline
	names    []byte
	shims    *shims
	part     *Part  // not nil: this is the primary of a module in parts
	session  string // where its runtime looks for machine code, of a module in parts
	groups   groupSet
	sources  sources
	unkept   error // why the machine code could not be put on disk

	mu        sync.Mutex
	refs      int
	freed     bool
	instances map[*Instance]struct{}
}

// hold takes one more share. It reports false when the last one has been dropped already.
func (c *code) hold() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.freed {
		return false
	}
	c.refs++
	return true
}

// drop gives one share back and frees the code with the last one.
func (c *code) drop() {
	c.mu.Lock()
	c.refs--
	last := c.refs <= 0 && !c.freed
	if last {
		c.freed = true
	}
	c.mu.Unlock()
	if last {
		c.free()
	}
}

// retire takes the code off the engine's list when the engine closes, so that no new share of it is handed out.
func (c *code) retire() {
	c.engine.mu.Lock()
	if c.engine.loaded[c.key] == c {
		delete(c.engine.loaded, c.key)
	}
	c.engine.mu.Unlock()
}

// free closes the runtime and with it host modules and code. What wazero's runtime still needs of a context is only
// its values.
func (c *code) free() {
	c.retire()
	_ = c.runtime.Close(c.engine.life)
	if c.cache != nil {
		_ = c.cache.Close(c.engine.life)
	}
	if c.session != "" {
		removeAll(c.session)
	}
	if p := c.preparer(); p != nil {
		_ = p.Close()
	}
	c.sources.close()
}

func (c *code) running() []*Instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]*Instance, 0, len(c.instances))
	for i := range c.instances {
		list = append(list, i)
	}
	return list
}

func (c *code) enroll(i *Instance) {
	c.mu.Lock()
	c.instances[i] = struct{}{}
	c.mu.Unlock()
}

func (c *code) dismiss(i *Instance) {
	c.mu.Lock()
	delete(c.instances, i)
	c.mu.Unlock()
	c.drop()
}
