package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
)

// container is the one that a word names.
func (a *app) container(ctx context.Context, word string) (*state.Store, *state.Container, error) {
	s, err := a.containers(ctx)
	if err != nil {
		return nil, nil, err
	}
	c, err := s.Get(ctx, word)
	return s, c, err
}

// onContainers runs f for each container that is named, and prints the word by which
// it was named when that went well. It goes on after an error.
func (a *app) onContainers(ctx context.Context, words []string, f func(s *state.Store, c *state.Container) error) error {
	s, err := a.containers(ctx)
	if err != nil {
		return err
	}
	return a.eachContainer(ctx, s, words, f)
}

func (a *app) eachContainer(ctx context.Context, s *state.Store, words []string, f func(s *state.Store, c *state.Container) error) error {
	var errs []error
	for _, word := range words {
		c, err := s.Get(ctx, word)
		if err == nil {
			err = f(s, c)
		}
		if errors.Is(err, errSilent) {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		fmt.Fprintln(a.Out, word)
	}
	return joined(errs)
}

// joined is one error, or all of them, each on a line of its own.
func joined(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// containerVerb is a command on containers without much to say.
func (a *app) containerVerb(use, short string, f func(ctx context.Context, s *state.Store, c *state.Container) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: atLeast(1, "at least one container"), ValidArgsFunction: a.completeContainers,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.onContainers(cmd.Context(), args, func(s *state.Store, c *state.Container) error { return f(cmd.Context(), s, c) })
		},
	}
}

func (a *app) startCommand() *cobra.Command {
	var attach, interactive bool
	cmd := a.containerVerb("start [OPTIONS] CONTAINER...", "Start containers", nil)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		if !attach && !interactive {
			return a.onContainers(ctx, args, func(s *state.Store, c *state.Container) error { return s.Start(ctx, c.ID) })
		}
		if len(args) > 1 {
			return &ux.UsageError{Text: "with -a or -i one container is started"}
		}
		s, c, err := a.container(ctx, args[0])
		if err != nil {
			return err
		}
		return a.attached(ctx, s, c, true, func(ctx context.Context, to state.Attached) (state.Exit, error) {
			if interactive && c.OpenStdin {
				to.Stdin = a.In
			}
			if c.State.Status.Alive() {
				return s.Attach(ctx, c.ID, to)
			}
			return s.StartAttached(ctx, c.ID, to, nil)
		})
	}
	cmd.Flags().BoolVarP(&attach, "attach", "a", false, "show what it prints, and pass signals on")
	cmd.Flags().BoolVarP(&interactive, "interactive", "i", false, "give it your standard input")
	return cmd
}

// stopFlags are --signal and --time of stop and restart.
type stopFlags struct {
	signal  string
	timeout time.Duration
	set     bool
}

func (o *stopFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&o.signal, "signal", "s", "", "signal to send (default: the container's)")
	f.VarP(secondsFlag{&o.timeout, &o.set}, "timeout", "t", "how long it has to end, such as 10 or 1m; -1 is as long as it takes")
	f.Var(secondsFlag{&o.timeout, &o.set}, "time", "the same as --timeout")
	_ = f.MarkHidden("time")
}

func (o *stopFlags) options() (state.StopOptions, error) {
	var s state.StopOptions
	if o.signal != "" {
		signal, err := state.ParseSignal(o.signal)
		if err != nil {
			return s, &ux.UsageError{Text: "--signal: " + err.Error()}
		}
		s.Signal = signal
	}
	if o.set {
		s.Timeout = &o.timeout
	}
	return s, nil
}

func (a *app) stopCommand() *cobra.Command {
	return a.stopVerb("stop [OPTIONS] CONTAINER...", "Ask containers to end, and end those that do not", (*state.Store).Stop)
}

func (a *app) restartCommand() *cobra.Command {
	return a.stopVerb("restart [OPTIONS] CONTAINER...", "End containers and start them again", (*state.Store).Restart)
}

// stopVerb is a command that ends containers, and perhaps more.
func (a *app) stopVerb(use, short string, f func(s *state.Store, ctx context.Context, id string, o state.StopOptions) error) *cobra.Command {
	var o stopFlags
	cmd := a.containerVerb(use, short, func(ctx context.Context, s *state.Store, c *state.Container) error {
		options, err := o.options()
		if err != nil {
			return err
		}
		return f(s, ctx, c.ID, options)
	})
	o.flags(cmd)
	return cmd
}

func (a *app) killCommand() *cobra.Command {
	var signal string
	cmd := a.containerVerb("kill [OPTIONS] CONTAINER...", "End containers at once, or send them a signal", func(ctx context.Context, s *state.Store, c *state.Container) error {
		n, err := state.ParseSignal(signal)
		if err != nil {
			return &ux.UsageError{Text: "--signal: " + err.Error()}
		}
		return s.Kill(ctx, c.ID, n)
	})
	cmd.Flags().StringVarP(&signal, "signal", "s", "KILL", "signal to send")
	return cmd
}

func (a *app) pauseCommand() *cobra.Command {
	return a.containerVerb("pause CONTAINER...", "Stop all that computes in containers", func(ctx context.Context, s *state.Store, c *state.Container) error {
		return s.Pause(ctx, c.ID)
	})
}

func (a *app) unpauseCommand() *cobra.Command {
	return a.containerVerb("unpause CONTAINER...", "Let containers go on that were paused", func(ctx context.Context, s *state.Store, c *state.Container) error {
		return s.Unpause(ctx, c.ID)
	})
}

func (a *app) waitCommand() *cobra.Command {
	return a.containerVerb("wait CONTAINER...", "Wait until containers have ended, and print their exit codes", func(ctx context.Context, s *state.Store, c *state.Container) error {
		code, err := s.Wait(ctx, c.ID, state.WaitNotRunning)
		if err != nil {
			return err
		}
		fmt.Fprintln(a.Out, code)
		return errSilent
	})
}

func (a *app) rmCommand() *cobra.Command {
	var force, volumes bool
	cmd := a.containerVerb("rm [OPTIONS] CONTAINER...", "Remove containers", func(ctx context.Context, s *state.Store, c *state.Container) error {
		return removeContainer(ctx, s, c, force, volumes)
	})
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := run(cmd, args)
		if missing := new(state.NotFoundError); force && errors.As(err, &missing) {
			a.talk().Line("%v", err)
			return nil // as Docker: what is not there is gone
		}
		return err
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "end those that run first")
	cmd.Flags().BoolVarP(&volumes, "volumes", "v", false, "remove their volumes without a name, too")
	return cmd
}

// removeContainer removes a container, ending it first where that is wanted.
func removeContainer(ctx context.Context, s *state.Store, c *state.Container, force, volumes bool) error {
	if c.State.Status.Alive() && force {
		if err := s.Kill(ctx, c.ID, state.SIGKILL); err != nil && !errors.Is(err, state.ErrGone) {
			return err
		}
		if _, err := s.Wait(ctx, c.ID, state.WaitNotRunning); err != nil && !errors.As(err, new(*state.NotFoundError)) {
			return err
		}
	}
	err := s.Remove(ctx, c.ID, volumes)
	var alive *state.StateError
	switch {
	case errors.As(err, new(*state.NotFoundError)) && force: // --rm was faster
		return nil
	case errors.As(err, &alive):
		return &hinted{err, "wherry stop " + c.Name + " ends it; wherry rm -f " + c.Name + " ends and removes it"}
	}
	return err
}

func (a *app) renameCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rename CONTAINER NAME", Short: "Give a container another name", Args: exactly(2, "a container and a name"), ValidArgsFunction: a.completeContainers,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, c, err := a.container(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return s.Rename(cmd.Context(), c.ID, args[1])
		},
	}
}

func (a *app) attachCommand() *cobra.Command {
	var noStdin, proxy bool
	var keys string
	cmd := &cobra.Command{
		Use: "attach [OPTIONS] CONTAINER", Short: "Show what a container prints from now on, and give it your input", Args: exactly(1, "one container"), ValidArgsFunction: a.completeContainers,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			s, c, err := a.container(ctx, args[0])
			if err != nil {
				return err
			}
			return a.attached(ctx, s, c, proxy, func(ctx context.Context, to state.Attached) (state.Exit, error) {
				if c.OpenStdin && !noStdin {
					to.Stdin = a.In
				}
				return s.Attach(ctx, c.ID, to)
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&noStdin, "no-stdin", false, "keep your input to yourself")
	f.BoolVar(&proxy, "sig-proxy", true, "pass signals on to the program; without it Ctrl-C leaves it alone")
	f.StringVar(&keys, "detach-keys", "", "accepted: Ctrl-C with --sig-proxy=false detaches")
	return cmd
}

func (a *app) execCommand() *cobra.Command {
	var e state.ExecConfig
	var envFiles, env []string
	var keys string
	cmd := &cobra.Command{
		Use: "exec [OPTIONS] CONTAINER COMMAND [ARG...]", Short: "Run a program in a container that runs", Args: atLeast(2, "a container and a command"), ValidArgsFunction: a.completeContainers,
		Long: `Run a program in a container that runs: over the same files, variables, limits and
network, with a memory of its own. No process of the container sees another's memory.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			s, c, err := a.container(ctx, args[0])
			if err != nil {
				return err
			}
			if e.Terminal && e.Stdin && !ux.IsTerminal(a.In) {
				return &hinted{&ux.UsageError{Text: "the input is not a terminal"}, "leave -t away"}
			}
			if e.Env, err = a.variables(runOptions{env: env, envFiles: envFiles}); err != nil {
				return err
			}
			e.Args = args[1:]
			return a.exec(ctx, s, c, e)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.BoolVarP(&e.Detach, "detach", "d", false, "leave it running in the background")
	f.StringArrayVarP(&env, "env", "e", nil, "variable for the program, NAME=VALUE, or NAME to pass yours on")
	f.StringArrayVar(&envFiles, "env-file", nil, "file of variables, one NAME=VALUE a line")
	f.BoolVarP(&e.Stdin, "interactive", "i", false, "give the program your standard input")
	f.BoolVarP(&e.Terminal, "tty", "t", false, "tell the program that it runs in a terminal")
	f.StringVarP(&e.User, "user", "u", "", "user that the program is told")
	f.StringVarP(&e.WorkingDir, "workdir", "w", "", "working directory in the container")
	f.StringVar(&keys, "detach-keys", "", "accepted, and without a meaning")
	refuse(f, refusedFlag{name: "privileged", boolean: true, why: noKernel})
	return cmd
}

func (a *app) exec(ctx context.Context, s *state.Store, c *state.Container, e state.ExecConfig) error {
	signals := make(chan state.Signal, 1)
	to := state.Attached{Stdout: a.Out, Stderr: a.Err, Signals: signals}
	if e.Stdin {
		to.Stdin = a.In
	}
	stop := context.AfterFunc(ctx, func() { signals <- state.Signal(interruptCode(ctx) - 128) })
	defer stop()
	code, err := s.Exec(context.WithoutCancel(ctx), c.ID, e, to)
	if err != nil {
		return notStarted(err)
	}
	if code != 0 {
		return &exited{code, ""}
	}
	return nil
}
