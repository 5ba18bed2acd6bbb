package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/compose"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
	"github.com/wherry-run/wherry/internal/version"
)

// composeRunOptions are the flags of compose run.
type composeRunOptions struct {
	compose.Once
	env, envFiles, volumes, labels []string
	entrypoint, pull               string
	detach, build, alone           bool
	interactive, noTTY, orphans    bool
	quiet                          bool
}

func (o *composeOptions) runCommand() *cobra.Command {
	var r composeRunOptions
	cmd := &cobra.Command{
		Use: "run [OPTIONS] SERVICE [COMMAND] [ARG...]", Short: "Run a command in a container of its own, made as a service's are", Args: atLeast(1, "a service"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Service = args[0]
			if len(args) > 1 {
				r.Args = args[1:]
			}
			if cmd.Flags().Changed("entrypoint") {
				r.Entrypoint = &r.entrypoint
			}
			return o.run(cmd.Context(), r)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.BoolVarP(&r.detach, "detach", "d", false, "leave it running in the background, and print its ID")
	f.StringArrayVarP(&r.env, "env", "e", nil, "variable for the program, NAME=VALUE, or NAME to pass yours on")
	f.StringArrayVar(&r.envFiles, "env-from-file", nil, "file of variables, one NAME=VALUE a line")
	f.StringArrayVarP(&r.volumes, "volume", "v", nil, "folder, file or volume to mount, HOST:CONTAINER[:ro]")
	f.StringArrayVarP(&r.Publish, "publish", "p", nil, "port on this machine, as run has it")
	f.BoolVarP(&r.Ports, "service-ports", "P", false, "publish the service's ports")
	f.BoolVar(&r.Aliases, "use-aliases", false, "take the service's names in its networks")
	f.StringArrayVarP(&r.labels, "label", "l", nil, "label, NAME=VALUE")
	f.StringVar(&r.entrypoint, "entrypoint", "", "program to run instead of the image's")
	f.StringVar(&r.Name, "name", "", "name of the container")
	f.StringVarP(&r.User, "user", "u", "", "user that the program is told")
	f.StringVarP(&r.WorkingDir, "workdir", "w", "", "working directory in the container")
	f.BoolVar(&r.Remove, "rm", false, "remove the container when it ends")
	f.BoolVar(&r.alone, "no-deps", false, "do not start the services that are needed")
	f.BoolVar(&r.build, "build", false, "build the image before")
	f.StringVar(&r.pull, "pull", "policy", "when to pull images")
	f.BoolVarP(&r.interactive, "interactive", "i", true, "give the program your standard input")
	f.BoolVarP(&r.noTTY, "no-tty", "T", false, "do not tell the program that it runs in a terminal")
	f.BoolVar(&r.orphans, "remove-orphans", false, "remove containers of services that the file does not have any more")
	f.BoolVarP(&r.quiet, "quiet", "q", false, "show nothing of the steps")
	o.quietFlags(f)
	o.yesFlag(f)
	f.StringArray("cap-drop", nil, "accepted: a sandbox has no capabilities of the kernel")
	refuse(f, refusedFlag{name: "cap-add", why: noKernel})
	return cmd
}

func (o *composeOptions) run(ctx context.Context, r composeRunOptions) error {
	a := o.app
	if r.quiet {
		o.progress = "quiet"
	}
	s, e, err := o.ready(ctx, []string{r.Service})
	if err != nil {
		return err
	}
	service := s.Services[r.Service]
	if service == nil {
		return notUp(s, &compose.UnknownError{Name: r.Service})
	}
	up := compose.UpOptions{Build: r.build, Pull: r.pull, Orphans: r.orphans}
	if !r.alone && len(service.Needs) > 0 {
		for name := range service.Needs {
			up.Services = append(up.Services, name)
		}
		if err := e.Up(ctx, s, up); err != nil {
			return notUp(s, err)
		}
	}
	if err := e.Prepare(ctx, s, []string{r.Service}, up); err != nil {
		return notUp(s, err)
	}
	if !r.alone {
		if err := e.Needed(ctx, s, r.Service); err != nil {
			return notUp(s, err)
		}
	}
	if r.Env, err = a.variables(runOptions{env: r.env, envFiles: r.envFiles}); err != nil {
		return err
	}
	if r.Mounts, err = parseMounts(runOptions{volumes: r.volumes}); err != nil {
		return err
	}
	if r.Labels, err = parseLabels(nil, r.labels); err != nil {
		return err
	}
	r.OpenStdin = r.interactive && !r.detach
	r.Terminal = !r.noTTY && !r.detach && ux.IsTerminal(a.In) && ux.IsTerminal(a.Out)
	c, err := e.RunOnce(ctx, s, r.Once)
	if err != nil {
		return notUp(s, err)
	}
	a.talk().Clear()
	if r.detach {
		if err := e.Containers.Start(ctx, c.ID); err != nil {
			return notStarted(err)
		}
		fmt.Fprintln(a.Out, c.Name)
		return nil
	}
	return a.attached(ctx, e.Containers, c, true, func(ctx context.Context, to state.Attached) (state.Exit, error) {
		if r.OpenStdin {
			to.Stdin = a.In
		}
		exit, err := e.Containers.StartAttached(ctx, c.ID, to, nil)
		if r.Remove {
			awaitRemoval(context.WithoutCancel(ctx), e.Containers, c, err != nil)
		}
		return exit, err
	})
}

// composeVersionCommand tells the version: the stack's verbs are this program's.
func (o *composeOptions) versionCommand() *cobra.Command {
	var short bool
	var format string
	cmd := &cobra.Command{
		Use: "version [OPTIONS]", Short: "Show the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return composeVersion(o.app.Out, short, format) },
	}
	cmd.Flags().BoolVar(&short, "short", false, "the number only")
	cmd.Flags().StringVarP(&format, "format", "f", "", "pretty or json")
	return cmd
}

func composeVersion(w io.Writer, short bool, format string) error {
	v := strings.TrimPrefix(version.Get().Version, "v")
	switch {
	case format != "" && format != "pretty" && format != "json":
		return &ux.UsageError{Text: "--format takes pretty or json"}
	case short:
		ux.Line(w, v)
	case format == "json":
		fmt.Fprintf(w, "{\"version\":%q}\n", v)
	default:
		ux.Line(w, "wherry compose version "+v)
	}
	return nil
}
