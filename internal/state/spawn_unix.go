//go:build unix

package state

import "syscall"

// detachments are the ways to start a process that outlives this one, best first.
func detachments() []*syscall.SysProcAttr {
	return []*syscall.SysProcAttr{{Setsid: true}}
}
