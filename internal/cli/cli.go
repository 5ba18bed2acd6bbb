// Package cli is the command line: one file per command, each an options
// struct, its flags and a run function. It joins the rooms below - store,
// registry, packager, runtime - and knows how their results look. It does not
// know the engine, archives or HTTP.
package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/version"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/registry"
	"github.com/wherry-run/wherry/oci/store"
	"github.com/wherry-run/wherry/runtime"
)

// Main runs one command line and returns the exit code of the process. env
// looks variables up, as os.Getenv does.
func Main(ctx context.Context, args []string, env func(string) string, s ux.Streams) int {
	if env("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softMemory)
	}
	a := &app{env: env, Streams: s, log: slog.New(slog.DiscardHandler), began: time.Now()}
	a.compiling = &compiling{talk: a.talk}
	root := a.root(args)
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	cmd, err := root.ExecuteContextC(ctx)
	if a.progress != nil {
		a.progress.Clear()
	}
	code, message := judge(ctx, err)
	if cmd.Name() == "run" && ours(err) {
		code = 125 // as Docker: not to be taken for the program's own
	}
	if message.Text != "" {
		ux.PrintError(s.Err, message)
	}
	return code
}

// softMemory is where Go's collector begins to work harder, in bytes. Compiling
// the Python base has 1.1 GB live and would let twice that lie around.
const softMemory = 1800 << 20

// app is one invocation: its streams, its folders, and what it opened.
type app struct {
	ux.Streams
	env      func(string) string
	log      *slog.Logger
	quiet    bool // no progress
	began    time.Time
	progress *ux.Progress

	compiling *compiling
	kept      *keptRun  // of a container that has a supervisor; nil otherwise
	watched   *watchRun // of a run that follows changes; nil otherwise
	guessed   string    // what was told of a folder without a Wasmfile
	again     []func()  // has the files of a server read anew
	held      []func()  // let go of volumes that a run in the foreground has
}

// root is the command line with the verbs that args can mean.
func (a *app) root(args []string) *cobra.Command {
	root := &cobra.Command{
		Use:           "wherry",
		Short:         "Package models and apps as WebAssembly images, and run them anywhere in a sandbox",
		Version:       version.Get().Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		// flags of compose stand before its verbs, which have others of the same letters
		TraverseChildren: true,
		Args:             cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &hinted{&ux.UsageError{Text: err.Error()}, "see: " + cmd.CommandPath() + " --help"}
	})
	root.CompletionOptions.HiddenDefaultCmd = false
	root.AddGroup(&cobra.Group{ID: "run", Title: "Run and build:"}, &cobra.Group{ID: "container", Title: "Containers:"}, &cobra.Group{ID: "image", Title: "Images and registries:"}, &cobra.Group{ID: "system", Title: "This machine:"})
	for _, v := range a.typed(args) {
		c := v.make()
		c.GroupID = v.group
		group(c)
		root.AddCommand(c)
	}
	root.SetHelpCommand(helpCommand(root))
	root.SetHelpCommandGroupID("system")
	root.SetCompletionCommandGroupID("system")
	return root
}

// group has a verb that has only others below it say which of them is none.
func group(cmd *cobra.Command) {
	if cmd.Runnable() || !cmd.HasSubCommands() {
		return
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(cmd, args[0])
		}
		return cmd.Help()
	}
	for _, c := range cmd.Commands() {
		group(c)
	}
}

// helpCommand is help with a verb, which is to be one.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Help about any command",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 && cmd.HasSubCommands() {
				return unknownCommand(cmd, rest[0])
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			if cmd, _, err := root.Find(args); err == nil {
				for _, c := range cmd.Commands() {
					if c.IsAvailableCommand() {
						names = append(names, c.Name()+"\t"+c.Short)
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// unknownCommand says that there is no such verb below one, and which is near.
func unknownCommand(below *cobra.Command, name string) error {
	path := below.CommandPath()
	hint := "see: " + path + " --help"
	below.SuggestionsMinimumDistance = 2
	if near := below.SuggestionsFor(name); len(near) > 0 {
		hint = "did you mean: " + path + " " + strings.Join(near, ", "+path+" ")
	}
	return &hinted{&ux.UsageError{Text: fmt.Sprintf("no such command: %s", name)}, hint}
}

// talk is the progress display, made when it is first needed.
func (a *app) talk() *ux.Progress {
	if a.progress == nil {
		a.progress = ux.NewProgress(a.Err, a.quiet)
	}
	return a.progress
}

// store opens the content store of this user.
func (a *app) store(ctx context.Context) (*store.Store, error) {
	p, err := locate(a.env)
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, p.Data)
}

// client talks to registries, showing transfers.
func (a *app) client() (*registry.Client, *transfers) {
	t := newTransfers(a.talk)
	options := []registry.Option{registry.WithProgress(t.event), registry.WithUserAgent("wherry/" + version.Release)}
	if p, err := locate(a.env); err == nil {
		options = append(options, registry.WithUploads(filepath.Join(p.Cache, "uploads")))
	}
	return registry.New(options...), t
}

// bakedVariable names a folder that pull --warm -o has filled, for runs that have
// no cache of their own, or an empty one.
const bakedVariable = "WHERRY_BAKED_CACHE"

// runtime starts the engine with this user's cache.
func (a *app) runtime(ctx context.Context, options ...runtime.Option) (*runtime.Runtime, error) {
	p, err := locate(a.env)
	if err != nil {
		return nil, err
	}
	options = append([]runtime.Option{
		runtime.WithCacheDir(moduleCache(p)), runtime.WithBakedCache(a.env(bakedVariable)),
		runtime.WithProgress(a.compiling), runtime.WithKernels(a.env(kernelsVariable)),
	}, options...)
	rt, err := runtime.New(ctx, options...)
	if err == nil {
		a.kept.running(rt)
	}
	return rt, err
}

// complete offers the names of local images to the shell.
func (a *app) complete(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	s, err := a.store(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	defer s.Close()
	entries, err := s.List(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, e := range entries {
		if !e.Ref.IsZero() {
			names = append(names, e.Ref.Familiar())
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// exactly wants n arguments and says what they are.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return &hinted{&ux.UsageError{Text: fmt.Sprintf("%s needs %s", cmd.CommandPath(), what)}, "usage: " + cmd.UseLine()}
	}
}

func between(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && len(args) <= most {
			return nil
		}
		return &hinted{&ux.UsageError{Text: fmt.Sprintf("%s needs %s", cmd.CommandPath(), what)}, "usage: " + cmd.UseLine()}
	}
}

func atLeast(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= n {
			return nil
		}
		return &hinted{&ux.UsageError{Text: fmt.Sprintf("%s needs %s", cmd.CommandPath(), what)}, "usage: " + cmd.UseLine()}
	}
}

var errSilent = errors.New("said already")

func parseRef(name string) (oci.Reference, error) {
	ref, err := oci.ParseReference(name)
	if err != nil {
		return ref, &hinted{err, "write it as [HOST[:PORT]/]NAME[:TAG], such as iris:1 or localhost:5000/iris:1"}
	}
	return ref, nil
}

// onStore makes the run function of a command that works on the store.
func (a *app) onStore(run func(ctx context.Context, s *store.Store, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		s, err := a.store(cmd.Context())
		if err != nil {
			return err
		}
		defer s.Close()
		return run(cmd.Context(), s, args)
	}
}
