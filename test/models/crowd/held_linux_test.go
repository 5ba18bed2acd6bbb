package crowd

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// held is what this process has of the kernel: descriptors, mappings, and bytes of
// address space.
func held(t *testing.T) (files, mappings, space int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		mappings++
		from, rest, _ := strings.Cut(line, "-")
		to, _, _ := strings.Cut(rest, " ")
		a, aerr := strconv.ParseUint(from, 16, 64)
		b, berr := strconv.ParseUint(to, 16, 64)
		if aerr != nil || berr != nil {
			t.Fatalf("a mapping is %q", line)
		}
		space += int(b - a)
	}
	return len(fds), mappings, space
}
