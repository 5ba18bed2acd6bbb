package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
)

func (a *app) updateCommand() *cobra.Command {
	var limits limitOptions
	var restart string
	var pids int
	cmd := a.containerVerb("update [OPTIONS] CONTAINER...", "Change limits and the restart policy of containers", nil)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		l, err := limits.limits()
		if err != nil {
			return err
		}
		policy, err := parseRestart(restart)
		if err != nil {
			return err
		}
		changed := cmd.Flags().Changed
		return a.onContainers(ctx, args, func(s *state.Store, c *state.Container) error {
			return s.Update(ctx, c.ID, func(c *state.Config) error {
				if changed("restart") {
					if c.AutoRemove && policy.Policy != state.RestartNo {
						return fmt.Errorf("container %s is removed at its end (--rm), and cannot be restarted by a policy", c.Name)
					}
					c.Restart = policy
				}
				if changed("memory") {
					c.Limits.Memory = l.Memory
				}
				if changed("cpus") {
					c.Limits.CPUs = l.CPUs
				}
				if changed("pids-limit") {
					c.Limits.Processes = max(pids, 0)
				}
				return nil
			})
		})
	}
	f := cmd.Flags()
	f.StringVarP(&limits.memory, "memory", "m", "", "limit of memory, such as 512m")
	f.Float64Var(&limits.cpus, "cpus", 0, "share of the processors, such as 0.5")
	f.IntVar(&pids, "pids-limit", 0, "how many programs may run at once; -1 is the default")
	f.StringVar(&restart, "restart", "", "when to start it again: no, on-failure[:N], always or unless-stopped")
	return cmd
}

func (a *app) containerPruneCommand() *cobra.Command {
	var force bool
	var filters []string
	cmd := &cobra.Command{
		Use: "prune [OPTIONS]", Short: "Remove all containers that do not run", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			freed, err := a.pruneContainers(cmd.Context(), filters)
			if err == nil {
				fmt.Fprintln(a.Out, "Total reclaimed space:", units.HumanSize(float64(freed)))
			}
			return err
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "accepted: nobody is asked here")
	cmd.Flags().StringArrayVar(&filters, "filter", nil, "until=TIME, label=NAME[=VALUE] or label!=NAME[=VALUE]")
	return cmd
}

// pruneContainers removes all containers that do not run and prints their IDs.
func (a *app) pruneContainers(ctx context.Context, filters []string) (freed int64, err error) {
	s, err := a.containers(ctx)
	if err != nil {
		return 0, err
	}
	keep, err := pruneFilter(filters)
	if err != nil {
		return 0, err
	}
	list, err := s.List(ctx, func(c *state.Container) bool { return !c.State.Status.Alive() && keep(c.Created, c.Labels) })
	if err != nil {
		return 0, err
	}
	if len(list) > 0 {
		fmt.Fprintln(a.Out, "Deleted Containers:")
	}
	var errs []error
	for _, c := range list {
		size := diskOf(s.Upper(c.ID))
		if err := s.Remove(ctx, c.ID, true); err != nil {
			errs = append(errs, err)
			continue
		}
		freed += size
		fmt.Fprintln(a.Out, c.ID)
	}
	return freed, errors.Join(errs...)
}

// pruneFilter reads the filters of prune: what may go.
func pruneFilter(filters []string) (func(made time.Time, labels map[string]string) bool, error) {
	var tests []func(time.Time, map[string]string) bool
	for _, f := range filters {
		name, value, ok := strings.Cut(f, "=")
		if !ok {
			return nil, &ux.UsageError{Text: "a filter is written NAME=VALUE, not " + f}
		}
		switch name {
		case "until":
			at, err := parseTime("--filter until", value)
			if err != nil {
				return nil, err
			}
			tests = append(tests, func(made time.Time, _ map[string]string) bool { return made.Before(at) })
		case "label", "label!":
			key, want, exact := strings.Cut(value, "=")
			tests = append(tests, func(_ time.Time, labels map[string]string) bool {
				v, has := labels[key]
				return (has && (!exact || v == want)) == (name == "label")
			})
		default:
			return nil, &ux.UsageError{Text: "unknown filter " + name}
		}
	}
	return func(made time.Time, labels map[string]string) bool {
		for _, t := range tests {
			if !t(made, labels) {
				return false
			}
		}
		return true
	}, nil
}
