package main

// submatrix loads the parameters of a function that copies rows, and goes
// through the rows: each has its own pointers and count of numbers.
func (u x86) submatrix(w *writer, row func()) {
	w.op("MOVQ rows+0(FP), CX")
	w.op("MOVQ to+16(FP), DI")
	w.op("MOVQ toNext+24(FP), R10")
	w.op("MOVQ from+32(FP), SI")
	w.op("MOVQ fromNext+40(FP), R11")
	w.label("row")
	w.op("MOVQ width+8(FP), DX")
	w.op("MOVQ DI, R8")
	w.op("MOVQ SI, R9")
	row()
	w.label("next")
	w.op("ADDQ R10, DI")
	w.op("ADDQ R11, SI")
	w.op("DECQ CX")
	w.op("JNZ row")
	w.op("VZEROUPPER")
	w.op("RET")
}

// rows copies rows. What a row has beyond whole registers goes through a mask,
// which begins so far before the end of a table's ones as it has numbers.
func (u x86) rows(w *writer) {
	w.op("MOVQ width+8(FP), DX")
	w.op("ANDQ $7, DX")
	w.op("LEAQ ·masks(SB), AX")
	w.op("SHLQ $2, DX")
	w.op("SUBQ DX, AX")
	w.op("VMOVUPS 32(AX), Y15")
	u.submatrix(w, func() {
		for _, count := range []int{4, 1} {
			loop, below := []string{"", "one", "", "", "four"}[count], []string{"", "last", "", "", "one"}[count]
			w.label(loop)
			w.op("CMPQ DX, $%d", 8*count)
			w.op("JLT %s", below)
			for i := range count {
				w.op("VMOVUPS %d(R9), Y%d", 32*i, i)
			}
			for i := range count {
				w.op("VMOVUPS Y%d, %d(R8)", i, 32*i)
			}
			w.op("ADDQ $%d, R8", 32*count)
			w.op("ADDQ $%d, R9", 32*count)
			w.op("SUBQ $%d, DX", 8*count)
			w.op("JMP %s", loop)
		}
		w.label("last")
		w.op("TESTQ DX, DX")
		w.op("JLE next")
		w.op("VMASKMOVPS (R9), Y15, Y0")
		w.op("VMASKMOVPS Y0, Y15, (R8)")
	})
}

// halves copies every second number. A register of them is taken only where a
// number is left behind it, for two registers are read to that end.
func (u x86) halves(w *writer) {
	u.submatrix(w, func() {
		w.label("eight")
		w.op("CMPQ DX, $9")
		w.op("JLT single")
		w.op("VMOVUPS (R9), Y0")
		w.op("VSHUFPS $0x88, 32(R9), Y0, Y0")
		w.op("VPERMPD $0xd8, Y0, Y0")
		w.op("VMOVUPS Y0, (R8)")
		w.op("ADDQ $32, R8")
		w.op("ADDQ $64, R9")
		w.op("SUBQ $8, DX")
		w.op("JMP eight")
		w.label("single")
		w.op("TESTQ DX, DX")
		w.op("JLE next")
		w.op("MOVL (R9), AX")
		w.op("MOVL AX, (R8)")
		w.op("ADDQ $4, R8")
		w.op("ADDQ $8, R9")
		w.op("DECQ DX")
		w.op("JMP single")
	})
}
