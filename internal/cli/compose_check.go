package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/compose"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/packager/recipe"
)

func (o *composeOptions) checkCommand() *cobra.Command {
	var quiet bool
	var format string
	cmd := &cobra.Command{
		Use: "check [OPTIONS] [FILE...]", Short: "List everything in a compose file that cannot work here, and what to write instead",
		Long: `List everything in a compose file that cannot work here, and what to write instead:
of all its services, those of profiles included. The recipes that they are built from
are read as well. Nothing is built, pulled or started.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.files = args
			}
			return o.check(cmd.Context(), quiet, format)
		},
	}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print nothing; the exit code tells")
	cmd.Flags().StringVar(&format, "format", "", "json: one object a line")
	return cmd
}

func (o *composeOptions) check(ctx context.Context, quiet bool, format string) error {
	if format != "" && format != "json" {
		return &ux.UsageError{Text: "--format takes json"}
	}
	f, err := o.load(ctx)
	if err != nil {
		return err
	}
	list := f.Check(true)
	if len(list) == 0 {
		if _, err := f.Plan(); err != nil {
			return err
		}
	}
	recipes, err := o.checkRecipes(f)
	if err != nil {
		return err
	}
	list = append(list, recipes...)
	if quiet {
		if len(list) > 0 {
			return &exited{1, ""}
		}
		return nil
	}
	a := o.app
	for _, p := range list {
		if format == "json" {
			b, err := json.Marshal(p)
			if err != nil {
				return err
			}
			ux.Line(a.Out, string(b))
			continue
		}
		ux.Line(a.Out, p.Path+": "+p.Text)
		if p.Advice != "" {
			ux.Line(a.Out, "    instead: "+p.Advice)
		}
	}
	switch {
	case len(list) == 1:
		return &exited{1, "one thing cannot work here as it is written"}
	case len(list) > 0:
		return &exited{1, fmt.Sprintf("%d things cannot work here as they are written", len(list))}
	case format == "":
		services := fmt.Sprintf("%d services", len(f.Project.AllServices()))
		if services == "1 services" {
			services = "one service"
		}
		ux.Line(a.Out, fmt.Sprintf("%s: everything in it works here (%s)", f.Project.Name, services))
	}
	return nil
}

// checkRecipes lists what cannot work in the recipes that services are built from.
func (o *composeOptions) checkRecipes(f *compose.File) ([]compose.Problem, error) {
	var list []compose.Problem
	for _, b := range f.Builds() {
		found, err := o.checkRecipe("services."+b.Name+".build", b.Build)
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	return list, nil
}

// checkRecipe lists what cannot work in the recipe of a build.
func (o *composeOptions) checkRecipe(at string, b compose.Build) (list []compose.Problem, err error) {
	root, err := os.OpenRoot(b.Folder)
	if err != nil {
		return nil, nil // which Check says
	}
	file, err := o.app.recipe(root.FS(), b.Folder, buildOptions{file: b.File, inline: b.Inline})
	_ = root.Close()
	if err != nil {
		return []compose.Problem{{Path: at, Text: err.Error(), Advice: hintOf(err)}}, nil
	}
	args, err := pairs(b.Args, o.app.env)
	if err != nil {
		return nil, err
	}
	for _, p := range recipe.Problems(file, args) {
		list = append(list, compose.Problem{Path: fmt.Sprintf("%s: %s, line %d", at, nearer(file.Name), p.Line), Text: p.Text, Advice: p.Advice})
	}
	return list, nil
}

// checkBuild is an error that lists what cannot work in the recipe of a build.
func (o *composeOptions) checkBuild(b compose.Build) error {
	list, err := o.checkRecipe("build", b)
	if err == nil && len(list) > 0 {
		err = &compose.ProblemsError{Problems: list}
	}
	return err
}
