package state

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// detachments are the ways to start a process that outlives this one, best first: a
// console takes with it what is attached to it, and terminals run what they start in
// a job that ends with them, which not every job allows to leave.
func detachments() []*syscall.SysProcAttr {
	const alone = windows.DETACHED_PROCESS | windows.CREATE_NEW_PROCESS_GROUP
	return []*syscall.SysProcAttr{
		{CreationFlags: alone | windows.CREATE_BREAKAWAY_FROM_JOB, HideWindow: true},
		{CreationFlags: alone, HideWindow: true},
	}
}
