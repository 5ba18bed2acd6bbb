package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
)

// volumeRow is a line of wherry volume ls, by Docker's names of the fields.
type volumeRow struct {
	Driver, Name, Mountpoint, Scope, Labels, Links, Size string

	labels map[string]string
}

// Label is the value of one label, for {{.Label "NAME"}}.
func (r volumeRow) Label(name string) string { return r.labels[name] }

func (a *app) volumeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "volume", Short: "Folders that outlive containers"}
	cmd.AddCommand(a.volumeCreateCommand(), a.volumeListCommand(), a.volumeInspectCommand(), a.volumeRemoveCommand(), a.volumePruneCommand())
	return cmd
}

func (a *app) volumeCreateCommand() *cobra.Command {
	var labels, options []string
	var name, driver string
	cmd := &cobra.Command{
		Use: "create [OPTIONS] [NAME]", Short: "Make a volume", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if driver != "local" || len(options) > 0 {
				return &ux.UsageError{Text: "volumes are folders of this machine: there is no other driver than local, and it has no options"}
			}
			if len(args) == 1 {
				name = args[0]
			}
			l, err := parseLabels(nil, labels)
			if err != nil {
				return err
			}
			s, err := a.openContainers()
			if err != nil {
				return err
			}
			v, _, err := s.CreateVolume(name, l)
			if err == nil {
				fmt.Fprintln(a.Out, v.Name)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&labels, "label", nil, "label, NAME=VALUE")
	f.StringVarP(&driver, "driver", "d", "local", "local")
	f.StringArrayVarP(&options, "opt", "o", nil, "refused: local has none")
	f.StringVar(&name, "name", "", "its name")
	_ = f.MarkHidden("name")
	return cmd
}

func (a *app) volumeListCommand() *cobra.Command {
	var quiet bool
	var format string
	var filters []string
	cmd := &cobra.Command{
		Use: "ls [OPTIONS]", Aliases: []string{"list"}, Short: "List the volumes", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.listVolumes(cmd.Context(), quiet, format, func(users map[string][]string) (func(state.Volume) bool, error) {
				return volumeFilter(filters, users)
			})
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&quiet, "quiet", "q", false, "show names only")
	f.StringVar(&format, "format", "", "Go template, table TEMPLATE, or json")
	f.StringArrayVarP(&filters, "filter", "f", nil, "name, label, driver, or dangling=true|false")
	return cmd
}

// listVolumes shows the volumes that a filter wants, which is made of who uses each.
func (a *app) listVolumes(ctx context.Context, quiet bool, format string, filter func(users map[string][]string) (func(state.Volume) bool, error)) error {
	s, err := a.containers(ctx)
	if err != nil {
		return err
	}
	users, err := s.VolumeUsers(ctx)
	if err != nil {
		return err
	}
	keep, err := filter(users)
	if err != nil {
		return err
	}
	list, err := s.Volumes()
	if err != nil {
		return err
	}
	rows := []volumeRow{}
	for _, v := range list {
		if !keep(v) {
			continue
		}
		if quiet {
			fmt.Fprintln(a.Out, v.Name)
		}
		row := volumeRow{Driver: "local", Name: v.Name, Mountpoint: v.Path, Scope: "local", Links: fmt.Sprint(len(users[v.Name])), Size: "N/A", labels: v.Labels}
		if strings.Contains(format, ".Size") {
			row.Size = units.HumanSizeWithPrecision(float64(diskOf(v.Path)), 3)
		}
		var labels []string
		for k, val := range v.Labels {
			labels = append(labels, k+"="+val)
		}
		slices.Sort(labels)
		row.Labels = strings.Join(labels, ",")
		rows = append(rows, row)
	}
	if quiet {
		return nil
	}
	return ux.List(a.Out, format, []ux.Column{{Heading: "DRIVER", Field: "Driver"}, {Heading: "VOLUME NAME", Field: "Name"}}, rows)
}

func volumeFilter(filters []string, users map[string][]string) (func(state.Volume) bool, error) {
	var tests []func(state.Volume) bool
	for _, f := range filters {
		name, value, ok := strings.Cut(f, "=")
		if !ok {
			return nil, &ux.UsageError{Text: "a filter is written NAME=VALUE, not " + f}
		}
		switch name {
		case "name":
			tests = append(tests, func(v state.Volume) bool { return strings.Contains(v.Name, value) })
		case "driver":
			tests = append(tests, func(state.Volume) bool { return value == "local" })
		case "dangling":
			tests = append(tests, func(v state.Volume) bool { return (len(users[v.Name]) == 0) == (value == "true" || value == "1") })
		case "label":
			key, want, exact := strings.Cut(value, "=")
			tests = append(tests, func(v state.Volume) bool {
				have, has := v.Labels[key]
				return has && (!exact || have == want)
			})
		default:
			return nil, &ux.UsageError{Text: "unknown filter " + name}
		}
	}
	return func(v state.Volume) bool {
		for _, t := range tests {
			if !t(v) {
				return false
			}
		}
		return true
	}, nil
}

func (a *app) volumeInspectCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "inspect [OPTIONS] VOLUME...", Short: "Show everything known about volumes", Args: atLeast(1, "at least one volume"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.inspect(cmd.Context(), nil, args, "volume", format, false)
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "Go template, or json")
	return cmd
}

func (a *app) volumeRemoveCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "rm [OPTIONS] VOLUME...", Aliases: []string{"remove"}, Short: "Remove volumes and what is in them", Args: atLeast(1, "at least one volume"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.containers(cmd.Context())
			if err != nil {
				return err
			}
			var errs []error
			for _, name := range args {
				err := s.RemoveUnusedVolume(cmd.Context(), name)
				var used *state.VolumeInUseError
				switch {
				case errors.As(err, new(*state.NotFoundError)) && force:
				case errors.As(err, &used):
					errs = append(errs, &hinted{err, "wherry rm -f " + used.Containers[0] + " removes the container"})
				case err != nil:
					errs = append(errs, err)
				default:
					fmt.Fprintln(a.Out, name)
				}
			}
			return joined(errs)
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "say nothing of those that are not there")
	return cmd
}
