package toolchain

import (
	"os/exec"
	"strings"
)

// killGroup leaves the children of a cancelled compiler to end by themselves.
func killGroup(*exec.Cmd) {}

// exeSuffix ends the names of programs.
const exeSuffix = ".exe"

// sameName compares names of variables, which have no case on Windows.
func sameName(a, b string) bool { return strings.EqualFold(a, b) }
