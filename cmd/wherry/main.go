// Command wherry packages WebAssembly programs and models as OCI images and
// runs them in sandboxes. Everything it does is in internal/cli; this file is
// the door: signals, arguments, exit code.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/wherry-run/wherry/internal/cli"
	"github.com/wherry-run/wherry/internal/cli/ux"
)

func main() {
	code := cli.Main(interruptible(context.Background()), os.Args[1:], os.Getenv, ux.System())
	os.Exit(code)
}

// interruptible is ctx until the first signal that asks to end. The second one
// ends the process at once, whatever is still being put away.
func interruptible(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		s := <-signals
		signal.Stop(signals)
		cancel(&cli.Interrupted{Signal: s})
	}()
	return ctx
}
