package compose

import (
	"context"
	"fmt"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/wherry-run/wherry/internal/state"
)

// lookEvery is how often a container is looked at that is waited for: the first looks
// come sooner.
const lookEvery = 200 * time.Millisecond

// A NeedError says that a service does not start, for something that it needs.
type NeedError struct {
	Need, Text string
}

func (e *NeedError) Error() string { return "it needs " + e.Need + ", which " + e.Text }

// need waits until another service is as one needs it.
func (u *update) need(ctx context.Context, s *Service, name string) error {
	n := s.Needs[name]
	other := u.stack.Services[name]
	if other == nil || other.External != "" {
		return nil
	}
	members, err := u.Members(ctx, u.stack.Name)
	if err != nil {
		return err
	}
	for _, m := range Of(members, []string{name}) {
		if err := u.condition(ctx, m, n.Condition); err != nil {
			if !n.Required && ctx.Err() == nil {
				u.tell("Container", m.Name, "Left: "+err.Error())
				continue
			}
			return err
		}
	}
	return nil
}

// condition waits until a container is as it was asked for.
func (e *Engine) condition(ctx context.Context, m Member, condition string) error {
	if e.Dry { // what it waits for may be one that is not there
		return nil
	}
	switch condition {
	case types.ServiceConditionCompletedSuccessfully:
		code, err := e.Containers.Wait(ctx, m.ID, state.WaitNotRunning)
		if err == nil && code != 0 {
			err = &NeedError{m.Service, fmt.Sprintf("ended with exit code %d", code)}
		}
		if err == nil {
			e.tell("Container", m.Name, "Exited")
		}
		return err
	case types.ServiceConditionHealthy:
		if m.Health == nil {
			return &NeedError{m.Service, "has no healthcheck to wait for"}
		}
		e.tell("Container", m.Name, "Waiting")
		if err := e.healthy(ctx, m); err != nil {
			return err
		}
		e.tell("Container", m.Name, "Healthy")
		return nil
	}
	return nil
}

// healthy waits until a container's check says that it is well.
func (e *Engine) healthy(ctx context.Context, m Member) error {
	pause := 5 * time.Millisecond
	for {
		c, err := e.Containers.Get(ctx, m.ID)
		switch {
		case err != nil:
			return err
		case c.State.Status == state.Exited || c.State.Status == state.Dead:
			return &NeedError{m.Service, fmt.Sprintf("ended with exit code %d", c.State.ExitCode)}
		case c.State.Health == nil:
		case c.State.Health.Status == state.Healthy:
			return nil
		case c.State.Health.Status == state.Unhealthy:
			return &NeedError{m.Service, "is unhealthy"}
		}
		pause = min(2*pause, lookEvery)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// Await waits until the containers of some services of a stack run, and are well where they have a
// check. One that has ended with 0 is well.
func (e *Engine) Await(ctx context.Context, project string, names []string, patience time.Duration) error {
	if e.Dry {
		return nil
	}
	if patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, patience, fmt.Errorf("not everything was well within %s", patience))
		defer cancel()
	}
	members, err := e.Members(ctx, project)
	if err != nil {
		return err
	}
	for _, m := range Of(members, names) {
		switch {
		case m.State.Status.Alive() && m.Health != nil:
			err = e.condition(ctx, m, types.ServiceConditionHealthy)
		case !m.State.Status.Alive() && m.State.ExitCode != 0:
			err = fmt.Errorf("container %s ended with exit code %d", m.Name, m.State.ExitCode)
		}
		if err != nil {
			return &ServiceError{m.Service, err}
		}
	}
	return nil
}

// Needed waits until everything that a service needs is as it needs it.
func (e *Engine) Needed(ctx context.Context, s *Stack, name string) error {
	u := &update{Engine: e, stack: s}
	for _, need := range sorted(s.Services[name].Needs) {
		if err := u.need(ctx, s.Services[name], need); err != nil {
			return &ServiceError{name, err}
		}
	}
	return nil
}
