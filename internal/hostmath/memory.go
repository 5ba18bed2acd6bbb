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

// overlap says whether two areas have anything in common.
func overlap[T, U number](a area[T], b area[U]) bool {
	return uint64(a.address) < uint64(b.address)+uint64(sizeOf[U]())*b.count && uint64(b.address) < uint64(a.address)+uint64(sizeOf[T]())*a.count
}

// disjoint says whether two matrices have nothing in common: their areas have not, or their
// rows are equally far apart and what they have of a row is not. An element's place in
// the distance from row to row is the same in every row, and then no place is of both.
func disjoint[T number](a area[T], width, stride int, b area[T], widthB, strideB int) bool {
	if !overlap(a, b) {
		return true
	}
	if stride != strideB || width > stride || widthB > stride {
		return false
	}
	size := int64(sizeOf[T]())
	next := int64(stride) * size
	behind := ((int64(b.address)-int64(a.address))%next + next) % next // where b's begin behind a's
	return behind >= int64(width)*size && behind+int64(widthB)*size <= next
}

// pieces calls do for pieces of a matrix of no more than so many elements: for some of
// its rows, or of one row for some columns.
func pieces(rows, columns, most int, do func(i, rows, j, columns int) error) error {
	width := max(1, min(columns, most))
	height := max(1, most/width)
	for i := 0; i < rows; i += height {
		for j := 0; j < columns; j += width {
			if err := do(i, min(height, rows-i), j, min(width, columns-j)); err != nil {
				return err
			}
		}
	}
	return nil
}

// times multiplies a matrix by a number.
func times[T number](env Env, chunk int, a area[T], rows, columns, stride int, by T) error {
	return pieces(rows, columns, chunk/256, func(i, rows, j, columns int) error {
		list := a.view(env.Memory())
		for y := i; y < i+rows; y++ {
			row := list[y*stride+j:][:columns]
			for x := range row {
				row[x] *= by
			}
		}
		return env.Tick(uint64(rows) * uint64(columns))
	})
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
	strip    [blockSide * 2 * panelSize / 8]float64
	pivots   []int32
	loop     [2][loopChunk]float64
	odd      [loopChunk / 8]byte
	conv     lookup
	offsets  []int // of a convolution's sums
	weights  [mostTaps]float32
}

var works = sync.Pool{New: func() any { return new(work) }}

func newWork() *work { return works.Get().(*work) }

// mostKept is how many numbers of a buffer are kept for the next call: as many as the
// largest convolution needs. What a sort needed was the guest's, and is given back.
const mostKept = (mostPlanes + packed + 2*mostSums + 2*maxTile) / 2

func (w *work) free() {
	if len(w.buffer) > mostKept {
		w.buffer = nil
	}
	works.Put(w)
}

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
