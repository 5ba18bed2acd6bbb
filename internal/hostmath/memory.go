package hostmath

import (
	"encoding/binary"
	"sync"
	"unsafe"
)

// littleEndian says that floats can be used where they lie: a guest's memory is
// little-endian on every host.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// An area is a run of float32 in a guest's memory.
type area struct {
	address uint32
	count   uint64
}

// matrix is the area of a matrix whose rows are stride elements apart. It has no
// elements, and is in no memory, when rows would overlap.
func matrix(address, rows, columns, stride uint32) area {
	if rows == 0 || columns == 0 || rows > 1 && stride < columns {
		return area{}
	}
	return area{address, uint64(rows-1)*uint64(stride) + uint64(columns)}
}

// in says whether the area is not empty, and lies in the memory and evenly.
func (a area) in(mem []byte) bool {
	return a.count > 0 && a.count <= 1<<30 && a.address%4 == 0 && uint64(a.address)+4*a.count <= uint64(len(mem)) && littleEndian &&
		uintptr(unsafe.Pointer(&mem[0]))%4 == 0
}

// view gives the area's elements. It panics when the area is not in the memory.
func (a area) view(mem []byte) []float32 {
	b := mem[a.address : uint64(a.address)+4*a.count]
	return unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), a.count)
}

// work is the host's memory of one call. It is used again.
type work struct {
	overhang [maxTile]float32
	buffer   []float32
	held     int64
	conv     lookup
	offsets  []int // of a convolution's sums
	weights  [mostTaps]float32
}

var works = sync.Pool{New: func() any { return new(work) }}

func newWork() *work { return works.Get().(*work) }

func (w *work) free() { works.Put(w) }

// hold makes the buffer at least so large, when the guest may have that much.
func (w *work) hold(env Env, count int) bool {
	if !env.Hold(int64(count) * 4) {
		return false
	}
	w.held = int64(count) * 4
	if len(w.buffer) < count {
		w.buffer = make([]float32, count)
	}
	return true
}

// release gives back what was held.
func (w *work) release(env Env) {
	env.Hold(-w.held)
	w.held = 0
}
