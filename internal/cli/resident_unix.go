//go:build unix && !linux

package cli

import (
	"runtime"
	"syscall"
)

// peakResident is the most memory that this process has had in use, in bytes; 0
// when nobody knows.
func peakResident() int64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(usage.Maxrss)
	}
	return int64(usage.Maxrss) << 10
}
