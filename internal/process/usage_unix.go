//go:build unix

package process

import (
	"os"

	"golang.org/x/sys/unix"
)

// Now asks the system.
func Now() Usage {
	u := unknown()
	var used unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &used) == nil {
		u.CPU = float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		u.MostOpen = float64(limit.Cur)
	}
	u.more()
	return u
}

// entries counts a folder that has one entry for each open file; -1: it is not there.
func entries(folder string) float64 {
	f, err := os.Open(folder)
	if err != nil {
		return -1
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return -1
	}
	return float64(len(names) - 1) // without this one
}
