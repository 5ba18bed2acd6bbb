package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/compose"
)

func (o *composeOptions) watchCommand() *cobra.Command {
	u := &upOptions{}
	var noUp, prune, quiet bool
	cmd := &cobra.Command{
		Use: "watch [OPTIONS] [SERVICE...]", Short: "Follow changes of files, and do what develop.watch says: sync, rebuild, restart",
		Long: `Follow changes of files, and do what develop.watch of the services says. The stack is
brought up before. Files that are copied into a container whose program is a server of
ours - a web application, a site, a model - have it start again, so that it sees them.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			u.Pull = "policy"
			u.detach = true
			o.quietBuild = quiet
			options, err := u.options(args)
			if err != nil {
				return err
			}
			return o.watch(cmd.Context(), options, args, noUp)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&noUp, "no-up", false, "follow a stack that runs, without bringing it up")
	f.BoolVar(&prune, "prune", true, "accepted: system prune removes what is not used any more")
	f.BoolVar(&quiet, "quiet", false, "show nothing of what builds print")
	return cmd
}

func (o *composeOptions) watch(ctx context.Context, options compose.UpOptions, services []string, noUp bool) error {
	s, e, err := o.ready(ctx, services)
	if err != nil {
		return err
	}
	names, err := s.Selected(services, len(services) > 0)
	if err != nil {
		return notUp(s, err)
	}
	if !noUp {
		if err := o.upDetached(ctx, s, e, options); err != nil {
			return err
		}
	}
	return o.watchStack(ctx, s, e, names, options)
}

// watchStack follows changes of files until ctx ends.
func (o *composeOptions) watchStack(ctx context.Context, s *compose.Stack, e *compose.Engine, names []string, up compose.UpOptions) error {
	a := o.app
	a.talk().Line("watch: following changes of files; Ctrl-C ends that")
	err := e.Watch(ctx, s, names, compose.WatchOptions{
		Up:   up,
		Tell: func(service, what string) { a.talk().Clear(); a.talk().Line("watch: %s: %s", service, what) },
	})
	if errors.Is(err, compose.ErrNothingToWatch) {
		return &hinted{err, "for example develop: {watch: [{path: ./src, action: sync, target: /app}]}"}
	}
	return err
}
