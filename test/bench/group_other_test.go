//go:build !linux

package bench

import (
	"os/exec"
	"time"
)

func separateGroup(*exec.Cmd)          {}
func endGroup(cmd *exec.Cmd)           { _ = cmd.Process.Kill() }
func groupProcessor(int) time.Duration { return -1 }
func groupMemory(int) int64            { return 0 }
