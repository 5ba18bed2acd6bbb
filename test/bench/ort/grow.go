package ort

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// growExport is the function that Grow adds.
const growExport = "wherry_grow"

// The sections that Grow changes, by their numbers in the format.
const (
	sectionType     = 1
	sectionFunction = 3
	sectionExport   = 7
	sectionCode     = 10
)

// growBody is (func (param i32) (result i32) (memory.grow (local.get 0))).
var growBody = []byte{0, 0x20, 0, 0x40, 0, 0x0b}

// Grow adds an exported function to a module by which its host can grow the
// memory: in a browser that is a method of the memory's object.
func Grow(bin []byte, imports int) ([]byte, error) {
	const header = 8
	if len(bin) < header {
		return nil, errors.New("add a function: no module")
	}
	out := bytes.Clone(bin[:header])
	var kind, defined uint64
	for rest := bin[header:]; len(rest) > 0; {
		id := rest[0]
		size, n := binary.Uvarint(rest[1:])
		if n <= 0 || size > uint64(len(rest)-1-n) {
			return nil, fmt.Errorf("add a function: section %d is cut off", id)
		}
		body := rest[1+n : 1+n+int(size)]
		rest = rest[1+n+int(size):]
		count, width := binary.Uvarint(body)
		if id != 0 && width <= 0 {
			return nil, fmt.Errorf("add a function: section %d has no count", id)
		}
		switch id {
		case sectionType:
			kind, body = count, more(body, []byte{0x60, 1, 0x7f, 1, 0x7f})
		case sectionFunction:
			defined, body = count, more(body, binary.AppendUvarint(nil, kind))
		case sectionExport:
			entry := append([]byte{byte(len(growExport))}, growExport...)
			entry = append(entry, 0)
			body = more(body, binary.AppendUvarint(entry, uint64(imports)+defined))
		case sectionCode:
			body = more(body, append([]byte{byte(len(growBody))}, growBody...))
		}
		out = append(out, id)
		out = binary.AppendUvarint(out, uint64(len(body)))
		out = append(out, body...)
	}
	return out, nil
}

// more adds an entry to the end of a section's list.
func more(body, entry []byte) []byte {
	count, width := binary.Uvarint(body)
	out := binary.AppendUvarint(nil, count+1)
	out = append(out, body[width:]...)
	return append(out, entry...)
}
