package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/wherry-run/wherry/internal/local"
)

// ErrGone is the cause when a supervisor went away in the middle of a command.
var ErrGone = errors.New("its supervisor has ended")

// client speaks to one supervisor.
func client(at string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return local.Dial(ctx, at) },
	}}
}

// request asks the supervisor of a container.
func (s *Store) request(ctx context.Context, c *Container, method, what string, q url.Values, body io.Reader) (*http.Response, error) {
	if c.State.Control == "" {
		return nil, &StateError{c.Name, c.State.Status, what}
	}
	frames := method == http.MethodPost && (what == "attach" || what == "exec")
	if frames {
		body = strings.NewReader(prelude)
	}
	u := url.URL{Scheme: "http", Host: "wherry", Path: "/" + what, RawQuery: q.Encode()}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, err
	}
	if frames {
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", upgrade)
	}
	resp, err := client(c.State.Control).Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if after, lerr := s.look(ctx, c.ID); lerr == nil && !after.State.Status.Alive() {
			return nil, fmt.Errorf("%s container %s: %w", what, c.Name, ErrGone)
		}
		return nil, fmt.Errorf("%s container %s: ask its supervisor: %w", what, c.Name, err)
	}
	if resp.StatusCode >= 400 {
		defer resp.Body.Close()
		return nil, failed(resp)
	}
	return resp, nil
}

// failed is the error that an answer tells of.
func failed(resp *http.Response) error {
	var f failure
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxFrame))
	if err != nil || json.Unmarshal(b, &f) != nil || f.Text == "" {
		return fmt.Errorf("the supervisor answered %s", resp.Status)
	}
	switch {
	case f.State != nil:
		return f.State
	case f.Start != nil:
		return f.Start
	}
	return errors.New(f.Text)
}

// tell has the supervisor do something.
func (s *Store) tell(ctx context.Context, c *Container, what string, q url.Values) error {
	resp, err := s.request(ctx, c, http.MethodPost, what, q, nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxFrame))
	_ = resp.Body.Close()
	if err != nil {
		return fmt.Errorf("%s container %s: %w", what, c.Name, ErrGone)
	}
	return nil
}

// get asks the supervisor for something.
func (s *Store) get(ctx context.Context, c *Container, what string, q url.Values, v any) error {
	resp, err := s.request(ctx, c, http.MethodGet, what, q, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxDocument)).Decode(v); err != nil {
		return fmt.Errorf("%s container %s: %w", what, c.Name, ErrGone)
	}
	return nil
}

// Start starts a container's supervisor. One that runs stays as it is.
func (s *Store) Start(ctx context.Context, id string) error { return s.start(ctx, id, false) }

func (s *Store) start(ctx context.Context, id string, await bool) error {
	c, err := s.look(ctx, id)
	if err != nil {
		return err
	}
	switch c.State.Status {
	case Running, Restarting:
		return nil
	case Paused, Removing, Dead:
		return &StateError{c.Name, c.State.Status, "start"}
	}
	if s.options.Spawn == nil {
		return errors.New("this store starts no containers")
	}
	return s.options.Spawn(ctx, id, await)
}

// StopOptions say how a container is asked to end.
type StopOptions struct {
	Signal Signal // 0: the container's stop signal
	// Timeout is how long it has; nil is the container's, below 0 is for ever.
	Timeout *time.Duration
}

func (o StopOptions) query() url.Values {
	q := url.Values{}
	if o.Signal != 0 {
		q.Set("signal", fmt.Sprint(int(o.Signal)))
	}
	if o.Timeout != nil {
		q.Set("timeout", o.Timeout.String())
	}
	return q
}

// Stop asks a container to end, and waits until it has. One that does not run is
// left as it is; its restart policy does not start it any more.
func (s *Store) Stop(ctx context.Context, id string, o StopOptions) error {
	c, err := s.look(ctx, id)
	if err != nil {
		return err
	}
	if !c.State.Status.Alive() {
		return s.settle(c)
	}
	err = s.tell(ctx, c, "stop", o.query())
	if errors.Is(err, ErrGone) {
		err = nil
	}
	if err == nil {
		s.Event(c.Event("stop"))
	}
	return err
}

// settle puts down that a container that was killed is not to come back.
func (s *Store) settle(c *Container) error {
	if !c.State.Orphaned {
		return nil
	}
	c, l, err := s.hold(c.ID)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	c.State.Orphaned, c.State.Stopped = false, true
	return writeJSON(s.container(c.ID, stateFile), c.State)
}

// Restart ends a container's program and begins it anew; one that does not run is
// started.
func (s *Store) Restart(ctx context.Context, id string, o StopOptions) error {
	c, err := s.look(ctx, id)
	if err != nil {
		return err
	}
	if !c.State.Status.Alive() {
		return s.Start(ctx, id)
	}
	if err = s.tell(ctx, c, "restart", o.query()); err == nil {
		s.Event(c.Event("restart"))
	}
	return err
}

// Kill sends a container a signal.
func (s *Store) Kill(ctx context.Context, id string, signal Signal) error {
	return s.running(ctx, id, "kill", StopOptions{Signal: signal}.query())
}

// Pause stops everything that computes in a container; Unpause lets it go on.
func (s *Store) Pause(ctx context.Context, id string) error { return s.running(ctx, id, "pause", nil) }

// Unpause lets a container go on that was paused.
func (s *Store) Unpause(ctx context.Context, id string) error {
	return s.running(ctx, id, "unpause", nil)
}

// running has the supervisor of a container that runs do something.
func (s *Store) running(ctx context.Context, id, what string, q url.Values) error {
	c, err := s.look(ctx, id)
	if err != nil {
		return err
	}
	if !c.State.Status.Alive() {
		return &StateError{c.Name, c.State.Status, what}
	}
	return s.tell(ctx, c, what, q)
}

// The conditions of Wait, in Docker's words.
const (
	WaitNotRunning = "not-running"
	WaitNextExit   = "next-exit"
	WaitRemoved    = "removed"
)

// waitPoll is how often Wait looks at a container that has no supervisor to ask.
const waitPoll = 50 * time.Millisecond

// Wait waits until a container has ended, and gives its exit code.
func (s *Store) Wait(ctx context.Context, id, condition string) (int, error) {
	code := 0
	for {
		c, err := s.look(ctx, id)
		if errors.Is(err, fs.ErrNotExist) && condition == WaitRemoved {
			return code, nil
		}
		if err != nil {
			return 0, err
		}
		code = c.State.ExitCode
		if c.State.Status.Alive() {
			var exit Exit
			err := s.get(ctx, c, "wait", url.Values{"condition": {condition}}, &exit)
			if err == nil {
				code = exit.Code
			}
			if err == nil && condition != WaitRemoved {
				return code, nil
			}
			if ctx.Err() != nil {
				return 0, context.Cause(ctx)
			}
		} else if condition == WaitNotRunning || condition == "" {
			return code, nil
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-time.After(waitPoll):
		}
	}
}

// Usage is what a container uses now; of one that does not run what it had used.
func (s *Store) Usage(ctx context.Context, c *Container) (Usage, error) {
	var u Usage
	if !c.State.Status.Alive() {
		if c.State.Usage != nil {
			u = *c.State.Usage
		}
		return u, nil
	}
	return u, s.get(ctx, c, "usage", nil, &u)
}

// Top lists what runs in a container.
func (s *Store) Top(ctx context.Context, id string) ([]Process, error) {
	c, err := s.look(ctx, id)
	if err != nil {
		return nil, err
	}
	if !c.State.Status.Alive() {
		return nil, &StateError{c.Name, c.State.Status, "list the programs of"}
	}
	var list []Process
	return list, s.get(ctx, c, "top", nil, &list)
}
