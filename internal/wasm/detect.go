package wasm

import (
	"bytes"
	"encoding/binary"
)

// Kind is what the first bytes of a file say it is.
type Kind uint8

// The kinds of file that somebody may hand to a WebAssembly runtime.
const (
	Unknown    Kind = iota
	CoreModule      // a WebAssembly core module, version 1
	Component       // a WebAssembly component (component model)
	ELF             // a Linux or BSD program
	MachO           // a macOS program
	PE              // a Windows program
	Script          // a text file that begins with "#!"
)

// String names the kind for messages.
func (k Kind) String() string {
	switch k {
	case CoreModule:
		return "WebAssembly module"
	case Component:
		return "WebAssembly component"
	case ELF:
		return "Linux program (ELF)"
	case MachO:
		return "macOS program (Mach-O)"
	case PE:
		return "Windows program (PE)"
	case Script:
		return "script"
	}
	return "unknown file"
}

// DetectLen is how many leading bytes Detect needs at most.
const DetectLen = 8

// Detect tells the kind of a file by its first bytes; DetectLen of them are enough.
func Detect(head []byte) Kind {
	switch {
	case bytes.HasPrefix(head, []byte("\x00asm")):
		return detectWasm(head)
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return ELF
	case bytes.HasPrefix(head, []byte("MZ")):
		return PE
	case bytes.HasPrefix(head, []byte("#!")):
		return Script
	case len(head) >= 4 && isMachO(head):
		return MachO
	}
	return Unknown
}

// detectWasm reads the version word: 16 bits of version, 16 bits of layer. Layer 1 is the component model, whatever
// version a component claims; it was 0x0d all through its standardisation.
func detectWasm(head []byte) Kind {
	if len(head) < 8 {
		return Unknown
	}
	version, layer := binary.LittleEndian.Uint16(head[4:]), binary.LittleEndian.Uint16(head[6:])
	switch {
	case layer == 1:
		return Component
	case layer == 0 && version == 1:
		return CoreModule
	}
	return Unknown
}

// isMachO knows the thin magics in both byte orders and the fat one. A fat header shares its magic with Java class
// files, whose next word is a version of 43 or more where Mach-O has a small count of architectures.
func isMachO(head []byte) bool {
	switch binary.BigEndian.Uint32(head) {
	case 0xfeedface, 0xfeedfacf, 0xcefaedfe, 0xcffaedfe:
		return true
	case 0xcafebabe, 0xcafebabf:
		return len(head) >= 8 && binary.BigEndian.Uint32(head[4:]) < 40
	}
	return false
}
