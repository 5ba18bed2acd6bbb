package cli

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/wherry-run/wherry/runtime"
)

// Interrupted is the cause with which the context of Main ends when a signal
// asked for it.
type Interrupted struct{ Signal os.Signal }

func (i *Interrupted) Error() string { return i.Signal.String() }

// Is makes it a cancellation to all who only ask for that.
func (i *Interrupted) Is(target error) bool { return target == context.Canceled }

// interruptCode is the exit code of what ctx ended: 128 and the signal's number,
// as shells and Docker have it. A cancellation without a signal is Ctrl-C.
func interruptCode(ctx context.Context) int {
	signal := syscall.SIGINT
	var i *Interrupted
	if errors.As(context.Cause(ctx), &i) {
		if s, ok := i.Signal.(syscall.Signal); ok {
			signal = s
		}
	}
	return 128 + int(signal)
}

// closingTime is how long the end of the process waits for what runs in the
// background. Only the compiling of a single function takes longer: it cannot be
// interrupted, and what it makes goes nowhere.
const closingTime = 100 * time.Millisecond

// closeRuntime closes what ran under ctx.
func closeRuntime(ctx context.Context, rt *runtime.Runtime) {
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), closingTime)
	defer cancel()
	rt.Close(end)
}
