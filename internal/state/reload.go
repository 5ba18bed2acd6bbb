package state

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// Reloaded says what a program did about files that were written into its container.
type Reloaded string

const (
	// ReloadNeedless: the program sees its files as they are.
	ReloadNeedless Reloaded = ""
	// ReloadDone: it has taken them over.
	ReloadDone Reloaded = "reloaded"
	// ReloadRestart: it will when it is started again.
	ReloadRestart Reloaded = "restart"
)

// A Reloader is a Program that does not see what is written into its container's files
// while it runs, and takes that over when it is asked to. The error says that it could
// not, and what it does meanwhile is its own affair: it has not ended. With foresee it
// makes ready for that, and takes nothing over.
type Reloader interface {
	Reload(ctx context.Context, foresee bool) (Reloaded, error)
}

// Reload has the program of a container take over what was written into its files, or,
// with foresee, make ready for that.
func (s *Store) Reload(ctx context.Context, id string, foresee bool) (Reloaded, error) {
	c, err := s.look(ctx, id)
	if err != nil {
		return "", err
	}
	if !c.State.Status.Alive() {
		return "", &StateError{c.Name, c.State.Status, "reload"}
	}
	resp, err := s.request(ctx, c, http.MethodPost, "reload", url.Values{"foresee": {strconv.FormatBool(foresee)}}, nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var said struct{ Done Reloaded }
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxFrame)).Decode(&said); err != nil {
		return "", fmt.Errorf("reload container %s: %w", c.Name, ErrGone)
	}
	if said.Done == ReloadDone {
		s.Event(c.Event("reload"))
	}
	return said.Done, nil
}

func (v *supervisor) serveReload(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	p, c := v.program, *v.c
	v.mu.Unlock()
	if p == nil || c.State.Status != Running {
		answer(w, nil, &StateError{c.Name, c.State.Status, "reload"})
		return
	}
	done, err := ReloadNeedless, error(nil)
	if reloader, ok := p.(Reloader); ok {
		done, err = reloader.Reload(r.Context(), r.URL.Query().Get("foresee") == "true")
	}
	answer(w, struct{ Done Reloaded }{done}, err)
}
