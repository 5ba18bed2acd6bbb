package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/packager/scaffold"
)

// convertOptions are the flags of wherry convert.
type convertOptions struct {
	with   []string
	output string
	python string
	yes    bool
	force  bool
}

func (a *app) convertCommand() *cobra.Command {
	var o convertOptions
	cmd := &cobra.Command{
		Use:   "convert MODEL [NOTEBOOK|SCRIPT]",
		Short: "Make ONNX of a pickled model, with the packages that saved it",
		Long: `Make ONNX of a pickled model that the base python cannot read, and golden cases
of what the model itself answers.

A throw-away environment is made on this machine with the packages named, by uv
or by python3 and its pip. The pickle is read there, and with it what the notebook
or script defines, OUTSIDE of the sandbox: they can do whatever you can. Do that
with models of people you trust.`,
		Example: "  wherry convert model.pkl --with scikit-learn==1.5.1\n  wherry init model.onnx",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			source := ""
			if len(args) > 1 {
				source = args[1]
			}
			return a.convert(cmd.Context(), args[0], source, o)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.with, "with", nil, "package of the environment, NAME or NAME==VERSION; may be given again")
	f.StringVarP(&o.output, "output", "o", "model.onnx", "name of the file to write, beside the model")
	f.StringVar(&o.python, "python", "", "version of Python for the environment, which uv brings")
	f.BoolVarP(&o.yes, "yes", "y", false, "run the pickle outside of the sandbox without asking")
	f.BoolVar(&o.force, "force", false, "replace files that are there already")
	return cmd
}

func (a *app) convert(ctx context.Context, what, source string, o convertOptions) error {
	t, err := findModel(what, source, o.force)
	if err != nil {
		return err
	}
	if t == nil || t.kind != "pickle" {
		return &ux.UsageError{Text: what + " is no pickle; convert takes .pkl and .joblib files"}
	}
	if filepath.Base(o.output) != o.output || !strings.HasSuffix(o.output, ".onnx") {
		return &ux.UsageError{Text: "-o takes a name that ends in .onnx; the file is written beside the model"}
	}
	for _, w := range o.with {
		if strings.HasPrefix(w, "-") {
			return &ux.UsageError{Text: fmt.Sprintf("--with %q: write NAME or NAME==VERSION", w)}
		}
	}
	if err := a.consent(what, source, o); err != nil {
		return err
	}
	packages := scaffold.Packages(o.with)
	a.talk().Line("installing %s, to be thrown away afterwards", strings.Join(packages, " "))
	host, err := scaffold.NewEnvironment(ctx, packages, o.python, a.talk().Output(a.Err))
	var failed *scaffold.InstallError
	if errors.As(err, &failed) {
		return &hinted{err, "is the index reached? Old packages want an old Python: --python 3.10, with uv installed"}
	}
	if err != nil {
		return err
	}
	defer host.Close()
	a.talk().Line("converting %s", what)
	d, err := scaffold.Convert(ctx, scaffold.ConvertOptions{Folder: t.folder, Model: t.model, Source: t.source, Output: o.output, Host: host})
	a.talk().Clear()
	if err != nil {
		return err
	}
	return a.finishInit(t.folder, d, o.force, "wherry init "+filepath.Join(t.folder, o.output))
}

// consent asks whether the pickle may run on this machine, and with it what the
// notebook defines.
func (a *app) consent(what, source string, o convertOptions) error {
	if o.yes {
		return nil
	}
	warning := what + " is a program, and will run on this machine, outside of the sandbox"
	if source != "" {
		warning += ", with what " + source + " defines"
	}
	if !ux.IsTerminal(a.In) {
		return &hinted{errors.New(warning), "if you trust who made it, say so: --yes"}
	}
	if !a.agreed(warning + ".\nDo you trust who made it? [y/N] ") {
		return errors.New("nothing was done")
	}
	return nil
}

// agreed asks who types, and is told yes.
func (a *app) agreed(question string) bool {
	fmt.Fprint(a.Err, question)
	line, err := bufio.NewReader(a.In).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	return err == nil && (answer == "y" || answer == "yes")
}
