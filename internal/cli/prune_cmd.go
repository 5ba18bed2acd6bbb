package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/network"
	"github.com/wherry-run/wherry/internal/state"
)

// pruning is one run of a prune verb.
type pruning struct {
	all, volumes bool
	keep         pruneFilter
	freed        int64
}

// pruneFilter tells by the time when something was made, and by its labels, whether it
// may go.
type pruneFilter func(made time.Time, labels map[string]string) bool

// pruneVerb is a command that removes what nobody uses. all is what -a is for, "" where
// there is none.
func (a *app) pruneVerb(short, long, all string, run func(ctx context.Context, p *pruning) error) *cobra.Command {
	var p pruning
	var filters []string
	cmd := &cobra.Command{
		Use: "prune [OPTIONS]", Short: short, Long: long, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if p.keep, err = parsePruneFilter(filters); err != nil {
				return err
			}
			err = run(cmd.Context(), &p)
			fmt.Fprintln(a.Out, "Total reclaimed space:", units.HumanSize(float64(p.freed)))
			return err
		},
	}
	f := cmd.Flags()
	f.BoolP("force", "f", false, "accepted: nobody is asked here")
	f.StringArrayVar(&filters, "filter", nil, "until=TIME, label=NAME[=VALUE] or label!=NAME[=VALUE]")
	if all != "" {
		f.BoolVarP(&p.all, "all", "a", false, all)
	}
	return cmd
}

func (a *app) containerPruneCommand() *cobra.Command {
	return a.pruneVerb("Remove all containers that do not run", "", "", a.pruneContainers)
}

func (a *app) volumePruneCommand() *cobra.Command {
	return a.pruneVerb("Remove volumes that no container has",
		`Remove the volumes without a name that no container has; with -a those that have one, too.`, "those with a name, too", a.pruneVolumes)
}

func (a *app) networkPruneCommand() *cobra.Command {
	return a.pruneVerb("Remove networks in which no container runs", "", "", a.pruneNetworks)
}

// pruneCommand is wherry system prune.
func (a *app) pruneCommand() *cobra.Command {
	volumes := false
	cmd := a.pruneVerb("Remove what nobody uses: containers that do not run, networks, images without a name, caches of a month ago", "",
		"every image that no container has, and everything that can be made again",
		func(ctx context.Context, p *pruning) error {
			steps := []func(context.Context, *pruning) error{a.pruneContainers, a.pruneNetworks}
			if volumes {
				steps = append(steps, func(ctx context.Context, p *pruning) error {
					unnamed := *p // -a is about images
					unnamed.all = false
					err := a.pruneVolumes(ctx, &unnamed)
					p.freed = unnamed.freed
					return err
				})
			}
			var errs []error
			for _, step := range append(steps, a.pruneImages, a.pruneCaches) {
				errs = append(errs, step(ctx, p))
			}
			return errors.Join(errs...)
		})
	cmd.Flags().BoolVar(&volumes, "volumes", false, "volumes without a name that no container has, too")
	return cmd
}

// pruneContainers removes all containers that do not run and prints their IDs.
func (a *app) pruneContainers(ctx context.Context, p *pruning) error {
	s, err := a.containers(ctx)
	if err != nil {
		return err
	}
	list, err := s.List(ctx, func(c *state.Container) bool { return !c.State.Status.Alive() && p.keep(c.Created, c.Labels) })
	if err != nil {
		return err
	}
	var errs []error
	var gone []string
	for _, c := range list {
		size := diskOf(s.Upper(c.ID))
		err := s.Remove(ctx, c.ID, true)
		var alive *state.StateError
		switch {
		case errors.As(err, &alive), errors.As(err, new(*state.NotFoundError)): // it was started, or removed, just now
		case err != nil:
			errs = append(errs, err)
		default:
			p.freed += size
			gone = append(gone, c.ID)
		}
	}
	a.tellGone("Containers", gone)
	return errors.Join(errs...)
}

// tellGone lists what was removed, as Docker does.
func (a *app) tellGone(what string, list []string) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(a.Out, "Deleted "+what+":")
	for _, name := range list {
		fmt.Fprintln(a.Out, name)
	}
	fmt.Fprintln(a.Out)
}

func (a *app) pruneVolumes(ctx context.Context, p *pruning) error {
	s, err := a.containers(ctx)
	if err != nil {
		return err
	}
	list, err := s.Volumes()
	if err != nil {
		return err
	}
	var gone []string
	defer func() { a.tellGone("Volumes", gone) }()
	for _, v := range list {
		if !p.all && !v.Anonymous || !p.keep(v.Created, v.Labels) {
			continue
		}
		size := diskOf(v.Path)
		err := s.RemoveUnusedVolume(ctx, v.Name)
		if errors.As(err, new(*state.VolumeInUseError)) {
			continue
		}
		if err != nil {
			return err
		}
		p.freed += size
		gone = append(gone, v.Name)
	}
	return nil
}

func (a *app) pruneNetworks(ctx context.Context, p *pruning) error {
	s, err := a.networks()
	if err != nil {
		return err
	}
	list, err := s.Prune(ctx, func(n network.Network) bool { return p.keep(n.Created, n.Labels) })
	var gone []string
	for _, n := range list {
		a.event("network", "destroy", n.ID, n.Name)
		gone = append(gone, n.Name)
	}
	a.tellGone("Networks", gone)
	return err
}

// pruneImages removes images without a name, or with all also those that no container
// uses.
func (a *app) pruneImages(ctx context.Context, p *pruning) error {
	s, err := a.store(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	removed, freed, err := images.Prune(ctx, s, p.all, images.RemoveOptions{
		Users: a.users, Want: func(i images.Summary) bool { return p.keep(i.Created, i.Labels) },
	})
	p.freed += freed
	a.tellRemoved(removed)
	return err
}

// pruneCaches removes what builds and runs left a month ago and nobody used since.
func (a *app) pruneCaches(ctx context.Context, p *pruning) error {
	dirs, err := locate(a.env)
	if err != nil {
		return err
	}
	old := 30 * 24 * time.Hour
	if p.all {
		old = 0
	}
	if err := (buildCache{filepath.Join(dirs.Cache, "build")}).sweep(old); err != nil {
		return err
	}
	if err := (packageCache{filepath.Join(dirs.Cache, "packages")}).sweep(old); err != nil {
		return err
	}
	rt, err := a.runtime(ctx)
	if err != nil {
		return err
	}
	defer closeRuntime(ctx, rt)
	modules, err := rt.Sweep(old)
	p.freed += modules
	return err
}

// parsePruneFilter reads the filters of prune: what may go.
func parsePruneFilter(filters []string) (pruneFilter, error) {
	var tests []pruneFilter
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
