package wasm

import "encoding/binary"

// AddNames returns a sidecar with more functions in it: names[i] for the index first+i. Every index in the sidecar must
// be below first, as for functions that were added behind those of a module. What is no sidecar counts as an empty one.
func AddNames(sidecar []byte, first uint32, names []string) []byte {
	table, text := splitNames(sidecar)
	count := uint32(len(table) / nameEntry)
	out := make([]byte, 0, len(sidecar)+len(names)*(nameEntry+16))
	out = binary.LittleEndian.AppendUint32(append(out, namesMagic...), count+uint32(len(names)))
	out = append(out, table...)
	end := uint32(len(text))
	for i, n := range names {
		end += uint32(len(cutName([]byte(n))))
		out = binary.LittleEndian.AppendUint32(out, first+uint32(i))
		out = binary.LittleEndian.AppendUint32(out, end)
	}
	out = append(out, text...)
	for _, n := range names {
		out = append(out, cutName([]byte(n))...)
	}
	return out
}

// splitNames returns the entries and the text of a sidecar, nothing when it is none.
func splitNames(sidecar []byte) (table, text []byte) {
	if len(sidecar) < namesHeader || string(sidecar[:len(namesMagic)]) != namesMagic {
		return nil, nil
	}
	n := uint64(binary.LittleEndian.Uint32(sidecar[len(namesMagic):])) * nameEntry
	rest := sidecar[namesHeader:]
	if n > uint64(len(rest)) {
		return nil, nil
	}
	return rest[:n], rest[n:]
}
