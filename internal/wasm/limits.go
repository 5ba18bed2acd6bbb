package wasm

// Limits are the structural limits of a module: what a compiler that is linear in size on real code may be asked to
// take. Each of them stops a known way to hold the compiler for seconds or to fill memory with a few kilobytes of
// code. A zero field allows nothing; begin with DefaultLimits.
type Limits struct {
	Module    uint32 // bytes of the module
	Code      uint32 // bytes of the code section
	Types     uint32
	Imports   uint32
	Functions uint32 // imports included
	Tables    uint32
	Globals   uint32
	Tags      uint32
	Exports   uint32
	Elems     uint32 // element segments
	Elements  uint32 // elements of all segments
	Datas     uint32 // data segments
	Customs   uint32 // custom sections
	NameBytes uint32 // bytes of one import or export name
	Params    uint32 // of one type
	Results   uint32 // of one type
	TypeUnits uint32 // parameters and results of all types

	TableMin  uint32 // elements all tables begin with
	TableMax  uint32 // elements all tables may grow to; no reason to refuse a module: table.grow fails there
	MemoryMin uint32 // pages all memories begin with

	Body          uint32 // bytes of one function
	Locals        uint32 // of one function, parameters not counted
	Nesting       uint32 // blocks within blocks
	LoopNesting   uint32
	BrTable       uint32 // targets of one br_table
	BrTables      uint32 // targets of all br_tables of one function
	Catches       uint32 // clauses of one try_table
	LoopsLocals   uint64 // loops x locals of one function
	Blocks        uint32 // basic blocks of one function
	Checks        uint32 // memory accesses, divisions and calls in one function
	ModuleLocals  uint64 // locals of all functions, parameters included
	Operands      uint32 // on the stack of one function, where a call or block puts more there
	OperandsPer64 uint32 // operands pushed and popped by calls, blocks and branches per 64 bytes of a function

	// What compiling may take, estimated, in nanoseconds: of one function Work, of the module ModuleWork, and of both
	// WorkPerByte more for every byte of code. Honest code has less than half of that per byte, whatever its size.
	Work        uint64
	ModuleWork  uint64
	WorkPerByte uint64
}

// DefaultLimits returns limits that every real module known to us keeps with head-room and that stop every known
// compile bomb.
func DefaultLimits() Limits {
	return Limits{
		Module:    256 << 20,
		Code:      128 << 20,
		Types:     20_000,
		Imports:   10_000,
		Functions: 200_000,
		Tables:    100,
		Globals:   100_000,
		Tags:      10_000,
		Exports:   100_000,
		Elems:     100_000,
		Elements:  4_000_000,
		Datas:     1_000_000,
		Customs:   1_000,
		NameBytes: 10_000,
		Params:    1_000,
		Results:   1_000,
		TypeUnits: 1_000_000,

		TableMin:  10_000_000,
		TableMax:  10_000_000,
		MemoryMin: 65_536,

		Body:          2 << 20,
		Locals:        20_000,
		Nesting:       10_000,
		LoopNesting:   64,
		BrTable:       8_192,
		BrTables:      32_768,
		Catches:       1_000,
		LoopsLocals:   2_000_000,
		Blocks:        100_000,
		Checks:        120_000,
		ModuleLocals:  8_000_000,
		Operands:      50_000,
		OperandsPer64: 256,

		Work:        1_000_000_000,
		ModuleWork:  3_000_000_000,
		WorkPerByte: 3_000,
	}
}
