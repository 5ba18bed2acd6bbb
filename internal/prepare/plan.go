package prepare

import (
	"context"
	"fmt"
	"strings"

	"github.com/wherry-run/wherry/internal/wasm"
)

// plan is all that is decided before a function is written. Nothing in it changes while functions are written.
type plan struct {
	mod    *wasm.Module
	whole  *wasm.Module  // the module as it came, if loops of it were unrolled in mod
	moved  map[int]moved // and what is known of their functions
	opts   Options
	part   *partPlan // nil: the module is whole
	facts  []facts
	chunks []chunk

	imported uint32 // functions the original imports
	shift    uint32 // what is added to the index of a function the original defines

	traced    bool // it is noted where the code was
	rewrites  Rewrites
	sparing   bool // some rewrites are only for functions with loops
	lower     bool // exceptions are lowered
	throwing  throwing
	checked   []bool
	bulk      map[bulkOp]bulkPlan
	yieldFunc uint32
	asked     []asked // accelerated functions of the whole module, ascending

	pendingGlobal, payloadGlobal, fuelGlobal uint32

	types      []wasm.FuncType // of the prepared module
	typeIndex  map[string]uint32
	paramTypes map[uint32]uint32 // type -> type with its parameters and no results
	loopTypes  map[uint32]uint32 // type -> type with its parameters as results too
	added      []addedFunc
	start      *uint32 // new index
	fillFunc   uint32  // of a primary
	fillsFunc  uint32  // of one with a memory; else 0
	out        []byte  // the prepared module
}

// addedFunc is a function the original does not have.
type addedFunc struct {
	name string
	typ  uint32
	body []byte
}

func newPlan(ctx context.Context, m *wasm.Module, o Options, part *partPlan) (*plan, error) {
	p := &plan{mod: m, whole: m, opts: o, part: part, imported: uint32(m.ImportedFuncs())}
	if part == nil {
		if err := checkReserved(m); err != nil {
			return nil, err
		}
	}
	p.traced = part == nil && o.traces(codeBytes(m)) // what a part is made of is not in any file
	p.rewrites = p.wanted()
	if p.rewrites.has(UnrollLoops) {
		var err error
		if p.mod, p.moved, err = unrolled(ctx, m, o.workers(), p.traced); err != nil {
			return nil, fmt.Errorf("unroll loops: %w", err)
		}
	}
	if err := p.scan(ctx); err != nil {
		return nil, err
	}
	p.lower = p.usesExceptions()
	if part != nil {
		if p.lower && !part.exceptions {
			return nil, errFacts
		}
		p.lower = part.exceptions
	}
	if p.lower {
		if err := p.checkExceptions(); err != nil {
			return nil, err
		}
		var err error
		if part != nil {
			p.throwing, err = p.partThrowing()
		} else {
			p.throwing, err = p.findThrowing()
		}
		if err != nil {
			return nil, err
		}
	}
	p.layout()
	if o.Fuel {
		p.checked = p.findChecked()
		p.planBulk()
	}
	if part != nil && part.primary {
		p.planFill()
	}
	p.planStart()
	return p, ctx.Err()
}

// checkReserved refuses modules that use a name of ours.
func checkReserved(m *wasm.Module) error {
	for _, im := range m.Imports {
		if im.Module == ReservedModule || strings.HasPrefix(im.Module, reservedPrefix) {
			return &Unsupported{What: fmt.Sprintf("importing %q from %q", im.Name, im.Module), Hint: "that module name is reserved"}
		}
	}
	for _, e := range m.Exports {
		if strings.HasPrefix(e.Name, reservedPrefix) {
			return &Unsupported{What: fmt.Sprintf("exporting %q", e.Name), Hint: "names that begin with \"" + reservedPrefix + "\" are reserved"}
		}
	}
	return nil
}

// scan fills the table of facts.
func (p *plan) scan(ctx context.Context) error {
	p.facts = make([]facts, len(p.mod.Code))
	size := 0
	for i, s := range p.mod.Code {
		if n := len(p.chunks); n == 0 || size > chunkBytes {
			p.chunks = append(p.chunks, chunk{first: i})
			size = 0
		}
		size += s.Len() + 16
		p.chunks[len(p.chunks)-1].end = i + 1
	}
	return each(ctx, p.opts.workers(), len(p.chunks), func(i int) error {
		s := scanner{m: p.mod, c: &p.chunks[i], far: -1, fixes: p.opts.EngineFixes, nans: p.opts.Deterministic, group: p.rewrites.has(GroupChecks)}
		if p.part != nil {
			s.far = int64(p.part.calls)
		}
		for f := s.c.first; f < s.c.end; f++ {
			s.rounds = p.moved[f].rounds
			if err := s.scan(&p.facts[f], f); err != nil {
				return fmt.Errorf("scan function %d: %w", f+int(p.imported), err)
			}
			p.facts[f].chunk = uint32(i)
		}
		return nil
	})
}

func (p *plan) sitesOf(f uint32) []site {
	x := &p.facts[f]
	return p.chunks[x.chunk].sites[x.sites.from:x.sites.to]
}

func (p *plan) costsOf(f uint32) []region {
	x := &p.facts[f]
	return p.chunks[x.chunk].costs[x.costs.from:x.costs.to]
}

// newIndex maps a function of the original to its index in the prepared module.
func (p *plan) newIndex(f uint32) uint32 {
	if f >= p.imported {
		return f + p.shift
	}
	return f
}

// layout settles the indices of all that is added.
func (p *plan) layout() {
	p.types = make([]wasm.FuncType, len(p.mod.Types))
	p.typeIndex = make(map[string]uint32, len(p.types))
	for i, t := range p.mod.Types {
		p.types[i] = p.lowerFuncType(t)
		if k := typeKey(p.types[i]); p.typeIndex[k] == 0 {
			p.typeIndex[k] = uint32(i) + 1
		}
	}
	p.placeGlobals()
	if p.lower {
		p.planParamTypes()
	}
	p.planAccelerated()
	p.shift = uint32(len(p.asked))
	if p.opts.Fuel {
		p.planLoopTypes()
		p.shift++
		call := wasm.AppendOpIndex([]byte{0}, wasm.OpCall, p.imported)
		p.yieldFunc = p.addFunc("wherry.yield", wasm.FuncType{}, wasm.AppendOp(call, wasm.OpEnd))
	}
}

// placeGlobals settles where the globals of the passes are: behind those of the module, or in a part where the cut has
// put them.
func (p *plan) placeGlobals() {
	if p.part != nil {
		p.pendingGlobal, p.payloadGlobal, p.fuelGlobal = p.part.pending, p.part.payload, p.part.fuel
		return
	}
	next := uint32(p.mod.NumGlobals())
	if p.lower {
		p.pendingGlobal, p.payloadGlobal = next, next+1
		next += 2
	}
	p.fuelGlobal = next
}

// planParamTypes adds the types of the inner blocks of tries that take parameters, in the order of the types.
func (p *plan) planParamTypes() {
	p.paramTypes = make(map[uint32]uint32)
	for t := range p.mod.Types {
		if len(p.mod.Types[t].Params) == 0 {
			continue
		}
		for i := range p.chunks {
			if _, ok := p.chunks[i].tryTypes[uint32(t)]; ok {
				p.paramTypes[uint32(t)] = p.addType(wasm.FuncType{Params: p.types[t].Params})
				break
			}
		}
	}
}

// planLoopTypes adds the types of what quiet loops with parameters need, in the order of the types.
func (p *plan) planLoopTypes() {
	p.loopTypes = make(map[uint32]uint32)
	for t := range p.mod.Types {
		for i := range p.chunks {
			if _, ok := p.chunks[i].loopTypes[uint32(t)]; ok {
				params := p.types[t].Params
				p.loopTypes[uint32(t)] = p.addType(wasm.FuncType{Params: params, Results: params})
				break
			}
		}
	}
}

// planStart wraps a start function that may throw: an exception nobody catches must fail the instantiation.
func (p *plan) planStart() {
	if p.mod.Start == nil {
		return
	}
	f := *p.mod.Start
	start := p.newIndex(f)
	if p.lower && f >= p.imported && p.throwing.funcs[f-p.imported] {
		var a asm
		a.put(0)
		a.index(wasm.OpCall, start)
		a.index(wasm.OpGlobalGet, p.pendingGlobal)
		a.block(wasm.OpIf)
		a.emit(wasm.OpUnreachable)
		a.emit(wasm.OpEnd)
		a.emit(wasm.OpEnd)
		start = p.addFunc("wherry.start", wasm.FuncType{}, a.Out)
	}
	p.start = &start
}

// addFunc adds a function and returns its index in the prepared module.
func (p *plan) addFunc(name string, t wasm.FuncType, body []byte) uint32 {
	p.added = append(p.added, addedFunc{name, p.addType(t), body})
	return p.imported + p.shift + uint32(len(p.facts)+len(p.added)) - 1
}

// addType returns the index of a type, which is added unless there is an equal one.
func (p *plan) addType(t wasm.FuncType) uint32 {
	k := typeKey(t)
	if i := p.typeIndex[k]; i > 0 {
		return i - 1
	}
	p.types = append(p.types, t)
	p.typeIndex[k] = uint32(len(p.types))
	return uint32(len(p.types)) - 1
}

func typeKey(t wasm.FuncType) string { return string(wasm.AppendFuncType(nil, t)) }

// write writes all functions.
func (p *plan) write(ctx context.Context) error {
	return each(ctx, p.opts.workers(), len(p.chunks), func(i int) error {
		c := &p.chunks[i]
		e := newEmitter(p)
		size := 0
		for f := c.first; f < c.end; f++ {
			size += p.mod.Code[f].Len()
		}
		c.code = make([]byte, 0, size+size/8)
		for f := c.first; f < c.end; f++ {
			var err error
			if c.code, err = e.function(uint32(f), c.code); err != nil {
				return fmt.Errorf("function %d: %w", f+int(p.imported), err)
			}
			c.ends = append(c.ends, uint32(len(c.code)))
		}
		c.places = e.places
		return ctx.Err()
	})
}

func (p *plan) report() Report {
	r := Report{Functions: len(p.facts), Exceptions: p.lower, Added: len(p.added), Accelerated: len(p.asked)}
	for _, t := range p.throwing.funcs {
		if t {
			r.Throwing++
		}
	}
	for f := range p.facts {
		if p.opts.Fuel {
			r.Loops += int(p.facts[f].costs.to-p.facts[f].costs.from) - 1
		}
	}
	for _, c := range p.checked {
		if c {
			r.EntryChecks++
		}
	}
	return r
}
