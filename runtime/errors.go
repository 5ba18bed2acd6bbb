package runtime

import (
	"errors"
	"fmt"
	"strings"
)

// ErrClosed is returned by calls on a Container or Runtime that was closed.
var ErrClosed = errors.New("closed")

// An ExitError is a program that ended by itself with a status other than 0.
type ExitError struct {
	// Code is the guest's own exit status, all 32 bits of it.
	Code uint32
	// Limit is the limit that the program met last before: it was refused memory,
	// disk or a file descriptor. nil when there is none.
	Limit *LimitError
}

// ExitCode is the status as one byte holds it; a status that does not fit is 255,
// so that none of them looks like success.
func (e *ExitError) ExitCode() int { return int(min(e.Code, 255)) }

func (e *ExitError) Error() string {
	return fmt.Sprintf("exit status %d", e.Code) + e.Limit.met()
}

// A TrapError is a program that the sandbox stopped because it did something
// undefined: unreachable code, an access out of bounds, a stack overflow, an
// exception that nothing caught.
type TrapError struct {
	// Trap names the cause in the words of the WebAssembly specification.
	Trap string
	// Backtrace lists the guest's calls, innermost first and at most 30: the
	// names of the functions, or "func[N]" with the index in the module's file
	// where it has no names, and " (0x...)" with the offset of the instruction in
	// the file, where that is known: see Spec.Trace.
	Backtrace []string
	// Limit is a limit that the program met before, as in ExitError.
	Limit *LimitError
}

func (e *TrapError) Error() string {
	text := "trap: " + e.Trap
	if len(e.Backtrace) > 0 {
		text += " in " + strings.TrimSpace(e.Backtrace[0])
	}
	return text + e.Limit.met()
}

// A LimitError is a program that was stopped at one of its limits.
type LimitError struct {
	// Resource is what ran out: "fuel", "CPU time", "wall time", "output",
	// "processes"; "memory", "table" or "open files" when it did not suffice to
	// start, and these or "disk" when a program was refused more; "compile time"
	// when compiling the program did not end in it.
	Resource string
	// Limit is the limit in words, with its unit.
	Limit string
	// Scope is whose limit it was: ScopeCall, ScopeContainer or ScopeRuntime.
	Scope string
}

// LimitOf is the limit that a program met before it ended with an error; nil when it
// met none.
func LimitOf(err error) *LimitError {
	var limit *LimitError
	var exit *ExitError
	var trap *TrapError
	switch {
	case errors.As(err, &limit):
	case errors.As(err, &exit):
		limit = exit.Limit
	case errors.As(err, &trap):
		limit = trap.Limit
	}
	return limit
}

// met says, behind how a program ended, that it had met a limit.
func (e *LimitError) met() string {
	switch {
	case e == nil:
		return ""
	case e.Scope == ScopeRuntime:
		return fmt.Sprintf("; it was refused more %s: all containers together may have %s", e.Resource, e.Limit)
	}
	return fmt.Sprintf("; it was refused more %s than its limit: %s", e.Resource, e.Limit)
}

func (e *LimitError) Error() string {
	if e.Scope == ScopeRuntime {
		return fmt.Sprintf("stopped at the limit of %s of all containers together: %s", e.Resource, e.Limit)
	}
	return fmt.Sprintf("stopped at the limit of %s: %s", e.Resource, e.Limit)
}

// A NotFoundError is a program that is not in the container.
type NotFoundError struct {
	// Program is the name as it was given.
	Program string
	// Path lists the folders that were searched; empty when Program names a path.
	Path []string
}

func (e *NotFoundError) Error() string {
	if len(e.Path) == 0 {
		return fmt.Sprintf("%s: no such file in the container", e.Program)
	}
	return fmt.Sprintf("%s: not found in the container's PATH (%s)", e.Program, strings.Join(e.Path, ":"))
}

// A FormatError is a file that was found but cannot be executed here.
type FormatError struct {
	// Program is the file's path in the container.
	Program string
	// Reason says what the file is and what running it would need.
	Reason string
}

func (e *FormatError) Error() string { return e.Program + ": " + e.Reason }
