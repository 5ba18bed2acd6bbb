package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/compose"
	"github.com/wherry-run/wherry/internal/cli/ux"
)

func (o *composeOptions) downCommand() *cobra.Command {
	var d compose.DownOptions
	var images string
	var timeout time.Duration
	var set bool
	cmd := &cobra.Command{
		Use: "down [OPTIONS] [SERVICE...]", Short: "End and remove the containers and networks of a stack",
		RunE: func(cmd *cobra.Command, args []string) error {
			if images != "" && images != "all" && images != "local" {
				return &ux.UsageError{Text: "--rmi takes all, or local for images that were built here"}
			}
			if d.Services = args; set {
				d.Stop.Timeout = &timeout
			}
			return o.down(cmd.Context(), d, images)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&d.Volumes, "volumes", "v", false, "remove its volumes, too, and what is in them")
	f.BoolVar(&d.Orphans, "remove-orphans", false, "remove containers of services that the file does not have any more, too")
	f.StringVar(&images, "rmi", "", "remove its images, too: all, or local for those that were built here")
	f.VarP(secondsFlag{&timeout, &set}, "timeout", "t", "how long containers have to end, such as 10 or 1m")
	return cmd
}

// down ends a stack. images is "", or which of its images go with it.
func (o *composeOptions) down(ctx context.Context, d compose.DownOptions, images string) error {
	name, s, e, members, err := o.members(ctx, nil)
	if err != nil {
		return err
	}
	defer o.app.talk().Clear()
	if err := e.Down(ctx, name, s, d); err != nil || images == "" {
		return err
	}
	if s != nil && s.Fetched { // what a registry names now may be anybody's
		s = nil
	}
	return o.removeImages(ctx, s, members, images == "all")
}
