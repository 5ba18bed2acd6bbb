package engine

import (
	"encoding/binary"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const canLearn = true

// watchMost is how many mappings a memory is cut into at most. A process may have 65,530.
const watchMost = 1 << 14

// watch cuts the mapping of a memory into many, so that a fault maps what was touched and no neighbours: the kernel maps
// around a fault, but not beyond its mapping. Every other piece gets a flag that means nothing here.
func watch(b []byte) {
	step := grain(len(b))
	for off := 0; off < len(b); off += 2 * step {
		if unix.Madvise(b[off:min(off+step, len(b))], unix.MADV_DONTDUMP) != nil {
			return // it maps some neighbours, then
		}
	}
}

// grain is the length of a piece in bytes: whole pages, of the host's.
func grain(n int) int {
	page := os.Getpagesize()
	pages := (n + page - 1) / page
	return page * max(1, (pages+watchMost-1)/watchMost)
}

// seen lists what is mapped of a memory, by the kernel's page map: a number of 64 bits for each page, the highest bit
// set when there is one.
func seen(b []byte) []span {
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return nil
	}
	defer f.Close()
	page := os.Getpagesize()
	first := int64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) / int64(page)
	var list []span
	var entries [8 << 10]byte
	for at := 0; at*page < len(b); {
		n := min(len(entries)/8, len(b)/page-at)
		if n <= 0 {
			break
		}
		if _, err := f.ReadAt(entries[:8*n], 8*(first+int64(at))); err != nil {
			return nil
		}
		for i := range n {
			if binary.LittleEndian.Uint64(entries[8*i:])>>63 == 0 {
				continue
			}
			off := uint64(at+i) * uint64(page)
			if k := len(list); k > 0 && list[k-1].end == off {
				list[k-1].end += uint64(page)
			} else {
				list = append(list, span{off, off + uint64(page)})
			}
		}
		at += n
	}
	return list
}

// bring has pages copied as if they were written to. Those that are only read are copied too, which costs less memory
// than the neighbours of their faults would. What the kernel does not do happens at the first touch.
func bring(b []byte, list []span) {
	mask := uint64(os.Getpagesize() - 1)
	for _, s := range list {
		if s.end > uint64(len(b)) || s.off&mask != 0 || s.end&mask != 0 {
			return // of another image, or another machine
		}
		if unix.Madvise(b[s.off:s.end], unix.MADV_POPULATE_WRITE) != nil {
			return // before Linux 5.14
		}
	}
}
