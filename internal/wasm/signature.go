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
