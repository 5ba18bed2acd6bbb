#include "textflag.h"

// SUM adds up the eight lanes of a register, in the same order for every row.
#define SUM(z, y, x, at) \
	VEXTRACTF64X4 $1, z, Y9; \
	VADDPD Y9, y, y; \
	VEXTRACTF128 $1, y, X9; \
	VADDPD X9, x, x; \
	VPERMILPD $1, x, X9; \
	VADDSD X9, x, x; \
	VMOVSD x, at(DI)

#define LAST(from, sum) \
	VMOVUPD.Z from, K1, Z9; \
	VFMADD231PD Z9, Z8, sum

// func avx512Dots(rows, k int, a unsafe.Pointer, lda int, x, to unsafe.Pointer)
TEXT ·avx512Dots(SB), NOSPLIT, $0-48
	MOVQ rows+0(FP), CX
	MOVQ k+8(FP), DX
	MOVQ a+16(FP), SI
	MOVQ lda+24(FP), R8
	MOVQ x+32(FP), R9
	MOVQ to+40(FP), DI
	MOVQ CX, R11
	MOVQ DX, CX
	ANDQ $7, CX
	MOVQ $1, AX
	SHLQ CX, AX
	DECQ AX
	KMOVB AX, K1                  // what is left behind whole registers
	MOVQ R11, CX
	SHRQ $3, DX
	LEAQ (R8)(R8*2), R10
eight:
	CMPQ CX, $8
	JLT one
	MOVQ SI, R12
	LEAQ (SI)(R8*4), R13
	MOVQ R9, BX
	MOVQ DX, AX
	VPXORQ Z0, Z0, Z0
	VPXORQ Z1, Z1, Z1
	VPXORQ Z2, Z2, Z2
	VPXORQ Z3, Z3, Z3
	VPXORQ Z4, Z4, Z4
	VPXORQ Z5, Z5, Z5
	VPXORQ Z6, Z6, Z6
	VPXORQ Z7, Z7, Z7
	TESTQ AX, AX
	JZ eightLast
eightLoop:
	VMOVUPD (BX), Z8
	VFMADD231PD (R12), Z8, Z0
	VFMADD231PD (R12)(R8*1), Z8, Z1
	VFMADD231PD (R12)(R8*2), Z8, Z2
	VFMADD231PD (R12)(R10*1), Z8, Z3
	VFMADD231PD (R13), Z8, Z4
	VFMADD231PD (R13)(R8*1), Z8, Z5
	VFMADD231PD (R13)(R8*2), Z8, Z6
	VFMADD231PD (R13)(R10*1), Z8, Z7
	ADDQ $64, BX
	ADDQ $64, R12
	ADDQ $64, R13
	DECQ AX
	JNZ eightLoop
eightLast:
	KTESTB K1, K1
	JZ eightSum
	VMOVUPD.Z (BX), K1, Z8
	LAST((R12), Z0)
	LAST((R12)(R8*1), Z1)
	LAST((R12)(R8*2), Z2)
	LAST((R12)(R10*1), Z3)
	LAST((R13), Z4)
	LAST((R13)(R8*1), Z5)
	LAST((R13)(R8*2), Z6)
	LAST((R13)(R10*1), Z7)
eightSum:
	SUM(Z0, Y0, X0, 0)
	SUM(Z1, Y1, X1, 8)
	SUM(Z2, Y2, X2, 16)
	SUM(Z3, Y3, X3, 24)
	SUM(Z4, Y4, X4, 32)
	SUM(Z5, Y5, X5, 40)
	SUM(Z6, Y6, X6, 48)
	SUM(Z7, Y7, X7, 56)
	ADDQ $64, DI
	LEAQ (SI)(R8*8), SI
	SUBQ $8, CX
	JMP eight
one:
	TESTQ CX, CX
	JZ end
	MOVQ SI, R12
	MOVQ R9, BX
	MOVQ DX, AX
	VPXORQ Z0, Z0, Z0
	TESTQ AX, AX
	JZ oneLast
oneLoop:
	VMOVUPD (BX), Z8
	VFMADD231PD (R12), Z8, Z0
	ADDQ $64, BX
	ADDQ $64, R12
	DECQ AX
	JNZ oneLoop
oneLast:
	KTESTB K1, K1
	JZ oneSum
	VMOVUPD.Z (BX), K1, Z8
	LAST((R12), Z0)
oneSum:
	SUM(Z0, Y0, X0, 0)
	ADDQ $8, DI
	ADDQ R8, SI
	DECQ CX
	JMP one
end:
	VZEROUPPER
	RET
