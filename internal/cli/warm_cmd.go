package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/runtime"
)

// warmCommandName is the command that wherry starts itself with. Its standard
// input says how long it is wanted: until that ends.
const warmCommandName = "warm-up"

// warmMemory is where the collector of the process that warms begins to work
// harder, in bytes: with what a compiler leaves behind it would take gigabytes.
const warmMemory = 600 << 20

// warmOptions are the flags of the hidden command.
type warmOptions struct {
	quiet  bool
	output string
}

func (a *app) warmCommand() *cobra.Command {
	var o warmOptions
	cmd := &cobra.Command{
		Use:    warmCommandName + " IMAGE",
		Short:  "Compile all that an image could need (pull --warm runs it)",
		Hidden: true,
		Args:   exactly(1, "one image"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.quiet = o.quiet
			ctx, cancel := context.WithCancelCause(cmd.Context())
			defer cancel(nil)
			go func() {
				_, _ = io.Copy(io.Discard, a.In)
				cancel(context.Canceled)
			}()
			return a.warm(ctx, args[0], o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.quiet, "quiet", false, "say nothing")
	f.StringVar(&o.output, "output", "", "folder to write the compiled code to as well")
	return cmd
}

// warmAside warms an image in a process of its own, which takes its memory with
// it when it ends, and leaves this machine to others while it works.
func (a *app) warmAside(ctx context.Context, name string, o pullOptions) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program to warm %s with: %w", name, err)
	}
	args := []string{warmCommandName}
	if o.quiet {
		args = append(args, "--quiet")
	}
	if o.output != "" {
		args = append(args, "--output", o.output)
	}
	cmd := exec.CommandContext(ctx, self, append(args, "--", name)...)
	cmd.Stdout, cmd.Stderr = a.Err, a.Err
	wanted, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	cmd.Cancel = wanted.Close
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.As(err, new(*exec.ExitError)) {
		return errSilent // it has said why
	}
	return err
}

// warm compiles all that an image could need.
func (a *app) warm(ctx context.Context, name string, o warmOptions) error {
	if a.env("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(warmMemory)
	}
	lowerPriority()
	image, done, err := a.openImage(ctx, name, runOptions{pull: string(images.PullNever)})
	if err != nil {
		return err
	}
	defer done()
	rt, err := a.runtime(ctx, runtime.WithSparingCompiler())
	if err != nil {
		return err
	}
	defer closeRuntime(ctx, rt)
	task := a.talk().Start("compiling "+name, false)
	began := time.Now()
	w, err := rt.Warm(ctx, image, runtime.WarmSpec{
		Workers: warmWorkers, Bake: o.output,
		Progress: func(done, total int) { task.Update(int64(done), int64(total)) },
	})
	if ctx.Err() != nil {
		return errSilent // who started this knows it
	}
	if err != nil {
		return err
	}
	task.End("done")
	a.talk().Clear()
	for _, n := range w.Notes {
		a.talk().Line("note: %s", n)
	}
	a.talk().Line("%s is warm: %d parts of %d programs, %d of them compiled now in %s", name, w.Parts, w.Modules, w.Compiled, rounded(time.Since(began)))
	return nil
}

// warmWorkers is how many groups of functions are compiled at a time.
const warmWorkers = 2
