package hostmath

import "unsafe"

//go:noescape
func avx512Dots(rows, k int, a unsafe.Pointer, lda int, x, to unsafe.Pointer)
