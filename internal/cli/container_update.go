package cli

import (
	"fmt"

	"github.com/spf13/cobra"

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
		later := changed("memory") || changed("cpus") || changed("pids-limit")
		return a.onContainers(ctx, args, func(s *state.Store, c *state.Container) error {
			err := s.Update(ctx, c.ID, func(c *state.Config) error {
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
			if err == nil && later && c.State.Status.Alive() {
				a.say("container %s runs: its limits hold from the next start on (wherry restart %s)", c.Name, c.Name)
			}
			return err
		})
	}
	f := cmd.Flags()
	f.StringVarP(&limits.memory, "memory", "m", "", "limit of memory, such as 512m")
	f.Float64Var(&limits.cpus, "cpus", 0, "share of the processors, such as 0.5")
	f.IntVar(&pids, "pids-limit", 0, "how many programs may run at once; -1 is the default")
	f.StringVar(&restart, "restart", "", "when to start it again: no, on-failure[:N], always or unless-stopped")
	return cmd
}
