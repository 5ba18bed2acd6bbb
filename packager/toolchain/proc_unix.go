//go:build unix

package toolchain

import (
	"os/exec"
	"syscall"
)

// killGroup makes a cancelled compiler take its children with it.
func killGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// exeSuffix ends the names of programs.
const exeSuffix = ""

// sameName compares names of variables.
func sameName(a, b string) bool { return a == b }
