package wasm

import "fmt"

// moduleChecker checks everything but the functions' code.
type moduleChecker struct {
	m   *Module
	err error
}

// checkModule checks what stands outside of code.
func checkModule(m *Module) error {
	c := &moduleChecker{m: m}
	for _, step := range []func(){c.types, c.imports, c.funcs, c.tables, c.memories, c.tags, c.globals, c.exports, c.start, c.elems, c.datas} {
		if step(); c.err != nil {
			return c.err
		}
	}
	return nil
}

func (c *moduleChecker) fail(section, format string, args ...any) {
	c.failAt(section, -1, format, args...)
}

func (c *moduleChecker) failAt(section string, offset int, format string, args ...any) {
	if c.err == nil {
		c.err = &Error{Offset: offset, Section: section, Func: -1, Msg: fmt.Sprintf(format, args...)}
	}
}

func (c *moduleChecker) types() {
	for i, t := range c.m.Types {
		for _, list := range [2][]ValueType{t.Params, t.Results} {
			for _, v := range list {
				if err := checkTypeRef(v, i+1); err != nil {
					c.fail("type", "type %d: %s", i, err)
				}
			}
		}
	}
}

func (c *moduleChecker) imports() {
	for i, im := range c.m.Imports {
		section := "import"
		what := fmt.Sprintf("import %d (%.100q %.100q)", i, im.Module, im.Name)
		switch im.Kind {
		case ExternFunc:
			if int64(im.Type) >= int64(len(c.m.Types)) {
				c.fail(section, "%s: unknown type %d", what, im.Type)
			}
		case ExternTable:
			c.table(section, what, im.Table)
		case ExternMemory:
			c.memory(section, what, im.Memory)
		case ExternGlobal:
			if err := checkTypeRef(im.Global.Type, len(c.m.Types)); err != nil {
				c.fail(section, "%s: %s", what, err)
			}
		case ExternTag:
			c.tag(section, what, im.Type)
		}
	}
}

func (c *moduleChecker) funcs() {
	for i, t := range c.m.Funcs {
		if int64(t) >= int64(len(c.m.Types)) {
			c.fail("function", "function %d: unknown type %d", c.m.importedFuncs+i, t)
		}
	}
}

func (c *moduleChecker) table(section, what string, t TableType) {
	if err := checkTypeRef(t.Elem, len(c.m.Types)); err != nil {
		c.fail(section, "%s: %s", what, err)
	}
	if t.Size.HasMax && t.Size.Max < t.Size.Min {
		c.fail(section, "%s: least size %d, greatest %d", what, t.Size.Min, t.Size.Max)
	}
}

func (c *moduleChecker) unsupported(section, feature, what string) {
	if c.err == nil {
		e := unsupported(0, feature, what).in(0, section, -1)
		e.Offset = -1
		c.err = e
	}
}

func (c *moduleChecker) tables() {
	for i, t := range c.m.Tables {
		what := fmt.Sprintf("table %d", c.m.importedTables+i)
		c.table("table", what, t.Type)
		switch {
		case t.Init != Span{}:
			c.constant("table", t.Init, t.Type.Elem)
		case !t.Type.Elem.Nullable():
			c.fail("table", "%s of %s needs an initial value", what, t.Type.Elem)
		}
	}
}

func (c *moduleChecker) memory(section, what string, t MemoryType) {
	const most = 65536
	switch {
	case t.Size.Min > most || t.Size.HasMax && t.Size.Max > most:
		c.fail(section, "%s: more than %d pages", what, most)
	case t.Size.HasMax && t.Size.Max < t.Size.Min:
		c.fail(section, "%s: least size %d, greatest %d", what, t.Size.Min, t.Size.Max)
	case t.Shared && !t.Size.HasMax:
		c.fail(section, "%s: a shared memory must have a greatest size", what)
	case t.Shared:
		c.unsupported(section, "threads", what+" that is shared")
	}
}

func (c *moduleChecker) memories() {
	for i, t := range c.m.Memories {
		c.memory("memory", fmt.Sprintf("memory %d", c.m.importedMemories+i), t)
	}
}

func (c *moduleChecker) tag(section, what string, typ uint32) {
	switch {
	case int64(typ) >= int64(len(c.m.Types)):
		c.fail(section, "%s: unknown type %d", what, typ)
	case len(c.m.Types[typ].Results) > 0:
		c.fail(section, "%s: the type of a tag has results", what)
	}
}

func (c *moduleChecker) tags() {
	for i, t := range c.m.Tags {
		c.tag("tag", fmt.Sprintf("tag %d", c.m.importedTags+i), t)
	}
}

func (c *moduleChecker) globals() {
	for i, g := range c.m.Globals {
		if err := checkTypeRef(g.Type.Type, len(c.m.Types)); err != nil {
			c.fail("global", "global %d: %s", c.m.importedGlobals+i, err)
		}
		c.constant("global", g.Init, g.Type.Type)
	}
}

func (c *moduleChecker) exports() {
	sizes := [...]int{ExternFunc: len(c.m.funcs), ExternTable: len(c.m.tables), ExternMemory: len(c.m.memories),
		ExternGlobal: len(c.m.globals), ExternTag: len(c.m.tags)}
	seen := make(map[string]struct{}, len(c.m.Exports))
	for _, e := range c.m.Exports {
		if _, twice := seen[e.Name]; twice {
			c.fail("export", "%.100q is exported twice", e.Name)
		}
		seen[e.Name] = struct{}{}
		if int64(e.Index) >= int64(sizes[e.Kind]) {
			c.fail("export", "%.100q: unknown %s %d", e.Name, e.Kind, e.Index)
		}
	}
}

func (c *moduleChecker) start() {
	if c.m.Start == nil {
		return
	}
	t := c.m.FuncType(*c.m.Start)
	switch {
	case t == nil:
		c.fail("start", "unknown function %d", *c.m.Start)
	case len(t.Params)+len(t.Results) > 0:
		c.fail("start", "function %d is %s and must take and give nothing", *c.m.Start, t)
	}
}

func (c *moduleChecker) elems() {
	for i := range c.m.Elems {
		e := &c.m.Elems[i]
		if err := checkTypeRef(e.Type, len(c.m.Types)); err != nil {
			c.fail("element", "segment %d: %s", i, err)
		}
		if e.Mode == Active {
			t, ok := c.m.TableType(e.Table)
			if !ok {
				c.fail("element", "segment %d: unknown table %d", i, e.Table)
			} else if !c.m.matches(e.Type, t.Elem) {
				c.fail("element", "segment %d: elements are %s, those of table %d %s", i, e.Type, e.Table, t.Elem)
			}
			c.constant("element", e.Offset, I32)
		}
		for _, f := range e.Funcs {
			if int64(f) >= int64(len(c.m.funcs)) {
				c.fail("element", "segment %d: unknown function %d", i, f)
			}
		}
		for _, x := range e.Exprs {
			c.constant("element", x, e.Type)
		}
		if c.err != nil {
			return
		}
	}
}

func (c *moduleChecker) datas() {
	for i := range c.m.Datas {
		d := &c.m.Datas[i]
		if d.Mode != Active {
			continue
		}
		if len(c.m.memories) == 0 {
			c.fail("data", "segment %d: the module has no memory", i)
		}
		c.constant("data", d.Offset, I32)
		if c.err != nil {
			return
		}
	}
}

// maxConstStack bounds the operands of a constant expression. No compiler makes more than two.
const maxConstStack = 64

// constant checks that a constant expression gives one value of the wanted type. Imported immutable globals alone may
// be read, as the engine has it.
func (c *moduleChecker) constant(section string, expr Span, want ValueType) {
	if c.err != nil {
		return
	}
	var space [maxConstStack]ValueType
	stack := space[:0]
	r := reader{b: c.m.Bin[:expr.End], pos: int(expr.Start)}
	var op Op
	for r.pos < len(r.b) && c.err == nil {
		r.next(&op)
		if r.fault != nil {
			c.failAt(section, r.fault.at, "%s", r.fault.msg)
			return
		}
		info := &opTable[op.Code.row()]
		for i := int(info.nin) - 1; i >= 0; i-- {
			n := len(stack) - 1
			if n < 0 || stack[n] != ValueType(info.in[i]) {
				c.failAt(section, op.Start, "%s in a constant expression lacks operands", op.Code)
				return
			}
			stack = stack[:n]
		}
		if op.Code == OpEnd {
			break
		}
		if len(stack) == maxConstStack {
			c.failAt(section, op.Start, "constant expression with more than %d operands", maxConstStack)
			return
		}
		stack = append(stack, c.constOp(section, &op, info))
	}
	if c.err != nil {
		return
	}
	if len(stack) != 1 || !c.m.matches(stack[0], want) {
		c.failAt(section, int(expr.Start), "constant expression gives %s, not %s", typeList(stack), want)
	}
}

// constOp returns what an instruction of a constant expression gives.
func (c *moduleChecker) constOp(section string, op *Op, info *opInfo) ValueType {
	switch op.Code {
	case OpGlobalGet:
		g, ok := c.m.GlobalType(op.Index)
		switch {
		case !ok:
			c.failAt(section, op.Start, "unknown global %d", op.Index)
		case int(op.Index) >= c.m.importedGlobals:
			c.failAt(section, op.Start, "constant expression reads global %d, which is not imported", op.Index)
		case g.Mutable:
			c.failAt(section, op.Start, "constant expression reads global %d, which is mutable", op.Index)
		}
		return g.Type
	case OpRefFunc:
		t, ok := c.m.FuncTypeIndex(op.Index)
		if !ok {
			c.failAt(section, op.Start, "unknown function %d", op.Index)
		}
		return TypedRef(t, false)
	case OpRefNull:
		if err := checkTypeRef(op.Type, len(c.m.Types)); err != nil {
			c.failAt(section, op.Start, "%s", err)
		}
		return op.Type
	}
	return ValueType(info.out)
}

// declaredFuncs is the set of functions that ref.func in code may name: those that occur outside of code.
func declaredFuncs(m *Module) []uint64 {
	set := make([]uint64, len(m.funcs)/64+1)
	add := func(f uint32) {
		if int64(f) < int64(len(m.funcs)) {
			set[f/64] |= 1 << (f % 64)
		}
	}
	expr := func(s Span) {
		r := reader{b: m.Bin[:s.End], pos: int(s.Start)}
		var op Op
		for r.pos < len(r.b) && r.fault == nil {
			if r.next(&op); op.Code == OpRefFunc && r.fault == nil {
				add(op.Index)
			}
		}
	}
	for _, e := range m.Exports {
		if e.Kind == ExternFunc {
			add(e.Index)
		}
	}
	for i := range m.Elems {
		for _, f := range m.Elems[i].Funcs {
			add(f)
		}
		for _, x := range m.Elems[i].Exprs {
			expr(x)
		}
	}
	for _, g := range m.Globals {
		expr(g.Init)
	}
	for _, t := range m.Tables {
		expr(t.Init)
	}
	return set
}
