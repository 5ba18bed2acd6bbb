package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"sync/atomic"
)

const (
	pageSize = 1 << 16
	// maxPages is one page less than WebAssembly allows. wazero's compiler reads the length of a memory from 32 bits,
	// of which 4 GiB leaves zero: every access to such a memory would be out of bounds.
	maxPages = 1<<16 - 1
)

// linear is the linear memory of one instance. Its address space is reserved once, up to the instance's limit, and
// committed as it grows: growing costs one system call, copies nothing and never moves the memory. Where no address
// space can be reserved it lies on the Go heap, and growing copies.
//
// The engine owns it. What wazero calls Free does nothing: wazero frees the memory of an owner when an importer of it
// is closed, so the instance frees it itself, once, after everything that could touch it is closed.
type linear struct {
	reserved []byte // nil: on the Go heap
	buf      []byte // what is committed
	max      uint64
	quota    Quota
	size     atomic.Uint64 // len(buf), for other goroutines
	from     os.FileInfo   // the file that is mapped over its beginning, if one is
	own      ownPages      // of which that is not true any more
}

// newLinear reserves max bytes and commits min of them.
func newLinear(minBytes, maxBytes uint64, quota Quota) (*linear, error) {
	l := &linear{max: maxBytes, quota: quota}
	if r, err := reserve(maxBytes); err == nil {
		l.reserved = r
	}
	if minBytes > 0 && l.Reallocate(minBytes) == nil {
		l.release()
		return nil, fmt.Errorf("allocate %d bytes of guest memory: %w", minBytes, errNoMemory)
	}
	return l, nil
}

var (
	errNoMemory  = errors.New("the host or the quota has no more")
	errNoReserve = errors.New("address space cannot be reserved here")
)

// Reallocate grows the memory to size bytes, or returns nil, which the guest sees as memory.grow returning -1.
func (l *linear) Reallocate(size uint64) []byte {
	old := uint64(len(l.buf))
	if size <= old {
		return l.buf[:size:size]
	}
	if size > l.max { // what the module itself declares wazero has looked at
		if l.quota != nil {
			l.quota.Refused(size - old)
		}
		return nil
	}
	if l.quota != nil && !l.quota.Grow(size-old) {
		return nil
	}
	if !l.extend(size) {
		if l.quota != nil {
			l.quota.Release(size - old)
		}
		return nil
	}
	l.size.Store(size)
	return l.buf
}

func (l *linear) extend(size uint64) bool {
	if l.reserved != nil {
		if err := commit(l.reserved[len(l.buf):size]); err != nil {
			return false
		}
		l.buf = l.reserved[:size:size]
		return true
	}
	if size > math.MaxInt {
		return false
	}
	if size <= uint64(cap(l.buf)) {
		l.buf = l.buf[:size]
		return true
	}
	room := min(max(size, 2*uint64(len(l.buf))), l.max)
	grown := make([]byte, size, room)
	copy(grown, l.buf)
	l.buf = grown
	return true
}

// Free is wazero's wish, see linear.
func (l *linear) Free() {}

// release gives the memory back. Every view of it is invalid afterwards; a second call does nothing.
func (l *linear) release() {
	if n := uint64(len(l.buf)); n > 0 && l.quota != nil {
		l.quota.Release(n)
	}
	l.buf = nil
	if r := l.reserved; r != nil {
		l.reserved = nil
		unreserve(r)
	}
}

// Memory is the linear memory of an instance as its host sees it. The zero Memory has no bytes.
//
// Every access checks its bounds and reports false outside of them. It is for the goroutine that calls the instance.
type Memory struct{ l *linear }

func (m Memory) bytes() []byte {
	if m.l == nil {
		return nil
	}
	return m.l.buf
}

// Size gives the length of the memory in bytes; it is less than 4 GiB.
func (m Memory) Size() uint64 { return uint64(len(m.bytes())) }

// Read gives the n bytes at off: not a copy, writing to it writes to the guest's memory. It is valid until the guest
// runs again or the instance is closed.
func (m Memory) Read(off, n uint32) ([]byte, bool) {
	b, end := m.bytes(), uint64(off)+uint64(n)
	if end > uint64(len(b)) {
		return nil, false
	}
	return b[off:end:end], true
}

// All gives all bytes, as Read does.
func (m Memory) All() []byte {
	b := m.bytes()
	return b[:len(b):len(b)]
}

// Write copies p to off, whole or not at all.
func (m Memory) Write(off uint32, p []byte) bool {
	b := m.bytes()
	if uint64(off)+uint64(len(p)) > uint64(len(b)) {
		return false
	}
	copy(b[off:], p)
	return true
}

// WriteString copies s to off, whole or not at all.
func (m Memory) WriteString(off uint32, s string) bool {
	b := m.bytes()
	if uint64(off)+uint64(len(s)) > uint64(len(b)) {
		return false
	}
	copy(b[off:], s)
	return true
}

// ReadUint8 reads one byte.
func (m Memory) ReadUint8(off uint32) (uint8, bool) {
	if b, ok := m.Read(off, 1); ok {
		return b[0], true
	}
	return 0, false
}

// ReadUint16Le reads a little-endian number of 16 bits.
func (m Memory) ReadUint16Le(off uint32) (uint16, bool) {
	if b, ok := m.Read(off, 2); ok {
		return binary.LittleEndian.Uint16(b), true
	}
	return 0, false
}

// ReadUint32Le reads a little-endian number of 32 bits.
func (m Memory) ReadUint32Le(off uint32) (uint32, bool) {
	if b, ok := m.Read(off, 4); ok {
		return binary.LittleEndian.Uint32(b), true
	}
	return 0, false
}

// ReadUint64Le reads a little-endian number of 64 bits.
func (m Memory) ReadUint64Le(off uint32) (uint64, bool) {
	if b, ok := m.Read(off, 8); ok {
		return binary.LittleEndian.Uint64(b), true
	}
	return 0, false
}

// WriteUint8 writes one byte.
func (m Memory) WriteUint8(off uint32, v uint8) bool {
	b, ok := m.Read(off, 1)
	if ok {
		b[0] = v
	}
	return ok
}

// WriteUint16Le writes a little-endian number of 16 bits.
func (m Memory) WriteUint16Le(off uint32, v uint16) bool {
	b, ok := m.Read(off, 2)
	if ok {
		binary.LittleEndian.PutUint16(b, v)
	}
	return ok
}

// WriteUint32Le writes a little-endian number of 32 bits.
func (m Memory) WriteUint32Le(off uint32, v uint32) bool {
	b, ok := m.Read(off, 4)
	if ok {
		binary.LittleEndian.PutUint32(b, v)
	}
	return ok
}

// WriteUint64Le writes a little-endian number of 64 bits.
func (m Memory) WriteUint64Le(off uint32, v uint64) bool {
	b, ok := m.Read(off, 8)
	if ok {
		binary.LittleEndian.PutUint64(b, v)
	}
	return ok
}
