package compose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wherry-run/wherry/internal/network"
	"github.com/wherry-run/wherry/internal/state"
)

// DownOptions say what goes with a stack.
type DownOptions struct {
	Services []string // none: all, and the networks
	Orphans  bool     // containers of services that the file does not have any more
	Volumes  bool     // -v
	Stop     state.StopOptions
}

// Down ends the containers of a stack, those first that need others, and removes them
// and its networks. s may be nil where there is no file: labels tell what belongs to it.
func (e *Engine) Down(ctx context.Context, project string, s *Stack, o DownOptions) error {
	members, err := e.Members(ctx, project)
	if err != nil {
		return err
	}
	members = slices.DeleteFunc(members, func(m Member) bool {
		if len(o.Services) > 0 {
			return !slices.Contains(o.Services, m.Service)
		}
		return s != nil && s.Services[m.Service] == nil && !o.Orphans && !m.OneOff
	})
	err = e.eachEnding(ctx, members, func(ctx context.Context, m Member) error {
		if err := e.end(ctx, s.service(m.Service), m, o.Stop); err != nil {
			return err
		}
		return e.remove(ctx, m, o.Stop, o.Volumes)
	})
	if err != nil || len(o.Services) > 0 {
		return err
	}
	if err := e.removeNetworks(ctx, project); err != nil {
		return err
	}
	if !o.Volumes {
		return nil
	}
	return e.removeVolumes(ctx, project)
}

// service is one of a stack that may not be known.
func (s *Stack) service(name string) *Service {
	if s == nil {
		return nil
	}
	return s.Services[name]
}

// eachEnding does something for each member, after it is done for those that need its
// service.
func (e *Engine) eachEnding(ctx context.Context, members []Member, do func(context.Context, Member) error) error {
	return eachMember(ctx, members, true, do)
}

// eachMember does something for each member, services that need others after those or,
// with ending, before.
func eachMember(ctx context.Context, members []Member, ending bool, do func(context.Context, Member) error) error {
	of := map[string][]Member{}
	need := map[string][]string{}
	for _, m := range members {
		of[m.Service] = append(of[m.Service], m)
		need[m.Service] = sorted(parseNeeds(m.Labels[LabelNeeds]))
	}
	names := sorted(of)
	needs := func(name string) []string { return need[name] }
	if cyclic(names, needs) { // labels are anybody's
		needs = func(string) []string { return nil }
	}
	if ending {
		needs = backwards(names, needs)
	}
	return walk(ctx, names, needs, func(ctx context.Context, name string) error {
		var errs []error
		for _, m := range of[name] {
			errs = append(errs, do(ctx, m))
		}
		return errors.Join(errs...)
	})
}

// cyclic tells whether something needs itself.
func cyclic(names []string, needs func(string) []string) bool {
	const under, done = 1, 2
	state := map[string]int{}
	var visit func(string) bool
	visit = func(name string) bool {
		switch state[name] {
		case under:
			return true
		case done:
			return false
		}
		state[name] = under
		if slices.ContainsFunc(needs(name), visit) {
			return true
		}
		state[name] = done
		return false
	}
	return slices.ContainsFunc(names, visit)
}

// end stops a container that runs, after what is to run before that.
func (e *Engine) end(ctx context.Context, s *Service, m Member, o state.StopOptions) error {
	if !m.State.Status.Alive() {
		return nil
	}
	e.ending(ctx, s, m.Container, o)
	e.tell("Container", m.Name, "Stopping")
	if err := e.stop(ctx, m, o); err != nil {
		return err
	}
	e.tell("Container", m.Name, "Stopped")
	return nil
}

// ending runs what is to run before a container ends. That it fails keeps nothing from
// ending.
func (e *Engine) ending(ctx context.Context, s *Service, c *state.Container, o state.StopOptions) {
	if s == nil || c.State.Status != state.Running {
		return
	}
	ctx, cancel := patient(ctx, o)
	defer cancel()
	if err := e.hooks(ctx, s, c, "pre_stop", s.Ending); err != nil {
		e.tell("Container", c.Name, "Left: "+err.Error())
	}
}

// patient bounds what runs before a container ends by the time that somebody said it has.
func patient(ctx context.Context, o state.StopOptions) (context.Context, context.CancelFunc) {
	if o.Timeout == nil || *o.Timeout < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, *o.Timeout, fmt.Errorf("it had %s", *o.Timeout))
}

// remove removes a container, ending it first.
func (e *Engine) remove(ctx context.Context, m Member, o state.StopOptions, volumes bool) error {
	if err := e.gone(ctx, m, o, volumes); err != nil {
		return err
	}
	e.tell("Container", m.Name, "Removed")
	return nil
}

// stop ends a container. One that is gone has ended.
func (e *Engine) stop(ctx context.Context, m Member, o state.StopOptions) error {
	err := e.does(func() error { return e.Containers.Stop(ctx, m.ID, o) })
	if missing(err) || errors.Is(err, state.ErrGone) {
		return nil
	}
	return err
}

// gone ends and removes a container.
func (e *Engine) gone(ctx context.Context, m Member, o state.StopOptions, volumes bool) error {
	if err := e.stop(ctx, m, o); err != nil {
		return err
	}
	if err := e.does(func() error { return e.Containers.Remove(ctx, m.ID, volumes) }); !missing(err) {
		return err
	}
	return nil
}

// removalPatience is how long a network may still have containers that end.
const removalPatience = 3 * time.Second

func (e *Engine) removeNetworks(ctx context.Context, project string) error {
	list, err := e.Networks.List()
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range list {
		if n.Labels[LabelProject] != project {
			continue
		}
		until := time.Now().Add(removalPatience)
		for {
			err = e.does(func() error { _, err := e.Networks.Remove(ctx, n.Name, false); return err })
			if !errors.As(err, new(*network.InUseError)) || time.Now().After(until) || ctx.Err() != nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		var used *network.InUseError
		switch {
		case errors.As(err, &used):
			e.tell("Network", n.Name, "Kept: it is used by "+strings.Join(used.Containers, ", "))
		case errors.Is(err, network.ErrNotFound):
		case err != nil:
			errs = append(errs, err)
		default:
			e.tell("Network", n.Name, "Removed")
		}
	}
	return errors.Join(errs...)
}

func (e *Engine) removeVolumes(ctx context.Context, project string) error {
	list, err := e.Containers.Volumes()
	if err != nil {
		return err
	}
	var errs []error
	for _, v := range list {
		if v.Labels[LabelProject] != project {
			continue
		}
		err := e.does(func() error { return e.Containers.RemoveUnusedVolume(ctx, v.Name) })
		var used *state.VolumeInUseError
		switch {
		case errors.As(err, &used):
			e.tell("Volume", v.Name, "Kept: it is used by "+strings.Join(used.Containers, ", "))
		case missing(err):
		case err != nil:
			errs = append(errs, err)
		default:
			e.tell("Volume", v.Name, "Removed")
		}
	}
	return errors.Join(errs...)
}
