package wasm

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"
)

// bombs are small modules that would hold a compiler for seconds or fill memory. Each names the limit that stops it.
func bombs() map[string]struct {
	limit string
	bin   []byte
} {
	none := FuncType{}
	nested := func(n int, open ...byte) []byte { return cat(rep(n, open...), rep(n, 0x0b)) }
	loops := func(n int) (code []byte) {
		for i := range n {
			code = append(code, 0x03, 0x40)
			code = AppendOpIndex(code, OpLocalGet, uint32(i))
			code = append(code, 0x45, 0x0d, 0x00, 0x0b)
		}
		return code
	}
	table := func(n int) []byte {
		code := AppendU32([]byte{0x20, 0x00, 0x0e}, uint32(n))
		return append(code, make([]byte, n+1)...)
	}
	manyTables := func(n int) (code []byte) {
		for range n {
			code = append(append(append(code, 0x02, 0x40), table(n)...), 0x0b)
		}
		return code
	}
	one := sig(types(I32), nil)
	changing := func(n int) (code []byte) { // loops in a row, each changing its own local
		for i := range n {
			code = append(code, 0x03, 0x40)
			code = AppendOpIndex(code, OpLocalGet, uint32(i))
			code = append(code, 0x41, 0x01, 0x6a)
			code = AppendOpIndex(code, OpLocalTee, uint32(i))
			code = append(code, 0x0d, 0x00, 0x0b)
		}
		return code
	}
	longLives := func(n, locals int) (code []byte) { // locals that are read behind n ifs
		code = rep(n, 0x20, 0x00, 0x04, 0x40, 0x0b)
		for i := range locals {
			code = append(AppendOpIndex(code, OpLocalGet, uint32(i)), 0x1a)
		}
		return code
	}
	apart := func(n int) *mod {
		m := new(mod)
		for range n {
			m.fn(none, nil)
		}
		return m
	}
	fns := func(typ FuncType, locals []LocalGroup, n int, code []byte) *mod {
		m := new(mod).fn(typ, locals, code...)
		for range n - 1 {
			m.funcs, m.bodies = append(m.funcs, m.funcs[0]), append(m.bodies, m.bodies[0])
		}
		return m
	}
	locals := func(n uint32) []LocalGroup { return []LocalGroup{{n, I32}} }
	wide := sig(nil, make([]ValueType, 1001))
	thousand := sig(nil, make([]ValueType, 1000))
	for i := range wide.Results {
		wide.Results[i] = I32
	}
	copy(thousand.Results, wide.Results)
	crowd := new(mod)
	for range 250_000 {
		crowd.funcs = append(crowd.funcs, 0)
		crowd.bodies = append(crowd.bodies, []byte{0, 0x0b})
	}
	crowd.types = []FuncType{none}
	strangers := &mod{types: []FuncType{none}}
	for range 10_001 {
		strangers.imports = append(strangers.imports, Import{Module: "m", Name: "n"})
	}
	lodgers := &mod{types: []FuncType{none}}
	for range 1000 {
		lodgers.funcs = append(lodgers.funcs, 0)
		lodgers.bodies = append(lodgers.bodies, []byte{1, 0xa0, 0x9c, 0x01, 0x7f, 0x0b}) // 20,000 locals
	}
	empty := make([]LocalGroup, 1_000_000)
	for i := range empty {
		empty[i].Type = I32
	}
	// 1000 results pushed by two bytes and dropped by a branch, over and over
	traffic := new(mod).fn(thousand, nil, 0x00).fn(none, nil, rep(5000, 0x02, 0x40, 0x10, 0x00, 0x00, 0x0b)...)

	type bomb = struct {
		limit string
		bin   []byte
	}
	return map[string]bomb{
		"nested loops":             {"LoopNesting", fn1(none, locals(250), nested(250, 0x03, 0x40)...)},
		"nested blocks":            {"Nesting", fn1(none, nil, nested(100_000, 0x02, 0x40)...)},
		"sequential loops":         {"LoopsLocals", fn1(none, locals(2000), loops(2000)...)},
		"changing loops":           {"Work", fn1(none, locals(1400), changing(1400)...)},
		"ifs":                      {"Work", fn1(one, nil, rep(10_000, 0x20, 0x00, 0x04, 0x40, 0x0b)...)},
		"returning ifs":            {"Work", fn1(one, nil, rep(6000, 0x20, 0x00, 0x04, 0x40, 0x0f, 0x0b)...)},
		"loops without locals":     {"Work", fn1(none, nil, rep(20_000, 0x03, 0x40, 0x0b)...)},
		"one target":               {"Work", fn1(one, nil, rep(20_000, 0x20, 0x00, 0x0d, 0x00)...)},
		"one way back":             {"Work", fn1(one, nil, cat([]byte{0x03, 0x40}, rep(20_000, 0x20, 0x00, 0x0d, 0x00), []byte{0x0b})...)},
		"nested ifs":               {"Work", fn1(one, nil, rep(10, cat(rep(1900, 0x20, 0x00, 0x04, 0x40), rep(1900, 0x0b))...)...)},
		"long lives":               {"Work", fn1(one, locals(2000), longLives(2000, 1000)...)},
		"live operands":            {"Work", fn1(one, nil, cat(rep(4000, 0x20, 0x00), rep(2000, 0x20, 0x00, 0x04, 0x40, 0x0b), rep(4000, 0x1a))...)},
		"many checks":              {"Checks", (&mod{memories: []MemoryType{{Size: Size{Min: 1}}}}).fn(one, nil, rep(130_000, 0x20, 0x00, 0x28, 0x02, 0x00, 0x1a)...).bytes()},
		"many blocks":              {"Blocks", fn1(none, nil, rep(100_000, 0x02, 0x40, 0x0b)...)},
		"many such functions":      {"ModuleWork", fns(none, locals(600), 40, changing(600)).bytes()},
		"a type for each function": {"ModuleWork", apart(20_000).bytes()},
		"one large, many small":    {"ModuleWork", fns(none, nil, 60_000, nil).fn(one, nil, rep(4_000, 0x20, 0x00, 0x04, 0x40, 0x0b)...).bytes()},
		"br_tables everywhere":     {"ModuleWork", fns(one, nil, 40, cat(manyTables(1), rep(4, cat([]byte{0x02, 0x40}, table(8000), []byte{0x0b})...))).bytes()},
		"huge br_table":            {"BrTable", fn1(one, nil, table(200_000)...)},
		"many br_tables":           {"BrTables", fn1(one, nil, manyTables(500)...)},
		"many locals":              {"Locals", fn1(none, locals(1<<32-1))},
		"empty groups":             {"Locals", fn1(none, empty)},
		"straight line":            {"Body", fn1(none, nil, rep(9<<20, 0x01)...)},
		"many functions":           {"Functions", crowd.bytes()},
		"many imports":             {"Imports", strangers.bytes()},
		"many results":             {"Results", fn1(wide, nil, 0x00)},
		"locals everywhere":        {"ModuleLocals", lodgers.bytes()},
		"wide calls":               {"OperandsPer64", traffic.bytes()},
		"growing stack":            {"Operands", new(mod).fn(thousand, nil, 0x00).fn(none, nil, rep(1_000_000, 0x10, 0x00)...).bytes()},
		"large table":              {"TableMin", (&mod{tables: []TableType{{FuncRef, Size{Min: 1 << 31}}}}).bytes()},
	}
}

func TestBombs(t *testing.T) {
	for name, b := range bombs() {
		t.Run(name, func(t *testing.T) {
			var err error
			took := time.Hour
			for range 3 { // the fastest, since a loaded machine has much else to do
				start := time.Now()
				err = validate(b.bin)
				took = min(took, time.Since(start))
			}
			var e *Error
			if !errors.As(err, &e) || e.Limit != b.limit {
				t.Fatalf("error is %v, want one of limit %s", err, b.limit)
			}
			// The product's bound is 50 ms; a loaded machine gets some more here.
			if took > 500*time.Millisecond {
				t.Errorf("refusing %d bytes took %v", len(b.bin), took)
			}
			t.Logf("%d bytes, %v: %v", len(b.bin), took, err)

			if m, err := Decode(b.bin, DefaultLimits()); err == nil && b.limit != "OperandsPer64" && b.limit != "Operands" && name != "live operands" {
				if err := CheckLimits(context.Background(), m, 1); !errors.As(err, &e) || e.Limit != b.limit {
					t.Errorf("CheckLimits gives %v, want limit %s", err, b.limit)
				}
			}
		})
	}
}

// TestLimitsAllow checks that what real modules need stays allowed: the deepest nesting and widest tables known.
func TestLimitsAllow(t *testing.T) {
	tests := map[string][]byte{
		"nesting 4500":   fn1(FuncType{}, nil, cat(rep(4500, 0x02, 0x40), rep(4500, 0x0b))...),
		"16 loops":       fn1(FuncType{}, []LocalGroup{{1000, I32}}, cat(rep(16, 0x03, 0x40), rep(16, 0x0b))...),
		"br_table 3202":  fn1(sig(types(I32), nil), nil, cat([]byte{0x20, 0}, AppendU32([]byte{0x0e}, 3202), make([]byte, 3203))...),
		"1114 locals":    fn1(FuncType{}, []LocalGroup{{600, I64}, {514, F32}}, 0x20, 0xd9, 0x08, 0x1a), // the last one
		"2000 ifs":       fn1(sig(types(I32), nil), nil, rep(2000, 0x20, 0x00, 0x04, 0x40, 0x0b)...),
		"1 MB of code":   fn1(FuncType{}, nil, rep(1<<20, 0x01)...),
		"25 params":      fn1(sig(rep25(), nil), nil),
		"10 thousand f.": thousands(),
	}
	for name, bin := range tests {
		t.Run(name, func(t *testing.T) {
			if err := validate(bin); err != nil {
				t.Error(err)
			}
		})
	}
}

func rep25() (ts []ValueType) {
	for range 25 {
		ts = append(ts, I64)
	}
	return ts
}

func thousands() []byte {
	m := &mod{types: []FuncType{{}}}
	for range 10_000 {
		m.funcs = append(m.funcs, 0)
		m.bodies = append(m.bodies, []byte{0, 0x0b})
	}
	return m.bytes()
}

// TestCountsBeforeAllocation hands in headers that declare billions of items and watches what is allocated.
func TestCountsBeforeAllocation(t *testing.T) {
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0x0f}
	var inputs [][]byte
	for id := SectionType; id <= lastSection; id++ {
		inputs = append(inputs, AppendSection(AppendHeader(nil), id, append(huge, 0, 0, 0)))
	}
	inputs = append(inputs,
		AppendSection(AppendHeader(nil), SectionType, cat([]byte{1, 0x60}, huge)),
		AppendSection(AppendHeader(nil), SectionImport, cat([]byte{1}, huge, []byte("abc"))),
		AppendSection(AppendHeader(nil), SectionElement, cat([]byte{1, 1, 0}, huge)),
		AppendSection(AppendHeader(nil), SectionElement, cat([]byte{1, 5, 0x70}, huge)),
		AppendSection(AppendHeader(nil), SectionData, cat([]byte{1, 1}, huge)),
		append(AppendHeader(nil), append([]byte{1}, huge...)...),
	)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i, in := range inputs {
		if _, err := Decode(in, DefaultLimits()); err == nil {
			t.Errorf("input %d, % x, was accepted", i, in)
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes allocated for %d inputs of a few bytes", n, len(inputs))
	}
}

// TestZeroLimits checks that a limit of zero allows nothing, so that a forgotten field shows at once.
func TestZeroLimits(t *testing.T) {
	var e *Error
	if _, err := Decode(fn1(FuncType{}, nil), Limits{}); !errors.As(err, &e) || e.Limit != "Module" {
		t.Errorf("error is %v, want limit Module", err)
	}
}
