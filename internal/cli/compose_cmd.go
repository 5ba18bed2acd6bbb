package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/compose"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
)

// composeOptions are the flags of wherry compose, before its verbs.
type composeOptions struct {
	app      *app
	files    []string
	project  string
	dir      string
	profiles []string
	envFiles []string
	progress string
	ansi     string
	parallel int
	all      bool           // networks and volumes that no service uses, too
	yes      bool           // stacks of registries have what they take of this machine unasked
	local    bool           // nothing is fetched
	dry      bool           // nothing is done: what would be is told
	raw      bool           // variables stay as they are written
	loose    compose.Source // what config leaves out of loading
	// got are the stacks of registries that this command has fetched, by name: what it asked
	// about is what it runs, whatever the registry has meanwhile.
	got map[string]string
	// quietPull and quietBuild show nothing of transfers and builds but that they were.
	quietPull, quietBuild bool
}

func (a *app) composeCommand() *cobra.Command {
	o := &composeOptions{app: a}
	var tell bool
	cmd := &cobra.Command{
		Use:   "compose [OPTIONS] COMMAND",
		Short: "Several containers as one stack, from one compose file",
		Long: `Several containers as one stack, from one compose file.

The file is compose.yaml (or docker-compose.yml) of this folder or one above it, and
what Docker Compose reads. compose check lists what in it cannot work here, and what
to write instead. docs/compose.md says more.`,
		Example: `  wherry compose up
  wherry compose up -d --wait
  wherry compose -f other.yaml check
  wherry compose watch`,
		TraverseChildren: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 0:
				return unknownCommand(cmd, args[0])
			case tell:
				return composeVersion(o.app.Out, false, "")
			}
			return cmd.Help()
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&tell, "version", "v", false, "show the version")
	f.BoolVar(&o.all, "all-resources", false, "networks and volumes that no service uses, too")
	f.Bool("compatibility", false, "accepted: names of containers are those of Docker Compose 2")
	f.BoolVar(&o.dry, "dry-run", false, "do nothing, and tell what would be done")
	f.StringArrayVarP(&o.files, "file", "f", nil, "compose file, - for standard input, or oci://IMAGE; several are merged")
	f.StringVarP(&o.project, "project-name", "p", "", "name of the stack (default: of the file, or of its folder)")
	f.StringVar(&o.dir, "project-directory", "", "folder that paths in the file begin at (default: the file's)")
	f.StringArrayVar(&o.profiles, "profile", nil, "profile to switch on; * is all")
	f.StringArrayVar(&o.envFiles, "env-file", nil, "file of variables for the compose file (default .env)")
	f.StringVar(&o.progress, "progress", "auto", "auto, plain or quiet: what is told of the steps")
	f.StringVar(&o.ansi, "ansi", "auto", "colours: auto, always or never")
	f.IntVar(&o.parallel, "parallel", -1, "accepted: containers start as soon as what they need is there")
	f.SetInterspersed(false)
	cmd.AddCommand(o.upCommand(), o.downCommand(), o.psCommand(), o.logsCommand(), o.runCommand(), o.createCommand(), o.scaleCommand(),
		o.watchCommand(), o.publishCommand(), o.configCommand(), o.checkCommand(), o.lsCommand(), o.volumesCommand(), o.versionCommand())
	cmd.AddCommand(o.lifeCommands()...)
	cmd.AddCommand(o.serviceCommands()...)
	cmd.AddCommand(o.imageCommands()...)
	o.told(cmd.Commands())
	return cmd
}

// told has --dry-run refused by verbs of which nothing can be told that is not done.
func (o *composeOptions) told(verbs []*cobra.Command) {
	for _, cmd := range verbs {
		run := cmd.RunE
		if run == nil || !slices.Contains([]string{"attach", "commit", "cp", "exec", "export", "publish", "run", "wait", "watch"}, cmd.Name()) {
			continue
		}
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if o.dry {
				return &ux.UsageError{Text: "--dry-run has nothing to tell of compose " + cmd.Name() + " without doing it"}
			}
			return run(cmd, args)
		}
	}
}

// source is the compose file that the flags name, with this process's variables around it.
func (o *composeOptions) source() compose.Source {
	s := compose.Source{
		Files: o.files, Dir: o.dir, Name: o.project, Profiles: o.profiles, EnvFiles: o.envFiles, Env: os.Environ(), NoVariable: o.raw,
		NoNormalize: o.loose.NoNormalize, NoPaths: o.loose.NoPaths, NoConsistency: o.loose.NoConsistency, NoEnvFiles: o.loose.NoEnvFiles,
		Stdin: o.app.In,
		Warn:  func(text string) { fmt.Fprintln(o.app.Err, "warning: "+ux.Printable(text)) },
	}
	if !o.local {
		if o.got == nil {
			o.got = map[string]string{}
		}
		s.Remote = []compose.Loader{stackLoader{o.app, o.got}}
	}
	return s
}

// load reads the compose file.
func (o *composeOptions) load(ctx context.Context) (*compose.File, error) {
	o.app.quiet = o.app.quiet || o.progress == "quiet"
	if o.dir != "" {
		abs, err := filepath.Abs(o.dir)
		if err != nil {
			return nil, err
		}
		o.dir = abs
	}
	f, err := compose.Load(ctx, o.source())
	switch {
	case errors.Is(err, compose.ErrNoFile):
		return nil, &hinted{err, "write one, or name it: wherry compose -f FILE ..."}
	case errors.Is(err, os.ErrNotExist):
		return nil, &hinted{err, "wherry compose -f FILE names another"}
	}
	return f, err
}

// stack is what the compose file asks for, if nothing in it is in the way. Services that
// are named are on, whatever their profiles.
func (o *composeOptions) stack(ctx context.Context, services []string) (*compose.Stack, error) {
	f, err := o.load(ctx)
	if err != nil {
		return nil, err
	}
	if err := f.Enable(services); err != nil {
		return nil, err
	}
	if list := f.Check(false); len(list) > 0 {
		return nil, &hinted{&compose.ProblemsError{Problems: list}, "docs/compose.md says what is there"}
	}
	s, err := f.Plan()
	if err != nil {
		return nil, err
	}
	others, err := o.others(ctx, f, s)
	if err != nil {
		return nil, err
	}
	return s, o.consent(f, others)
}

// others are what is there by a name that a stack of a registry took for itself, and that
// is not of it.
func (o *composeOptions) others(ctx context.Context, f *compose.File, s *compose.Stack) ([]string, error) {
	if !f.Named {
		return nil, nil
	}
	e, err := o.engine(ctx)
	if err != nil {
		return nil, err
	}
	return e.Others(ctx, f.Project.Name, f.Origin, s)
}

// consent asks whether a stack of a registry may have what it takes of this machine:
// variables, as what is in them goes to programs of somebody else's and into names of
// images, connections to what is outside of it, and what others made by the name that it has.
func (o *composeOptions) consent(f *compose.File, others []string) error {
	var takes []string
	hint := "if its programs may, say so: -y behind up, create, run and publish"
	if len(f.Wants) > 0 {
		takes = append(takes, "takes variables of this machine: "+strings.Join(f.Wants, ", "))
		hint += "; or name the variables in a file: wherry compose --env-file FILE ..."
	}
	if len(f.Reaches) > 0 {
		takes = append(takes, "connects outside of itself: "+strings.Join(f.Reaches, ", "))
	}
	if len(others) > 0 {
		takes = append(takes, "has the name of a stack that is there, and takes over what is not its own: "+strings.Join(others, ", "))
		hint += "; or give it another name: wherry compose -p NAME ..."
	}
	if o.yes || len(takes) == 0 {
		return nil
	}
	text := "this stack is from a registry, and " + strings.Join(takes, "; and ")
	if !ux.IsTerminal(o.app.In) {
		return &hinted{errors.New(text), hint}
	}
	if !o.app.agreed(text + ".\nMay its programs do so? [y/N] ") {
		return errors.New("nothing was done")
	}
	return nil
}

// engine joins what stacks are made with.
func (o *composeOptions) engine(ctx context.Context) (*compose.Engine, error) {
	a := o.app
	s, err := a.containers(ctx)
	if err != nil {
		return nil, err
	}
	n, err := a.networks()
	if err != nil {
		return nil, err
	}
	m := composeMachine{app: a, store: s, quietPull: o.quietPull, quietBuild: o.quietBuild}
	e := &compose.Engine{Containers: s, Networks: n, Images: m, Maker: m, Streams: state.Attached{Stdout: a.Out, Stderr: a.Err}, Dry: o.dry}
	switch o.progress {
	case "auto", "plain", "tty", "json":
		e.Tell = o.tell
	case "quiet":
	default:
		return nil, &ux.UsageError{Text: "--progress takes auto, plain or quiet"}
	}
	return e, nil
}

// tell prints a step as Docker Compose does.
func (o *composeOptions) tell(s compose.Step) {
	if s.Kind == "Container" && s.Done == "Orphaned" {
		o.app.talk().Line("warning: container %s is of a service that the file does not have any more; --remove-orphans removes it", s.Name)
		return
	}
	mode := ""
	if o.dry {
		mode = " DRY-RUN MODE - "
	}
	o.app.talk().Line("%s %-9s %s  %s", mode, s.Kind, s.Name, s.Done)
}

// ready is stack and engine at once.
func (o *composeOptions) ready(ctx context.Context, services []string) (*compose.Stack, *compose.Engine, error) {
	s, err := o.stack(ctx, services)
	if err != nil {
		return nil, nil, err
	}
	e, err := o.engine(ctx)
	return s, e, err
}

// name is the stack's name, and the stack itself where there is a file: with -p the
// labels of containers are enough.
func (o *composeOptions) name(ctx context.Context) (string, *compose.Stack, error) {
	f, err := o.load(ctx)
	if errors.Is(err, compose.ErrNoFile) && o.named() != "" {
		return o.named(), nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	name := f.Project.Name
	switch others, err := o.others(ctx, f, nil); {
	case err != nil:
		return "", nil, err
	case len(others) > 0: // whoever is named by a stranger's word is not to be ended by it
		return "", nil, &hinted{fmt.Errorf("the stack %s that is there was not made of this one: %s", name, strings.Join(others, ", ")),
			"if it is meant, name it: wherry compose -p " + name + " ..."}
	}
	if len(f.Check(true)) > 0 { // what runs of it can be ended, and looked at
		return name, nil, nil
	}
	s, err := f.Plan()
	if err != nil {
		return name, nil, nil
	}
	s.Bind()
	return name, s, nil
}

// named is the name that was given.
func (o *composeOptions) named() string {
	if o.project != "" {
		return o.project
	}
	return strings.TrimSpace(o.app.env("COMPOSE_PROJECT_NAME"))
}
