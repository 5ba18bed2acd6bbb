package hostile

import (
	"bytes"
	"fmt"
	"os"
)

// watchMemory begins to watch the resident set of the process; the function it
// returns tells by how much it grew at its peak, as the kernel counts it.
func watchMemory() (grown func() int64) {
	// 5 resets the peak; without the right to do that the peak is of the whole
	// run, and rows that come later are watched less closely.
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
	_, before := resident()
	if now, _ := resident(); now > 0 {
		before = max(before, now)
	}
	return func() int64 {
		_, peak := resident()
		return peak - before
	}
}

// resident returns the resident set and its peak, in bytes.
func resident() (now, peak int64) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0
	}
	for line := range bytes.Lines(b) {
		fmt.Sscanf(string(line), "VmRSS: %d kB", &now)
		fmt.Sscanf(string(line), "VmHWM: %d kB", &peak)
	}
	return now << 10, peak << 10
}
