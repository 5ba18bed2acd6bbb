package hostmath

import "unsafe"

//go:noescape
func avx512Exp(n int, to, from, table, odd unsafe.Pointer)

//go:noescape
func avx512Log(n int, to, from, table, odd unsafe.Pointer)

//go:noescape
func avx512Tanh(n int, to, from, table, odd unsafe.Pointer)
