package wasm

import (
	"fmt"
	"sort"
)

// Checker type-checks functions of a module, one at a time, in one pass over their instructions and without building
// anything: an operand stack of types, a stack of open blocks. A visitor sees every instruction before it takes
// effect, with the types of its operands on the stack; that is what rewriting passes drive.
//
// A Checker reuses its memory from function to function. It is not safe for concurrent use; take one per goroutine.
type Checker struct {
	m        *Module
	declared []uint64 // bit set: functions that ref.func may name

	body   Body
	r      reader
	op     Op  // here and not in Func, where it would be allocated anew each time
	fn     int // function index
	sig    *FuncType
	stack  []ValueType
	labels []Label
	base   int  // height of the innermost block
	dead   bool // the innermost block is unreachable from here on

	locals    []ValueType // parameters and the first locals
	ends      []uint32    // for each group of locals, the index after its last
	numLocals uint32

	mustSet bool     // some local has no default value
	set     []uint64 // bit set: which locals without default are set
	setLog  []uint32 // in the order they were set

	gauge   gauge
	traffic int64 // how many operands calls, blocks and branches may still move
}

// Label is an open block, or the body of the function itself.
type Label struct {
	Code            Opcode // OpBlock, OpLoop, OpIf, OpElse, OpTry, OpCatch, OpCatchAll, OpTryTable; OpBlock for the body
	Height          int    // operands below the block
	Params, Results []ValueType

	dead bool
	sets int // length of setLog at entry
}

// target is the types a branch to the label carries.
func (l *Label) target() []ValueType {
	if l.Code == OpLoop {
		return l.Params
	}
	return l.Results
}

// eagerLocals is how many locals are spread out per function. The others are looked up in their groups, so that a
// two-byte declaration of thousands of locals does not cost thousands of steps.
const eagerLocals = 1024

// NewChecker returns a Checker for functions of m.
func NewChecker(m *Module) *Checker { return &Checker{m: m, declared: declaredFuncs(m)} }

// Func checks the defined function i (0 is the first after the imports). visit, when not nil, is called with every
// instruction before it takes effect; an error from it ends the check and is returned as it is. The Op is reused.
func (c *Checker) Func(i int, visit func(op *Op, c *Checker) error) error {
	if i < 0 || i >= len(c.m.Code) {
		return &Error{Offset: -1, Section: "code", Func: -1, Msg: fmt.Sprintf("there is no defined function %d", i)}
	}
	c.begin(i)
	op := &c.op
	for c.r.pos < len(c.r.b) {
		c.r.next(op)
		if c.r.fault != nil {
			break
		}
		if len(c.labels) == 0 {
			c.fail(op, "instructions after the end of the function")
			break
		}
		if visit != nil {
			if err := visit(op, c); err != nil {
				return err
			}
		}
		c.step(op)
		if c.r.fault == nil {
			if f := c.gauge.step(op, c.r.b, len(c.stack)); f != nil {
				c.r.failWith(f)
			}
		}
	}
	c.finish()
	if c.r.fault != nil {
		return c.r.fault.in(c.body.Offset, "code", c.fn)
	}
	return nil
}

// begin sets everything up for function i.
func (c *Checker) begin(i int) {
	c.fn = c.m.importedFuncs + i
	f := c.m.readBody(i, &c.body)
	c.r = reader{b: c.body.Bytes, pos: c.body.Expr}
	c.stack, c.labels, c.locals, c.ends, c.setLog = c.stack[:0], c.labels[:0], c.locals[:0], c.ends[:0], c.setLog[:0]
	c.base, c.dead, c.mustSet, c.numLocals = 0, false, false, 0
	// A few thousand more, for short functions of types with very many results.
	c.traffic = int64(c.m.Limits.OperandsPer64)*int64(len(c.body.Bytes))/64 + 4096
	if f != nil {
		c.r.failWith(f)
		return
	}
	c.sig = c.m.FuncType(uint32(c.fn))
	if c.sig == nil {
		c.r.fail(0, "the function's type does not exist")
		return
	}
	c.declareLocals()
	c.gauge.begin(c.m, int(c.numLocals))
	c.labels = append(c.labels, Label{Code: OpBlock, Params: nil, Results: c.sig.Results})
}

// declareLocals spreads out the parameters and the first locals.
func (c *Checker) declareLocals() {
	c.locals = append(c.locals, c.sig.Params...)
	c.numLocals = uint32(len(c.sig.Params))
	for _, g := range c.body.Locals {
		if err := checkTypeRef(g.Type, len(c.m.Types)); err != nil {
			c.r.fail(0, "local of %s", err)
			return
		}
		c.numLocals += g.Count
		c.ends = append(c.ends, c.numLocals)
		c.mustSet = c.mustSet || !g.Type.hasDefault()
		for n := min(int(g.Count), eagerLocals-len(c.locals)); n > 0; n-- {
			c.locals = append(c.locals, g.Type)
		}
	}
	if !c.mustSet {
		return
	}
	c.set = append(c.set[:0], make([]uint64, c.numLocals/64+1)...)
	for i := range c.sig.Params {
		c.set[i/64] |= 1 << (i % 64)
	}
}

// finish checks what the end of the bytes leaves open.
func (c *Checker) finish() {
	if c.r.fault != nil {
		return
	}
	if len(c.labels) > 0 {
		c.r.fail(len(c.r.b), "the function ends within %d open blocks", len(c.labels))
		return
	}
	if f := c.gauge.end(len(c.body.Bytes)); f != nil {
		c.r.failWith(f)
	}
}

// Body returns the code of the function being checked.
func (c *Checker) Body() *Body { return &c.body }

// FuncIndex returns the index of the function being checked, imports counted.
func (c *Checker) FuncIndex() uint32 { return uint32(c.fn) }

// Operand returns the type of the operand n places below the top of the stack, 0 being the top. It is Bottom where
// the code is unreachable and the operand could be anything, and when the block has no such operand.
func (c *Checker) Operand(n int) ValueType {
	if i := len(c.stack) - 1 - n; i >= c.base && n >= 0 {
		return c.stack[i]
	}
	return Bottom
}

// Height returns how many operands are on the stack, those below the innermost block included. In unreachable code it
// only counts the ones that are known.
func (c *Checker) Height() int { return len(c.stack) }

// Unreachable tells whether the code at this place can never run because a branch, return or trap stands before it.
func (c *Checker) Unreachable() bool { return c.dead }

// Depth returns how many labels are open, the function's own included.
func (c *Checker) Depth() int { return len(c.labels) }

// Label returns the label a branch with this index goes to, 0 being the innermost. There must be such a label.
func (c *Checker) Label(index int) *Label { return &c.labels[len(c.labels)-1-index] }

// LocalType returns the type of a local; parameters come first.
func (c *Checker) LocalType(i uint32) (ValueType, bool) {
	if int64(i) < int64(len(c.locals)) {
		return c.locals[i], true
	}
	if i >= c.numLocals {
		return Bottom, false
	}
	group := sort.Search(len(c.ends), func(n int) bool { return i < c.ends[n] })
	return c.body.Locals[group].Type, true
}

// NumLocals returns how many locals the function has, parameters included.
func (c *Checker) NumLocals() uint32 { return c.numLocals }

func (c *Checker) fail(op *Op, format string, args ...any) {
	c.r.fail(op.Start, "%s: %s", op.Code, fmt.Sprintf(format, args...))
}

// push puts an operand on the stack.
func (c *Checker) push(t ValueType) { c.stack = append(c.stack, t) }

func (c *Checker) pushAll(ts []ValueType) {
	if most := c.m.Limits.Operands; len(ts) > 0 && len(c.stack)+len(ts) > int(most) {
		c.r.failWith(over(c.op.Start, "Operands", "operands on the stack", int64(len(c.stack)+len(ts)), int64(most)))
		return
	}
	if c.move(len(ts)) {
		c.stack = append(c.stack, ts...)
	}
}

// move counts operands that one instruction moves together. A call of two bytes may push a thousand of them; without
// a bound that is as many times the time and memory that the size of the code suggests.
func (c *Checker) move(n int) bool {
	if c.traffic -= int64(n); c.traffic >= 0 {
		return true
	}
	most := c.m.Limits.OperandsPer64
	c.r.failWith(&fault{at: c.op.Start, limit: "OperandsPer64",
		msg: fmt.Sprintf("calls, blocks and branches move more than %d operands per 64 bytes of the function", most)})
	return false
}

// pop takes an operand of the wanted type.
func (c *Checker) pop(op *Op, want ValueType) {
	if n := len(c.stack) - 1; n >= c.base && c.stack[n] == want {
		c.stack = c.stack[:n]
		return
	}
	c.popOther(op, want)
}

// popOther is pop where the types are not the very same.
func (c *Checker) popOther(op *Op, want ValueType) {
	if have, ok := c.popAny(op); ok && !c.m.matches(have, want) {
		c.fail(op, "operand is %s, not %s", have, want)
	}
}

// popAny takes an operand of any type; Bottom where the code is unreachable.
func (c *Checker) popAny(op *Op) (ValueType, bool) {
	n := len(c.stack) - 1
	if n >= c.base {
		t := c.stack[n]
		c.stack = c.stack[:n]
		return t, true
	}
	if !c.dead {
		c.fail(op, "the operand stack of the block is empty")
		return Bottom, false
	}
	return Bottom, true
}

// popRef takes a reference.
func (c *Checker) popRef(op *Op) ValueType {
	t, ok := c.popAny(op)
	if ok && t != Bottom && !t.IsRef() {
		c.fail(op, "operand is %s, not a reference", t)
	}
	return t
}

func (c *Checker) popAll(op *Op, ts []ValueType) {
	if !c.move(len(ts)) {
		return
	}
	for i := len(ts) - 1; i >= 0; i-- {
		c.pop(op, ts[i])
	}
}

// check tells that the top operands have the wanted types and leaves them as they are.
func (c *Checker) check(op *Op, want []ValueType) {
	if !c.move(len(want)) {
		return
	}
	for i := range want {
		w, n := want[len(want)-1-i], len(c.stack)-1-i
		switch {
		case n >= c.base:
			if have := c.stack[n]; have != w && !c.m.matches(have, w) {
				c.fail(op, "operand is %s, not %s", have, w)
				return
			}
		case !c.dead:
			c.fail(op, "the operand stack of the block is empty")
			return
		default:
			return // nothing but Bottom below
		}
	}
}

// unreachable drops what the block has on the stack and takes everything from here to its end as unreachable.
func (c *Checker) unreachable() {
	c.stack = c.stack[:c.base]
	c.dead = true
}

// matches tells whether a value of type have may stand where want is asked for.
func (m *Module) matches(have, want ValueType) bool {
	if have == want || have == Bottom {
		return true
	}
	if !have.IsRef() || !want.IsRef() || have.Nullable() && !want.Nullable() {
		return false
	}
	if have.AsNullable() == want.AsNullable() {
		return true
	}
	h, typed := have.TypeIndex()
	if !typed {
		return false
	}
	if w, ok := want.TypeIndex(); ok {
		return m.CanonicalType(h) == m.CanonicalType(w)
	}
	return want.AsNullable() == FuncRef
}

// matchAll is matches for lists.
func (m *Module) matchAll(have, want []ValueType) bool {
	if len(have) != len(want) {
		return false
	}
	for i := range have {
		if have[i] != want[i] && !m.matches(have[i], want[i]) {
			return false
		}
	}
	return true
}
