package engine

import (
	"bytes"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The request of Linux 6.7 that lists pages by what they are, and the kinds that matter here.
const (
	pagemapScan = 0xc0606610 // _IOWR('f', 16, struct pm_scan_arg)

	pageIsFile    = 1 << 2
	pageIsPresent = 1 << 3
	pageIsSwapped = 1 << 4
)

// scanArg is struct pm_scan_arg of the kernel.
type scanArg struct {
	size, flags, start, end, walkEnd, vec, vecLen, maxPages             uint64
	categoryInverted, categoryMask, categoryAnyOfMask, categoryToReturn uint64
}

// region is struct page_region of the kernel.
type region struct{ start, end, categories uint64 }

// openSource maps a file to read from.
func openSource(f *os.File, size int) ([]byte, error) {
	return unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
}

func closeSource(b []byte) { _ = unix.Munmap(b) }

// putBack makes those pages of a private mapping of a file what they are in the file, source, that were copied because
// they were written to. They stay where they are: what touches them next needs no fault. It reports false, with the
// memory as it was or half put back, when there are many of them, or when the kernel cannot tell which they are.
//
// own is what the kernel told the last time. It still holds when no call has had a fault since.
func putBack(b, source []byte, own *ownPages) bool {
	if own.stale || own.list == nil {
		list, ok := scan(b, own.list[:0])
		*own = ownPages{list: list}
		if !ok {
			return false
		}
	}
	for _, s := range own.list {
		overwrite(b[s.off:s.end], source[s.off:s.end])
	}
	return true
}

// faults counts the page faults of this process.
func faults() (n int64, ok bool) {
	var u unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_SELF, &u)
	return u.Minflt + u.Majflt, err == nil
}

// scan lists the pages of a private mapping of a file that are not the file's, up to putBackMost bytes, in the room of
// list if that is enough.
func scan(b []byte, list []span) (_ []span, ok bool) {
	pagemap, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return nil, false
	}
	defer pagemap.Close()
	first := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
	found := new([128]region)
	var pin runtime.Pinner // the kernel gets its address as a number: it must not move, as it might on a stack
	pin.Pin(found)
	defer pin.Unpin()
	arg := scanArg{
		size: uint64(unsafe.Sizeof(scanArg{})), start: first, end: first + uint64(len(b)),
		vec: uint64(uintptr(unsafe.Pointer(found))), vecLen: uint64(len(found)),
		categoryInverted: pageIsFile, categoryMask: pageIsFile, categoryAnyOfMask: pageIsPresent | pageIsSwapped,
		categoryToReturn: pageIsFile,
	}
	for own := uint64(0); arg.start < arg.end; arg.start = arg.walkEnd {
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, pagemap.Fd(), pagemapScan, uintptr(unsafe.Pointer(&arg)))
		if errno != 0 || n > uintptr(len(found)) || arg.walkEnd <= arg.start {
			return nil, false
		}
		for _, r := range found[:n] {
			if own += r.end - r.start; own > putBackMost || r.start < first || r.end > arg.end || r.start >= r.end {
				return nil, false
			}
			list = append(list, span{r.start - first, r.end - first})
		}
	}
	if list == nil {
		list = []span{} // it is known that there are none
	}
	return list, true
}

// overwrite copies what differs: of most pages only counts of references were written, and are what they were.
func overwrite(b, source []byte) {
	const step = 4 << 10
	for at := 0; at < len(b); at += step {
		end := min(at+step, len(b))
		if !bytes.Equal(b[at:end], source[at:end]) {
			copy(b[at:end], source[at:end])
		}
	}
}
