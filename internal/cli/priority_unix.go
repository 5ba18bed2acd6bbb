//go:build unix && !linux

package cli

import "syscall"

// lowerPriority lets other programs go first.
func lowerPriority() {
	const process, niceness = 0, 10 // PRIO_PROCESS, and what nice(1) gives unasked
	_ = syscall.Setpriority(process, 0, niceness)
}
