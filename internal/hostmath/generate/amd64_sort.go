package main

import "fmt"

// sorts are the functions of a sort: of signed numbers of so many bytes, whose
// instructions end in a letter, and whose masks in another.
type sorts struct {
	size      int
	sign      string // of an instruction
	mask      string // of a mask of a register's lanes
	pivot     string // gets the pivot
	signature string
	args      int
}

var (
	sorts64 = sorts{8, "Q", "B", "MOVQ pivot+32(FP), AX", "(n int, from, low, high unsafe.Pointer, pivot int64) (lows int)", 48}
	sorts32 = sorts{4, "D", "W", "MOVL pivot+32(FP), AX", "(n int, from, low, high unsafe.Pointer, pivot int32) (lows int)", 48}
)

// functions are those of a sort.
func (s sorts) functions() []function {
	bits := s.size * 8
	return []function{
		{fmt.Sprintf("Split%d", bits), "writes the numbers below a pivot to one place, the others to another, and counts the first.\n" +
			"// Behind either it may write as many bytes as a register has; the first place may be where the numbers are.", s.signature, s.args, s.split},
		{fmt.Sprintf("Rank%d", bits), fmt.Sprintf("sorts up to %d numbers.", 4*64/s.size), "(n int, list unsafe.Pointer)", 16, s.rank},
	}
}

// split compresses each register twice. What is stored behind the compressed is
// written over by the next: a place is never ahead of what has been read.
func (s sorts) split(w *writer) {
	lanes := 64 / s.size
	w.op("MOVQ n+0(FP), CX")
	w.op("MOVQ from+8(FP), SI")
	w.op("MOVQ low+16(FP), DI")
	w.op("MOVQ high+24(FP), R8")
	w.op(s.pivot)
	w.op("VPBROADCAST%s AX, Z0", s.sign)
	w.op("MOVQ DI, R9")
	w.label("loop")
	w.op("CMPQ CX, $%d", lanes)
	w.op("JLT rest")
	w.op("VMOVDQU64 (SI), Z1")
	w.op("VPCMP%s $1, Z0, Z1, K1", s.sign)
	w.op("KNOT%s K1, K2", s.mask)
	w.op("VPCOMPRESS%s.Z Z1, K1, Z2", s.sign)
	w.op("VPCOMPRESS%s.Z Z1, K2, Z3", s.sign)
	w.op("KMOV%s K1, AX", s.mask)
	w.op("POPCNTL AX, AX")
	w.op("VMOVDQU64 Z2, (DI)")
	w.op("VMOVDQU64 Z3, (R8)")
	w.op("LEAQ (DI)(AX*%d), DI", s.size)
	w.op("SHLQ $%d, AX", log2(s.size))
	w.op("SUBQ AX, R8")
	w.op("ADDQ $64, R8")
	w.op("ADDQ $64, SI")
	w.op("SUBQ $%d, CX", lanes)
	w.op("JMP loop")
	w.label("rest")
	w.op("TESTQ CX, CX")
	w.op("JLE done")
	w.op("MOVL $1, AX")
	w.op("SHLL CX, AX")
	w.op("DECL AX")
	w.op("KMOV%s AX, K3", s.mask)
	w.op("VMOVDQU%d.Z (SI), K3, Z1", s.size*8)
	w.op("VPCMP%s $1, Z0, Z1, K3, K1", s.sign)
	w.op("KANDN%s K3, K1, K2", s.mask)
	w.op("VPCOMPRESS%s Z1, K1, (DI)", s.sign)
	w.op("VPCOMPRESS%s Z1, K2, (R8)", s.sign)
	w.op("KMOV%s K1, AX", s.mask)
	w.op("POPCNTL AX, AX")
	w.op("LEAQ (DI)(AX*%d), DI", s.size)
	w.label("done")
	w.op("SUBQ R9, DI")
	w.op("SHRQ $%d, DI", log2(s.size))
	w.op("MOVQ DI, lows+40(FP)")
	w.op("VZEROUPPER")
	w.op("RET")
}

func log2(size int) int {
	if size == 8 {
		return 3
	}
	return 2
}

// rank finds the place of every number by comparing it with all: it stands behind
// those that are less, and those that are equal and came before.
func (s sorts) rank(w *writer) {
	const ranks, one = 4, 8
	lanes := 64 / s.size
	w.op("MOVQ n+0(FP), DX")
	w.op("MOVQ list+8(FP), SI")
	w.op("MOVQ $64, CX")
	w.op("SUBQ DX, CX")
	w.op("MOVQ $-1, R9")
	w.op("SHRQ CX, R9") // a bit for each number
	w.op("MOVQ $1, AX")
	w.op("VPBROADCAST%s AX, Z%d", s.sign, one)
	for _, vectors := range []int{1, 2, 4} {
		part := fmt.Sprintf("of%d", vectors)
		if vectors < 4 {
			w.op("CMPQ DX, $%d", vectors*lanes)
			w.op("JGT behind%s", part)
		}
		for v := range vectors {
			if v > 0 {
				w.op("SHRQ $%d, R9", lanes)
			}
			w.op("KMOV%s R9, K%d", s.mask, 4+v)
			w.op("VMOVDQU%d.Z %d(SI), K%d, Z%d", s.size*8, 64*v, 4+v, v)
			w.op("VPXORQ Z%d, Z%d, Z%d", ranks+v, ranks+v, ranks+v)
		}
		w.op("MOVQ SI, DI")
		w.op("MOVQ DX, CX")
		for of := range vectors {
			w.op("MOVL $%d, AX", (1<<lanes-1)&^1)
			w.op("KMOV%s AX, K3", s.mask) // the lanes behind the number
			w.label(fmt.Sprintf("next%s%d", part, of))
			w.op("VPBROADCAST%s (DI), Z10", s.sign)
			for v := range vectors {
				compare := 6 // not less or equal: greater
				if v > of {
					compare = 5 // not less
				}
				w.op("VPCMP%s $%d, Z10, Z%d, K1", s.sign, compare, v)
				if v == of {
					w.op("VPCMP%s $5, Z10, Z%d, K3, K2", s.sign, v)
					w.op("KOR%s K1, K2, K1", s.mask)
				}
				w.op("VPADD%s Z%d, Z%d, K1, Z%d", s.sign, one, ranks+v, ranks+v)
			}
			w.op("ADDQ $%d, DI", s.size)
			w.op("KADD%s K3, K3, K3", s.mask)
			w.op("DECQ CX")
			w.op("JZ put%s", part)
			w.op("MOVQ DI, AX")
			w.op("SUBQ SI, AX")
			w.op("CMPQ AX, $%d", 64*(of+1))
			w.op("JLT next%s%d", part, of)
		}
		w.label("put" + part)
		for v := range vectors {
			w.op("VPSCATTER%s%s Z%d, K%d, (SI)(Z%d*%d)", s.sign, s.sign, v, 4+v, ranks+v, s.size)
		}
		w.op("VZEROUPPER")
		w.op("RET")
		if vectors < 4 {
			w.label("behind" + part)
		}
	}
}
