package prepare

import (
	"slices"
	"testing"

	"github.com/wherry-run/wherry/internal/wasm"
)

// TestThrough follows what was copied twice.
func TestThrough(t *testing.T) {
	before := []wasm.Run{{New: 0, Old: 10, N: 20}, {New: 50, Old: 40, N: 30}} // 20 to 50 are no copies
	tests := []struct {
		name       string
		runs, want []wasm.Run
	}{
		{"one within the first", []wasm.Run{{New: 3, Old: 5, N: 4}}, []wasm.Run{{New: 3, Old: 15, N: 4}}},
		{"over all", []wasm.Run{{New: 0, Old: 0, N: 80}}, []wasm.Run{{New: 0, Old: 10, N: 20}, {New: 50, Old: 40, N: 30}}},
		{"between", []wasm.Run{{New: 7, Old: 25, N: 10}}, nil},
		{"several", []wasm.Run{{New: 0, Old: 2, N: 3}, {New: 9, Old: 15, N: 40}, {New: 60, Old: 60, N: 5}},
			[]wasm.Run{{New: 0, Old: 12, N: 3}, {New: 9, Old: 25, N: 5}, {New: 44, Old: 40, N: 5}, {New: 60, Old: 50, N: 5}}},
	}
	for _, tt := range tests {
		if got := through(tt.runs, before); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// straight writes code of loads of i32 at local 0 plus a constant, with an offset each.
func straight(loads ...[2]int32) []byte {
	var a asm
	for _, l := range loads {
		a.index(wasm.OpLocalGet, 0)
		if l[0] != 0 {
			a.i32(l[0])
			a.emit(wasm.OpI32Add)
		}
		a.Out = wasm.AppendMemOp(a.Out, wasm.OpI32Load, 2, uint32(l[1]))
		a.emit(wasm.OpDrop)
	}
	a.emit(wasm.OpEnd)
	return a.Out
}

// TestGroups looks at which accesses are checked together, and for how many bytes.
func TestGroups(t *testing.T) {
	tests := []struct {
		name   string
		code   []byte
		probes []uint64
	}{
		{"one address", straight([2]int32{0, 8}, [2]int32{0, 4}), nil},
		{"two", straight([2]int32{0, 0}, [2]int32{16, 0}), []uint64{20}},
		{"downwards", straight([2]int32{16, 0}, [2]int32{0, 0}), nil}, // the first access reaches furthest
		{"with offsets", straight([2]int32{-8, 4}, [2]int32{0, 100}, [2]int32{8, 0}), []uint64{112}},
		{"too far apart", straight([2]int32{0, 0}, [2]int32{groupReach, 0}), nil},
		{"two pairs", straight([2]int32{0, 0}, [2]int32{100_000, 0}, [2]int32{4, 0}, [2]int32{100_004, 0}), []uint64{8, 8}},
		{"more than a probe may cover", straight([2]int32{0, 0}, [2]int32{16, -16}), nil},
	}
	for _, tt := range tests {
		var g grouper
		if err := g.find(tt.code, 0, 1); err != nil {
			t.Fatal(err)
		}
		var probes []uint64
		groups := 0
		for _, e := range g.edits {
			if e.kind == editProbe {
				groups++
				if e.probe > 0 {
					probes = append(probes, e.probe)
				}
			}
		}
		if !slices.Equal(probes, tt.probes) {
			t.Errorf("%s: probes of %d bytes, want %d", tt.name, probes, tt.probes)
		}
		if tt.name == "downwards" && groups != 1 {
			t.Errorf("%s: %d groups", tt.name, groups)
		}
	}
}

// counting is a body with loops that count local 0 up to local 1 and load what it points to.
func counting(loops int) []byte {
	a := asm{}
	a.put(0) // no locals
	for range loops {
		a.block(wasm.OpLoop)
		a.index(wasm.OpLocalGet, 0)
		a.Out = wasm.AppendMemOp(a.Out, wasm.OpI32Load, 2, 0)
		a.emit(wasm.OpDrop)
		a.index(wasm.OpLocalGet, 0)
		a.i32(4)
		a.emit(wasm.OpI32Add)
		a.index(wasm.OpLocalTee, 0)
		a.index(wasm.OpLocalGet, 1)
		a.emit(wasm.OpI32Ne)
		a.index(wasm.OpBrIf, 0)
		a.emit(wasm.OpEnd)
	}
	a.emit(wasm.OpEnd)
	return a.Out
}

// alike is a module that has a body several times.
func alike(body []byte, functions int) *wasm.Module {
	m := &wasm.Module{Types: []wasm.FuncType{{Params: []wasm.ValueType{wasm.I32, wasm.I32}}}, Limits: wasm.DefaultLimits()}
	for range functions {
		m.Code = append(m.Code, wasm.Span{Start: uint32(len(m.Bin)), End: uint32(len(m.Bin) + len(body))})
		m.Bin, m.Funcs = append(m.Bin, body...), append(m.Funcs, 0)
	}
	return m
}

// TestUnrolledPlaces: every byte of every pass of a round is where it was in the loop.
func TestUnrolledPlaces(t *testing.T) {
	body := counting(2)
	m, how, err := unrolled(t.Context(), alike(body, 1), 1, true)
	if err != nil || len(how) != 1 {
		t.Fatalf("not unrolled: %v", err)
	}
	out := m.Bytes(m.Code[0])
	runs := through([]wasm.Run{{New: 0, Old: 1, N: len(out) - 1}}, how[0].runs)
	side := wasm.AddPlaces(nil, 0, 1, wasm.AppendPlace(nil, wasm.Span{}, wasm.Span{Start: 100, End: uint32(100 + len(body))}, len(out), 1, 1, runs))
	ahead := 1 + len(wasm.AppendU32(nil, uint32(len(out)))) // in a code section: a count and a length
	times := make([]int, len(body))
	for _, r := range runs {
		for i := range r.N {
			at, ok := wasm.PlaceOf(side, 0, uint64(ahead+1+r.New+i)) // 1: no locals
			if at -= 100; !ok || int(at) != r.Old+i || out[1+r.New+i] != body[at] {
				t.Fatalf("byte %d of %+v is at %d, %v", i, r, at, ok)
			}
			times[at]++
		}
	}
	for _, first := range []int{3, 3 + (len(body)-2)/2} { // of the loops' passes
		if times[first] != unrollMost+1 {
			t.Errorf("byte %d is there %d times", first, times[first])
		}
	}
}

// TestUnrolledGrowth: code grows by what is said at most, of a function and of a module.
func TestUnrolledGrowth(t *testing.T) {
	few, many := counting(3), counting(2000)
	for _, tt := range []struct {
		body      []byte
		functions int
		most      int
	}{
		{many, 1, growBody + len(many)/growShare},
		{few, 5000, growModule + 5000*len(few)/growShare},
	} {
		m, how, err := unrolled(t.Context(), alike(tt.body, tt.functions), 2, false)
		if err != nil || len(how) == 0 {
			t.Fatalf("not unrolled: %v", err)
		}
		if grown := codeBytes(m) - tt.functions*len(tt.body); grown > tt.most || grown < tt.most/2 {
			t.Errorf("%d functions of %d bytes grow by %d, at most %d", tt.functions, len(tt.body), grown, tt.most)
		}
	}
}

// TestSumsForgotten: where sums take each other's places, equal numbers are equal sums still, and no others.
func TestSumsForgotten(t *testing.T) {
	var s symbols
	for range 3 {
		s.begin(1)
		s.get(0)
		met := map[uint32]sum{}
		for i := range uint32(20 * sumsMost) {
			k := sum{wasm.OpI32Mul, 1, i%977 + 2}
			root := s.named(k)
			if other, ok := met[root]; ok && other != k {
				t.Fatalf("%v and %v are one unknown", other, k)
			}
			if s.named(k) != root {
				t.Fatalf("%v is not remembered at all", k)
			}
			met[root] = k
		}
	}
}

// TestCountedLoops looks at which loops are unrolled.
func TestCountedLoops(t *testing.T) {
	const counter, limit = 0, 1
	loop := func(step int32, compare wasm.Opcode, body func(a *asm)) []byte {
		a := asm{}
		a.put(0) // no locals
		a.block(wasm.OpLoop)
		body(&a)
		a.index(wasm.OpLocalGet, counter)
		a.i32(step)
		a.emit(wasm.OpI32Add)
		a.index(wasm.OpLocalTee, counter)
		if compare != 0 {
			a.index(wasm.OpLocalGet, limit)
			a.emit(compare)
		}
		a.index(wasm.OpBrIf, 0)
		a.emit(wasm.OpEnd)
		a.emit(wasm.OpEnd)
		return a.Out
	}
	nothing := func(*asm) {}
	tests := []struct {
		name string
		body []byte
		want bool
	}{
		{"up to", loop(4, wasm.OpI32Ne, nothing), true},
		{"down to zero", loop(-1, 0, nothing), true},
		{"while less", loop(1, wasm.OpI32LtU, nothing), true},
		{"while less, downwards", loop(-1, wasm.OpI32LtS, nothing), false},
		{"while greater", loop(-8, wasm.OpI32GtS, nothing), true},
		{"while equal", loop(1, wasm.OpI32Eq, nothing), false},
		{"no step", loop(0, wasm.OpI32Ne, nothing), false},
		{"a step of a megabyte and one", loop(unrollSteps+1, wasm.OpI32Ne, nothing), false},
		{"the limit moves", loop(1, wasm.OpI32Ne, func(a *asm) {
			a.index(wasm.OpLocalGet, limit)
			a.i32(1)
			a.emit(wasm.OpI32Add)
			a.index(wasm.OpLocalSet, limit)
		}), false},
		{"a block", loop(1, wasm.OpI32Ne, func(a *asm) {
			a.block(wasm.OpBlock)
			a.emit(wasm.OpEnd)
		}), false},
		{"a call", loop(1, wasm.OpI32Ne, func(a *asm) { a.index(wasm.OpCall, 0) }), false},
	}
	for _, tt := range tests {
		m := &wasm.Module{Types: []wasm.FuncType{{Params: []wasm.ValueType{wasm.I32, wasm.I32}}}, Funcs: []uint32{0},
			Limits: wasm.DefaultLimits(), Bin: tt.body, Code: []wasm.Span{{End: uint32(len(tt.body))}}}
		u := unroller{m: m}
		got, err := u.function(0)
		if err != nil || (got != nil) != tt.want {
			t.Errorf("%s: unrolled %v (%v), want %v", tt.name, got != nil, err, tt.want)
		}
	}
}
