package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/gofrs/flock"

	"github.com/wherry-run/wherry/internal/local"
	"github.com/wherry-run/wherry/internal/places"
)

// KilledCode is the exit code of a container whose supervisor was killed: it went
// with it.
const KilledCode = 137

// look reads a container and tells the truth about it: what the files say is true
// as long as its supervisor has the lock. Else look puts down that it has ended. It
// starts nothing: see Recover.
func (s *Store) look(ctx context.Context, id string) (*Container, error) {
	c, err := s.read(id)
	if err != nil || !c.State.Status.Alive() && !s.marked(id) {
		return c, err
	}
	l, err := tryLock(s.container(id, lockFile))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &NotFoundError{"container", Short(id)}
		}
		return nil, err
	}
	if l == nil {
		return c, nil // it lives
	}
	defer func() { _ = l.Close() }()
	return s.bury(ctx, id)
}

// bury puts down the end of a container whose supervisor is gone. The caller has the
// lock.
func (s *Store) bury(ctx context.Context, id string) (*Container, error) {
	c, err := s.read(id) // its supervisor may have ended in good order by now
	if err != nil {
		return c, err
	}
	if s.marked(id) {
		s.unlisten(id)
		if s.options.Died != nil { // a failure is no reason not to tell the truth
			_ = s.options.Died(context.WithoutCancel(ctx), c.Config)
		}
		s.unmark(id)
	}
	if !c.State.Status.Alive() {
		return c, nil
	}
	was := c.State.Status
	c.State.Status, c.State.Pid, c.State.Control, c.State.Ports = Exited, 0, "", nil
	c.State.Finished = s.options.Now()
	if was != Restarting { // else the last life has its own end
		c.State.ExitCode = KilledCode
		c.State.Error = "its process was killed, or the machine went down"
		c.State.Usage = nil
	}
	c.State.Orphaned = true
	if err := writeJSON(s.container(id, stateFile), c.State); err != nil {
		return nil, err
	}
	e := c.Event("die")
	e.Actor.Attributes["exitCode"] = fmt.Sprint(c.State.ExitCode)
	s.Event(e)
	return c, nil
}

// A mark is there from when a supervisor has taken a container until it has let go of
// everything: one that nobody has locked is of a supervisor that was killed, even where
// the container's state does not say that it ran.
func (s *Store) mark(id string) error {
	return os.WriteFile(s.container(id, markFile), nil, 0o600)
}

func (s *Store) unmark(id string) { _ = os.Remove(s.container(id, markFile)) }

func (s *Store) marked(id string) bool {
	_, err := os.Lstat(s.container(id, markFile))
	return err == nil
}

// unlisten removes where a supervisor listened that is gone.
func (s *Store) unlisten(id string) {
	for _, at := range local.Addresses(s.path(runDir), id) {
		_ = local.Remove(at)
	}
}

// Recovered is what Recover did.
type Recovered struct {
	Started []string // names of containers that their restart policy started again
	Removed []string // and of those that were to go with their end
	Failed  []error
}

// Recover sees to containers whose supervisors were killed: it applies their restart
// policies, removes those that were to be removed at their end, and ends removals
// that were begun. boot says that the machine, or the user's session, has just begun:
// RestartAlways then holds for those that were stopped, too.
func (s *Store) Recover(ctx context.Context, boot bool) (Recovered, error) {
	var r Recovered
	ids, err := s.ids()
	if err != nil {
		return r, err
	}
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return r, context.Cause(ctx)
		}
		c, err := s.look(ctx, id)
		switch {
		case errors.As(err, new(*NotFoundError)):
			err = s.clear(id)
		case err != nil:
		case c.State.Status == Removing && s.untouched(id), c.State.Status == Exited && c.AutoRemove && c.State.Orphaned:
			if err = s.reap(ctx, c); err == nil {
				r.Removed = append(r.Removed, c.Name)
			}
		case c.again(boot):
			if err = s.Start(ctx, id); err == nil {
				r.Started = append(r.Started, c.Name)
			}
		}
		if err != nil && !errors.Is(err, ErrBusy) && !errors.As(err, new(*NotFoundError)) {
			r.Failed = append(r.Failed, err)
		}
	}
	return r, nil
}

// untouched tells whether nobody has written a container's state for so long that a
// removal that had begun must have been broken off.
func (s *Store) untouched(id string) bool {
	info, err := os.Stat(s.container(id, stateFile))
	return err == nil && s.options.Now().Sub(info.ModTime()) > lockPatience
}

// again tells whether a container is to be started that nobody asked to be.
func (c *Container) again(boot bool) bool {
	if c.State.Status != Exited {
		return false
	}
	switch c.Restart.Policy {
	case RestartAlways:
		return c.State.Orphaned || boot
	case RestartUnlessStopped:
		return c.State.Orphaned && !c.State.Stopped
	case RestartOnFailure:
		return c.State.Orphaned && c.State.ExitCode != 0 && (c.Restart.Retries == 0 || c.State.Restarts < c.Restart.Retries)
	}
	return false
}

// reap removes a container that was to be gone, unless somebody is at it.
func (s *Store) reap(ctx context.Context, c *Container) error {
	l, err := tryLock(s.container(c.ID, lockFile))
	if err != nil || l == nil {
		return err
	}
	return s.removeHeld(ctx, c, l, true)
}

// clear removes a folder without a config: its creation, or its removal, did not
// come to its end. One that is younger than a creation takes is left alone.
func (s *Store) clear(id string) error {
	info, err := os.Stat(s.container(id))
	if err != nil || s.options.Now().Sub(info.ModTime()) < lockPatience {
		return nil
	}
	var l *flock.Flock
	if l, err = tryLock(s.container(id, lockFile)); err != nil || l == nil {
		return err
	}
	_ = l.Close()
	s.unlisten(id)
	return places.RemoveAll(s.container(id))
}
