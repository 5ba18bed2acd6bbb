package main

import "fmt"

// x86 is a vector unit of amd64.
type x86 struct {
	register string // Y or Z
	count    int    // registers
	bytes    int    // of a register
}

var (
	avx2   = x86{"Y", 16, 32}
	avx512 = x86{"Z", 32, 64}
)

// tile keeps the sums of all elements in the last registers; the first hold a
// row of B and an element of A in all lanes. Rows of A are reached from a
// pointer to every third.
func (u x86) tile(w *writer, f form, rows, vectors, panel int) {
	bases := []string{"R8", "R9", "R10", "R11"}
	first := u.count - rows*vectors
	sum := func(r, v int) string { return fmt.Sprintf("%s%d", u.register, first+r*vectors+v) }
	reg := func(i int) string { return fmt.Sprintf("%s%d", u.register, i) }

	w.op("MOVQ k+0(FP), CX")
	w.op("MOVQ a+8(FP), R8")
	w.op("MOVQ lda+16(FP), DX")
	w.op("MOVQ b+24(FP), BX")
	if f.listed {
		w.op("MOVQ offsets+32(FP), R13")
	} else {
		w.op("MOVQ step+32(FP), R14")
		w.op("MOVQ next+40(FP), R12")
	}
	w.op("MOVQ %s, DI", f.c)
	w.op("MOVQ %s, SI", f.ldc)
	single, packed := "SS", "PS"
	if f.size == 8 {
		single, packed = "SD", "PD"
	}
	groups := (rows + 2) / 3
	if groups > 1 {
		w.op("LEAQ (DX)(DX*2), AX")
	}
	for i := 1; i < groups; i++ {
		w.op("LEAQ (%s)(AX*1), %s", bases[i-1], bases[i])
	}
	for r := range rows {
		for v := range vectors {
			u.clear(w, sum(r, v))
		}
	}
	w.label("loop")
	if f.listed {
		w.op("MOVQ (R13), R12")
		w.op("ADDQ $8, R13")
	}
	for v := range vectors {
		if p := v / panel; f.listed {
			w.op("VMOVUPS %d(BX)(R12*1), %s", v*u.bytes, reg(v))
		} else if p == 0 {
			w.op("VMOVUPS %d(BX), %s", v%panel*u.bytes, reg(v))
		} else {
			w.op("VMOVUPS %d(BX)(R12*%d), %s", v%panel*u.bytes, p, reg(v))
		}
	}
	spare := min(2, first-vectors)
	for r := range rows {
		a := reg(vectors + r%spare)
		w.op("VBROADCAST%s (%s)%s, %s", single, bases[r/3], []string{"", "(DX*1)", "(DX*2)"}[r%3], a)
		for v := range vectors {
			w.op("VFMADD231%s %s, %s, %s", packed, a, reg(v), sum(r, v))
		}
	}
	if !f.listed {
		w.op("ADDQ R14, BX")
	}
	for i := range groups {
		w.op("ADDQ $%d, %s", f.size, bases[i])
	}
	w.op("DECQ CX")
	w.op("JNZ loop")
	w.op("VBROADCAST%s %s, %s", single, f.alpha, reg(0))
	w.op("MOVQ %s, AX", f.add)
	w.op("TESTQ AX, AX")
	w.op("JNZ add")
	u.store(w, rows, vectors, func(r, v int) { w.op("VMUL%s %s, %s, %s", packed, sum(r, v), reg(0), reg(1)) })
	w.label("add")
	u.store(w, rows, vectors, func(r, v int) {
		w.op("VMOVUPS %d(DI), %s", v*u.bytes, reg(1))
		w.op("VFMADD231%s %s, %s, %s", packed, sum(r, v), reg(0), reg(1))
	})
}

// store writes the tile from the second register, where value puts it.
func (u x86) store(w *writer, rows, vectors int, value func(r, v int)) {
	for r := range rows {
		for v := range vectors {
			value(r, v)
			w.op("VMOVUPS %s1, %d(DI)", u.register, v*u.bytes)
		}
		if r < rows-1 {
			w.op("ADDQ SI, DI")
		}
	}
	w.op("VZEROUPPER")
	w.op("RET")
}

func (u x86) clear(w *writer, reg string) {
	if u.register == "Z" {
		w.op("VPXORQ %s, %s, %s", reg, reg, reg)
		return
	}
	w.op("VXORPS %s, %s, %s", reg, reg, reg)
}
