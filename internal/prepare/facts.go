package prepare

import "github.com/wherry-run/wherry/internal/wasm"

// facts is what the passes know of one function before they write it. It holds no pointer into a tree: a function can
// be prepared from its facts and its own bytes, whatever became of the rest of the module.
type facts struct {
	expr   uint32 // where the instructions begin in the function's bytes
	locals uint32 // declared, parameters not counted
	groups uint32 // declarations of locals
	chunk  uint32
	sites  span // in the chunk's sites
	costs  span // in the chunk's costs: [0] the function without its loops, then one per loop in order
	traits
}

// span is a run of elements of one of a chunk's arenas.
type span struct{ from, to uint32 }

// traits says which passes have work in a function.
type traits uint16

const (
	hasExceptions traits = 1 << iota // an instruction, local or block of the exceptions proposals
	hasRethrow
	hasFix      // an instruction of the engine fixes whose type is plain
	needsTypes  // an instruction whose lowering depends on an operand's type
	hasBulk     // a bulk memory or table operation
	hasIndirect // a call through a table or a reference
	hasRefTest  // a test of a reference, which may be an exnref
	hasExnLocal // a local of type exnref
	crossesTry  // a delegate that skips the handler of an enclosing try
	usesTable   // reads or writes the table, or handles a reference to a function
	usesSegment // copies from a data segment or drops it
	hasNaN      // an instruction that leaves the bits of NaNs open, and they are to be settled
	hasQuiet    // a loop in which nothing is called
	hasBranch   // a conditional branch
	hasAccess   // an access of memory
)

func (t traits) has(x traits) bool { return t&x != 0 }

// region is the code of a function or of one loop, without the loops inside it.
type region struct {
	cost  uint64
	calls bool // something is called in it or in a loop inside it, or may be thrown
}

// site is a place in a function that matters to callers: a call, a throw, a reference taken.
type site struct {
	target uint32 // function index, or type index for indirect calls
	where  uint32 // region<<siteShift | shielded | kind
}

const (
	siteCall         = iota // call
	siteTailCall            // return_call
	siteIndirect            // call_indirect, call_ref
	siteTailIndirect        // return_call_indirect, return_call_ref
	siteThrow               // throw, rethrow, throw_ref
	siteRef                 // ref.func
	siteFar                 // call of a function that may be in another part; target is its rank
	siteTailFar             // the same as a tail call
	siteKind         = 7
	siteShielded     = 8 // inside the body of a try that catches everything
	siteShift        = 4
)

func (s site) kind() uint32   { return s.where & siteKind }
func (s site) shielded() bool { return s.where&siteShielded != 0 }
func (s site) region() uint32 { return s.where >> siteShift }

// chunk is a run of functions scanned, and later written, by one goroutine at a time.
type chunk struct {
	first, end int // functions, imports not counted
	sites      []site
	costs      []region
	bulk       map[bulkOp]struct{}
	tryTypes   map[uint32]struct{} // types that a try uses as its block type
	loopTypes  map[uint32]struct{} // types with parameters that a loop uses as its block type
	code       []byte              // what was written
	ends       []uint32            // end of every function in code
	places     []byte              // where all of it was, if that is traced
}

// chunkBytes is how much code makes a chunk: small enough to keep every core busy to the end, large enough that its
// arenas are few.
const chunkBytes = 512 << 10

// frame is an open block of the function being scanned.
type frame struct {
	region   uint32 // of the code around the block
	site     uint32 // first site inside
	catchAll bool   // the try's clauses catch everything
	inTry    bool   // the body of a try, not yet its handlers
}

// scanner collects the facts of functions, one after the other.
type scanner struct {
	m      *wasm.Module
	c      *chunk
	far    int64  // the table by which parts call each other, below zero for none
	last   uint32 // the last i32.const
	fixes  bool   // the engine fixes are wanted
	nans   bool   // NaNs are made canonical
	group  bool   // accesses are grouped
	w      wasm.Walker
	op     wasm.Op
	stack  []frame
	shield []span // runs of sites shielded by a catch_all
	base   uint32 // of the function's costs
	region uint32
	t      traits
	rounds []round // of the function, that are still to come
}

// scan fills f with the facts of the defined function i.
func (s *scanner) scan(f *facts, i int) error {
	body, err := s.m.Body(i)
	if err != nil {
		return err
	}
	f.expr, f.groups = uint32(body.Expr), uint32(len(body.Locals))
	f.sites.from = uint32(len(s.c.sites))
	s.base = uint32(len(s.c.costs))
	s.c.costs = append(s.c.costs, region{})
	s.stack, s.shield = append(s.stack[:0], frame{}), s.shield[:0]
	s.region, s.t = 0, 0
	for _, g := range body.Locals {
		f.locals += g.Count
		if isExn(g.Type) {
			s.t |= hasExceptions | hasExnLocal
		}
	}
	s.w.Reset(body.Bytes, body.Expr)
	for s.w.Next(&s.op) {
		s.step(body.Bytes)
	}
	if err := s.w.Err(); err != nil {
		return err
	}
	f.sites.to = uint32(len(s.c.sites))
	f.costs = span{s.base, uint32(len(s.c.costs))}
	f.traits = s.t
	if !f.has(crossesTry) {
		s.shieldSites(s.c.sites[f.sites.from:], f.sites.from)
	}
	return nil
}

func (s *scanner) here() *region { return &s.c.costs[s.base+s.region] }

func (s *scanner) cost(n uint64) { s.here().cost += n }

func (s *scanner) site(kind, target uint32) {
	s.c.sites = append(s.c.sites, site{target, s.region<<siteShift | kind})
	if kind != siteRef {
		s.here().calls = true
	}
}

// step takes in one instruction.
func (s *scanner) step(code []byte) {
	op := &s.op
	switch c := op.Code; c {
	case wasm.OpI32Const:
		s.last = uint32(op.Value)
		s.cost(1)
	case wasm.OpLocalGet, wasm.OpLocalSet, wasm.OpI32Add:
		s.cost(1)
	case wasm.OpBlock, wasm.OpIf:
		s.open(frame{})
	case wasm.OpLoop:
		s.open(frame{})
		if len(s.rounds) > 0 && s.rounds[0].at == op.Start {
			s.rounds = s.rounds[1:]
			s.here().cost-- // the original has one loop there
		}
		s.loopType()
		s.region = uint32(len(s.c.costs)) - s.base
		s.c.costs = append(s.c.costs, region{cost: 1})
	case wasm.OpTry, wasm.OpTryTable:
		s.try(code)
	case wasm.OpBrIf:
		s.t |= hasBranch
		s.cost(1)
	case wasm.OpElse, wasm.OpNop:
	case wasm.OpCatch, wasm.OpCatchAll:
		s.handler(c == wasm.OpCatchAll)
	case wasm.OpEnd:
		s.close()
	case wasm.OpDelegate:
		s.delegate()
		s.close()
	case wasm.OpCall:
		s.cost(costCall)
		s.site(siteCall, op.Index)
	case wasm.OpReturnCall:
		s.cost(costCall)
		s.site(siteTailCall, op.Index)
	case wasm.OpCallIndirect, wasm.OpCallRef:
		if c == wasm.OpCallIndirect && int64(op.Index2) == s.far {
			s.farCall(siteFar)
			return
		}
		s.t |= hasIndirect
		if c == wasm.OpCallRef {
			s.t |= usesTable
		}
		s.cost(costIndirect)
		s.site(siteIndirect, op.Index)
	case wasm.OpReturnCallIndirect, wasm.OpReturnCallRef:
		if c == wasm.OpReturnCallIndirect && int64(op.Index2) == s.far {
			s.farCall(siteTailFar)
			return
		}
		s.t |= hasIndirect
		if c == wasm.OpReturnCallRef {
			s.t |= usesTable
		}
		s.cost(costIndirect)
		s.site(siteTailIndirect, op.Index)
	case wasm.OpThrow, wasm.OpThrowRef, wasm.OpRethrow:
		s.t |= hasExceptions
		if c == wasm.OpRethrow {
			s.t |= hasRethrow
		}
		s.cost(costCall)
		s.site(siteThrow, 0)
	default:
		s.rare()
	}
}

// farCall takes in a call of another part: the cut put the callee's rank before it. It may lead to anything that is
// small enough to have no check of its own, which is what a call of the host counts for.
func (s *scanner) farCall(kind uint32) {
	s.cost(costImport)
	s.site(kind, s.last)
}

// rare takes in the instructions that are not control.
func (s *scanner) rare() {
	op := &s.op
	s.cost(1)
	if s.nans && nanOf(op.Code) != noFloat {
		s.t |= hasNaN
		return
	}
	switch op.Code {
	case wasm.OpRefFunc:
		s.t |= usesTable
		s.site(siteRef, op.Index)
	case wasm.OpTableGet, wasm.OpTableSet, wasm.OpTableSize, wasm.OpElemDrop:
		s.t |= usesTable
	case wasm.OpDataDrop:
		s.t |= usesSegment
	case wasm.OpSelect:
		if s.fixes {
			s.t |= needsTypes
		}
	case wasm.OpSelectTyped:
		if isExn(op.Type) {
			s.t |= hasExceptions
		}
		s.t |= hasFix
	case wasm.OpF32Copysign, wasm.OpF64Copysign, wasm.OpV128Bitselect, wasm.OpF64x2ReplaceLane:
		s.t |= hasFix
	case wasm.OpRefNull:
		if isExn(op.Type) {
			s.t |= hasExceptions
		}
	case wasm.OpRefIsNull, wasm.OpRefAsNonNull, wasm.OpBrOnNull, wasm.OpBrOnNonNull:
		s.t |= hasRefTest
	case wasm.OpMemoryGrow:
		s.cost(costGrow)
		s.here().calls = true
	case wasm.OpMemoryInit, wasm.OpMemoryCopy, wasm.OpMemoryFill,
		wasm.OpTableInit, wasm.OpTableCopy, wasm.OpTableFill, wasm.OpTableGrow:
		s.t |= hasBulk
		switch op.Code {
		case wasm.OpMemoryInit:
			s.t |= usesSegment
		case wasm.OpMemoryCopy, wasm.OpMemoryFill:
		default:
			s.t |= usesTable
		}
		s.cost(costBulk)
		s.here().calls = true
		s.bulk(bulkOf(op))
	default:
		if s.group && !s.t.has(hasAccess) {
			if _, _, _, ok := op.Code.Access(); ok {
				s.t |= hasAccess
			}
		}
	}
}

func (s *scanner) bulk(b bulkOp) {
	if s.c.bulk == nil {
		s.c.bulk = make(map[bulkOp]struct{})
	}
	s.c.bulk[b] = struct{}{}
}

// open enters a block.
func (s *scanner) open(f frame) {
	f.region, f.site = s.region, uint32(len(s.c.sites))
	s.cost(1)
	s.stack = append(s.stack, f)
	if t, ok := s.op.Block.Value(); ok && isExn(t) {
		s.t |= hasExceptions
	}
}

func (s *scanner) try(code []byte) {
	s.t |= hasExceptions
	f := frame{inTry: true}
	if s.op.Code == wasm.OpTryTable {
		for c := range s.op.Catches(code) {
			f.catchAll = f.catchAll || c.Kind >= wasm.CatchAny
		}
	}
	if t, ok := s.op.Block.TypeIndex(); ok {
		if s.c.tryTypes == nil {
			s.c.tryTypes = make(map[uint32]struct{})
		}
		s.c.tryTypes[t] = struct{}{}
	}
	s.open(f)
}

// loopType notes the type of a loop that takes parameters.
func (s *scanner) loopType() {
	if t, ok := s.op.Block.TypeIndex(); ok && len(s.m.Types[t].Params) > 0 {
		if s.c.loopTypes == nil {
			s.c.loopTypes = make(map[uint32]struct{})
		}
		s.c.loopTypes[t] = struct{}{}
	}
}

// handler ends the body of a legacy try at its first handler.
func (s *scanner) handler(all bool) {
	f := &s.stack[len(s.stack)-1]
	if f.inTry {
		f.inTry = false
		// Where the body's sites end is known here, whether all is caught perhaps only at a later clause.
		s.shield = append(s.shield, span{f.site, uint32(len(s.c.sites))})
		f.site = uint32(len(s.shield) - 1)
		if !all {
			s.shield[f.site].from |= openShield
		}
		return
	}
	if all && f.site < uint32(len(s.shield)) {
		s.shield[f.site].from &^= openShield
	}
}

// openShield marks a run whose try has not shown a catch_all.
const openShield = 1 << 31

// close leaves a block. The function's own frame stays, so that a body cannot empty the stack.
func (s *scanner) close() {
	if len(s.stack) == 1 {
		return
	}
	f := s.stack[len(s.stack)-1]
	s.stack = s.stack[:len(s.stack)-1]
	if f.region != s.region {
		if s.here().calls {
			s.c.costs[s.base+f.region].calls = true
		} else {
			s.t |= hasQuiet
		}
		s.region = f.region
	}
	if f.inTry && f.catchAll {
		s.shield = append(s.shield, span{f.site, uint32(len(s.c.sites))})
	}
}

// delegate notes whether the label lies outside a try whose handlers the exception then never meets.
func (s *scanner) delegate() {
	top := len(s.stack) - 1
	target := top - 1 - int(s.op.Index)
	for i := top - 1; i > max(target, 0); i-- {
		if s.stack[i].inTry {
			s.t |= crossesTry
			return
		}
	}
}

// shieldSites marks the sites inside the closed runs; base is the arena index of the first of sites.
func (s *scanner) shieldSites(sites []site, base uint32) {
	if len(s.shield) == 0 {
		return
	}
	// Runs nest, so a count of open runs at every site is enough: one pass over the ends, one over the sites.
	depth := make([]int32, len(sites)+1)
	for _, r := range s.shield {
		if r.from&openShield == 0 {
			depth[r.from-base]++
			depth[r.to-base]--
		}
	}
	var n int32
	for i := range sites {
		if n += depth[i]; n > 0 {
			sites[i].where |= siteShielded
		}
	}
}
