package wasm

// Signature is what a plain instruction takes and gives: one whose operands follow from its opcode alone. Control,
// variables, references and calls are not plain.
type Signature struct {
	Params []ValueType // deepest first
	Result ValueType   // Bottom: none
	Lanes  uint32      // the bound of a lane immediate
}

// Signature returns the operands and the result of o, and whether o is plain.
func (o Opcode) Signature() (s Signature, plain bool) {
	if o.Imm() == ImmInvalid {
		return s, false
	}
	x := &opTable[o.row()]
	for _, t := range x.in[:x.nin] {
		s.Params = append(s.Params, ValueType(t))
	}
	s.Result, s.Lanes = ValueType(x.out), uint32(x.lanes)
	return s, x.plain
}

// Pure tells of a plain instruction that only computes from its operands how many it takes and whether it gives a
// result, and whether it can trap.
func (o Opcode) Pure() (operands int, result, traps, pure bool) {
	if o.Imm() == ImmInvalid {
		return 0, false, false, false
	}
	x := &opTable[o.row()]
	switch x.imm {
	case ImmNone, ImmI32, ImmI64, ImmF32, ImmF64, ImmLane, ImmShuffle, ImmV128:
		return int(x.nin), x.out != 0, trapsItself(o), x.plain
	}
	return 0, false, false, false
}

// Access tells of an instruction that reads or writes memory, and is not atomic, how many bytes that are, whether it
// writes, and whether it takes a value besides the address.
func (o Opcode) Access() (bytes uint32, store, value, ok bool) {
	if o.Imm() == ImmInvalid || o.IsAtomic() {
		return 0, false, false, false
	}
	x := &opTable[o.row()]
	if x.imm != ImmMemArg && x.imm != ImmMemLane {
		return 0, false, false, false
	}
	return 1 << x.align, x.out == 0, x.nin > 1, true
}
