package runtime

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inLargePages has the kernel back new memory by large pages, where it can: to fault in each
// small one of a copy of a memory takes several times as long as to copy it.
func inLargePages(b []byte) {
	page := uintptr(os.Getpagesize())
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) % page
	if skip < uintptr(len(b)) {
		_ = unix.Madvise(b[skip:], unix.MADV_HUGEPAGE)
	}
}
