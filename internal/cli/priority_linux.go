package cli

import "syscall"

// lowerPriority lets other programs go first. On Linux each thread has a priority
// of its own.
func lowerPriority() {
	const process = 0 // PRIO_PROCESS
	if _, _, errno := syscall.AllThreadsSyscall(syscall.SYS_SETPRIORITY, process, 0, niceness); errno != 0 {
		_ = syscall.Setpriority(process, 0, niceness) // a build with cgo: this thread, and those it starts
	}
}

// niceness is what nice(1) gives unasked.
const niceness = 10
