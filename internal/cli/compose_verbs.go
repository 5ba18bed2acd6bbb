package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/compose"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
)

// memberVerb is a verb on the containers of services.
func (o *composeOptions) memberVerb(use, short string, do func(ctx context.Context, e *compose.Engine, s *compose.Stack, list []compose.Member) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " [SERVICE...]", Short: short,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			_, s, e, list, err := o.members(ctx, args)
			if err != nil {
				return err
			}
			defer o.app.talk().Clear()
			return do(ctx, e, s, slices.DeleteFunc(list, func(m compose.Member) bool { return m.OneOff }))
		},
	}
}

func (o *composeOptions) lifeCommands() []*cobra.Command {
	return []*cobra.Command{
		o.startCommand(), o.killCommand(),
		o.stopVerb("stop [OPTIONS]", "End the containers of services", (*compose.Engine).Stop),
		o.stopVerb("restart [OPTIONS]", "End the containers of services and start them again", (*compose.Engine).Restart),
		o.memberVerb("pause", "Stop all that computes in the containers of services", func(ctx context.Context, e *compose.Engine, _ *compose.Stack, list []compose.Member) error {
			return e.Pause(ctx, list, true)
		}),
		o.memberVerb("unpause", "Let the containers of services go on that were paused", func(ctx context.Context, e *compose.Engine, _ *compose.Stack, list []compose.Member) error {
			return e.Pause(ctx, list, false)
		}),
		o.rmCommand(), o.waitCommand(),
	}
}

func (o *composeOptions) startCommand() *cobra.Command {
	var wait bool
	var patience int
	cmd := o.memberVerb("start [OPTIONS]", "Start the containers of services", func(ctx context.Context, e *compose.Engine, s *compose.Stack, list []compose.Member) error {
		switch {
		case len(list) == 0:
			return &hinted{&ux.UsageError{Text: "there are no containers to start"}, "wherry compose up makes them"}
		case patience < 0:
			return &ux.UsageError{Text: "--wait-timeout takes a number of seconds"}
		}
		if err := e.Start(ctx, s, list); err != nil || !wait {
			return notUp(s, err)
		}
		var names []string
		for _, m := range list {
			names = append(names, m.Service)
		}
		return notUp(s, e.Await(ctx, list[0].Labels[compose.LabelProject], names, time.Duration(patience)*time.Second))
	})
	cmd.Flags().BoolVar(&wait, "wait", false, "return when everything runs and is well")
	cmd.Flags().IntVar(&patience, "wait-timeout", 0, "seconds that --wait waits at most")
	return cmd
}

func (o *composeOptions) killCommand() *cobra.Command {
	var signal string
	var orphans bool
	cmd := o.memberVerb("kill [OPTIONS]", "End the containers of services at once, or send them a signal", func(ctx context.Context, e *compose.Engine, s *compose.Stack, list []compose.Member) error {
		n, err := state.ParseSignal(signal)
		if err != nil {
			return &ux.UsageError{Text: "--signal: " + err.Error()}
		}
		if s != nil && !orphans {
			list = slices.DeleteFunc(list, func(m compose.Member) bool { return s.Services[m.Service] == nil })
		}
		return e.Kill(ctx, list, n)
	})
	cmd.Flags().StringVarP(&signal, "signal", "s", "KILL", "signal to send")
	cmd.Flags().BoolVar(&orphans, "remove-orphans", false, "those of services that the file does not have any more, too")
	return cmd
}

// stopVerb is a verb that ends containers, and perhaps more.
func (o *composeOptions) stopVerb(use, short string, do func(e *compose.Engine, ctx context.Context, s *compose.Stack, list []compose.Member, how state.StopOptions) error) *cobra.Command {
	var f stopFlags
	cmd := o.memberVerb(use, short, func(ctx context.Context, e *compose.Engine, s *compose.Stack, list []compose.Member) error {
		how, err := f.options()
		if err != nil {
			return err
		}
		return do(e, ctx, s, list, how)
	})
	f.flags(cmd)
	cmd.Flags().Bool("no-deps", false, "accepted: only the services that are named")
	return cmd
}

func (o *composeOptions) rmCommand() *cobra.Command {
	var stop, force, volumes bool
	cmd := o.memberVerb("rm [OPTIONS]", "Remove the containers of services that do not run", func(ctx context.Context, e *compose.Engine, _ *compose.Stack, list []compose.Member) error {
		return e.Remove(ctx, list, stop, volumes)
	})
	f := cmd.Flags()
	f.BoolVarP(&stop, "stop", "s", false, "end those that run first")
	f.BoolVarP(&force, "force", "f", false, "accepted: nobody is asked here")
	f.BoolVarP(&volumes, "volumes", "v", false, "remove their volumes without a name, too")
	return cmd
}

func (o *composeOptions) waitCommand() *cobra.Command {
	var down bool
	cmd := &cobra.Command{
		Use: "wait [OPTIONS] SERVICE...", Short: "Wait until the containers of services have ended, and print their exit codes", Args: atLeast(1, "a service"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			name, s, e, list, err := o.members(ctx, args)
			if err != nil {
				return err
			}
			last := 0
			for _, m := range list {
				code, err := e.Containers.Wait(ctx, m.ID, state.WaitNotRunning)
				if err != nil {
					return err
				}
				fmt.Fprintln(o.app.Out, code)
				last = code
				if down {
					break
				}
			}
			if down {
				if err := e.Down(ctx, name, s, compose.DownOptions{Orphans: true}); err != nil {
					return err
				}
			}
			if last != 0 {
				return &exited{last, ""}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&down, "down-project", false, "end and remove the stack when the first has ended")
	return cmd
}

func (o *composeOptions) scaleCommand() *cobra.Command {
	u := &upOptions{}
	u.Pull = "policy"
	cmd := &cobra.Command{
		Use: "scale [OPTIONS] SERVICE=N...", Short: "Have as many containers of services as you say", Args: atLeast(1, "SERVICE=N"),
		RunE: func(cmd *cobra.Command, args []string) error {
			u.scale, u.detach, u.Keep = args, true, true
			var services []string
			for _, text := range args {
				name, _, _ := strings.Cut(text, "=")
				services = append(services, name)
			}
			return o.up(cmd.Context(), u, services)
		},
	}
	cmd.Flags().BoolVar(&u.Alone, "no-deps", false, "without the services that are needed")
	return cmd
}

func (o *composeOptions) createCommand() *cobra.Command {
	u := &upOptions{}
	cmd := &cobra.Command{
		Use: "create [OPTIONS] [SERVICE...]", Short: "Make the containers of a stack without starting them",
		RunE: func(cmd *cobra.Command, args []string) error {
			u.NoStart = true
			return o.up(cmd.Context(), u, args)
		},
	}
	o.shared(u, cmd.Flags())
	return cmd
}
