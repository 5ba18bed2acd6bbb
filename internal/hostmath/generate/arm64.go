package main

import "fmt"

// neonTile keeps the sums in V0 and up, a row of B in the four registers before
// the last two, and elements of A in those. A panel is four vectors.
func neonTile(w *writer, f form, rows, vectors, panel int) {
	sum := func(r, v int) int { return r*vectors + v }
	const b, a = 24, 28
	lanes := "S4"
	if f.size == 8 {
		lanes = "D2"
	}
	pointers := []string{"R3", "R4", "R5", "R6", "R7", "R8"}

	w.op("MOVD k+0(FP), R0")
	w.op("MOVD a+8(FP), R3")
	w.op("MOVD lda+16(FP), R2")
	w.op("MOVD b+24(FP), R1")
	if f.listed {
		w.op("MOVD offsets+32(FP), R9")
	} else {
		w.op("MOVD step+32(FP), R9")
	}
	w.op("MOVD %s, R10", f.c)
	w.op("MOVD %s, R11", f.ldc)
	for r := 1; r < rows; r++ {
		w.op("ADD R2, %s, %s", pointers[r-1], pointers[r])
	}
	for i := range rows * vectors {
		w.op("VEOR V%d.B16, V%d.B16, V%d.B16", i, i, i)
	}
	w.label("loop")
	if f.listed {
		w.op("MOVD.P 8(R9), R12")
		w.op("ADD R1, R12, R12")
		w.op("VLD1 (R12), [V24.S4, V25.S4, V26.S4, V27.S4]")
	} else {
		w.op("VLD1 (R1), [V24.S4, V25.S4, V26.S4, V27.S4]")
		w.op("ADD R9, R1, R1")
	}
	for r := range rows {
		t := a + r%2
		w.op("VLD1R.P %d(%s), [V%d.%s]", f.size, pointers[r], t, lanes)
		for v := range vectors {
			w.op("VFMLA V%d.%s, V%d.%s, V%d.%s", t, lanes, b+v, lanes, sum(r, v), lanes)
		}
	}
	w.op("SUBS $1, R0, R0")
	w.op("BNE loop")
	w.op("MOVD $%s, R2", f.alpha)
	w.op("VLD1R (R2), [V28.%s]", lanes)
	w.op("MOVD %s, R2", f.add)
	w.op("CBNZ R2, add")
	for r := range rows {
		quads := ""
		for v := range vectors {
			s := sum(r, v)
			vector(w, "FMUL", fmul|(f.size/4-1)<<22, s, s, a)
			quads += fmt.Sprintf(", V%d.S4", s)
		}
		w.op("VST1 [%s], (R10)", quads[2:])
		w.op("ADD R11, R10, R10")
	}
	w.op("RET")
	w.label("add")
	for r := range rows {
		w.op("VLD1 (R10), [V24.S4, V25.S4, V26.S4, V27.S4]")
		for v := range vectors {
			w.op("VFMLA V28.%s, V%d.%s, V%d.%s", lanes, sum(r, v), lanes, b+v, lanes)
		}
		w.op("VST1 [V24.S4, V25.S4, V26.S4, V27.S4], (R10)")
		w.op("ADD R11, R10, R10")
	}
	w.op("RET")
}
