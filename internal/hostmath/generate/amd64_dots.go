package main

import "fmt"

// dots are the functions that sum up the products of a matrix's rows and a vector, of
// numbers of 8 and of 4 bytes.
func (u x86) dots() []function {
	f := func(size int) function {
		return function{fmt.Sprintf("Dots%d", 8*size), "sums up the products of each of some rows, lda bytes apart, and of k numbers of x.",
			"(rows, k int, a unsafe.Pointer, lda int, x, to unsafe.Pointer)", 48, func(w *writer) { u.rowsBy(w, size) }}
	}
	return []function{f(8), f(4)}
}

// rowsBy takes eight rows at a time, then one: every row in a register of its own, so that its sum is
// found in the same order whichever way it is taken.
func (u x86) rowsBy(w *writer, size int) {
	w.op("MOVQ rows+0(FP), CX")
	w.op("MOVQ k+8(FP), DX")
	w.op("MOVQ a+16(FP), SI")
	w.op("MOVQ lda+24(FP), R8")
	w.op("MOVQ x+32(FP), R9")
	w.op("MOVQ to+40(FP), DI")
	w.op("MOVQ DX, R11") // what is behind whole registers
	w.op("ANDQ $%d, R11", u.bytes/size-1)
	w.op("SUBQ R11, DX")
	w.op("LEAQ (R8)(R8*2), R10")
	for _, rows := range []int{8, 1} {
		label := func(name string) string { return fmt.Sprintf("%s%d", name, rows) }
		w.label(label("rows"))
		w.op("CMPQ CX, $%d", rows)
		w.op("JLT %s", label("below"))
		w.op("MOVQ SI, R12")
		if rows > 4 {
			w.op("LEAQ (SI)(R8*4), R13")
		}
		w.op("MOVQ R9, BX")
		for r := range rows {
			u.clear(w, fmt.Sprint(u.register, r))
		}
		u.along(w, label("whole"), rows, "DX", u.bytes, size, "VMOVUPS", u.register)
		u.along(w, label("single"), rows, "R11", size, size, map[int]string{8: "VMOVSD", 4: "VMOVSS"}[size], "X")
		for r := range rows {
			u.sum(w, r, size)
			w.op("VMOVS%s X%d, %d(DI)", map[int]string{8: "D", 4: "S"}[size], r, r*size)
		}
		w.op("ADDQ $%d, DI", rows*size)
		w.op("LEAQ (SI)(R8*%d), SI", rows)
		w.op("SUBQ $%d, CX", rows)
		w.op("JMP %s", label("rows"))
		w.label(label("below"))
	}
	w.op("VZEROUPPER")
	w.op("RET")
}

// along adds products of so many bytes at a time, as many numbers as count says. Where that is less
// than a register, the rest of it is zeros, whose products add nothing.
func (u x86) along(w *writer, label string, rows int, count string, bytes, size int, load, register string) {
	packed := map[int]string{8: "PD", 4: "PS"}[size]
	w.op("MOVQ %s, AX", count)
	w.label(label)
	w.op("SUBQ $%d, AX", bytes/size)
	w.op("JLT %sEnd", label)
	w.op("%s (BX), %s8", load, register)
	for r := range rows {
		from := []string{"(R12)", "(R13)"}[r/4] + []string{"", "(R8*1)", "(R8*2)", "(R10*1)"}[r%4]
		w.op("%s %s, %s9", load, from, register)
		w.op("VFMADD231%s %s9, %s8, %s%d", packed, u.register, u.register, u.register, r)
	}
	w.op("ADDQ $%d, BX", bytes)
	w.op("ADDQ $%d, R12", bytes)
	if rows > 4 {
		w.op("ADDQ $%d, R13", bytes)
	}
	w.op("JMP %s", label)
	w.label(label + "End")
}

// sum adds up the lanes of a register.
func (u x86) sum(w *writer, r, size int) {
	packed := map[int]string{8: "PD", 4: "PS"}[size]
	if u.register == "Z" {
		w.op("VEXTRACTF64X4 $1, Z%d, Y9", r)
		w.op("VADD%s Y9, Y%d, Y%d", packed, r, r)
	}
	w.op("VEXTRACTF128 $1, Y%d, X9", r)
	w.op("VADD%s X9, X%d, X%d", packed, r, r)
	w.op("VPERMILPD $1, X%d, X9", r)
	w.op("VADD%s X9, X%d, X%d", packed, r, r)
	if size == 4 {
		w.op("VPERMILPS $1, X%d, X9", r)
		w.op("VADDPS X9, X%d, X%d", r, r)
	}
}
