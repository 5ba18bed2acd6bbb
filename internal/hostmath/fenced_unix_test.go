//go:build unix

package hostmath_test

import (
	"testing"

	"golang.org/x/sys/unix"
)

// fenced gives memory before and behind which reading faults.
func fenced(t testing.TB, size int) []byte {
	t.Helper()
	page := unix.Getpagesize()
	whole := (size + page - 1) / page * page
	m, err := unix.Mmap(-1, 0, whole+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(m) })
	for _, fence := range [][]byte{m[:page], m[page+whole:]} {
		if err := unix.Mprotect(fence, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	if whole != size {
		t.Fatalf("a memory of %d bytes is not of whole pages", size)
	}
	return m[page : page+size : page+size]
}
