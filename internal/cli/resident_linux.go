package cli

import (
	"bytes"
	"os"
	"strconv"
)

// peakResident is the most memory that this process has had in use, in bytes; 0
// when nobody knows. What getrusage says on Linux begins with what the process
// had that started this one.
func peakResident() int64 {
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
