//go:build unix

package main

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// module is a program that does nothing, beside functions of (i64, i64) -> i64
// that take time to compile.
func module(bodies [][]byte) []byte {
	code := [][]byte{{0x0b}}
	types := []byte{0}
	for _, b := range bodies {
		code = append(code, append(b, 0x0b))
		types = append(types, 1)
	}
	out := []byte("\x00asm\x01\x00\x00\x00")
	out = section(out, 1, 2, []byte("\x60\x00\x00\x60\x02\x7e\x7e\x01\x7e"))
	out = section(out, 3, len(types), types)
	out = section(out, 7, 1, []byte("\x06_start\x00\x00"))
	var all []byte
	for _, c := range code {
		all = binary.AppendUvarint(all, uint64(len(c)+1))
		all = append(all, 0) // no locals
		all = append(all, c...)
	}
	return section(out, 10, len(code), all)
}

func section(out []byte, id byte, count int, content []byte) []byte {
	content = append(binary.AppendUvarint(nil, uint64(count)), content...)
	out = append(out, id)
	out = binary.AppendUvarint(out, uint64(len(content)))
	return append(out, content...)
}

// many are functions that each compile at once. Between two of them the compiler
// can be stopped.
func many(n int) [][]byte {
	body := bytes.Repeat([]byte{0x20, 0, 0x20, 1, 0x7e}, 40) // local.get 0, local.get 1, i64.mul
	body = append(body, bytes.Repeat([]byte{0x7c}, 39)...)   // i64.add
	return slices.Repeat([][]byte{body}, n)
}

// branchy are functions of which each takes the compiler most of a second.
func branchy(n int) [][]byte {
	body := bytes.Repeat([]byte{0x41, 0, 0x04, 0x40, 0x0b}, 5000) // i32.const 0, if, end
	return slices.Repeat([][]byte{append(body, 0x20, 0)}, n)
}
