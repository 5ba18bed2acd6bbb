package hostile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/wherry-run/wherry/runtime"
)

// ending is how a run has to end: it returns "" when err is that, else what was
// expected instead.
type ending func(err error) string

// exits expects the program's own exit status.
func exits(status uint32) ending {
	return func(err error) string {
		var e *runtime.ExitError
		if status == 0 && err == nil || errors.As(err, &e) && e.Code == status {
			return ""
		}
		return fmt.Sprintf("exit status %d", status)
	}
}

// exitsWith expects one of several exit statuses.
func exitsWith(status ...uint32) ending {
	return func(err error) string {
		for _, s := range status {
			if exits(s)(err) == "" {
				return ""
			}
		}
		return fmt.Sprintf("one of the exit statuses %d", status)
	}
}

// refused expects a module that never runs, for a reason with this text in it.
func refused(text string) ending {
	return func(err error) string {
		var e *runtime.FormatError
		if errors.As(err, &e) && strings.Contains(e.Reason, text) {
			if status, _ := runtime.Status(err); status == 126 {
				return ""
			}
		}
		return fmt.Sprintf("a FormatError with %q", text)
	}
}

// traps expects a trap whose cause has this text in it.
func traps(text string) ending {
	return func(err error) string {
		var e *runtime.TrapError
		if errors.As(err, &e) && strings.Contains(e.Trap, text) {
			return ""
		}
		return fmt.Sprintf("a TrapError with %q", text)
	}
}

// exceeds expects a program that was stopped at a limit.
func exceeds(resource string) ending {
	return func(err error) string {
		var e *runtime.LimitError
		if errors.As(err, &e) && e.Resource == resource {
			return ""
		}
		return "a LimitError of " + resource
	}
}
