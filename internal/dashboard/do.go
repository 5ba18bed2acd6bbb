package dashboard

import (
	"context"
	"errors"
	"net/http"

	"github.com/wherry-run/wherry/internal/state"
)

// do does what a button is for. What was begun goes on when the page is closed.
func (d *Dashboard) do(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), doTimeout)
	defer cancel()
	s := d.config.Containers
	c, err := s.Get(ctx, r.PathValue("id"))
	if err != nil {
		send(w, r, nil, err)
		return
	}
	switch r.PathValue("verb") {
	case "start":
		err = s.Start(ctx, c.ID)
	case "stop":
		err = s.Stop(ctx, c.ID, state.StopOptions{})
	case "restart":
		err = s.Restart(ctx, c.ID, state.StopOptions{})
	case "kill":
		err = s.Kill(ctx, c.ID, state.SIGKILL)
	case "pause":
		err = s.Pause(ctx, c.ID)
	case "unpause":
		err = s.Unpause(ctx, c.ID)
	case "remove":
		err = d.remove(ctx, c)
	default:
		refuse(w, r, http.StatusNotFound, "there is no such button")
		return
	}
	send(w, r, struct{}{}, err)
}

// remove removes a container, with its volumes that have no name. One that runs is
// ended first: the page has asked whether that is meant.
func (d *Dashboard) remove(ctx context.Context, c *state.Container) error {
	s := d.config.Containers
	if c.State.Status.Alive() {
		if err := s.Kill(ctx, c.ID, state.SIGKILL); err != nil && !errors.Is(err, state.ErrGone) {
			return err
		}
		if _, err := s.Wait(ctx, c.ID, state.WaitNotRunning); err != nil && !errors.As(err, new(*state.NotFoundError)) {
			return err
		}
	}
	err := s.Remove(ctx, c.ID, true)
	if errors.As(err, new(*state.NotFoundError)) { // it was to go with its end
		return nil
	}
	return err
}

// doStack starts or ends a stack.
func (d *Dashboard) doStack(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), doTimeout)
	defer cancel()
	project := r.PathValue("project")
	list, err := d.config.Containers.List(ctx, func(c *state.Container) bool { return c.Labels[labelProject] == project })
	switch {
	case err != nil:
		send(w, r, nil, err)
		return
	case len(list) == 0 || d.config.Stacks == nil:
		refuse(w, r, http.StatusNotFound, "there is no such stack")
		return
	}
	switch r.PathValue("verb") {
	case "start":
		err = d.config.Stacks.StartStack(ctx, project)
	case "stop":
		err = d.config.Stacks.StopStack(ctx, project)
	default:
		refuse(w, r, http.StatusNotFound, "there is no such button")
		return
	}
	send(w, r, struct{}{}, err)
}
