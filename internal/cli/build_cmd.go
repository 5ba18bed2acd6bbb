package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/packager"
	"github.com/wherry-run/wherry/packager/recipe"
)

// buildOptions are the flags of wherry build.
type buildOptions struct {
	tags   []string
	file   string
	inline string // the recipe itself
	target string
	args   []string
	labels []string
	// labelled are labels as they are: a name may have a = in it.
	labelled map[string]string
	secrets  []string
	iidfile  string
	hotSet   string
	noCache  bool
	pull     bool
	quiet    bool
	native   string
	scripts  bool
	around   buildxOptions
}

func (a *app) buildCommand() *cobra.Command {
	var o buildOptions
	cmd := &cobra.Command{
		Use:   "build [-t NAME[:TAG]] [-f FILE] FOLDER",
		Short: "Build an image from a folder and its Wasmfile",
		Long: `Build an image from a folder and its Wasmfile.

Without a Wasmfile the folder is looked at: a Go module, a crate of Rust, a C file,
a .wasm, or a requirements.txt with a Python file is built as such; "wherry init"
writes down how. A Dockerfile is taken with -f Dockerfile; what cannot work in it is listed.`,
		Args: exactly(1, "a folder to build from"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.around.validate(); err != nil {
				return err
			}
			a.quiet = o.quiet || o.around.progress == "quiet"
			ctx := cmd.Context()
			w, err := a.workshop(ctx)
			if err != nil {
				return err
			}
			defer w.close(context.WithoutCancel(ctx))
			w.compilers.AllowScripts = o.scripts
			result, err := a.build(ctx, w, args[0], o)
			if err != nil || result == nil {
				return err
			}
			if err := a.finishBuild(ctx, w, result, o); err != nil {
				return err
			}
			if err := a.deliver(ctx, w, result, o.tags, o.around); err != nil {
				return err
			}
			return a.checkPython(ctx, w, result, args[0], o.native)
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.tags, "tag", "t", nil, "name for the image, NAME[:TAG]; may be given again")
	f.StringVarP(&o.file, "file", "f", "", "recipe (default FOLDER/Wasmfile)")
	f.StringVar(&o.target, "target", "", "stage to build")
	f.StringArrayVar(&o.args, "build-arg", nil, "value for an ARG, NAME=VALUE")
	f.StringArrayVar(&o.labels, "label", nil, "label for the image, NAME=VALUE")
	f.StringArrayVar(&o.secrets, "secret", nil, "secret for RUN --mount=type=secret: id=NAME,src=FILE or id=NAME,env=VARIABLE")
	f.StringVar(&o.iidfile, "iidfile", "", "file to write the image ID to")
	f.StringVar(&o.hotSet, "hot-set", "", "file of functions that programs of the image run, see run --record-hot-set")
	f.BoolVar(&o.noCache, "no-cache", false, "build every step anew")
	f.BoolVar(&o.pull, "pull", false, "fetch the images that FROM names anew")
	f.BoolVar(&o.scripts, "allow-build-scripts", false, "let crates of Rust run their build scripts and macros, which are programs of this machine")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print the image ID only")
	f.StringVar(&o.native, "native", a.env("WHERRY_NATIVE_PYTHON"), "Python of this machine that answers a Python model's golden cases as well: it runs the folder's code outside the sandbox")
	f.Lookup("native").NoOptDefVal = "python3"
	o.around.flags(f)
	return cmd
}

func (a *app) finishBuild(ctx context.Context, w *workshop, r *packager.Result, o buildOptions) error {
	if err := a.tagBuilt(ctx, w, r, o); err != nil {
		return err
	}
	if o.iidfile != "" {
		if err := os.WriteFile(o.iidfile, []byte(r.Config.Digest.String()), 0o644); err != nil {
			return err
		}
	}
	a.talk().Clear()
	if slices.Contains(o.around.outputs, "-") { // a tar is not to have a line in front of it
		return nil
	}
	_, err := fmt.Fprintln(a.Out, r.Config.Digest)
	return err
}

// tagBuilt keeps an image under its names.
func (a *app) tagBuilt(ctx context.Context, w *workshop, r *packager.Result, o buildOptions) error {
	if len(o.tags) == 0 {
		return w.store.Add(ctx, r.Index)
	}
	for _, t := range o.tags {
		ref, err := parseRef(t)
		if err != nil {
			return err
		}
		if err := w.store.Tag(ctx, ref, r.Index); err != nil {
			return err
		}
		a.imageEvent("tag", r.Config.Digest, ref)
		a.talk().Line("built %s", ref.Familiar())
	}
	return nil
}

// build reads the recipe of a folder and builds it.
func (a *app) build(ctx context.Context, w *workshop, folder string, o buildOptions) (result *packager.Result, err error) {
	err = a.building(w, folder, o, func(options packager.Options) error {
		result, err = packager.Build(ctx, options)
		return err
	})
	return result, err
}

// building reads the recipe of a folder, and has it built.
func (a *app) building(w *workshop, folder string, o buildOptions, build func(packager.Options) error) (err error) {
	defer func() {
		if err != nil && w.held != nil {
			_, _ = a.Err.Write(w.held.out) // which may say why
		}
	}()
	root, err := os.OpenRoot(folder)
	if err != nil {
		return contextError(folder, err)
	}
	defer root.Close()
	file, err := a.recipe(root.FS(), folder, o)
	if err != nil {
		return err
	}
	options := w.options
	options.Context, options.Recipe = root.FS(), file
	options.Target, options.NoCache, options.Pull = o.target, o.noCache, o.pull
	if options.BuildArgs, err = pairs(o.args, a.env); err != nil {
		return err
	}
	if options.Labels, err = pairs(o.labels, nil); err != nil {
		return err
	}
	maps.Copy(options.Labels, o.labelled)
	if options.Secrets, err = readSecrets(o.secrets, a.env); err != nil {
		return err
	}
	if options.HotSet, err = readHotSet(o.hotSet); err != nil {
		return err
	}
	if o.around.check {
		return a.checkRecipe(file, options.BuildArgs)
	}
	if problems := recipe.Problems(file, options.BuildArgs); len(problems) > 0 {
		return problemList(file.Name, problems)
	}
	return build(options)
}

func contextError(folder string, err error) error {
	if strings.Contains(folder, "://") || strings.HasPrefix(folder, "git@") {
		return &hinted{&ux.UsageError{Text: folder + " is not a folder of this machine"}, "clone it first: git clone " + folder}
	}
	return fmt.Errorf("open build context %s: %w", folder, err)
}

// recipe is that of a build.
func (a *app) recipe(context fs.FS, folder string, o buildOptions) (*recipe.File, error) {
	if o.inline != "" {
		return recipe.Parse("Wasmfile", strings.NewReader(o.inline))
	}
	return a.readRecipe(context, folder, o.file)
}

// recipeFile is the recipe of a folder.
const recipeFile = "Wasmfile"

// readRecipe finds the recipe: the file named by -f, else the folder's
// Wasmfile, else one made from what the folder holds.
func (a *app) readRecipe(context fs.FS, folder, name string) (*recipe.File, error) {
	if name != "" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return recipe.Parse(filepath.ToSlash(name), f)
	}
	f, err := context.Open(recipeFile)
	if err == nil {
		defer f.Close()
		return recipe.Parse(recipeFile, f)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	guess, err := packager.Recognise(context)
	if err != nil {
		return nil, noRecipe(context, folder, err)
	}
	if a.guessed != guess.Why { // once for a folder that is built again and again
		a.talk().Line("%s (wherry init %s writes this down)", guess.Why, folder)
		a.guessed = guess.Why
	}
	return recipe.Parse(recipeFile, strings.NewReader(guess.Recipe))
}

func noRecipe(context fs.FS, folder string, err error) error {
	hint := "write a Wasmfile, or see: wherry init --help"
	if _, statErr := fs.Stat(context, "Dockerfile"); statErr == nil {
		hint = "build its Dockerfile: wherry build -f " + filepath.Join(folder, "Dockerfile") + " " + folder
	}
	return &hinted{fmt.Errorf("%s: no Wasmfile: %w", folder, err), hint}
}

// problemList shows at once everything in a recipe that cannot work.
func problemList(name string, problems []recipe.Problem) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d lines cannot work here:", name, len(problems))
	for _, p := range problems {
		fmt.Fprintf(&b, "\n  line %d: %s", p.Line, p.Text)
		if p.Advice != "" {
			fmt.Fprintf(&b, "\n    instead: %s", p.Advice)
		}
	}
	return errors.New(b.String())
}

// pairs reads NAME=VALUE flags; NAME alone takes its value from env, when
// there is one.
func pairs(list []string, env func(string) string) (map[string]string, error) {
	out := map[string]string{}
	for _, kv := range list {
		name, value, ok := strings.Cut(kv, "=")
		switch {
		case name == "":
			return nil, &ux.UsageError{Text: fmt.Sprintf("%q: write NAME=VALUE", kv)}
		case !ok && env == nil:
			value = ""
		case !ok:
			if value = env(name); value == "" {
				continue // as Docker: the recipe's own default holds
			}
		}
		out[name] = value
	}
	return out, nil
}

// readSecrets reads --secret flags, as Docker writes them.
func readSecrets(list []string, env func(string) string) (map[string]packager.Secret, error) {
	out := map[string]packager.Secret{}
	for _, text := range list {
		fields := map[string]string{}
		for _, part := range strings.Split(text, ",") {
			k, v, _ := strings.Cut(part, "=")
			fields[k] = v
		}
		id := fields["id"]
		src := fields["src"]
		if src == "" {
			src = fields["source"]
		}
		variable := fields["env"]
		if variable == "" && src == "" {
			variable = id
		}
		switch {
		case id == "":
			return nil, &ux.UsageError{Text: fmt.Sprintf("secret %q: write id=NAME,src=FILE or id=NAME,env=VARIABLE", text)}
		case src != "":
			out[id] = func() ([]byte, error) { return os.ReadFile(src) }
		default:
			out[id] = func() ([]byte, error) { return []byte(env(variable)), nil }
		}
	}
	return out, nil
}

// buildFolder builds a folder for run, and names the result after it so that
// building again replaces it.
func (a *app) buildFolder(ctx context.Context, folder string) error {
	w, err := a.workshop(ctx)
	if err != nil {
		return err
	}
	defer w.close(context.WithoutCancel(ctx))
	result, err := a.build(ctx, w, folder, buildOptions{})
	if err != nil {
		return err
	}
	ref, err := parseRef(folderName(folder))
	if err != nil {
		return err
	}
	return w.store.Tag(ctx, ref, result.Index)
}
