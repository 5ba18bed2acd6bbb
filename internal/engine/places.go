package engine

import (
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/wherry-run/wherry/internal/wasm"
)

// wazero keeps which machine code came from which instruction only for modules with debug information, and its traces
// then show what the debug information says of the instruction, its position in the code section first. So a module that
// is to be traced gets debug information that says the least there is: one unit of code from 1 to the end, one line for
// all of it. Where the instruction was before the module was prepared says the sidecar.
const (
	debugPrefix = ".debug_"
	debugFile   = "w"
	debugEnd    = 0xfffffff0 // wazero takes the last addresses for none at all
)

func isDebug(section string) bool { return strings.HasPrefix(section, debugPrefix) }

// traceable is the artifact's module, with debug information if its sidecar can make sense of what that gives.
func traceable(a Artifact) []byte {
	if !wasm.HasPlaces(a.Names) {
		return a.Wasm
	}
	bin := a.Wasm[:len(a.Wasm):len(a.Wasm)]
	for _, s := range []struct {
		name    string
		content []byte
	}{{"abbrev", debugAbbrev()}, {"info", debugInfo()}, {"line", debugLine()}} {
		bin = wasm.AppendCustom(bin, debugPrefix+s.name, s.content)
	}
	return bin
}

// debugAbbrev describes the one entry of debugInfo: a compilation unit without children, its low_pc (an address), its
// high_pc (four bytes, a length) and its stmt_list (an offset).
func debugAbbrev() []byte {
	return []byte{1, 0x11, 0, 0x11, 0x01, 0x12, 0x06, 0x10, 0x17, 0, 0, 0}
}

// debugInfo is that entry, in version 4 of DWARF with addresses of four bytes.
func debugInfo() []byte {
	b := []byte{4, 0, 0, 0, 0, 0, 4, 1}
	b = binary.LittleEndian.AppendUint32(b, 1)
	b = binary.LittleEndian.AppendUint32(b, debugEnd-1)
	b = binary.LittleEndian.AppendUint32(b, 0)
	return counted(b)
}

// debugLine says that everything is in line 1 of a file.
func debugLine() []byte {
	head := []byte{
		1, 1, 1, 0xfb, 14, 10, // length of instructions, operations in one, statements, and how lines are encoded
		0, 1, 1, 1, 1, 0, 0, 0, 1, // operands of the standard opcodes
		0, // no folders
	}
	head = append(head, debugFile+"\x00\x00\x00\x00\x00"...)
	address := func(b []byte, at uint32) []byte { return binary.LittleEndian.AppendUint32(append(b, 0, 5, 2), at) }
	program := append(address(nil, 0), 1)
	program = append(address(program, debugEnd), 0, 1, 1)
	return counted(append(append([]byte{4, 0}, counted(head)...), program...))
}

// counted puts the length in front.
func counted(b []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b...)
}

// sourceOffset reads the line of a trace that says where in a function: "\t0x1f: w:1".
func sourceOffset(line string) (uint64, bool) {
	text, ok := strings.CutPrefix(line, "\t0x")
	if !ok {
		return 0, false
	}
	digits, _, _ := strings.Cut(text, ":")
	at, err := strconv.ParseUint(digits, 16, 64)
	return at, err == nil
}
