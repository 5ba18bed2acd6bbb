package wasm

import (
	"context"
	"math/rand/v2"
	"testing"
)

// TestDominators compares the search by jumps with one step by step, on trees of any shape.
func TestDominators(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		f := new(flow)
		f.begin(0)
		near := 1 + r.IntN(40) // small: long chains; large: bushes
		for n := int32(1); n < 400; n++ {
			f.add(max(0, n-1-int32(r.IntN(near))), 0)
		}
		up := func(b int32) map[int32]bool {
			all := map[int32]bool{}
			for ; b != none; b = f.blocks[b].parent {
				all[b] = true
			}
			return all
		}
		for range 500 {
			a, b := int32(r.IntN(400)), int32(r.IntN(400))
			over := up(a)
			want := b
			for !over[want] {
				want = f.blocks[want].parent
			}
			if got := f.common(a, b); got != want {
				t.Fatalf("%d and %d are dominated by %d, not %d", a, b, want, got)
			}
			if got := f.dominates(b, a); got != over[b] {
				t.Fatalf("%d dominates %d: %v", b, a, got)
			}
		}
	}
}

// measure returns the work of a function without parameters and with so many locals.
func measure(t *testing.T, locals uint32, code ...byte) work {
	t.Helper()
	m, err := Decode(fn1(FuncType{}, []LocalGroup{{locals, I32}}, code...), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	s := &scan{m: m}
	if err := s.fn(0); err != nil {
		t.Fatal(err)
	}
	if err := CheckLimits(context.Background(), m, 1); err != nil {
		t.Fatal(err)
	}
	return s.gauge.sums.work
}

// TestWork counts by hand.
func TestWork(t *testing.T) {
	get, iff := []byte{0x20, 0}, []byte{0x20, 0, 0x04, 0x40}
	nop := func(n int) []byte { return rep(n, 0x01) }
	tests := []struct {
		name   string
		code   []byte
		blocks uint64
		joins  uint64
	}{
		{"nothing", nil, 2, 1},                                                               // entry and end
		{"straight line", nop(100), 2, 1},                                                    //
		{"block", cat([]byte{0x02, 0x40}, nop(3), []byte{0x0b}), 3, 1 + 1},                   // and what follows it
		{"if", cat(iff, nop(3), []byte{0x0b}), 5, 4 + 1},                                     // then, else, join
		{"if else", cat(iff, []byte{0x05, 0x0b}), 5, 4 + 1},                                  //
		{"if return", cat(iff, []byte{0x0f, 0x0b}), 5, 1 + 1},                                // one way leads on
		{"loop", cat([]byte{0x03, 0x40}, get, []byte{0x0d, 0, 0x0b}), 5, 4 + 1},              // header, behind the branch, behind the loop
		{"dead code", cat([]byte{0x00}, rep(50, 0x02, 0x40, 0x0b)), 1, 0},                    // the compiler does not see it
		{"br_table", cat([]byte{0x02, 0x40, 0x20, 0, 0x0e, 3, 0, 0, 0, 0, 0x0b}), 7, 16 + 1}, // four targets, their label, the end
	}
	for _, c := range tests {
		if w := measure(t, 1, c.code...); w.blocks != c.blocks || w.joins != c.joins {
			t.Errorf("%s: %d blocks, %d joins; want %d, %d", c.name, w.blocks, w.joins, c.blocks, c.joins)
		}
	}
}

// TestLives watches over which blocks a local is taken to live.
func TestLives(t *testing.T) {
	ifs := rep(100, 0x41, 0, 0x04, 0x40, 0x0b)
	get, set := []byte{0x20, 0, 0x1a}, []byte{0x41, 0, 0x21, 0}
	conditional := cat([]byte{0x41, 0, 0x04, 0x40}, set, []byte{0x0b})
	loop := func(in ...[]byte) []byte { return cat([]byte{0x03, 0x40}, cat(in...), []byte{0x41, 0, 0x0d, 0, 0x0b}) }
	base := func(code []byte) int { return int(measure(t, 0, code...).phis) }
	tests := []struct {
		name  string
		code  []byte
		alone []byte // the same without the local
		lives bool   // over the ifs
	}{
		{"never read", cat(set, ifs, set), ifs, false},
		{"read before", cat(set, get, ifs), ifs, false},
		{"read behind", cat(set, ifs, get), ifs, true},
		{"written again", cat(set, ifs, set, get), ifs, false},
		{"written again in one way", cat(set, ifs, conditional, get), cat(ifs, []byte{0x41, 0, 0x04, 0x40, 0x0b}), true},
		{"read in a loop only before", loop(get, ifs), loop(ifs), true},
	}
	for _, c := range tests {
		more := int(measure(t, 1, c.code...).phis) - base(c.alone)
		if lives := more >= 100; lives != c.lives {
			t.Errorf("%s: lives over the ifs: %v (%d)", c.name, lives, more)
		}
	}
}
