package compose

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/wherry-run/wherry/internal/state"
)

// Start starts the containers of services that do not run, those that others need first.
func (e *Engine) Start(ctx context.Context, s *Stack, members []Member) error {
	return eachMember(ctx, members, false, func(ctx context.Context, m Member) error {
		if m.State.Status.Alive() {
			return nil
		}
		for need, n := range parseNeeds(m.Labels[LabelNeeds]) {
			for _, other := range Of(members, []string{need}) {
				if err := e.condition(ctx, other, n.Condition); err != nil {
					return &ServiceError{m.Service, err}
				}
			}
		}
		if err := e.begin(ctx, s.service(m.Service), m.Container); err != nil {
			return &ServiceError{m.Service, err}
		}
		return nil
	})
}

// Stop ends the containers of services, those first that need others.
func (e *Engine) Stop(ctx context.Context, s *Stack, members []Member, o state.StopOptions) error {
	return eachMember(ctx, members, true, func(ctx context.Context, m Member) error {
		return e.end(ctx, s.service(m.Service), m, o)
	})
}

// Restart ends containers and begins them again, one that others need before those.
func (e *Engine) Restart(ctx context.Context, s *Stack, members []Member, o state.StopOptions) error {
	return eachMember(ctx, members, false, func(ctx context.Context, m Member) error {
		e.tell("Container", m.Name, "Restarting")
		if err := e.again(ctx, s.service(m.Service), m.Container, o); err != nil {
			return &ServiceError{m.Service, err}
		}
		e.tell("Container", m.Name, "Started")
		return nil
	})
}

// again ends a container and begins it anew, with what is to run before and after that.
func (e *Engine) again(ctx context.Context, s *Service, c *state.Container, o state.StopOptions) error {
	e.ending(ctx, s, c, o)
	if err := e.does(func() error { return e.Containers.Restart(ctx, c.ID, o) }); err != nil || s == nil {
		return err
	}
	return e.hooks(ctx, s, c, "post_start", s.Began)
}

// hooks runs programs of a service in its container.
func (e *Engine) hooks(ctx context.Context, s *Service, c *state.Container, what string, hooks []Hook) error {
	if e.Dry || len(hooks) == 0 {
		return nil
	}
	if !s.agreed(c) {
		e.tell("Container", c.Name, "Left: what is to run at "+what+" is not what it was made with; up brings what the registry has now")
		return nil
	}
	for _, h := range hooks {
		code, err := e.Containers.Exec(ctx, c.ID, state.ExecConfig{Args: h.Args, Env: h.Env, WorkingDir: h.WorkingDir, User: h.User}, e.Streams)
		if err == nil && code != 0 {
			err = fmt.Errorf("exit code %d", code)
		}
		if err != nil {
			return fmt.Errorf("%s of %s: %w", what, c.Name, err)
		}
	}
	return nil
}

// agreed tells whether the hooks of a service are those with which a container was made,
// where that matters.
func (s *Service) agreed(c *state.Container) bool {
	if !s.bound {
		return true
	}
	hash, err := s.hooks()
	return err == nil && c.Labels[LabelHooks] == hash
}

// Kill sends containers that run a signal.
func (e *Engine) Kill(ctx context.Context, members []Member, signal state.Signal) error {
	return e.each(members, "Killed", func(m Member) error {
		if !m.State.Status.Alive() {
			return errLeft
		}
		err := e.does(func() error { return e.Containers.Kill(ctx, m.ID, signal) })
		if ended := new(state.StateError); errors.As(err, &ended) && !ended.Status.Alive() { // meanwhile
			return errLeft
		}
		return err
	})
}

// Pause stops what computes in containers that run, or lets it go on.
func (e *Engine) Pause(ctx context.Context, members []Member, paused bool) error {
	if paused {
		return e.each(members, "Paused", func(m Member) error {
			if m.State.Status != state.Running {
				return errLeft
			}
			return e.does(func() error { return e.Containers.Pause(ctx, m.ID) })
		})
	}
	return e.each(members, "Unpaused", func(m Member) error {
		if m.State.Status != state.Paused {
			return errLeft
		}
		return e.does(func() error { return e.Containers.Unpause(ctx, m.ID) })
	})
}

// Remove removes containers that do not run, or, with force, ends them first.
func (e *Engine) Remove(ctx context.Context, members []Member, force, volumes bool) error {
	return e.each(members, "Removed", func(m Member) error {
		if m.State.Status.Alive() && !force {
			return errLeft
		}
		return e.gone(ctx, m, state.StopOptions{Signal: state.SIGKILL}, volumes)
	})
}

// errLeft is the answer of what leaves a container as it is.
var errLeft = errors.New("left as it is")

func (e *Engine) each(members []Member, done string, do func(Member) error) error {
	var errs []error
	for _, m := range members {
		switch err := do(m); {
		case errors.Is(err, errLeft):
		case err != nil:
			errs = append(errs, fmt.Errorf("container %s: %w", m.Name, err))
		default:
			e.tell("Container", m.Name, done)
		}
	}
	return errors.Join(errs...)
}

// A Once is a container of `run`: one of a service, for one command.
type Once struct {
	Service    string
	Args       []string // nil: the service's own
	Env        []string
	Labels     map[string]string
	Mounts     []state.Mount
	Publish    []string
	Ports      bool // --service-ports
	Aliases    bool // --use-aliases
	Entrypoint *string
	Name       string
	User       string
	WorkingDir string
	Terminal   bool
	OpenStdin  bool
	Remove     bool
}

// RunOnce makes a container of a service beside its others. It takes no ports and no
// names from them, and is not started again.
func (e *Engine) RunOnce(ctx context.Context, s *Stack, o Once) (*state.Container, error) {
	service := s.Services[o.Service]
	switch {
	case service == nil:
		return nil, &UnknownError{o.Service}
	case service.External != "":
		return nil, &ServiceError{o.Service, errors.New("it lives elsewhere")}
	}
	hash, err := service.Hash()
	if err != nil {
		return nil, err
	}
	slug := state.NewID()
	c := service.Container
	c.Name = o.Name
	if c.Name == "" {
		c.Name = fmt.Sprintf("%s-%s-run-%s", s.Name, o.Service, slug[:12])
	}
	c.Labels = with(with(c.Labels, s.labels(service, hash, 1, true)), o.Labels)
	c.Labels[LabelSlug] = slug
	c.Restart, c.Terminal, c.OpenStdin, c.Remove = "", o.Terminal, o.OpenStdin, o.Remove
	if o.Args != nil {
		c.Args = o.Args
	}
	if o.Entrypoint != nil {
		c.Entrypoint, c.Args = *o.Entrypoint, o.Args
	}
	c.Env = slices.Concat(c.Env, o.Env)
	c.Mounts = slices.Concat(o.Mounts, slices.DeleteFunc(slices.Clone(c.Mounts), func(m state.Mount) bool {
		return slices.ContainsFunc(o.Mounts, func(n state.Mount) bool { return n.Target == m.Target })
	}))
	if !o.Ports {
		c.Publish = nil
	}
	c.Publish = slices.Concat(c.Publish, o.Publish)
	if !o.Aliases {
		c.Networks = slices.Clone(c.Networks)
		for i := range c.Networks {
			c.Networks[i].Aliases = nil
		}
	}
	if o.User != "" {
		c.User = o.User
	}
	if o.WorkingDir != "" {
		c.WorkingDir = o.WorkingDir
	}
	return e.Maker.Create(ctx, c)
}
