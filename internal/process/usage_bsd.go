//go:build unix && !linux

package process

import (
	"runtime"
	"syscall"
)

// more counts open files. How much memory a process holds now is not told without
// the C library.
func (u *Usage) more() { u.Open = entries("/dev/fd") }

// PeakMemory is the most memory that this process has had in use, in bytes; 0
// when nobody knows.
func PeakMemory() int64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(usage.Maxrss)
	}
	return int64(usage.Maxrss) << 10
}
