//go:build unix

package metrics

import "golang.org/x/sys/unix"

// thisProcess asks the system.
func thisProcess() process {
	p := process{cpu: -1, resident: -1, virtual: -1, open: -1, most: -1}
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &usage) == nil {
		p.cpu = float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		p.most = float64(limit.Cur)
	}
	p.more()
	return p
}
