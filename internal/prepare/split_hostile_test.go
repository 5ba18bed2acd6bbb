package prepare_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/prepare/generate"
	"github.com/wherry-run/wherry/internal/wasm"
)

// unchecked is a module with one exported function () -> () of this body, one mutable i32 global and a memory. It need
// not be valid.
func unchecked(body ...byte) (bin []byte, f *prepare.Facts) {
	bin = []byte("\x00asm\x01\x00\x00\x00" +
		"\x01\x04\x01\x60\x00\x00" + // type
		"\x03\x02\x01\x00" + // function
		"\x04\x04\x01\x70\x00\x01" + // table
		"\x05\x03\x01\x00\x01" + // memory
		"\x06\x06\x01\x7f\x01\x41\x00\x0b" + // global
		"\x07\x05\x01\x01f\x00\x00") // export
	code := append([]byte{0}, body...)
	code = append(code, 0x0b)
	section := append(binary.AppendUvarint([]byte{1}, uint64(len(code))), code...)
	bin = binary.AppendUvarint(append(bin, 10), uint64(len(section)))
	bin = append(bin, section...)
	at := uint32(len(bin) - len(code))
	return bin, &prepare.Facts{Bodies: []wasm.Span{{Start: at, End: uint32(len(bin))}}}
}

// TestSplitUncheckedFunction checks that functions that nobody has held against the module they say to be of cannot
// reach what the cut adds around them: the fuel, the exception in flight, the slot, the table of calls.
func TestSplitUncheckedFunction(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		body []byte
		ok   bool
	}{
		"own global":          {[]byte{0x41, 1, 0x24, 0}, true},
		"own table":           {[]byte{0x41, 0, 0x11, 0, 0}, true},
		"set the slot":        {[]byte{0x41, 1, 0x24, 1}, false},
		"set the exception":   {[]byte{0x41, 1, 0x24, 2}, false},
		"read the payload":    {[]byte{0x23, 3, 0x1a}, false},
		"fill up the fuel":    {[]byte{0x42, 0x7f, 0x24, 4}, false},
		"read the fuel":       {[]byte{0x23, 4, 0x1a}, false},
		"the table of calls":  {[]byte{0x41, 0, 0x11, 0, 1}, false},
		"tail call in it":     {[]byte{0x41, 0, 0x13, 0, 1}, false},
		"call what loads":     {[]byte{0x41, 0, 0x10, 1}, false},
		"size of the table":   {[]byte{0xfc, 16, 1, 0x1a}, false},
		"a local that is not": {[]byte{0x20, 0, 0x1a}, false},
	} {
		bin, f := unchecked(c.body...)
		f.Exceptions = true
		s, err := prepare.NewSplit(bin, f, all)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, perr := s.Primary(ctx, prepare.PrimaryOptions{})
		_, gerr := s.Group(ctx, 0)
		if (perr == nil) != c.ok || (gerr == nil) != c.ok {
			t.Errorf("%s: primary %v, group %v, want them made: %v", name, perr, gerr, c.ok)
		}
	}
}

// TestSplitShapes holds modules of odd shapes in parts against themselves as they are whole.
func TestSplitShapes(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		calls []call
	}{
		"nothing":       {`(module)`, nil},
		"only a memory": {`(module (memory 1) (data (i32.const 5) "x"))`, nil},
		"an import is exported": {`(module (import "env" "host" (func $h (param i32) (result i32))) (export "h" (func $h))
			(func (export "r") (param i32) (result i32) (call $h (local.get 0))))`, []call{{"h", []uint64{3}}, {"r", []uint64{3}}}},
		"exported twice": {`(module (func $f (export "a") (export "b") (result i32) (call $g)) (func $g (result i32) (i32.const 4)))`, []call{{name: "a"}, {name: "b"}}},
		"globals are exported": {`(module (global $g (export "g") (mut i64) (i64.const 4)) (func $s (global.set $g (i64.add (global.get $g) (i64.const 1))))
			(func (export "f") (result i64) (call $s) (global.get $g)))`, []call{{name: "f"}, {name: "f"}}},
		"a hidden memory": {`(module (memory 1 3) (func $g (param i32) (result i32) (memory.grow (local.get 0)))
			(func (export "f") (param i32) (result i32) (drop (call $g (local.get 0))) (call $s) (memory.size)) (func $s (i32.store (i32.const 65536) (i32.const 7))))`,
			[]call{{"f", []uint64{1}}, {"f", []uint64{2}}, {"f", []uint64{1}}}},
		"the memory has a name of its own": {`(module (memory (export "mem") 1) (func $s (i32.store (i32.const 8) (i32.const 7))) (func (export "f") (call $s)))`, []call{{name: "f"}}},
		"segments overlap": {`(module (import "env" "host" (func $h (param i32) (result i32))) (type $t (func (param i32) (result i32))) (table 4 funcref)
			(elem (i32.const 0) $a $b $h $a) (elem (i32.const 1) $h $b) (elem (i32.const 3)) (elem (i32.const 4))
			(func $a (param i32) (result i32) (i32.const 1)) (func $b (param i32) (result i32) (i32.const 2))
			(func (export "f") (param i32) (result i32) (call_indirect (type $t) (i32.const 5) (local.get 0))))`,
			[]call{{"f", []uint64{0}}, {"f", []uint64{1}}, {"f", []uint64{2}}, {"f", []uint64{3}}, {"f", []uint64{4}}, {"f", []uint64{1 << 31}}}},
		"an empty table": {`(module (table 0 funcref) (func $g (result i32) (i32.const 3)) (func (export "f") (result i32) (call $g))
			(func (export "i") (call_indirect (i32.const 0))))`, []call{{name: "f"}, {name: "i"}}},
		"equal types": {`(module (type $a (func (result i32))) (type $b (func (result i32))) (table 2 funcref) (elem (i32.const 0) $x $y)
			(func $x (type $a) (i32.const 1)) (func $y (type $b) (call $x)) (func $z (type $b) (call $y))
			(func (export "f") (param i32) (result i32) (i32.add (call $z) (call_indirect (type $b) (local.get 0)))))`, []call{{"f", []uint64{0}}, {"f", []uint64{1}}}},
		"a start that traps":         {`(module (func $g unreachable) (func $s (call $g)) (start $s) (func (export "f")))`, []call{{name: "f"}}},
		"a start that is an import?": {`(module (func $s (call $g)) (func $g (call $m)) (global $x (mut i32) (i32.const 0)) (func $m (global.set $x (i32.const 9))) (start $s) (func (export "f") (result i32) (global.get $x)))`, []call{{name: "f"}}},
		"dropped data": {`(module (memory (export "memory") 1) (data $p "abcd") (data $q (i32.const 9) "zz")
			(func $i (memory.init $p (i32.const 0) (i32.const 1) (i32.const 3))) (func $d (data.drop $p) (data.drop $q)) (func $n (memory.init $q (i32.const 0) (i32.const 0) (i32.const 1)))
			(func (export "i") (call $i)) (func (export "d") (call $d)) (func (export "n") (call $n)))`, []call{{name: "n"}, {name: "i"}, {name: "d"}, {name: "i"}}},
		"many values": {`(module (func $g (param i32 i64 f32 f64 i32 i32 i32 i32 i32 i32 i32) (result i64 f64 i32 f32) (local.get 1) (local.get 3) (local.get 10) (local.get 2))
			(func (export "f") (result i64 f64 i32 f32) (call $g (i32.const 1) (i64.const -2) (f32.const 3) (f64.const 4) (i32.const 5) (i32.const 6) (i32.const 7) (i32.const 8) (i32.const 9) (i32.const 10) (i32.const 11))))`, []call{{name: "f"}}},
		"vectors": {`(module (func $g (param v128) (result v128) (i32x4.add (local.get 0) (local.get 0)))
			(func (export "f") (result i32) (i32x4.extract_lane 2 (call $g (v128.const i32x4 1 2 3 4)))))`, []call{{name: "f"}}},
	} {
		bin := wat(t, c.text)
		for _, engine := range []string{"interpreter", "compiler"} {
			want := run(t, engine, prepared(t, bin, all), 0, c.calls...)
			s := split(t, bin, all)
			for _, hot := range [][]uint32{nil, {0, 2}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}} {
				got, _ := runSplit(t, engine, s, prepare.PrimaryOptions{Hot: hot}, 0, c.calls...)
				if got.String() != want.String() {
					t.Errorf("%s, hot %v, on the %s:\n got %v\nwant %v", name, hot, engine, got, want)
				}
			}
		}
	}
}

// plainProgram is a random program that can be cut.
func plainProgram(seed uint64) ([]byte, []call) {
	m := generate.Program(generate.Options{Seed: seed, Exnref: seed%2 == 0, Throws: seed%3 > 0, Plain: true})
	calls := make([]call, len(m.Calls))
	for i, c := range m.Calls {
		calls[i] = call{c.Name, c.Args}
	}
	return m.Wasm, calls
}

// TestSplitPrograms runs random programs in parts of a few functions, whatever is hot, against the whole.
func TestSplitPrograms(t *testing.T) {
	cut, loads := 0, 0
	for seed := range programs(t, 40) {
		r := rand.New(rand.NewPCG(5, seed))
		bin, calls := plainProgram(seed)
		f, err := prepare.Survey(context.Background(), bin, all)
		if err != nil {
			t.Fatal(err)
		}
		if f.Whole != "" {
			t.Fatalf("program %d cannot be cut: %s", seed, f.Whole)
		}
		cut++
		s := split(t, bin, all)
		whole := prepared(t, bin, all)
		for _, engine := range []string{"interpreter", "compiler"} {
			want := run(t, engine, whole, 0, calls...)
			var some, every []uint32
			for i := range uint32(len(f.Bodies) + 3) {
				every = append(every, i)
				if r.IntN(3) == 0 {
					some = append(some, i)
				}
			}
			for name, o := range map[string]prepare.PrimaryOptions{"nothing": {}, "some": {Hot: some, Record: true}, "everything": {Hot: every}} {
				got, loaded := runSplit(t, engine, s, o, 0, calls...)
				loads += loaded
				if got.String() != want.String() {
					t.Errorf("program %d, %s of it hot, on the %s:\n got %v\nwant %v", seed, name, engine, got, want)
				}
			}
		}
		if t.Failed() {
			return
		}
	}
	if loads < 4*cut {
		t.Errorf("%d programs loaded %d groups: the test has lost its teeth", cut, loads)
	}
}

// TestSplitLimits checks that the room a cut adds to limits does not run over.
func TestSplitLimits(t *testing.T) {
	bin, calls := plainProgram(1)
	o := all
	o.Limits = wasm.DefaultLimits()
	for _, l := range []*uint32{&o.Limits.TableMin, &o.Limits.TableMax, &o.Limits.Tables, &o.Limits.Elems, &o.Limits.Elements,
		&o.Limits.Imports, &o.Limits.Exports, &o.Limits.Globals, &o.Limits.Functions, &o.Limits.Types} {
		*l = math.MaxUint32
	}
	s := split(t, bin, o)
	want := run(t, "compiler", prepared(t, bin, o), 0, calls...)
	if got, _ := runSplit(t, "compiler", s, prepare.PrimaryOptions{}, 0, calls...); got.String() != want.String() {
		t.Errorf("got %v, want %v", got, want)
	}
	o.Limits = wasm.DefaultLimits()
	o.Limits.MemoryMin = 6
	s = split(t, bin, o)
	if _, err := s.Primary(context.Background(), prepare.PrimaryOptions{Pages: 9}); err == nil {
		t.Error("a primary begins with more memory than its module may have")
	}
}

// TestSplitThrows: facts that keep quiet about a function out of which an exception can come are found out by the part
// that has it; those that say it of all functions cost time alone.
func TestSplitThrows(t *testing.T) {
	lies := 0
	for seed := uint64(1); seed < 24; seed += 2 {
		m := generate.Program(generate.Options{Seed: seed, Throws: true, Plain: true})
		facts, err := prepare.Survey(context.Background(), m.Wasm, all)
		if err != nil {
			t.Fatal(err)
		}
		parts := func(throwing []uint32) error {
			f := *facts
			f.Throwing = throwing
			s, err := prepare.NewSplit(m.Wasm, &f, all)
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Primary(context.Background(), prepare.PrimaryOptions{})
			for g := range uint32(s.Groups()) {
				_, gerr := s.Group(context.Background(), g)
				err = errors.Join(err, gerr)
			}
			return err
		}
		if err := parts(facts.Throwing); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		for i := range facts.Throwing {
			lies++
			if parts(slices.Delete(slices.Clone(facts.Throwing), i, i+1)) == nil {
				t.Errorf("seed %d: nobody misses function %d", seed, facts.Throwing[i])
			}
		}
	}
	if lies < 20 {
		t.Errorf("%d functions throw", lies)
	}
}

// FuzzSplit cuts valid modules by facts that were made up or damaged. Nothing may panic; what comes out is valid.
func FuzzSplit(f *testing.F) {
	for seed := range uint64(4) {
		m := generate.Program(generate.Options{Seed: seed, Throws: seed%2 > 0, Plain: true})
		facts, err := prepare.Survey(context.Background(), m.Wasm, all)
		if err != nil {
			f.Fatal(err)
		}
		data, err := facts.MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed, data, []byte{1, 2, 3, 250}, uint32(0), uint32(seed))
		f.Add(seed, data[:len(data)/2], []byte{}, uint32(3), uint32(seed))
	}
	f.Fuzz(func(t *testing.T, seed uint64, data, hot []byte, pages, harm uint32) {
		m := generate.Program(generate.Options{Seed: seed % 64, Throws: seed%2 > 0, Plain: true})
		var facts prepare.Facts
		if err := facts.UnmarshalBinary(data); err != nil || len(facts.Bodies) == 0 {
			found, err := prepare.Survey(context.Background(), m.Wasm, all)
			if err != nil {
				t.Fatal(err)
			}
			facts = *found
			damage(&facts, harm)
		}
		o := all
		o.GroupBytes, o.Workers = 200, 1
		s, err := prepare.NewSplit(m.Wasm, &facts, o)
		if err != nil {
			return
		}
		var list []uint32
		for i, h := range hot {
			list = append(list, uint32(h)<<(i%3*8))
		}
		check := func(p *prepare.Part, err error) {
			if err != nil {
				if strings.Contains(err.Error(), "panic") {
					t.Fatal(err)
				}
				return
			}
			valid(t, p.Wasm)
		}
		check(s.Primary(context.Background(), prepare.PrimaryOptions{Hot: list, Pages: pages % 100, Record: harm%2 > 0}))
		for g := range uint32(min(s.Groups(), 4)) {
			check(s.Group(context.Background(), g))
		}
		check(s.Later(list).Group(context.Background(), prepare.LaterGroup))
		for slot := range uint32(300) {
			if g, ok := s.GroupOf(slot * slot * 977); ok && int(g) >= s.Groups() {
				t.Fatalf("slot %d is of group %d", slot, g)
			}
		}
		_ = s.Name(harm)
	})
}

// damage makes facts lie.
func damage(f *prepare.Facts, harm uint32) {
	if len(f.Bodies) == 0 {
		return
	}
	at := int(harm>>4) % len(f.Bodies)
	switch harm % 7 {
	case 0:
		f.Bodies[at].End--
	case 1:
		f.Bodies[at].Start++
	case 2:
		f.Exceptions = !f.Exceptions
	case 3:
		f.Pinned = append(f.Pinned, harm>>4)
	case 4:
		f.Pinned = nil
	case 6:
		f.Throwing = append(f.Throwing[:len(f.Throwing)/2:len(f.Throwing)/2], f.Throwing[(len(f.Throwing)+1)/2:]...)
	case 5:
		f.Bodies[at] = f.Bodies[(at+1)%len(f.Bodies)]
	}
}
