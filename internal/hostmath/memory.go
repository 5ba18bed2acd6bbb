package hostmath

import (
	"encoding/binary"
	"sync"
	"unsafe"
)

// littleEndian says that floats can be used where they lie: a guest's memory is
// little-endian on every host.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// A number is what matrices are of.
type number interface{ float32 | float64 }

// sizeOf is the size of a number in bytes.
func sizeOf[T number]() int {
	var z T
	return int(unsafe.Sizeof(z))
}

// An area is a run of numbers in a guest's memory.
type area[T number] struct {
	address uint32
	count   uint64
}

// matrix is the area of a matrix whose rows are stride elements apart. It has no
// elements, and is in no memory, when rows would overlap.
func matrix[T number](address, rows, columns, stride uint32) area[T] {
	if rows == 0 || columns == 0 || rows > 1 && stride < columns {
		return area[T]{}
	}
	return area[T]{address, uint64(rows-1)*uint64(stride) + uint64(columns)}
}

// in says whether the area is not empty, and lies in the memory and evenly.
func (a area[T]) in(mem []byte) bool {
	size := uint64(sizeOf[T]())
	return a.count > 0 && a.count <= 1<<30 && uint64(a.address)%size == 0 && uint64(a.address)+size*a.count <= uint64(len(mem)) && littleEndian &&
		uint64(uintptr(unsafe.Pointer(&mem[0])))%size == 0
}

// view gives the area's elements. It panics when the area is not in the memory.
func (a area[T]) view(mem []byte) []T {
	b := mem[a.address : uint64(a.address)+uint64(sizeOf[T]())*a.count]
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), a.count)
}

// work is the host's memory of one call. It is used again.
type work struct {
	overhang [maxTile / 8]float64
	buffer   []float64
	held     int64 // bytes of the buffer that the guest is charged for
	block    [blockSide * blockSide]float64
	conv     lookup
	offsets  []int // of a convolution's sums
	weights  [mostTaps]float32
}

var works = sync.Pool{New: func() any { return new(work) }}

func newWork() *work { return works.Get().(*work) }

func (w *work) free() { works.Put(w) }

// hold gives a buffer of so many numbers, when the guest may have that much, or
// nil. What is held already is used again.
func hold[T number](w *work, env Env, count int) []T {
	size := (count*sizeOf[T]() + 7) / 8
	bytes := int64(size) * 8
	if bytes > w.held {
		if !env.Hold(bytes - w.held) {
			return nil
		}
		w.held = bytes
	}
	if len(w.buffer) < size {
		w.buffer = make([]float64, size)
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&w.buffer[0])), count)
}

// release gives back what was held.
func (w *work) release(env Env) {
	env.Hold(-w.held)
	w.held = 0
}

// overhang is room for a tile.
func overhang[T number](w *work) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(&w.overhang[0])), maxTile/sizeOf[T]())
}
