package wasm

// Opcode is the number of an instruction: its byte, or for prefixed ones the prefix in the high byte and the rest in
// the low byte (0xfd0c is v128.const).
type Opcode uint16

// The opcodes that passes name. All others are in the table behind [Opcode.String] and [Opcode.Imm].
const (
	OpUnreachable        Opcode = 0x00
	OpNop                Opcode = 0x01
	OpBlock              Opcode = 0x02
	OpLoop               Opcode = 0x03
	OpIf                 Opcode = 0x04
	OpElse               Opcode = 0x05
	OpTry                Opcode = 0x06 // legacy exceptions
	OpCatch              Opcode = 0x07 // legacy exceptions
	OpThrow              Opcode = 0x08
	OpRethrow            Opcode = 0x09 // legacy exceptions
	OpThrowRef           Opcode = 0x0a
	OpEnd                Opcode = 0x0b
	OpBr                 Opcode = 0x0c
	OpBrIf               Opcode = 0x0d
	OpBrTable            Opcode = 0x0e
	OpReturn             Opcode = 0x0f
	OpCall               Opcode = 0x10
	OpCallIndirect       Opcode = 0x11
	OpReturnCall         Opcode = 0x12
	OpReturnCallIndirect Opcode = 0x13
	OpCallRef            Opcode = 0x14
	OpReturnCallRef      Opcode = 0x15
	OpDelegate           Opcode = 0x18 // legacy exceptions
	OpCatchAll           Opcode = 0x19 // legacy exceptions
	OpDrop               Opcode = 0x1a
	OpSelect             Opcode = 0x1b
	OpSelectTyped        Opcode = 0x1c
	OpTryTable           Opcode = 0x1f
	OpLocalGet           Opcode = 0x20
	OpLocalSet           Opcode = 0x21
	OpLocalTee           Opcode = 0x22
	OpGlobalGet          Opcode = 0x23
	OpGlobalSet          Opcode = 0x24
	OpTableGet           Opcode = 0x25
	OpTableSet           Opcode = 0x26
	OpI32Load            Opcode = 0x28
	OpI64Load            Opcode = 0x29
	OpI32Load8U          Opcode = 0x2d
	OpI32Store           Opcode = 0x36
	OpI64Store           Opcode = 0x37
	OpMemorySize         Opcode = 0x3f
	OpMemoryGrow         Opcode = 0x40
	OpI32Const           Opcode = 0x41
	OpI64Const           Opcode = 0x42
	OpF32Const           Opcode = 0x43
	OpF64Const           Opcode = 0x44
	OpI32Eqz             Opcode = 0x45
	OpI32Eq              Opcode = 0x46
	OpI32Ne              Opcode = 0x47
	OpI32LtS             Opcode = 0x48
	OpI32LtU             Opcode = 0x49
	OpI32GtS             Opcode = 0x4a
	OpI32GtU             Opcode = 0x4b
	OpI32LeU             Opcode = 0x4d
	OpI32GeU             Opcode = 0x4f
	OpI64Eqz             Opcode = 0x50
	OpI64Eq              Opcode = 0x51
	OpI64LtS             Opcode = 0x53
	OpI64LtU             Opcode = 0x54
	OpI64GtU             Opcode = 0x56
	OpF32Ne              Opcode = 0x5c
	OpF64Ne              Opcode = 0x62
	OpI32Add             Opcode = 0x6a
	OpI32Sub             Opcode = 0x6b
	OpI32Mul             Opcode = 0x6c
	OpI32And             Opcode = 0x71
	OpI32Or              Opcode = 0x72
	OpI32Xor             Opcode = 0x73
	OpI32Shl             Opcode = 0x74
	OpI32ShrU            Opcode = 0x76
	OpI64Add             Opcode = 0x7c
	OpI64Sub             Opcode = 0x7d
	OpI64Mul             Opcode = 0x7e
	OpI64And             Opcode = 0x83
	OpI64Or              Opcode = 0x84
	OpI64Xor             Opcode = 0x85
	OpI64Shl             Opcode = 0x86
	OpI64ShrU            Opcode = 0x88
	OpF32Copysign        Opcode = 0x98
	OpF64Copysign        Opcode = 0xa6
	OpI32WrapI64         Opcode = 0xa7
	OpI64ExtendI32S      Opcode = 0xac
	OpI64ExtendI32U      Opcode = 0xad
	OpI32ReinterpretF32  Opcode = 0xbc
	OpI64ReinterpretF64  Opcode = 0xbd
	OpF32ReinterpretI32  Opcode = 0xbe
	OpF64ReinterpretI64  Opcode = 0xbf
	OpRefNull            Opcode = 0xd0
	OpRefIsNull          Opcode = 0xd1
	OpRefFunc            Opcode = 0xd2
	OpRefAsNonNull       Opcode = 0xd4
	OpBrOnNull           Opcode = 0xd5
	OpBrOnNonNull        Opcode = 0xd6
	OpMemoryInit         Opcode = 0xfc08
	OpDataDrop           Opcode = 0xfc09
	OpMemoryCopy         Opcode = 0xfc0a
	OpMemoryFill         Opcode = 0xfc0b
	OpTableInit          Opcode = 0xfc0c
	OpElemDrop           Opcode = 0xfc0d
	OpTableCopy          Opcode = 0xfc0e
	OpTableGrow          Opcode = 0xfc0f
	OpTableSize          Opcode = 0xfc10
	OpTableFill          Opcode = 0xfc11
	OpV128Load32Splat    Opcode = 0xfd09
	OpV128Const          Opcode = 0xfd0c
	OpI8x16Shuffle       Opcode = 0xfd0d
	OpI8x16Swizzle       Opcode = 0xfd0e
	OpI32x4Splat         Opcode = 0xfd11
	OpI64x2ExtractLane   Opcode = 0xfd1d
	OpI64x2ReplaceLane   Opcode = 0xfd1e
	OpF32x4ReplaceLane   Opcode = 0xfd20
	OpF64x2ReplaceLane   Opcode = 0xfd22
	OpF32x4Eq            Opcode = 0xfd41
	OpF64x2Eq            Opcode = 0xfd47
	OpV128Not            Opcode = 0xfd4d
	OpV128And            Opcode = 0xfd4e
	OpV128AndNot         Opcode = 0xfd4f
	OpV128Or             Opcode = 0xfd50
	OpV128Xor            Opcode = 0xfd51
	OpV128Bitselect      Opcode = 0xfd52
	OpV128Load32Zero     Opcode = 0xfd5c
	OpAtomicNotify       Opcode = 0xfe00
	OpAtomicWait32       Opcode = 0xfe01
	OpAtomicWait64       Opcode = 0xfe02
	OpAtomicFence        Opcode = 0xfe03
)

// Imm says which immediates follow an opcode.
type Imm uint8

// The kinds of immediates, and the fields of Op that hold them.
const (
	ImmInvalid  Imm = iota // no such instruction
	ImmNone                // nothing
	ImmBlock               // Block
	ImmLabel               // Index: label
	ImmBrTable             // Count targets and a default; Labels
	ImmFunc                // Index: function
	ImmLocal               // Index: local
	ImmGlobal              // Index: global
	ImmTable               // Index: table
	ImmType                // Index: type (call_ref)
	ImmTag                 // Index: tag
	ImmData                // Index: data segment
	ImmElem                // Index: element segment
	ImmIndirect            // Index: type, Index2: table
	ImmTables              // Index: destination table, Index2: source table
	ImmElemTab             // Index: element segment, Index2: table
	ImmMemArg              // Align, Offset
	ImmMemLane             // Align, Offset, Index: lane
	ImmMemory              // memory 0
	ImmMemories            // memory 0 twice
	ImmDataMem             // Index: data segment, memory 0
	ImmI32                 // Value
	ImmI64                 // Value
	ImmF32                 // Value: bits
	ImmF64                 // Value: bits
	ImmV128                // 16 bytes before End
	ImmShuffle             // 16 lanes before End
	ImmLane                // Index: lane
	ImmHeap                // Type: nullable reference to the heap type
	ImmSelect              // Type: type of the operands
	ImmTryTable            // Block, Count clauses; Catches
	ImmFence               // one zero byte
)

// opInfo is what the table knows of an instruction. in, nin and out describe the operands of plain instructions;
// control, variable, reference and call instructions are typed by the Checker.
type opInfo struct {
	imm   Imm
	nin   uint8
	in    [3]uint8 // value types by their low byte, deepest first
	out   uint8    // 0: no result
	align uint8    // log2 of the natural alignment of a memory access
	lanes uint8    // bound of a lane immediate
	plain bool     // typed by in and out alone
}

// Opcodes index the table by their low eleven bits: no prefix has 0x000, 0xfc 0x400, 0xfd 0x500 and 0xfe 0x600.
const tableSize = 0x700

func (o Opcode) row() int { return int(o) & 0x7ff }

// Imm returns the kind of immediates of o, ImmInvalid when there is no such instruction.
func (o Opcode) Imm() Imm {
	if o.row() >= tableSize || o > 0xff && o < 0xfc00 {
		return ImmInvalid
	}
	return opTable[o.row()].imm
}

// String returns the name of the text format.
func (o Opcode) String() string {
	if o.Imm() == ImmInvalid {
		return "invalid"
	}
	return opNames()[o.row()]
}

// NaturalAlign returns log2 of the bytes a memory access touches, for opcodes with a memory argument.
func (o Opcode) NaturalAlign() uint32 {
	if o.Imm() == ImmInvalid {
		return 0
	}
	return uint32(opTable[o.row()].align)
}

// IsAtomic tells whether o is an instruction of the threads feature.
func (o Opcode) IsAtomic() bool { return o >= 0xfe00 && o.Imm() != ImmInvalid }
