//go:build unix

package engine

import "syscall"

const errNoWrite = syscall.EROFS
