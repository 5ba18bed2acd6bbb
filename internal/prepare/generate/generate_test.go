package generate_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/wherry-run/wherry/internal/prepare/generate"
	"github.com/wherry-run/wherry/internal/wasm"
)

func valid(t *testing.T, bin []byte) {
	t.Helper()
	m, err := wasm.Decode(bin, wasm.DefaultLimits())
	if err == nil {
		err = wasm.Validate(context.Background(), m, 1)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestValid(t *testing.T) {
	for seed := range uint64(300) {
		for _, o := range []generate.Options{{}, {Throws: true}, {Throws: true, Exnref: true, Traps: true}, {NaNs: true}} {
			o.Seed = seed
			m := generate.Program(o)
			valid(t, m.Wasm)
			if !bytes.Equal(m.Wasm, generate.Program(o).Wasm) {
				t.Fatal("written again it differs")
			}
			valid(t, generate.Instructions(o).Wasm)
			valid(t, generate.Accesses(o).Wasm)
			o.Skip = map[int]bool{}
			for i := range m.Units {
				o.Skip[i] = uint64(i)%3 == seed%3
			}
			valid(t, generate.Program(o).Wasm)
		}
	}
}

// TestNames checks that the instructions are the ones that are meant to be among them.
func TestNames(t *testing.T) {
	names := map[string]bool{}
	for _, n := range generate.Names() {
		if names[n] {
			t.Errorf("%s is there twice", n)
		}
		names[n] = true
	}
	t.Logf("%d instructions", len(names))
	for _, want := range []string{"select f32", "i32.div_s", "i8x16.shuffle", "v128.load64_lane", "f64x2.replace_lane", "i64.atomic.rmw32.cmpxchg_u", "f32.demote_f64", "i64.store32"} {
		if !names[want] {
			t.Errorf("no %s", want)
		}
	}
	for _, no := range []string{"memory.atomic.wait32", "memory.copy", "local.get", "memory.grow", "atomic.fence"} {
		if names[no] {
			t.Errorf("%s is there", no)
		}
	}
	if len(names) < 450 {
		t.Errorf("%d instructions", len(names))
	}
}

func TestShrink(t *testing.T) {
	o := generate.Options{Seed: 5, Throws: true}
	for !bytes.Contains(generate.Program(o).Wasm, []byte{0xfc, 0x0b, 0x00}) {
		o.Seed++
	}
	small := generate.Shrink(o, generate.Program(o).Units, 1000, func(o generate.Options) bool {
		m := generate.Program(o)
		valid(t, m.Wasm)
		return bytes.Contains(m.Wasm, []byte{0xfc, 0x0b, 0x00}) // memory.fill
	})
	if a, b := len(generate.Program(o).Wasm), len(generate.Program(small).Wasm); b >= a {
		t.Errorf("%d bytes became %d", a, b)
	}
}
