package compose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/wherry-run/wherry/internal/network"
	"github.com/wherry-run/wherry/internal/state"
)

// A Maker makes a container, as `create` does, and gives what was made.
type Maker interface {
	Create(ctx context.Context, c Container) (*state.Container, error)
}

// Images has the images of services.
type Images interface {
	// Build builds one and gives it its tags.
	Build(ctx context.Context, b Build) error
	// Pull has one in the store: always anew, or with "missing" where it is not there.
	Pull(ctx context.Context, image, policy string) error
	// ID is an image's ID now; "" when it is not in the store.
	ID(ctx context.Context, image string) (string, error)
}

// An Engine makes what stacks ask for, and looks after it.
type Engine struct {
	Containers *state.Store
	Networks   *network.Store
	Images     Images
	Maker      Maker
	// Tell hears of every step; nil hears nothing.
	Tell func(Step)
	// Streams are where hooks print.
	Streams state.Attached
	// Dry has nothing done: Tell hears what would be.
	Dry bool
}

// A Step is something that was done to something: Kind is Container, Network, Volume or
// Image, Done what became of it, as Started.
type Step struct{ Kind, Name, Done string }

func (e *Engine) tell(kind, name, done string) {
	if e.Tell != nil {
		e.Tell(Step{kind, name, done})
	}
}

// does does something to this machine, unless it is only to be told.
func (e *Engine) does(do func() error) error {
	if e.Dry {
		return nil
	}
	return do()
}

// Members are the containers of a stack, those of `run` included, by service and number.
func (e *Engine) Members(ctx context.Context, project string) ([]Member, error) {
	list, err := e.Containers.List(ctx, func(c *state.Container) bool { return c.Labels[LabelProject] == project })
	if err != nil {
		return nil, err
	}
	var members []Member
	for _, c := range list {
		members = append(members, member(c))
	}
	return order(members), nil
}

// Projects are the names of all stacks that have containers.
func (e *Engine) Projects(ctx context.Context) (map[string][]Member, error) {
	list, err := e.Containers.List(ctx, func(c *state.Container) bool { return c.Labels[LabelProject] != "" })
	if err != nil {
		return nil, err
	}
	out := map[string][]Member{}
	for _, c := range list {
		name := c.Labels[LabelProject]
		out[name] = append(out[name], member(c))
	}
	return out, nil
}

// Of are the members of some services, or of all where none is named; those of `run`
// are left out.
func Of(members []Member, services []string) []Member {
	return slices.DeleteFunc(slices.Clone(members), func(m Member) bool {
		return m.OneOff || len(services) > 0 && !slices.Contains(services, m.Service)
	})
}

// An Orphan is told of: a container of a service that the file does not have any more.
func (s *Stack) orphans(members []Member) []Member {
	return slices.DeleteFunc(slices.Clone(members), func(m Member) bool { return m.OneOff || s.Services[m.Service] != nil })
}

// ServiceError is an error about one service.
type ServiceError struct {
	Service string
	Err     error
}

func (e *ServiceError) Error() string { return fmt.Sprintf("service %s: %v", e.Service, e.Err) }

// Unwrap gives what happened.
func (e *ServiceError) Unwrap() error { return e.Err }

// UnknownError says that a stack has no service of a name.
type UnknownError struct{ Name string }

func (e *UnknownError) Error() string { return "no such service: " + e.Name }

// Names are the services of a stack, in order.
func Names(s *Stack) []string { return sorted(s.Services) }

// Selected are the services that are named, with those they need unless alone; all
// where none is named.
func (s *Stack) Selected(names []string, alone bool) ([]string, error) {
	if len(names) == 0 {
		return sorted(s.Services), nil
	}
	var out []string
	var add func(name string) error
	add = func(name string) error {
		service := s.Services[name]
		if service == nil {
			return &UnknownError{name}
		}
		if slices.Contains(out, name) {
			return nil
		}
		out = append(out, name)
		if alone {
			return nil
		}
		for _, need := range sorted(service.Needs) {
			if err := add(need); err != nil {
				return err
			}
		}
		return nil
	}
	for _, name := range names {
		if err := add(name); err != nil {
			return nil, err
		}
	}
	slices.Sort(out)
	return out, nil
}

// walk does something for each name as soon as it is done for those it needs, several
// at once. After an error what needs it is left out.
func walk(ctx context.Context, names []string, needs func(string) []string, do func(ctx context.Context, name string) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := map[string]chan struct{}{}
	for _, name := range names {
		done[name] = make(chan struct{})
	}
	var mu sync.Mutex
	failed := map[string]bool{}
	var errs []error
	var all sync.WaitGroup
	for _, name := range names {
		all.Go(func() {
			defer close(done[name])
			for _, need := range needs(name) {
				if done[need] == nil || need == name {
					continue
				}
				<-done[need]
				mu.Lock()
				stop := failed[need]
				failed[name] = failed[name] || stop
				mu.Unlock()
				if stop {
					return
				}
			}
			if err := do(ctx, name); err != nil {
				mu.Lock()
				failed[name] = true
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// backwards turns needs around: what needs a name, for things to be ended first.
func backwards(names []string, needs func(string) []string) func(string) []string {
	users := map[string][]string{}
	for _, name := range names {
		for _, need := range needs(name) {
			users[need] = append(users[need], name)
		}
	}
	return func(name string) []string { return users[name] }
}
