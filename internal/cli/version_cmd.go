package cli

import (
	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/version"
)

func (a *app) versionCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show which build of Wherry this is",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if format == "" {
				format = "wherry {{.Version}}{{if .Commit}} ({{truncate .Commit 12}}){{end}} {{.OS}}/{{.Arch}} {{.GoVersion}}"
			}
			return ux.Object(a.Out, format, version.Get())
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "Go template, or json")
	return cmd
}
