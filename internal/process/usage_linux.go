package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// more reads what /proc has.
func (u *Usage) more() {
	u.Open = entries("/proc/self/fd")
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return
	}
	var virtual, resident float64
	if _, err := fmt.Sscan(string(text), &virtual, &resident); err == nil {
		size := float64(os.Getpagesize())
		u.Virtual, u.Resident = virtual*size, resident*size
	}
}

// PeakMemory is the most memory that this process has had in use, in bytes; 0
// when nobody knows. What getrusage says on Linux begins with what the process
// had that started this one.
func PeakMemory() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(status) {
		if value, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			kib, _ := strconv.ParseInt(string(bytes.TrimSuffix(bytes.TrimSpace(value), []byte(" kB"))), 10, 64)
			return kib << 10
		}
	}
	return 0
}
