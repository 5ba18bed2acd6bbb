package main

// neonSubmatrix loads the parameters of a function that copies rows, and goes
// through the rows.
func neonSubmatrix(w *writer, row func()) {
	w.op("MOVD rows+0(FP), R0")
	w.op("MOVD to+16(FP), R1")
	w.op("MOVD toNext+24(FP), R2")
	w.op("MOVD from+32(FP), R3")
	w.op("MOVD fromNext+40(FP), R4")
	w.label("row")
	w.op("MOVD width+8(FP), R5")
	w.op("MOVD R1, R6")
	w.op("MOVD R3, R7")
	row()
	w.label("next")
	w.op("ADD R2, R1, R1")
	w.op("ADD R4, R3, R3")
	w.op("SUBS $1, R0, R0")
	w.op("BNE row")
	w.op("RET")
}

func neonRows(w *writer) {
	neonSubmatrix(w, func() {
		w.label("four")
		w.op("CMP $4, R5")
		w.op("BLT single")
		w.op("VLD1.P 16(R7), [V0.S4]")
		w.op("VST1.P [V0.S4], 16(R6)")
		w.op("SUB $4, R5, R5")
		w.op("B four")
		neonSingle(w, 4)
	})
}

// neonHalves takes a register of numbers only where a number is left behind it,
// for two registers are read to that end.
func neonHalves(w *writer) {
	neonSubmatrix(w, func() {
		w.label("four")
		w.op("CMP $5, R5")
		w.op("BLT single")
		w.op("VLD2.P 32(R7), [V0.S4, V1.S4]")
		w.op("VST1.P [V0.S4], 16(R6)")
		w.op("SUB $4, R5, R5")
		w.op("B four")
		neonSingle(w, 8)
	})
}

// neonSingle copies the rest of a row, number by number.
func neonSingle(w *writer, step int) {
	w.label("single")
	w.op("CBZ R5, next")
	w.op("MOVWU.P %d(R7), R8", step)
	w.op("MOVW.P R8, 4(R6)")
	w.op("SUB $1, R5, R5")
	w.op("B single")
}
