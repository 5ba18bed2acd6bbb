package state

import (
	"fmt"
	"strconv"
	"strings"
)

// Signal is a signal by its number on Linux, which is what exit codes are made of,
// on whatever system this is.
type Signal int

// The signals that mean something to a container.
const (
	SIGHUP  Signal = 1
	SIGINT  Signal = 2
	SIGQUIT Signal = 3
	SIGKILL Signal = 9
	SIGTERM Signal = 15
	SIGCHLD Signal = 17
	SIGCONT Signal = 18
	SIGSTOP Signal = 19
	SIGTSTP Signal = 20
)

// signalNames are those of Linux, by number.
const signalNames = " HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"

// ParseSignal reads a signal as Docker does: a number, or a name with or without
// SIG before it. Without any it is SIGTERM.
func ParseSignal(text string) (Signal, error) {
	if text == "" {
		return SIGTERM, nil
	}
	names := strings.Split(signalNames, " ")
	if n, err := strconv.Atoi(text); err == nil && n > 0 && n <= 64 {
		return Signal(n), nil
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	for n, known := range names {
		if n > 0 && known == name {
			return Signal(n), nil
		}
	}
	return 0, fmt.Errorf("%q is no signal: write a name such as SIGTERM, or a number", text)
}

func (s Signal) String() string {
	names := strings.Split(signalNames, " ")
	if s > 0 && int(s) < len(names) {
		return "SIG" + names[s]
	}
	return strconv.Itoa(int(s))
}

// Ends tells the signals that end a program that does nothing about them.
func (s Signal) Ends() bool {
	switch s {
	case SIGCHLD, SIGCONT, 23, 28: // SIGURG, SIGWINCH
		return false
	case SIGSTOP, SIGTSTP, 21, 22: // SIGTTIN, SIGTTOU
		return false
	}
	return true
}

// ExitCode is that of a program that the signal ended.
func (s Signal) ExitCode() int { return 128 + int(s) }
