package web

import "unsafe"

//go:wasmimport wherry_http read
func hostRead(at unsafe.Pointer, size uint32) int32

//go:wasmimport wherry_http write
func hostWrite(at unsafe.Pointer, size uint32) int32
