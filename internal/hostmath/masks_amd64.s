#include "textflag.h"

// masks are eight lanes of ones, and eight of zeros.
DATA ·masks+0(SB)/8, $-1
DATA ·masks+8(SB)/8, $-1
DATA ·masks+16(SB)/8, $-1
DATA ·masks+24(SB)/8, $-1
DATA ·masks+32(SB)/8, $0
DATA ·masks+40(SB)/8, $0
DATA ·masks+48(SB)/8, $0
DATA ·masks+56(SB)/8, $0
GLOBL ·masks(SB), RODATA|NOPTR, $64
