#include "textflag.h"

// Loops over numbers, eight at a time, for AVX-512. The operations are those of
// loops_go.go in the same order; nothing is fused.

#define ARGUMENTS \
	MOVQ n+0(FP), CX; \
	MOVQ to+8(FP), DI; \
	MOVQ from+16(FP), SI; \
	MOVQ table+24(FP), R8; \
	MOVQ odd+32(FP), R9

#define ALL(value, register) \
	MOVQ $value, AX; \
	VPBROADCASTQ AX, register

#define NEXT \
	KMOVB K2, AX; \
	MOVB  AX, (R9); \
	INCQ  R9; \
	ADDQ  $64, SI; \
	ADDQ  $64, DI; \
	SUBQ  $8, CX; \
	JG    loop

// FOUR are places in a table, of those in a vector on the stack; PAIRS loads the two numbers
// that the table has at each, the first place's and the third's, the second's and the fourth's.
// Four gathers of a vector each took longer than all else that a logarithm is.
#define FOUR(from) \
	MOVQ from+0(SP), AX; \
	MOVQ from+8(SP), BX; \
	MOVQ from+16(SP), DX; \
	MOVQ from+24(SP), R12

#define PAIRS(table, evenX, evenY, oddX, oddY) \
	VMOVUPD (table)(AX*1), evenX; \
	VMOVUPD (table)(BX*1), oddX; \
	VINSERTF128 $1, (table)(DX*1), evenY, evenY; \
	VINSERTF128 $1, (table)(R12*1), oddY, oddY

// func avx512Exp(n int, to, from, table, odd unsafe.Pointer)
TEXT ·avx512Exp(SB), NOSPLIT, $64-40
	ARGUMENTS
	VBROADCASTSD 0(R8), Z16        // a step, inverse
	VBROADCASTSD 8(R8), Z17        // shift
	VBROADCASTSD 16(R8), Z18       // a step, high and low
	VBROADCASTSD 24(R8), Z19
	VBROADCASTSD 32(R8), Z20       // polynomial
	VBROADCASTSD 40(R8), Z21
	VBROADCASTSD 48(R8), Z22
	VBROADCASTSD 56(R8), Z23
	ALL(2032, Z24)
	ALL(0x7ff, Z25)
	ALL(969, Z26)
	ALL(63, Z27)
	ADDQ $112, R8
loop:
	VMOVUPD (SI), Z0
	VPSRLQ $52, Z0, Z1
	VPANDQ Z25, Z1, Z1
	VPSUBQ Z26, Z1, Z1
	VPCMPUQ $5, Z27, Z1, K2        // not between 2^-54 and 512
	VMULPD Z16, Z0, Z1
	VADDPD Z17, Z1, Z1             // the whole steps are its low bits
	VSUBPD Z17, Z1, Z2
	VPSLLQ $4, Z1, Z5
	VPANDQ Z24, Z5, Z5
	VMOVDQU64 Z5, 0(SP)
	FOUR(0)
	PAIRS(R8, X10, Y10, X11, Y11)
	FOUR(32)
	PAIRS(R8, X12, Y12, X13, Y13)
	VINSERTF64X4 $1, Y12, Z10, Z10
	VINSERTF64X4 $1, Y13, Z11, Z11
	VUNPCKLPD Z11, Z10, Z6         // what is lost
	VUNPCKHPD Z11, Z10, Z7         // the power
	VMULPD Z18, Z2, Z3
	VADDPD Z0, Z3, Z3
	VMULPD Z19, Z2, Z4
	VADDPD Z3, Z4, Z3              // r
	VPSLLQ $45, Z1, Z8
	VPADDQ Z8, Z7, Z7
	VMULPD Z3, Z3, Z9              // r2
	VMULPD Z21, Z3, Z12
	VADDPD Z20, Z12, Z12
	VMULPD Z9, Z12, Z12
	VADDPD Z3, Z6, Z13
	VADDPD Z13, Z12, Z12
	VMULPD Z23, Z3, Z10
	VADDPD Z22, Z10, Z10
	VMULPD Z9, Z9, Z11
	VMULPD Z10, Z11, Z10
	VADDPD Z10, Z12, Z10
	VMULPD Z10, Z7, Z11
	VADDPD Z7, Z11, Z11
	VMOVUPD Z11, (DI)
	NEXT
	VZEROUPPER
	RET

// func avx512Log(n int, to, from, table, odd unsafe.Pointer)
TEXT ·avx512Log(SB), NOSPLIT, $64-40
	ARGUMENTS
	VBROADCASTSD 0(R8), Z16           // logarithm of two, high and low
	VBROADCASTSD 8(R8), Z17
	VBROADCASTSD 16(R8), Z18          // polynomial
	VBROADCASTSD 24(R8), Z19
	VBROADCASTSD 32(R8), Z20
	VBROADCASTSD 40(R8), Z21
	VBROADCASTSD 48(R8), Z22
	ALL(0x3fe6000000000000, Z23)
	ALL(2032, Z24)
	ALL(0xfff0000000000000, Z25)
	ALL(0x0010000000000000, Z26)
	ALL(0x7fe0000000000000, Z27)
	ALL(0x3fee000000000000, Z28)
	ALL(854320534781951, Z29)
	ALL(0x3ff0000000000000, Z30)      // one
	ALL(0x41a0000000000000, Z31)      // 2^27
	LEAQ 144(R8), R10                 // the steps
	LEAQ 2048(R10), R11               // their parts
loop:
	VMOVUPD (SI), Z0
	VPSUBQ Z26, Z0, Z1
	VPCMPUQ $5, Z27, Z1, K2           // zero, below, subnormal, or no finite number
	VPSUBQ Z28, Z0, Z1
	VPCMPUQ $2, Z29, Z1, K5           // near one
	VPSUBQ Z23, Z0, Z1                // over
	VPSRLQ $41, Z1, Z5
	VPANDQ Z24, Z5, Z5
	VMOVDQU64 Z5, 0(SP)
	FOUR(0)
	PAIRS(R10, X10, Y10, X11, Y11)
	PAIRS(R11, X12, Y12, X13, Y13)
	FOUR(32)
	PAIRS(R10, X2, Y2, X3, Y3)
	PAIRS(R11, X4, Y4, X14, Y14)
	VINSERTF64X4 $1, Y2, Z10, Z10
	VINSERTF64X4 $1, Y3, Z11, Z11
	VINSERTF64X4 $1, Y4, Z12, Z12
	VINSERTF64X4 $1, Y14, Z13, Z13
	VUNPCKLPD Z11, Z10, Z6            // inverse
	VUNPCKHPD Z11, Z10, Z7            // logarithm
	VUNPCKLPD Z13, Z12, Z8            // parts
	VUNPCKHPD Z13, Z12, Z9
	VPANDQ Z25, Z1, Z2
	VPSUBQ Z2, Z0, Z2                 // z
	VPSRAQ $52, Z1, Z1
	VCVTQQ2PD Z1, Z1                  // k
	VSUBPD Z8, Z2, Z2
	VSUBPD Z9, Z2, Z2
	VMULPD Z6, Z2, Z2                 // r
	VMULPD Z16, Z1, Z3
	VADDPD Z7, Z3, Z3                 // w
	VADDPD Z2, Z3, Z4                 // high
	VSUBPD Z4, Z3, Z5
	VADDPD Z2, Z5, Z5
	VMULPD Z17, Z1, Z6
	VADDPD Z5, Z6, Z5                 // low
	VMULPD Z2, Z2, Z7                 // r2
	VMULPD Z18, Z7, Z8
	VADDPD Z5, Z8, Z5
	VMULPD Z22, Z2, Z8
	VADDPD Z21, Z8, Z8
	VMULPD Z7, Z8, Z8
	VMULPD Z20, Z2, Z9
	VADDPD Z19, Z9, Z9
	VADDPD Z9, Z8, Z8
	VMULPD Z7, Z2, Z9
	VMULPD Z8, Z9, Z8
	VADDPD Z5, Z8, Z5
	VADDPD Z5, Z4, Z4
	KORTESTB K5, K5
	JZ put
	KANDNB K2, K5, K2
	VSUBPD Z30, Z0, Z1                // r
	VMULPD Z31, Z1, Z2
	VADDPD Z2, Z1, Z3
	VSUBPD Z2, Z3, Z2                 // part
	VMULPD Z2, Z2, Z3
	VMULPD.BCST 56(R8), Z3, Z3        // square
	VADDPD Z3, Z1, Z5                 // high
	VMULPD Z1, Z1, Z6                 // r2
	VMULPD Z6, Z1, Z7                 // r3
	VMULPD.BCST 120(R8), Z1, Z8
	VADDPD.BCST 112(R8), Z8, Z8
	VMULPD.BCST 128(R8), Z6, Z9
	VADDPD Z8, Z9, Z8
	VMULPD.BCST 136(R8), Z7, Z9
	VADDPD Z8, Z9, Z8
	VMULPD Z7, Z8, Z8
	VMULPD.BCST 96(R8), Z1, Z9
	VADDPD.BCST 88(R8), Z9, Z9
	VMULPD.BCST 104(R8), Z6, Z10
	VADDPD Z9, Z10, Z9
	VADDPD Z9, Z8, Z8
	VMULPD Z7, Z8, Z8
	VMULPD.BCST 72(R8), Z1, Z9
	VADDPD.BCST 64(R8), Z9, Z9
	VMULPD.BCST 80(R8), Z6, Z10
	VADDPD Z9, Z10, Z9
	VADDPD Z9, Z8, Z8
	VMULPD Z7, Z8, Z8                 // r3 y
	VSUBPD Z2, Z1, Z9
	VMULPD.BCST 56(R8), Z9, Z9
	VADDPD Z2, Z1, Z10
	VMULPD Z10, Z9, Z9
	VSUBPD Z5, Z1, Z10
	VADDPD Z3, Z10, Z10
	VADDPD Z10, Z9, Z9
	VADDPD Z9, Z8, Z8
	VADDPD Z8, Z5, Z5
	VMOVAPD Z5, K5, Z4
put:
	VMOVUPD Z4, (DI)
	NEXT
	VZEROUPPER
	RET

DATA tanh<>+0(SB)/8, $0x3ff71547652b82fe  // steps in one
DATA tanh<>+8(SB)/8, $0x3fe62e42fee00000  // a step, high and low
DATA tanh<>+16(SB)/8, $0x3dea39ef35793c76
DATA tanh<>+24(SB)/8, $0xbe8afdb76e09c32d // the coefficients, the last first
DATA tanh<>+32(SB)/8, $0x3ed0cfca86e65239
DATA tanh<>+40(SB)/8, $0xbf14ce199eaadbb7
DATA tanh<>+48(SB)/8, $0x3f5a01a019fe5585
DATA tanh<>+56(SB)/8, $0xbfa11111111110f4
DATA tanh<>+64(SB)/8, $0x3ff0000000000000 // 1
DATA tanh<>+72(SB)/8, $0x4008000000000000 // 3
DATA tanh<>+80(SB)/8, $0x4018000000000000 // 6
DATA tanh<>+88(SB)/8, $0x3fe0000000000000 // 0.5
DATA tanh<>+96(SB)/8, $0x4000000000000000 // 2
DATA tanh<>+104(SB)/8, $0xc000000000000000 // -2
DATA tanh<>+112(SB)/8, $0xbfd0000000000000 // -0.25
DATA tanh<>+120(SB)/8, $1023
DATA tanh<>+128(SB)/8, $0x7fffffffffffffff
DATA tanh<>+136(SB)/8, $0x3fd058ae00000000 // bounds of x
DATA tanh<>+144(SB)/8, $0x3fe193ea00000000
DATA tanh<>+152(SB)/8, $0x4034000000000000
DATA tanh<>+160(SB)/8, $0x0010000000000000
DATA tanh<>+168(SB)/8, $0x3c90000000000000 // bounds of what expm1 is of
DATA tanh<>+176(SB)/8, $0x3fd62e4300000000
DATA tanh<>+184(SB)/8, $0x3ff0a2b200000000
DATA tanh<>+192(SB)/8, $20
DATA tanh<>+200(SB)/8, $57
DATA tanh<>+208(SB)/8, $0x8000000000000000
DATA tanh<>+216(SB)/8, $-1
DATA tanh<>+224(SB)/8, $0x7ff0000000000000
GLOBL tanh<>(SB), RODATA|NOPTR, $232

// func avx512Tanh(n int, to, from, table, odd unsafe.Pointer)
TEXT ·avx512Tanh(SB), NOSPLIT, $0-40
	ARGUMENTS
	LEAQ tanh<>(SB), R8
	VBROADCASTSD 64(R8), Z31          // 1
	VBROADCASTSD 96(R8), Z30          // 2
	VBROADCASTSD 128(R8), Z29         // all but the sign
	VBROADCASTSD 88(R8), Z28          // 0.5
	VPBROADCASTQ 120(R8), Z27         // 1023
	VBROADCASTSD 8(R8), Z26
	VBROADCASTSD 16(R8), Z25
	VBROADCASTSD 208(R8), Z24         // the sign
	VPBROADCASTQ 136(R8), Z23
	VPBROADCASTQ 144(R8), Z22
	VPBROADCASTQ 176(R8), Z21
	VPBROADCASTQ 184(R8), Z20
loop:
	VMOVUPD (SI), Z0
	VPANDQ Z29, Z0, Z1                // without sign
	VPCMPUQ.BCST $6, 224(R8), Z1, K2  // no number
	VPCMPUQ $5, Z23, Z1, K3           // expm1 of 2x, else of -2x
	VPCMPUQ $5, Z22, Z1, K4           // 1 - 2/(e+2), else e/(e+2)
	VADDPD Z1, Z1, Z2
	VMOVAPD Z2, Z18                   // without sign
	KNOTB K3, K1
	VPXORQ Z24, Z2, K1, Z2            // x of expm1
	VPXORQ Z3, Z3, Z3                 // steps
	VPCMPUQ $5, Z21, Z18, K5
	VPANDQ Z24, Z2, Z4
	VPORQ Z31, Z4, K5, Z3             // one, or less one
	VPCMPUQ $5, Z20, Z18, K5
	VMULPD.BCST 0(R8), Z2, Z4
	VADDPD Z28, Z4, Z4
	VRNDSCALEPD $11, Z4, K5, Z3
	VMULPD Z26, Z3, Z4
	VSUBPD Z4, Z2, Z4                 // high
	VMULPD Z25, Z3, Z5                // low
	VSUBPD Z5, Z4, Z6                 // x
	VSUBPD Z6, Z4, Z4
	VSUBPD Z5, Z4, Z4                 // c
	VMULPD Z28, Z6, Z5                // half
	VMULPD Z5, Z6, Z7                 // square
	VMULPD.BCST 24(R8), Z7, Z8
	VADDPD.BCST 32(R8), Z8, Z8
	VMULPD Z7, Z8, Z8
	VADDPD.BCST 40(R8), Z8, Z8
	VMULPD Z7, Z8, Z8
	VADDPD.BCST 48(R8), Z8, Z8
	VMULPD Z7, Z8, Z8
	VADDPD.BCST 56(R8), Z8, Z8
	VMULPD Z7, Z8, Z8
	VADDPD Z31, Z8, Z8                // r
	VMULPD Z5, Z8, Z9
	VBROADCASTSD 72(R8), Z10
	VSUBPD Z9, Z10, Z9                // t
	VMULPD Z9, Z6, Z10
	VBROADCASTSD 80(R8), Z11
	VSUBPD Z10, Z11, Z10
	VSUBPD Z9, Z8, Z8
	VDIVPD Z10, Z8, Z8
	VMULPD Z8, Z7, Z8                 // e
	VSUBPD Z4, Z8, Z8
	VMULPD Z8, Z6, Z8
	VSUBPD Z4, Z8, Z8
	VSUBPD Z7, Z8, Z8
	VSUBPD Z8, Z6, Z9                 // x - e, which is all for no steps
	VCVTPD2QQ Z3, Z3                  // k
	VPADDQ Z27, Z3, Z10
	VPSLLQ $52, Z10, Z10              // power
	VPSUBQ Z3, Z27, Z11
	VPSLLQ $52, Z11, Z11              // inverse
	// for twenty steps and more
	VADDPD Z11, Z8, Z12
	VSUBPD Z12, Z6, Z12
	VADDPD Z31, Z12, Z12
	// less
	VPCMPQ.BCST $1, 192(R8), Z3, K5
	VSUBPD Z11, Z31, Z13
	VADDPD Z9, Z13, K5, Z12
	VMULPD Z10, Z12, Z12
	// 57 and more
	VPCMPQ.BCST $5, 200(R8), Z3, K5
	VADDPD Z31, Z9, Z13
	VMULPD Z10, Z13, Z13
	VSUBPD Z31, Z13, K5, Z12
	// none
	VPTESTNMQ Z3, Z3, K5
	VMOVAPD Z9, K5, Z12
	// less one
	VPCMPQ.BCST $0, 216(R8), Z3, K5
	VMULPD Z28, Z9, Z13
	VSUBPD Z28, Z13, K5, Z12
	// one
	VPSRLQ $63, Z24, Z13
	VPCMPQ $0, Z13, Z3, K5
	VADDPD Z9, Z9, Z13
	VADDPD Z31, Z13, K5, Z12
	VCMPPD.BCST $17, 112(R8), Z6, K5, K5
	VADDPD Z28, Z6, Z13
	VSUBPD Z13, Z8, Z13
	VMULPD.BCST 104(R8), Z13, K5, Z12
	// so little that it is the same
	VPCMPUQ.BCST $1, 168(R8), Z18, K5
	VMOVAPD Z2, K5, Z12
	// e is known
	VADDPD Z30, Z12, Z13
	VPXORQ Z24, Z12, K1, Z12
	VMOVAPD Z30, K4, Z12
	VDIVPD Z13, Z12, Z12
	VSUBPD Z12, Z31, K4, Z12
	VPCMPUQ.BCST $5, 152(R8), Z1, K5
	VMOVAPD Z31, K5, Z12
	VPCMPUQ.BCST $1, 160(R8), Z1, K5
	VMOVAPD Z1, K5, Z12
	VPANDQ Z24, Z0, Z0
	VPXORQ Z0, Z12, Z12
	VMOVUPD Z12, (DI)
	NEXT
	VZEROUPPER
	RET
