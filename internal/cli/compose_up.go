package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/wherry-run/wherry/compose"
	"github.com/wherry-run/wherry/internal/cli/ux"
)

// upOptions are the flags of compose up and create.
type upOptions struct {
	compose.UpOptions
	detach, abort, abortFailure bool
	exitFrom                    string
	scale                       []string
	patience                    int
	timeout                     time.Duration
	timeoutSet                  bool
	noPrefix, noColor, stamps   bool
	attach, noAttach            []string
	attachNeeds, watch          bool
}

// shared are the flags that up and create have in common.
func (o *composeOptions) shared(u *upOptions, f *pflag.FlagSet) {
	f.BoolVar(&u.Build, "build", false, "build images before")
	f.BoolVar(&u.NoBuild, "no-build", false, "build no image, even if it is missing")
	f.StringVar(&u.Pull, "pull", "policy", "when to pull images: always, missing, never, build, or policy for what the file says")
	f.BoolVar(&u.Recreate, "force-recreate", false, "replace containers even if nothing has changed")
	f.BoolVar(&u.Keep, "no-recreate", false, "leave containers that are there as they are")
	f.BoolVar(&u.Orphans, "remove-orphans", false, "remove containers of services that the file does not have any more")
	f.StringArrayVar(&u.scale, "scale", nil, "how many containers a service has, SERVICE=N")
	o.quietFlags(f)
	o.yesFlag(f)
}

// yesFlag is about what a stack of a registry takes of this machine.
func (o *composeOptions) yesFlag(f *pflag.FlagSet) {
	f.BoolVarP(&o.yes, "yes", "y", false, "let a stack of a registry have what it takes of this machine, without asking")
}

// quietFlags are those about what is shown of transfers and builds.
func (o *composeOptions) quietFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.quietPull, "quiet-pull", false, "show nothing of transfers")
	f.BoolVar(&o.quietBuild, "quiet-build", false, "show nothing of what builds print")
}

func (o *composeOptions) upCommand() *cobra.Command {
	u := &upOptions{}
	cmd := &cobra.Command{
		Use: "up [OPTIONS] [oci://IMAGE] [SERVICE...]", Short: "Make and start the containers of a stack",
		Long: `Make and start the containers of a stack: what is not there is made, what has changed
is replaced, what does not run is started. Without -d you see what they print, and
Ctrl-C stops them; a second one ends them at once.`,
		RunE: func(cmd *cobra.Command, args []string) error { return o.up(cmd.Context(), u, args) },
	}
	f := cmd.Flags()
	o.shared(u, f)
	f.BoolVarP(&u.detach, "detach", "d", false, "leave them running in the background")
	f.BoolVar(&u.RecreateDeps, "always-recreate-deps", false, "replace the containers of services that are needed, too")
	f.BoolVar(&u.Alone, "no-deps", false, "without the services that are needed")
	f.BoolVar(&u.NoStart, "no-start", false, "make the containers only")
	f.BoolVarP(&u.FreshVolumes, "renew-anon-volumes", "V", false, "with new volumes where they have no name")
	f.BoolVar(&u.Wait, "wait", false, "return when everything runs and is well; -d comes with it")
	f.IntVar(&u.patience, "wait-timeout", 0, "seconds that --wait waits at most")
	f.VarP(secondsFlag{&u.timeout, &u.timeoutSet}, "timeout", "t", "how long containers have to end, such as 10 or 1m")
	f.BoolVar(&u.abort, "abort-on-container-exit", false, "end all when one has ended")
	f.BoolVar(&u.abortFailure, "abort-on-container-failure", false, "end all when one has ended with an error")
	f.StringVar(&u.exitFrom, "exit-code-from", "", "return the exit code of this service; --abort-on-container-exit comes with it")
	f.StringArrayVar(&u.attach, "attach", nil, "show the output of these services only")
	f.StringArrayVar(&u.noAttach, "no-attach", nil, "leave out the output of these services")
	f.BoolVar(&u.noPrefix, "no-log-prefix", false, "show lines as they were printed")
	f.BoolVar(&u.noColor, "no-color", false, "no colours")
	f.BoolVar(&u.stamps, "timestamps", false, "show when each line was printed")
	f.BoolVarP(&u.watch, "watch", "w", false, "follow changes of files as compose watch does")
	f.Bool("menu", false, "accepted: there is no menu")
	f.BoolVar(&u.attachNeeds, "attach-dependencies", false, "show the output of services that are needed, too, where services are named")
	return cmd
}

// options are what the engine is told of the flags.
func (u *upOptions) options(services []string) (compose.UpOptions, error) {
	c := u.UpOptions
	c.Services, c.Scale, c.Patience = services, map[string]int{}, time.Duration(u.patience)*time.Second
	if u.timeoutSet {
		c.Stop.Timeout = &u.timeout
	}
	u.abort = u.abort || u.exitFrom != ""
	for _, text := range u.scale {
		name, count, _ := strings.Cut(text, "=")
		n, err := strconv.Atoi(count)
		if err != nil || n < 0 || name == "" {
			return c, &ux.UsageError{Text: fmt.Sprintf("--scale %s: write SERVICE=N", text)}
		}
		c.Scale[name] = n
	}
	switch {
	case c.Build && c.NoBuild:
		return c, &ux.UsageError{Text: "--build and --no-build are at odds"}
	case c.Recreate && c.Keep:
		return c, &ux.UsageError{Text: "--force-recreate and --no-recreate are at odds"}
	case u.detach && (u.abort || u.abortFailure || u.exitFrom != ""):
		return c, &ux.UsageError{Text: "-d leaves the containers alone: it and the end of one are at odds"}
	case u.patience < 0:
		return c, &ux.UsageError{Text: "--wait-timeout takes a number of seconds"}
	}
	switch c.Pull {
	case "always", "missing", "never", "build", "policy":
	default:
		return c, &ux.UsageError{Text: "--pull takes always, missing, never, build or policy"}
	}
	return c, nil
}

func (o *composeOptions) up(ctx context.Context, u *upOptions, services []string) error {
	services = o.fetched(services)
	options, err := u.options(services)
	if err != nil {
		return err
	}
	options.AllResources = o.all
	s, e, err := o.ready(ctx, services)
	if err != nil {
		return err
	}
	if u.detach || u.Wait || u.NoStart || o.dry {
		if u.watch {
			return &ux.UsageError{Text: "--watch goes on until Ctrl-C: it and -d are at odds; wherry compose watch follows a stack that runs"}
		}
		return o.upDetached(ctx, s, e, options)
	}
	return o.upAttached(ctx, s, e, u, options)
}

// fetched takes stacks of registries that stand where services do for what -f has: no
// service has such a name. Files of one's own lie over them, never below: a stranger's
// image is not to have the folders and variables of a service that is there already.
func (o *composeOptions) fetched(services []string) (rest []string) {
	var stacks []string
	for _, name := range services {
		if _, ok := compose.Remote(name); ok {
			stacks = append(stacks, name)
			continue
		}
		rest = append(rest, name)
	}
	o.files = append(stacks, o.files...)
	return rest
}

// upDetached brings a stack up and leaves it.
func (o *composeOptions) upDetached(ctx context.Context, s *compose.Stack, e *compose.Engine, options compose.UpOptions) error {
	defer o.app.talk().Clear()
	return notUp(s, e.Up(ctx, s, options))
}

// notUp says of a service that did not start what to look at.
func notUp(s *compose.Stack, err error) error {
	var service *compose.ServiceError
	var unknown *compose.UnknownError
	switch {
	case errors.As(err, &unknown):
		return &hinted{&ux.UsageError{Text: err.Error()}, "wherry compose config --services lists them"}
	case errors.As(err, new(*hinted)), !errors.As(err, &service):
		return err
	}
	hint := "wherry compose logs " + service.Service + " shows what it printed"
	var need *compose.NeedError
	if errors.As(err, &need) {
		hint = "wherry compose logs " + need.Need + " shows what it printed"
	}
	return &hinted{err, hint}
}
