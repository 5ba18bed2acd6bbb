package wasm

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestDetect(t *testing.T) {
	tests := []struct {
		head string
		want Kind
	}{
		{"\x00asm\x01\x00\x00\x00", CoreModule},
		{"\x00asm\x0d\x00\x01\x00", Component},
		{"\x00asm\x0e\x00\x01\x00", Component},
		{"\x00asm\x02\x00\x00\x00", Unknown},
		{"\x00asm", Unknown},
		{"\x7fELF\x02\x01\x01\x00", ELF},
		{"\xcf\xfa\xed\xfe\x07\x00\x00\x01", MachO},
		{"\xca\xfe\xba\xbe\x00\x00\x00\x02", MachO},
		{"\xca\xfe\xba\xbe\x00\x00\x00\x41", Unknown}, // a Java class
		{"MZ\x90\x00\x03\x00\x00\x00", PE},
		{"#!/bin/sh\n", Script},
		{"#", Unknown},
		{"", Unknown},
		{"hello", Unknown},
	}
	for _, tt := range tests {
		if got := Detect([]byte(tt.head)); got != tt.want {
			t.Errorf("Detect(%q) is %s, want %s", tt.head, got, tt.want)
		}
	}
}

func TestDecodeSaysWhatItGot(t *testing.T) {
	tests := map[string]string{
		"\x00asm\x0d\x00\x01\x00": "WebAssembly component",
		"\x7fELF\x02\x01\x01\x00": "Linux program",
		"#!/bin/sh\n":             "script",
		"\x00asm\x02\x00\x00\x00": "version 02 00 00 00",
		"hello, world":            "begins with 68 65 6c 6c",
		"":                        "ends within the first 8 bytes",
	}
	for in, want := range tests {
		_, err := Decode([]byte(in), DefaultLimits())
		wantError(t, err, want)
	}
	var e *Error
	if _, err := Decode([]byte("\x00asm\x0d\x00\x01\x00"), DefaultLimits()); !errors.As(err, &e) || e.Feature != "component-model" {
		t.Errorf("a component gives %v", err)
	}
}

// TestNumbers writes and reads LEB128 numbers of all sizes, and checks that each reader refuses what is too large.
func TestNumbers(t *testing.T) {
	values := []int64{0, 1, -1, 63, 64, -64, -65, 127, 128, -128, 8191, 8192, math.MaxInt32, math.MinInt32, math.MaxUint32,
		math.MaxInt32 + 1, math.MinInt32 - 1, -1 << 32, -1<<32 - 1, math.MaxUint32 + 1, math.MaxInt64, math.MinInt64}
	for i := range 64 {
		values = append(values, 1<<i, -1<<i, 1<<i-1)
	}
	for _, v := range values {
		for _, bits := range []uint{32, 33, 64} {
			b := AppendSleb(nil, v)
			r := reader{b: b}
			got := r.signed(bits)
			fits := v >= -1<<(bits-1) && (bits == 64 || v < 1<<(bits-1))
			if fits != (r.fault == nil) || fits && (got != v || r.pos != len(b)) {
				t.Errorf("s%d of %d (% x): %d, %v", bits, v, b, got, r.fault)
			}
		}
		b := AppendUleb(nil, uint64(v))
		if len(b) != UlebLen(uint64(v)) {
			t.Errorf("UlebLen(%d) is %d, want %d", uint64(v), UlebLen(uint64(v)), len(b))
		}
		r := reader{b: b}
		got := r.u32()
		if fits := uint64(v) <= math.MaxUint32; fits != (r.fault == nil) || fits && got != uint32(v) {
			t.Errorf("u32 of %d (% x): %d, %v", uint64(v), b, got, r.fault)
		}
	}
}

// TestPaddedNumbers checks the longest forms that are allowed and the shortest that are not.
func TestPaddedNumbers(t *testing.T) {
	tests := []struct {
		bits uint // 0: u32
		in   []byte
		ok   bool
		want int64
	}{
		{0, []byte{0x85, 0x80, 0x80, 0x80, 0x00}, true, 5},
		{0, []byte{0x85, 0x80, 0x80, 0x80, 0x10}, false, 0},
		{0, []byte{0x85, 0x80, 0x80, 0x80, 0x80, 0x00}, false, 0},
		{0, []byte{0x85}, false, 0},
		{32, []byte{0xff, 0xff, 0xff, 0xff, 0x7f}, true, -1},
		{32, []byte{0xff, 0xff, 0xff, 0xff, 0x0f}, false, 0},
		{32, []byte{0x85, 0x80, 0x80, 0x80, 0x00}, true, 5},
		{32, []byte{0x80, 0x80, 0x80, 0x80, 0x70}, false, 0},
		{32, []byte{0x80, 0x80, 0x80, 0x80, 0x78}, true, math.MinInt32},
		{33, []byte{0xff, 0xff, 0xff, 0xff, 0x0f}, true, math.MaxUint32},
		{33, []byte{0xff, 0xff, 0xff, 0xff, 0x1f}, false, 0},
		{64, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f}, true, math.MinInt64},
		{64, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00}, true, math.MaxInt64},
		{64, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, false, 0},
		{64, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, false, 0},
	}
	for _, tt := range tests {
		r := reader{b: tt.in}
		var got int64
		if tt.bits == 0 {
			got = int64(r.u32())
		} else {
			got = r.signed(tt.bits)
		}
		if tt.ok != (r.fault == nil) || tt.ok && got != tt.want {
			t.Errorf("%d bits of % x: %d, %v; want %d, %v", tt.bits, tt.in, got, r.fault, tt.want, tt.ok)
		}
	}
}

// TestTypesRoundTrip writes and reads every form of value, heap and block type.
func TestTypesRoundTrip(t *testing.T) {
	for _, v := range types(I32, I64, F32, F64, V128, FuncRef, ExternRef, ExnRef, FuncRef.AsNonNull(), ExternRef.AsNonNull(), exnRef,
		TypedRef(0, true), TypedRef(0, false), TypedRef(64, true), TypedRef(maxTypeIndex, false)) {
		r := reader{b: AppendValueType(nil, v)}
		if got := r.valueType(); got != v || r.fault != nil || r.left() > 0 {
			t.Errorf("%s becomes %s, %v", v, got, r.fault)
		}
		r = reader{b: AppendBlockType(nil, ValueBlock(v))}
		if got := r.blockType(); got != ValueBlock(v) || r.fault != nil || r.left() > 0 {
			t.Errorf("block of %s becomes %v, %v", v, got, r.fault)
		}
		if v.IsRef() {
			r = reader{b: AppendHeapType(nil, v)}
			if got := r.heapType(); got != v.AsNullable() || r.fault != nil || r.left() > 0 {
				t.Errorf("heap type of %s becomes %s, %v", v, got, r.fault)
			}
		}
	}
	for _, b := range []BlockType{EmptyBlock(), TypedBlock(0), TypedBlock(63), TypedBlock(64), TypedBlock(1 << 31)} {
		r := reader{b: AppendBlockType(nil, b)}
		if got := r.blockType(); got != b || r.fault != nil || r.left() > 0 {
			t.Errorf("block type %v becomes %v, %v", b, got, r.fault)
		}
	}
	if got := ValueType(FuncRef).AsNonNull().String(); got != "(ref func)" {
		t.Errorf("non-null funcref is %s", got)
	}
}

// TestRoundTrip rebuilds modules from their parts: unchanged, they must be the same bytes.
func TestRoundTrip(t *testing.T) {
	for name, text := range seedTexts {
		t.Run(name, func(t *testing.T) { roundTrip(t, wat(t, text)) })
	}
	t.Run("typed", func(t *testing.T) {
		roundTrip(t, typed(sig(types(TypedRef(1, true)), types(I32)), []LocalGroup{{3, exnRef}, {1, TypedRef(3, false)}}, 0x41, 7, 0x20, 0, 0x14, 1))
	})
}

// roundTrip encodes everything that was decoded anew.
func roundTrip(t *testing.T, bin []byte) {
	m, err := Decode(bin, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	same := func(i uint32) uint32 { return i }
	appendElem := func(b []byte, e Elem) []byte {
		out, err := m.AppendElem(b, e, same, same)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	appendGlobal := func(b []byte, g Global) []byte {
		out, err := m.AppendConstExpr(AppendGlobalType(b, g.Type), g.Init, same, same)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	sections := map[SectionID][]byte{
		SectionType:     AppendVector(nil, m.Types, AppendFuncType),
		SectionFunction: AppendVector(nil, m.Funcs, AppendU32),
	}
	if m.Imports != nil {
		sections[SectionImport] = AppendVector(nil, m.Imports, AppendImport)
	}
	if m.Exports != nil {
		sections[SectionExport] = AppendVector(nil, m.Exports, AppendExport)
	}
	if m.Globals != nil {
		sections[SectionGlobal] = AppendVector(nil, m.Globals, appendGlobal)
	}
	if m.Elems != nil {
		sections[SectionElement] = AppendVector(nil, m.Elems, appendElem)
	}
	if m.Memories != nil {
		sections[SectionMemory] = AppendVector(nil, m.Memories, AppendMemoryType)
	}
	var bodies [][]byte
	for i := range m.Code {
		body, err := m.Body(i)
		if err != nil {
			t.Fatal(err)
		}
		// Instruction by instruction through an Editor, which must add up to the same.
		var e Editor
		e.Reset(body.Bytes, AppendLocals(nil, body.Locals))
		e.Replace(0, body.Expr)
		w := NewWalker(body.Bytes, body.Expr)
		var op Op
		for w.Next(&op) {
			if op.Start%3 == 0 {
				e.Replace(op.Start, op.End)
				e.Out = append(e.Out, body.Bytes[op.Start:op.End]...)
			}
		}
		if w.Err() != nil {
			t.Fatal(w.Err())
		}
		bodies = append(bodies, e.Finish())
	}
	out := m.Assemble(Assembly{Sections: sections, Bodies: bodies, KeepCustom: func(string) bool { return true }})
	if !bytes.Equal(out, bin) {
		t.Errorf("rebuilt module differs:\n% x\n% x", bin, out)
	}
}

// TestAssembleOrder checks that new sections go where they belong and dropped ones go.
func TestAssembleOrder(t *testing.T) {
	bin := append(new(mod).fn(void, nil).bytes(), AppendCustom(nil, "name", []byte{9})...)
	bin = append(bin, AppendCustom(nil, "keep", []byte{1, 2})...)
	m, err := Decode(bin, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	out := m.Assemble(Assembly{
		Sections: map[SectionID][]byte{
			SectionTag:       AppendVector(nil, []uint32{0}, func(b []byte, t uint32) []byte { return AppendU32(append(b, 0), t) }),
			SectionMemory:    AppendVector(nil, []MemoryType{{}}, AppendMemoryType),
			SectionGlobal:    {0},
			SectionDataCount: {0},
			SectionData:      {0},
		},
		KeepCustom: func(name string) bool { return name == "keep" },
	})
	n, err := Decode(out, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(out); err != nil {
		t.Error(err)
	}
	var ids []SectionID
	for _, s := range n.Sections {
		ids = append(ids, s.ID)
	}
	want := []SectionID{SectionType, SectionFunction, SectionMemory, SectionTag, SectionGlobal, SectionDataCount, SectionCode, SectionData, SectionCustom}
	if !slices.Equal(ids, want) || len(n.Customs) != 1 || n.Customs[0].Name != "keep" || !bytes.Equal(n.Bytes(n.Customs[0].Bytes), []byte{1, 2}) {
		t.Errorf("sections are %v, want %v; customs %v", ids, want, n.Customs)
	}
}

// TestEditor compares edits with a plain reference: random insertions and deletions.
func TestEditor(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		src := make([]byte, r.IntN(40))
		for i := range src {
			src[i] = byte(i)
		}
		var e Editor
		e.Reset(src, []byte("head"))
		want := []byte("head")
		for pos := 0; pos < len(src); {
			keep, drop := r.IntN(len(src)-pos+1), 0
			want = append(want, src[pos:pos+keep]...)
			pos += keep
			drop = r.IntN(len(src) - pos + 1)
			e.Replace(pos, pos+drop)
			e.Insert(pos, 0xaa)
			want = append(want, 0xaa)
			pos += drop
			if keep+drop == 0 {
				pos++
				want = append(want, src[pos-1])
			}
		}
		if got := e.Finish(); !bytes.Equal(got, want) {
			t.Fatalf("% x, want % x", got, want)
		}
	}
}

// TestWalkImmediates checks that every field of Op is filled from its instruction.
func TestWalkImmediates(t *testing.T) {
	code := AppendI32Const(nil, -7)
	code = AppendI64Const(code, math.MinInt64)
	code = AppendMemOp(code, 0xfd54, 0, 1<<31)
	code = append(code, 9)                                  // lane
	code = append(code, 0x0e, 2, 5, 6, 7)                   // br_table
	code = append(code, 0x1f, 0x7e, 2, 1, 3, 4, 2, 8)       // try_table
	code = append(code, 0x11, 12, 13)                       // call_indirect
	code = append(code, 0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f) // f64.const 1
	code = append(code, 0x1c, 1, 0x64, 0x70)                // select (ref func)
	code = append(code, 0xd0, 0x85, 0x01)                   // ref.null 133
	var got []Op
	var labels []uint32
	var catches []Catch
	if err := Walk(code, func(op *Op) error {
		labels = slices.AppendSeq(labels, op.onlyLabels(code))
		catches = slices.AppendSeq(catches, op.onlyCatches(code))
		got = append(got, *op)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	block, _ := got[4].Block.Value()
	switch {
	case got[0].Value != -7 || got[1].Value != math.MinInt64:
		t.Errorf("constants are %d and %d", got[0].Value, got[1].Value)
	case got[2].Code != 0xfd54 || got[2].Offset != 1<<31 || got[2].Index != 9:
		t.Errorf("v128.load8_lane is %+v", got[2])
	case !slices.Equal(labels, []uint32{5, 6, 7}):
		t.Errorf("labels are %v", labels)
	case block != I64 || !slices.Equal(catches, []Catch{{CatchTagRef, 3, 4}, {CatchAny, 0, 8}}):
		t.Errorf("try_table is %s %v", block, catches)
	case got[5].Index != 12 || got[5].Index2 != 13:
		t.Errorf("call_indirect is %+v", got[5])
	case math.Float64frombits(uint64(got[6].Value)) != 1:
		t.Errorf("f64.const is %#x", got[6].Value)
	case got[7].Type != FuncRef.AsNonNull() || got[8].Type != TypedRef(133, true):
		t.Errorf("types are %s and %s", got[7].Type, got[8].Type)
	case got[8].End != len(code):
		t.Errorf("ends at %d of %d", got[8].End, len(code))
	}
}

func (op *Op) onlyLabels(code []byte) func(func(uint32) bool) {
	if op.Code != OpBrTable {
		return func(func(uint32) bool) {}
	}
	return op.Labels(code)
}

func (op *Op) onlyCatches(code []byte) func(func(Catch) bool) {
	if op.Code != OpTryTable {
		return func(func(Catch) bool) {}
	}
	return op.Catches(code)
}

// TestWalkFaults checks instructions that do not exist or end too early.
func TestWalkFaults(t *testing.T) {
	tests := map[string]string{
		"\x16":                 "unknown opcode 0x16",
		"\xff\x00":             "unknown opcode 0xff",
		"\xfc\x12":             "unknown opcode 0xfc12",
		"\xfd\x9a\x01":         "unknown opcode 0xfd9a",
		"\xfe\x04":             "unknown opcode 0xfe04",
		"\xfc\x80\x04":         "unknown opcode 0xfc 0x200",
		"\x41":                 "unexpected end",
		"\x43\x00\x00\x00":     "unexpected end",
		"\xfd\x0c\x00":         "unexpected end",
		"\x0e\xff\xff\x03\x00": "do not fit",
		"\x1c\x02\x7f\x7f":     "select with 2 types",
		"\x02\x41":             "is no block type",
		"\x28\x20\x00":         "alignment 2^32",
		"\xfe\x03\x01":         "zero byte",
	}
	for in, want := range tests {
		err := Walk([]byte(in), func(*Op) error { return nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("% x: %v, want %q", in, err, want)
		}
	}
	stop := errors.New("stop")
	if err := Walk([]byte{0x01, 0x16}, func(*Op) error { return stop }); err != stop {
		t.Errorf("the visitor's error comes back as %v", err)
	}
}
