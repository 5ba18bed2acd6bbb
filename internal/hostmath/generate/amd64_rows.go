package main

import "fmt"

// block is how many numbers a function of taps computes at a time.
const block = 64

// cut adds a bias to numbers and cuts them. Of a NaN and a number, VMAXPS and
// VMINPS take their first operand in Go's order, so a NaN stays.
func (u x86) cut(w *writer) {
	const bias, low, high, v = 0, 1, 2, 3
	w.op("MOVQ n+0(FP), CX")
	w.op("MOVQ list+8(FP), DI")
	u.bounds(w, "bias+16(FP)", "low+20(FP)", "high+24(FP)", bias, low, high)
	lanes := u.bytes / 4
	for _, step := range []int{4 * lanes, lanes} {
		next := fmt.Sprintf("below%d", step)
		w.label(fmt.Sprintf("loop%d", step))
		w.op("CMPQ CX, $%d", step)
		w.op("JLT %s", next)
		for i := range step / lanes {
			w.op("VADDPS %d(DI), %s%d, %s%d", i*u.bytes, u.register, bias, u.register, v+i)
			w.op("VMAXPS %s%d, %s%d, %s%d", u.register, v+i, u.register, low, u.register, v+i)
			w.op("VMINPS %s%d, %s%d, %s%d", u.register, v+i, u.register, high, u.register, v+i)
			w.op("VMOVUPS %s%d, %d(DI)", u.register, v+i, i*u.bytes)
		}
		w.op("ADDQ $%d, DI", 4*step)
		w.op("SUBQ $%d, CX", step)
		w.op("JMP loop%d", step)
		w.label(next)
	}
	w.label("single")
	w.op("TESTQ CX, CX")
	w.op("JLE done")
	w.op("VADDSS (DI), X%d, X%d", bias, v)
	w.op("VMAXSS X%d, X%d, X%d", v, low, v)
	w.op("VMINSS X%d, X%d, X%d", v, high, v)
	w.op("VMOVSS X%d, (DI)", v)
	w.op("ADDQ $4, DI")
	w.op("DECQ CX")
	w.op("JMP single")
	w.label("done")
	w.op("VZEROUPPER")
	w.op("RET")
}

// bounds loads a bias and two bounds into all lanes.
func (u x86) bounds(w *writer, bias, low, high string, b, l, h int) {
	w.op("VBROADCASTSS %s, %s%d", bias, u.register, b)
	w.op("VBROADCASTSS %s, %s%d", low, u.register, l)
	w.op("VBROADCASTSS %s, %s%d", high, u.register, h)
}

// taps sums, for every number of a row, weights times the numbers at offsets
// from it, adds a bias and cuts.
func (u x86) taps(w *writer) {
	count := block * 4 / u.bytes // registers of a block
	bias, low, high, weight := count, count+1, count+2, count+3
	w.op("MOVQ n+0(FP), CX")
	w.op("MOVQ out+8(FP), DI")
	w.op("MOVQ in+16(FP), SI")
	w.op("MOVQ count+24(FP), R8")
	w.op("MOVQ offsets+32(FP), R9")
	w.op("MOVQ weights+40(FP), R10")
	u.bounds(w, "bias+48(FP)", "low+52(FP)", "high+56(FP)", bias, low, high)
	w.label("loop")
	for i := range count {
		w.op("VMOVAPS %s%d, %s%d", u.register, bias, u.register, i)
	}
	w.op("XORQ DX, DX")
	w.label("tap")
	w.op("MOVQ (R9)(DX*8), AX")
	w.op("VBROADCASTSS (R10)(DX*4), %s%d", u.register, weight)
	for i := range count {
		w.op("VFMADD231PS %d(SI)(AX*1), %s%d, %s%d", i*u.bytes, u.register, weight, u.register, i)
	}
	w.op("INCQ DX")
	w.op("CMPQ DX, R8")
	w.op("JLT tap")
	for i := range count {
		w.op("VMAXPS %s%d, %s%d, %s%d", u.register, i, u.register, low, u.register, i)
		w.op("VMINPS %s%d, %s%d, %s%d", u.register, i, u.register, high, u.register, i)
		w.op("VMOVUPS %s%d, %d(DI)", u.register, i, i*u.bytes)
	}
	w.op("ADDQ $%d, SI", 4*block)
	w.op("ADDQ $%d, DI", 4*block)
	w.op("SUBQ $%d, CX", block)
	w.op("JGT loop")
	w.op("VZEROUPPER")
	w.op("RET")
}
