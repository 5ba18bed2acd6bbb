package hostmath

import (
	"encoding/binary"
	"unsafe"
)

// littleEndian says that floats can be used where they lie: a guest's memory is
// little-endian on every host.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// floats returns count numbers of the memory from an address on, as a view. It
// is nil when there are none, when the address is odd or when the memory ends
// before.
func floats(mem []byte, address uint32, count uint64) []float32 {
	at := uint64(address)
	if count == 0 || count > 1<<30 || at+4*count > uint64(len(mem)) || !littleEndian {
		return nil
	}
	p := unsafe.Pointer(&mem[at])
	if uintptr(p)%4 != 0 {
		return nil
	}
	return unsafe.Slice((*float32)(p), count)
}

// extent is how many elements lie between the first and the last of a matrix of
// rows whose beginnings are stride apart; zero when rows would overlap.
func extent(rows, columns, stride uint32) uint64 {
	if rows == 0 || columns == 0 || rows > 1 && stride < columns {
		return 0
	}
	return uint64(rows-1)*uint64(stride) + uint64(columns)
}
