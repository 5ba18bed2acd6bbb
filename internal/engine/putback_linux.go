package engine

import (
	"bytes"
	"os"
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
func putBack(b, source []byte) bool {
	pagemap, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return false
	}
	defer pagemap.Close()
	first := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
	var list [512]region
	arg := scanArg{
		size: uint64(unsafe.Sizeof(scanArg{})), start: first, end: first + uint64(len(b)),
		vec: uint64(uintptr(unsafe.Pointer(&list))), vecLen: uint64(len(list)),
		categoryInverted: pageIsFile, categoryMask: pageIsFile, categoryAnyOfMask: pageIsPresent | pageIsSwapped,
		categoryToReturn: pageIsFile,
	}
	own := uint64(0)
	for arg.start < arg.end {
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, pagemap.Fd(), pagemapScan, uintptr(unsafe.Pointer(&arg)))
		if errno != 0 || n > uintptr(len(list)) || arg.walkEnd <= arg.start {
			return false
		}
		for _, r := range list[:n] {
			if r.start < first || r.end > first+uint64(len(b)) || r.start >= r.end {
				return false
			}
			if own += r.end - r.start; own > putBackMost {
				return false
			}
			overwrite(b[r.start-first:r.end-first], source[r.start-first:])
		}
		arg.start = arg.walkEnd
	}
	return true
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
