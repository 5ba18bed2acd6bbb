package wasm

import (
	"context"
	"errors"
	"slices"
	"testing"
)

// TestCheckerOperands drives a Checker and looks at the types it shows before each select, as the fix pass does.
func TestCheckerOperands(t *testing.T) {
	code := cat(
		[]byte{0x20, 0, 0x20, 1, 0x41, 1, 0x1b, 0x1a},                                     // f32 f32 select
		[]byte{0x20, 2, 0x20, 2, 0x41, 1, 0x1b, 0x1a},                                     // v128
		[]byte{0x42, 1, 0x42, 2, 0x41, 1, 0x1b, 0x1a},                                     // i64
		[]byte{0x02, 0x40, 0x0c, 0, 0x1b, 0x1a, 0x0b},                                     // dead: anything
		[]byte{0x02, 0x40, 0x00, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x41, 1, 0x1b, 0x1a, 0x0b}, // dead: one known f64
	)
	m, err := Decode(fn1(sig(types(F32, F32, V128), nil), []LocalGroup{{2000, I64}}, code...), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	c := NewChecker(m)
	type seen struct {
		a, b   ValueType
		depth  int
		dead   bool
		height int
	}
	var got []seen
	visit := func(op *Op, c *Checker) error {
		if op.Code == OpSelect {
			got = append(got, seen{c.Operand(2), c.Operand(1), c.Depth(), c.Unreachable(), c.Height()})
		}
		if op.Code == OpEnd && c.Depth() == 2 && c.Label(0).Code != OpBlock {
			t.Errorf("the inner label is a %s", c.Label(0).Code)
		}
		return nil
	}
	if err := c.Func(0, visit); err != nil {
		t.Fatal(err)
	}
	want := []seen{
		{F32, F32, 1, false, 3}, {V128, V128, 1, false, 3}, {I64, I64, 1, false, 3},
		{Bottom, Bottom, 2, true, 0}, {Bottom, F64, 2, true, 2},
	}
	if !slices.Equal(got, want) {
		t.Errorf("selects see %v, want %v", got, want)
	}
	for i, want := range map[uint32]ValueType{0: F32, 2: V128, 3: I64, 1100: I64, 2002: I64} {
		if got, ok := c.LocalType(i); got != want || !ok {
			t.Errorf("local %d is %s, %v", i, got, ok)
		}
	}
	if _, ok := c.LocalType(2003); ok || c.NumLocals() != 2003 {
		t.Errorf("local 2003 exists, or there are %d", c.NumLocals())
	}
	stop := errors.New("stop")
	if err := c.Func(0, func(*Op, *Checker) error { return stop }); err != stop {
		t.Errorf("the visitor's error comes back as %v", err)
	}
	if err := c.Func(1, nil); err == nil {
		t.Error("function 1 does not exist and was checked")
	}
}

// TestCheckerAllocatesNothing checks the promise on which the speed of validation rests.
func TestCheckerAllocatesNothing(t *testing.T) {
	for _, name := range []string{"control", "exceptions", "vectors", "numbers"} {
		m, err := Decode(wat(t, seedTexts[name]), DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		c := NewChecker(m)
		all := func() {
			for i := range m.Code {
				if err := c.Func(i, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		all() // grows the stacks
		if n := testing.AllocsPerRun(10, all); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestCanonicalTypes(t *testing.T) {
	m := &mod{types: []FuncType{
		void,                                  // 0
		sig(types(I32), nil),                  // 1
		sig(nil, types(I32)),                  // 2
		sig(types(I32), nil),                  // 3 = 1
		sig(types(TypedRef(1, true)), nil),    // 4
		sig(types(TypedRef(3, true)), nil),    // 5 = 4
		sig(types(TypedRef(3, false)), nil),   // 6
		sig(types(TypedRef(7, true)), nil),    // 7, of itself
		sig(types(TypedRef(8, true)), nil),    // 8 = 7
		sig(types(TypedRef(7, true)), nil),    // 9, of 7
		sig(types(I32, I32), types(I32, I32)), // 10
	}}
	d, err := Decode(m.bytes(), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []uint32{0, 1, 2, 1, 4, 4, 6, 7, 7, 9, 10} {
		if got := d.CanonicalType(uint32(i)); got != want {
			t.Errorf("type %d is canonically %d, want %d", i, got, want)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	code := rep(20_000, 0x20, 0, 0x20, 1, 0x6a, 0x41, 0xff, 0x00, 0x71, 0x22, 1, 0x1a, 0x02, 0x40, 0x20, 0, 0x0d, 0, 0x0b)
	m, err := Decode(fn1(sig(types(I32, I32), nil), nil, code...), DefaultLimits())
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(code)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Validate(context.Background(), m, 1); err != nil {
			b.Fatal(err)
		}
	}
}
