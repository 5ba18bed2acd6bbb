package wasm

import (
	"strings"
	"sync"
)

// opTable is built once from the rows below and never written again.
var opTable = func() *[tableSize]opInfo {
	t := table{info: new([tableSize]opInfo)}
	t.build()
	return t.info
}()

// opNames are built from them when somebody wants to read one: a program that starts
// should not wait for the words of errors.
var opNames = sync.OnceValue(func() *[tableSize]string {
	t := table{name: new([tableSize]string)}
	t.build()
	return t.name
})

// table is what the rows below are written to.
type table struct {
	info *[tableSize]opInfo // nil: not wanted
	name *[tableSize]string // nil: not wanted
}

// letters stand for value types in signatures: "ii:l" takes two i32 and gives an i64.
func letter(c byte) uint8 {
	switch c {
	case 'i':
		return uint8(I32)
	case 'l':
		return uint8(I64)
	case 'f':
		return uint8(F32)
	case 'd':
		return uint8(F64)
	case 'v':
		return uint8(V128)
	}
	return 0
}

// put adds one instruction. An empty signature means that the Checker types it.
func (t *table) put(code Opcode, prefix, name, sig string, imm Imm, align, lanes uint8) {
	if t.name != nil {
		t.name[code.row()] = prefix + name
	}
	if t.info == nil {
		return
	}
	in, out, plain := strings.Cut(sig, ":")
	x := opInfo{imm: imm, nin: uint8(len(in)), align: align, lanes: lanes, plain: plain}
	for i := range len(in) {
		x.in[i] = letter(in[i])
	}
	if out != "" {
		x.out = letter(out[0])
	}
	t.info[code.row()] = x
}

// row adds instructions with consecutive opcodes; "-" leaves a hole.
func (t *table) row(code Opcode, prefix, names, sig string, imm Imm) {
	for n := range strings.FieldsSeq(names) {
		if n != "-" {
			t.put(code, prefix, n, sig, imm, 0, 0)
		}
		code++
	}
}

// mem adds consecutive memory accesses; aligns has one digit per name.
func (t *table) mem(code Opcode, prefix, names, sig, aligns string, imm Imm) {
	i := 0
	for n := range strings.FieldsSeq(names) {
		align := aligns[i] - '0'
		t.put(code+Opcode(i), prefix, n, sig, imm, align, 16>>align)
		i++
	}
}

func (t *table) build() {
	t.control()
	t.memory()
	t.numeric()
	t.bulk()
	t.vectorMemory()
	t.vector()
	t.vectorArithmetic()
	t.atomics()
}

func (t *table) control() {
	t.row(0x00, "", "unreachable nop", "", ImmNone)
	t.row(0x02, "", "block loop if", "", ImmBlock)
	t.row(0x05, "", "else", "", ImmNone)
	t.row(0x06, "", "try", "", ImmBlock)
	t.row(0x07, "", "catch throw", "", ImmTag)
	t.row(0x09, "", "rethrow", "", ImmLabel)
	t.row(0x0a, "", "throw_ref end", "", ImmNone)
	t.row(0x0c, "", "br br_if", "", ImmLabel)
	t.row(0x0e, "", "br_table", "", ImmBrTable)
	t.row(0x0f, "", "return", "", ImmNone)
	t.row(0x10, "", "call", "", ImmFunc)
	t.row(0x11, "", "call_indirect", "", ImmIndirect)
	t.row(0x12, "", "return_call", "", ImmFunc)
	t.row(0x13, "", "return_call_indirect", "", ImmIndirect)
	t.row(0x14, "", "call_ref return_call_ref", "", ImmType)
	t.row(0x18, "", "delegate", "", ImmLabel)
	t.row(0x19, "", "catch_all drop select", "", ImmNone)
	t.row(0x1c, "", "select", "", ImmSelect)
	t.row(0x1f, "", "try_table", "", ImmTryTable)
	t.row(0x20, "local.", "get set tee", "", ImmLocal)
	t.row(0x23, "global.", "get set", "", ImmGlobal)
	t.row(0x25, "table.", "get set", "", ImmTable)
	t.row(0xd0, "ref.", "null", "", ImmHeap)
	t.row(0xd1, "ref.", "is_null", "", ImmNone)
	t.row(0xd2, "ref.", "func", "", ImmFunc)
	t.row(0xd4, "ref.", "as_non_null", "", ImmNone)
	t.row(0xd5, "", "br_on_null br_on_non_null", "", ImmLabel)
}

func (t *table) memory() {
	t.mem(0x28, "i32.", "load", "i:i", "2", ImmMemArg)
	t.mem(0x29, "i64.", "load", "i:l", "3", ImmMemArg)
	t.mem(0x2a, "f32.", "load", "i:f", "2", ImmMemArg)
	t.mem(0x2b, "f64.", "load", "i:d", "3", ImmMemArg)
	t.mem(0x2c, "i32.", "load8_s load8_u load16_s load16_u", "i:i", "0011", ImmMemArg)
	t.mem(0x30, "i64.", "load8_s load8_u load16_s load16_u load32_s load32_u", "i:l", "001122", ImmMemArg)
	t.mem(0x36, "i32.", "store", "ii:", "2", ImmMemArg)
	t.mem(0x37, "i64.", "store", "il:", "3", ImmMemArg)
	t.mem(0x38, "f32.", "store", "if:", "2", ImmMemArg)
	t.mem(0x39, "f64.", "store", "id:", "3", ImmMemArg)
	t.mem(0x3a, "i32.", "store8 store16", "ii:", "01", ImmMemArg)
	t.mem(0x3c, "i64.", "store8 store16 store32", "il:", "012", ImmMemArg)
	t.row(0x3f, "memory.", "size", ":i", ImmMemory)
	t.row(0x40, "memory.", "grow", "i:i", ImmMemory)
}

func (t *table) numeric() {
	const (
		icmp  = "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u"
		fcmp  = "eq ne lt gt le ge"
		iun   = "clz ctz popcnt"
		ibin  = "add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr"
		fun   = "abs neg ceil floor trunc nearest sqrt"
		fbin  = "add sub mul div min max copysign"
		sext  = "extend8_s extend16_s extend32_s"
		trunc = "trunc_f32_s trunc_f32_u"
	)
	t.row(0x41, "i32.", "const", ":i", ImmI32)
	t.row(0x42, "i64.", "const", ":l", ImmI64)
	t.row(0x43, "f32.", "const", ":f", ImmF32)
	t.row(0x44, "f64.", "const", ":d", ImmF64)
	t.row(0x45, "i32.", "eqz", "i:i", ImmNone)
	t.row(0x46, "i32.", icmp, "ii:i", ImmNone)
	t.row(0x50, "i64.", "eqz", "l:i", ImmNone)
	t.row(0x51, "i64.", icmp, "ll:i", ImmNone)
	t.row(0x5b, "f32.", fcmp, "ff:i", ImmNone)
	t.row(0x61, "f64.", fcmp, "dd:i", ImmNone)
	t.row(0x67, "i32.", iun, "i:i", ImmNone)
	t.row(0x6a, "i32.", ibin, "ii:i", ImmNone)
	t.row(0x79, "i64.", iun, "l:l", ImmNone)
	t.row(0x7c, "i64.", ibin, "ll:l", ImmNone)
	t.row(0x8b, "f32.", fun, "f:f", ImmNone)
	t.row(0x92, "f32.", fbin, "ff:f", ImmNone)
	t.row(0x99, "f64.", fun, "d:d", ImmNone)
	t.row(0xa0, "f64.", fbin, "dd:d", ImmNone)
	t.row(0xa7, "i32.", "wrap_i64", "l:i", ImmNone)
	t.row(0xa8, "i32.", trunc, "f:i", ImmNone)
	t.row(0xaa, "i32.", "trunc_f64_s trunc_f64_u", "d:i", ImmNone)
	t.row(0xac, "i64.", "extend_i32_s extend_i32_u", "i:l", ImmNone)
	t.row(0xae, "i64.", trunc, "f:l", ImmNone)
	t.row(0xb0, "i64.", "trunc_f64_s trunc_f64_u", "d:l", ImmNone)
	t.row(0xb2, "f32.", "convert_i32_s convert_i32_u", "i:f", ImmNone)
	t.row(0xb4, "f32.", "convert_i64_s convert_i64_u", "l:f", ImmNone)
	t.row(0xb6, "f32.", "demote_f64", "d:f", ImmNone)
	t.row(0xb7, "f64.", "convert_i32_s convert_i32_u", "i:d", ImmNone)
	t.row(0xb9, "f64.", "convert_i64_s convert_i64_u", "l:d", ImmNone)
	t.row(0xbb, "f64.", "promote_f32", "f:d", ImmNone)
	t.row(0xbc, "i32.", "reinterpret_f32", "f:i", ImmNone)
	t.row(0xbd, "i64.", "reinterpret_f64", "d:l", ImmNone)
	t.row(0xbe, "f32.", "reinterpret_i32", "i:f", ImmNone)
	t.row(0xbf, "f64.", "reinterpret_i64", "l:d", ImmNone)
	t.row(0xc0, "i32.", "extend8_s extend16_s", "i:i", ImmNone)
	t.row(0xc2, "i64.", sext, "l:l", ImmNone)
}

func (t *table) bulk() {
	t.row(0xfc00, "i32.", "trunc_sat_f32_s trunc_sat_f32_u", "f:i", ImmNone)
	t.row(0xfc02, "i32.", "trunc_sat_f64_s trunc_sat_f64_u", "d:i", ImmNone)
	t.row(0xfc04, "i64.", "trunc_sat_f32_s trunc_sat_f32_u", "f:l", ImmNone)
	t.row(0xfc06, "i64.", "trunc_sat_f64_s trunc_sat_f64_u", "d:l", ImmNone)
	t.row(0xfc08, "memory.", "init", "iii:", ImmDataMem)
	t.row(0xfc09, "data.", "drop", ":", ImmData)
	t.row(0xfc0a, "memory.", "copy", "iii:", ImmMemories)
	t.row(0xfc0b, "memory.", "fill", "iii:", ImmMemory)
	t.row(0xfc0c, "table.", "init", "iii:", ImmElemTab)
	t.row(0xfc0d, "elem.", "drop", ":", ImmElem)
	t.row(0xfc0e, "table.", "copy", "iii:", ImmTables)
	t.row(0xfc0f, "table.", "grow size fill", "", ImmTable)
}

func (t *table) vectorMemory() {
	t.mem(0xfd00, "v128.", "load load8x8_s load8x8_u load16x4_s load16x4_u load32x2_s load32x2_u load8_splat load16_splat load32_splat load64_splat",
		"i:v", "43333330123", ImmMemArg)
	t.mem(0xfd0b, "v128.", "store", "iv:", "4", ImmMemArg)
	t.mem(0xfd54, "v128.", "load8_lane load16_lane load32_lane load64_lane", "iv:v", "0123", ImmMemLane)
	t.mem(0xfd58, "v128.", "store8_lane store16_lane store32_lane store64_lane", "iv:", "0123", ImmMemLane)
	t.mem(0xfd5c, "v128.", "load32_zero load64_zero", "i:v", "23", ImmMemArg)
}

func (t *table) vector() {
	t.row(0xfd0c, "v128.", "const", ":v", ImmV128)
	t.row(0xfd0d, "i8x16.", "shuffle", "vv:v", ImmShuffle)
	t.row(0xfd0e, "i8x16.", "swizzle", "vv:v", ImmNone)
	splat, lane := Opcode(0xfd0f), Opcode(0xfd15)
	for _, s := range [...]struct {
		name, scalar string
		lanes        uint8
	}{{"i8x16.", "i", 16}, {"i16x8.", "i", 8}, {"i32x4.", "i", 4}, {"i64x2.", "l", 2}, {"f32x4.", "f", 4}, {"f64x2.", "d", 2}} {
		t.put(splat, s.name, "splat", s.scalar+":v", ImmNone, 0, 0)
		splat++
		names := "extract_lane"
		if s.lanes >= 8 {
			names = "extract_lane_s extract_lane_u"
		}
		for n := range strings.FieldsSeq(names) {
			t.put(lane, s.name, n, "v:"+s.scalar, ImmLane, 0, s.lanes)
			lane++
		}
		t.put(lane, s.name, "replace_lane", "v"+s.scalar+":v", ImmLane, 0, s.lanes)
		lane++
	}
	const icmp = "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u"
	t.row(0xfd23, "i8x16.", icmp, "vv:v", ImmNone)
	t.row(0xfd2d, "i16x8.", icmp, "vv:v", ImmNone)
	t.row(0xfd37, "i32x4.", icmp, "vv:v", ImmNone)
	t.row(0xfd41, "f32x4.", "eq ne lt gt le ge", "vv:v", ImmNone)
	t.row(0xfd47, "f64x2.", "eq ne lt gt le ge", "vv:v", ImmNone)
	t.row(0xfd4d, "v128.", "not", "v:v", ImmNone)
	t.row(0xfd4e, "v128.", "and andnot or xor", "vv:v", ImmNone)
	t.row(0xfd52, "v128.", "bitselect", "vvv:v", ImmNone)
	t.row(0xfd53, "v128.", "any_true", "v:i", ImmNone)
	t.row(0xfd5e, "f32x4.", "demote_f64x2_zero", "v:v", ImmNone)
	t.row(0xfd5f, "f64x2.", "promote_low_f32x4", "v:v", ImmNone)
}

func (t *table) vectorArithmetic() {
	const un, bin, shift, test = "v:v", "vv:v", "vi:v", "v:i"
	t.row(0xfd60, "i8x16.", "abs neg popcnt", un, ImmNone)
	t.row(0xfd63, "i8x16.", "all_true bitmask", test, ImmNone)
	t.row(0xfd65, "i8x16.", "narrow_i16x8_s narrow_i16x8_u", bin, ImmNone)
	t.row(0xfd67, "f32x4.", "ceil floor trunc nearest", un, ImmNone)
	t.row(0xfd6b, "i8x16.", "shl shr_s shr_u", shift, ImmNone)
	t.row(0xfd6e, "i8x16.", "add add_sat_s add_sat_u sub sub_sat_s sub_sat_u", bin, ImmNone)
	t.row(0xfd74, "f64x2.", "ceil floor", un, ImmNone)
	t.row(0xfd76, "i8x16.", "min_s min_u max_s max_u", bin, ImmNone)
	t.row(0xfd7a, "f64x2.", "trunc", un, ImmNone)
	t.row(0xfd7b, "i8x16.", "avgr_u", bin, ImmNone)
	t.row(0xfd7c, "i16x8.", "extadd_pairwise_i8x16_s extadd_pairwise_i8x16_u", un, ImmNone)
	t.row(0xfd7e, "i32x4.", "extadd_pairwise_i16x8_s extadd_pairwise_i16x8_u", un, ImmNone)

	t.row(0xfd80, "i16x8.", "abs neg", un, ImmNone)
	t.row(0xfd82, "i16x8.", "q15mulr_sat_s", bin, ImmNone)
	t.row(0xfd83, "i16x8.", "all_true bitmask", test, ImmNone)
	t.row(0xfd85, "i16x8.", "narrow_i32x4_s narrow_i32x4_u", bin, ImmNone)
	t.row(0xfd87, "i16x8.", "extend_low_i8x16_s extend_high_i8x16_s extend_low_i8x16_u extend_high_i8x16_u", un, ImmNone)
	t.row(0xfd8b, "i16x8.", "shl shr_s shr_u", shift, ImmNone)
	t.row(0xfd8e, "i16x8.", "add add_sat_s add_sat_u sub sub_sat_s sub_sat_u", bin, ImmNone)
	t.row(0xfd94, "f64x2.", "nearest", un, ImmNone)
	t.row(0xfd95, "i16x8.", "mul min_s min_u max_s max_u - avgr_u", bin, ImmNone)
	t.row(0xfd9c, "i16x8.", "extmul_low_i8x16_s extmul_high_i8x16_s extmul_low_i8x16_u extmul_high_i8x16_u", bin, ImmNone)

	t.row(0xfda0, "i32x4.", "abs neg", un, ImmNone)
	t.row(0xfda3, "i32x4.", "all_true bitmask", test, ImmNone)
	t.row(0xfda7, "i32x4.", "extend_low_i16x8_s extend_high_i16x8_s extend_low_i16x8_u extend_high_i16x8_u", un, ImmNone)
	t.row(0xfdab, "i32x4.", "shl shr_s shr_u", shift, ImmNone)
	t.row(0xfdae, "i32x4.", "add - - sub - - - mul min_s min_u max_s max_u dot_i16x8_s", bin, ImmNone)
	t.row(0xfdbc, "i32x4.", "extmul_low_i16x8_s extmul_high_i16x8_s extmul_low_i16x8_u extmul_high_i16x8_u", bin, ImmNone)

	t.row(0xfdc0, "i64x2.", "abs neg", un, ImmNone)
	t.row(0xfdc3, "i64x2.", "all_true bitmask", test, ImmNone)
	t.row(0xfdc7, "i64x2.", "extend_low_i32x4_s extend_high_i32x4_s extend_low_i32x4_u extend_high_i32x4_u", un, ImmNone)
	t.row(0xfdcb, "i64x2.", "shl shr_s shr_u", shift, ImmNone)
	t.row(0xfdce, "i64x2.", "add - - sub - - - mul eq ne lt_s gt_s le_s ge_s", bin, ImmNone)
	t.row(0xfddc, "i64x2.", "extmul_low_i32x4_s extmul_high_i32x4_s extmul_low_i32x4_u extmul_high_i32x4_u", bin, ImmNone)

	t.row(0xfde0, "f32x4.", "abs neg - sqrt", un, ImmNone)
	t.row(0xfde4, "f32x4.", "add sub mul div min max pmin pmax", bin, ImmNone)
	t.row(0xfdec, "f64x2.", "abs neg - sqrt", un, ImmNone)
	t.row(0xfdf0, "f64x2.", "add sub mul div min max pmin pmax", bin, ImmNone)
	t.row(0xfdf8, "i32x4.", "trunc_sat_f32x4_s trunc_sat_f32x4_u", un, ImmNone)
	t.row(0xfdfa, "f32x4.", "convert_i32x4_s convert_i32x4_u", un, ImmNone)
	t.row(0xfdfc, "i32x4.", "trunc_sat_f64x2_s_zero trunc_sat_f64x2_u_zero", un, ImmNone)
	t.row(0xfdfe, "f64x2.", "convert_low_i32x4_s convert_low_i32x4_u", un, ImmNone)
}

func (t *table) atomics() {
	t.mem(0xfe00, "memory.atomic.", "notify", "ii:i", "2", ImmMemArg)
	t.mem(0xfe01, "memory.atomic.", "wait32", "iil:i", "2", ImmMemArg)
	t.mem(0xfe02, "memory.atomic.", "wait64", "ill:i", "3", ImmMemArg)
	t.row(0xfe03, "atomic.", "fence", ":", ImmFence)
	t.mem(0xfe10, "i32.atomic.", "load", "i:i", "2", ImmMemArg)
	t.mem(0xfe11, "i64.atomic.", "load", "i:l", "3", ImmMemArg)
	t.mem(0xfe12, "i32.atomic.", "load8_u load16_u", "i:i", "01", ImmMemArg)
	t.mem(0xfe14, "i64.atomic.", "load8_u load16_u load32_u", "i:l", "012", ImmMemArg)
	t.mem(0xfe17, "i32.atomic.", "store", "ii:", "2", ImmMemArg)
	t.mem(0xfe18, "i64.atomic.", "store", "il:", "3", ImmMemArg)
	t.mem(0xfe19, "i32.atomic.", "store8 store16", "ii:", "01", ImmMemArg)
	t.mem(0xfe1b, "i64.atomic.", "store8 store16 store32", "il:", "012", ImmMemArg)
	for i, op := range strings.Fields("add sub and or xor xchg cmpxchg") {
		code := Opcode(0xfe1e + 7*i)
		i32, i64 := "ii:i", "il:l"
		if op == "cmpxchg" {
			i32, i64 = "iii:i", "ill:l"
		}
		t.mem(code, "i32.atomic.rmw.", op, i32, "2", ImmMemArg)
		t.mem(code+1, "i64.atomic.rmw.", op, i64, "3", ImmMemArg)
		t.mem(code+2, "i32.atomic.rmw8.", op+"_u", i32, "0", ImmMemArg)
		t.mem(code+3, "i32.atomic.rmw16.", op+"_u", i32, "1", ImmMemArg)
		t.mem(code+4, "i64.atomic.rmw8.", op+"_u", i64, "0", ImmMemArg)
		t.mem(code+5, "i64.atomic.rmw16.", op+"_u", i64, "1", ImmMemArg)
		t.mem(code+6, "i64.atomic.rmw32.", op+"_u", i64, "2", ImmMemArg)
	}
}
