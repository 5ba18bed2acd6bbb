package cli

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/internal/cli/ux"
)

// generateOptions are the flags of wherry generate go.
type generateOptions struct {
	modelOptions
	output string
	pkg    string
}

func (a *app) generateCommand() *cobra.Command {
	var o generateOptions
	cmd := &cobra.Command{
		Use:   "generate go [OPTIONS] IMAGE|FOLDER",
		Short: "Write a Go client of a model, with its inputs and outputs as types",
		Long: `Write a Go client of a model: structs of what it takes and gives, and functions
that open it and ask it, in the process of a Go service. It is written to
standard output, or with -o into a file.`,
		Example: `  wherry generate go iris:1 -o iris/iris.go
  wherry generate go --package model ./mymodel > model/model.go`,
		Args:              exactly(2, "the language, which is go, and an image or a folder"),
		ValidArgsFunction: a.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] != "go" {
				return &hinted{&ux.UsageError{Text: fmt.Sprintf("clients in %q are not written", args[0])}, "usage: " + cmd.UseLine()}
			}
			return a.generate(cmd.Context(), args[1], o)
		},
	}
	f := cmd.Flags()
	o.modelOptions.flags(f)
	f.StringVarP(&o.output, "output", "o", "", "file to write")
	f.StringVar(&o.pkg, "package", "", "name of the Go package (default: the image's name)")
	return cmd
}

func (a *app) generate(ctx context.Context, what string, o generateOptions) error {
	m, err := a.openModel(ctx, what, o.modelOptions)
	if err != nil {
		return err
	}
	defer m.close()
	name := o.pkg
	if name == "" {
		name = packageName(what)
	}
	g := generator{pkg: name, image: what, digest: m.digest(), signature: m.Signature()}
	source, err := g.source()
	if err != nil {
		return err
	}
	a.compiling.hush()
	a.talk().Clear()
	if o.output == "" {
		_, err = a.Out.Write(source)
		return err
	}
	if err := os.WriteFile(o.output, source, 0o644); err != nil {
		return err
	}
	a.talk().Line("wrote %s: package %s", o.output, name)
	return nil
}

// packageName makes the name of a package of an image's.
func packageName(image string) string {
	base := strings.TrimRight(image, `/\`)
	base = base[strings.LastIndexAny(base, `/\`)+1:]
	base, _, _ = strings.Cut(base, "@")
	base, _, _ = strings.Cut(base, ":")
	var b strings.Builder
	for _, r := range strings.ToLower(base) {
		if r >= 'a' && r <= 'z' || b.Len() > 0 && r >= '0' && r <= '9' {
			b.WriteRune(r)
		}
	}
	if b.Len() == 0 || isKeyword(b.String()) {
		return "model"
	}
	return b.String()
}
