package main

import "fmt"

// vector writes an instruction on four lanes that Go's assembler does not know.
func vector(w *writer, name string, code, d, n, m int) {
	w.op("WORD $0x%08x // %s V%d.S4, V%d.S4, V%d.S4", code|m<<16|n<<5|d, name, m, n, d)
}

// Instructions on four lanes; with bit 22 they are on two. FMAX and FMIN give NaN when one side is.
const (
	fadd = 0x4e20d400
	fmul = 0x6e20dc00
	fmax = 0x4e20f400
	fmin = 0x4ea0f400
)

// everywhere loads a parameter into all lanes.
func everywhere(w *writer, parameter string, reg int) {
	w.op("MOVD $%s, R2", parameter)
	w.op("VLD1R (R2), [V%d.S4]", reg)
}

// neonCut adds a bias to numbers and cuts them.
func neonCut(w *writer) {
	const bias, low, high = 28, 29, 30
	w.op("MOVD n+0(FP), R0")
	w.op("MOVD list+8(FP), R1")
	everywhere(w, "bias+16(FP)", bias)
	everywhere(w, "low+20(FP)", low)
	everywhere(w, "high+24(FP)", high)
	for _, count := range []int{4, 1} {
		regs := registers(count)
		w.label(fmt.Sprintf("loop%d", count))
		w.op("CMP $%d, R0", 4*count)
		w.op("BLT below%d", count)
		w.op("VLD1 (R1), [%s]", regs)
		for i := range count {
			vector(w, "FADD", fadd, i, i, bias)
			vector(w, "FMAX", fmax, i, i, low)
			vector(w, "FMIN", fmin, i, i, high)
		}
		w.op("VST1.P [%s], %d(R1)", regs, 16*count)
		w.op("SUB $%d, R0, R0", 4*count)
		w.op("B loop%d", count)
		w.label(fmt.Sprintf("below%d", count))
	}
	w.label("single")
	w.op("CBZ R0, done")
	w.op("FMOVS (R1), F0")
	w.op("FADDS F%d, F0, F0", bias)
	w.op("FMAXS F%d, F0, F0", low)
	w.op("FMINS F%d, F0, F0", high)
	w.op("FMOVS.P F0, 4(R1)")
	w.op("SUB $1, R0, R0")
	w.op("B single")
	w.label("done")
	w.op("RET")
}

// registers lists the first so many vectors.
func registers(count int) string {
	list := "V0.S4"
	for i := 1; i < count; i++ {
		list += fmt.Sprintf(", V%d.S4", i)
	}
	return list
}

// neonTaps sums, for every number of a row, weights times the numbers at offsets
// from it, adds a bias and cuts.
func neonTaps(w *writer) {
	const count = block / 4
	const bias, low, high, weight, seen = 28, 29, 30, 27, 20
	w.op("MOVD n+0(FP), R0")
	w.op("MOVD out+8(FP), R1")
	w.op("MOVD in+16(FP), R3")
	everywhere(w, "bias+48(FP)", bias)
	everywhere(w, "low+52(FP)", low)
	everywhere(w, "high+56(FP)", high)
	w.label("loop")
	w.op("MOVD count+24(FP), R4")
	w.op("MOVD offsets+32(FP), R5")
	w.op("MOVD weights+40(FP), R6")
	for i := range count {
		w.op("VMOV V%d.B16, V%d.B16", bias, i)
	}
	w.label("tap")
	w.op("MOVD.P 8(R5), R7")
	w.op("VLD1R.P 4(R6), [V%d.S4]", weight)
	w.op("ADD R3, R7, R7")
	for i := 0; i < count; i += 4 {
		w.op("VLD1.P 64(R7), [V%d.S4, V%d.S4, V%d.S4, V%d.S4]", seen, seen+1, seen+2, seen+3)
		for j := range 4 {
			w.op("VFMLA V%d.S4, V%d.S4, V%d.S4", weight, seen+j, i+j)
		}
	}
	w.op("SUBS $1, R4, R4")
	w.op("BNE tap")
	for i := 0; i < count; i += 4 {
		for j := range 4 {
			vector(w, "FMAX", fmax, i+j, i+j, low)
			vector(w, "FMIN", fmin, i+j, i+j, high)
		}
		w.op("VST1.P [V%d.S4, V%d.S4, V%d.S4, V%d.S4], 64(R1)", i, i+1, i+2, i+3)
	}
	w.op("ADD $%d, R3, R3", 4*block)
	w.op("SUBS $%d, R0, R0", block)
	w.op("BGT loop")
	w.op("RET")
}
