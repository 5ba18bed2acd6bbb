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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	code := cli.Main(ctx, os.Args[1:], os.Getenv, ux.System())
	stop()
	os.Exit(code)
}
