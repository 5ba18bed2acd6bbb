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
