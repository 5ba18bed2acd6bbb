package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/compose"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
)

// composeLsRow is a line of compose ls.
type composeLsRow struct{ Name, Status, ConfigFiles string }

func (o *composeOptions) lsCommand() *cobra.Command {
	var all, quiet bool
	var format string
	var filters []string
	cmd := &cobra.Command{
		Use: "ls [OPTIONS]", Short: "List the stacks", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e, err := o.engine(cmd.Context())
			if err != nil {
				return err
			}
			projects, err := e.Projects(cmd.Context())
			if err != nil {
				return err
			}
			rows := []composeLsRow{}
			for name, members := range projects {
				alive := slices.ContainsFunc(members, func(m compose.Member) bool { return m.State.Status.Alive() })
				if !alive && !all || !lsKeep(name, filters) {
					continue
				}
				rows = append(rows, composeLsRow{Name: name, Status: statuses(members), ConfigFiles: members[0].Labels[compose.LabelFiles]})
			}
			slices.SortFunc(rows, func(a, b composeLsRow) int { return strings.Compare(a.Name, b.Name) })
			if quiet {
				for _, r := range rows {
					ux.Line(o.app.Out, r.Name)
				}
				return nil
			}
			return ux.List(o.app.Out, format, []ux.Column{{Heading: "NAME", Field: "Name"}, {Heading: "STATUS", Field: "Status"}, {Heading: "CONFIG FILES", Field: "ConfigFiles"}}, rows)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&all, "all", "a", false, "those of which nothing runs, too")
	f.BoolVarP(&quiet, "quiet", "q", false, "show names only")
	f.StringVar(&format, "format", "", "Go template, table TEMPLATE, or json")
	f.StringArrayVar(&filters, "filter", nil, "name=PART")
	return cmd
}

func lsKeep(name string, filters []string) bool {
	return !slices.ContainsFunc(filters, func(f string) bool {
		part, ok := strings.CutPrefix(f, "name=")
		return !ok || !strings.Contains(name, part)
	})
}

// statuses counts containers by how they stand, as running(2), exited(1).
func statuses(members []compose.Member) string {
	count := map[state.Status]int{}
	for _, m := range members {
		count[m.State.Status]++
	}
	var list []string
	for status, n := range count {
		list = append(list, fmt.Sprintf("%s(%d)", status, n))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func (o *composeOptions) volumesCommand() *cobra.Command {
	var quiet bool
	var format string
	cmd := &cobra.Command{
		Use: "volumes [OPTIONS] [SERVICE...]", Short: "List the volumes of a stack",
		RunE: func(cmd *cobra.Command, services []string) error {
			name, s, _, members, err := o.members(cmd.Context(), services)
			if err != nil {
				return err
			}
			var names []string // of volumes that the services have
			for _, m := range members {
				for _, mount := range m.Mounts {
					names = append(names, mount.Name)
				}
			}
			for _, service := range services {
				if s == nil || s.Services[service] == nil {
					continue
				}
				for _, key := range s.Services[service].Volumes {
					names = append(names, s.Volumes[key].Name)
				}
			}
			return o.app.listVolumes(cmd.Context(), quiet, format, func(map[string][]string) (func(state.Volume) bool, error) {
				return func(v state.Volume) bool {
					return v.Labels[compose.LabelProject] == name && (len(services) == 0 || slices.Contains(names, v.Name))
				}, nil
			})
		},
	}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "show names only")
	cmd.Flags().StringVar(&format, "format", "", "Go template, table TEMPLATE, or json")
	return cmd
}
