package state

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/gofrs/flock"

	"github.com/wherry-run/wherry/internal/places"
)

// Create puts a container down. ID, Name and Created are filled in where they are
// empty. Nothing runs yet.
func (s *Store) Create(ctx context.Context, c Config) (*Container, error) {
	unlock, err := s.names()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if c.Name == "" {
		c.Name = s.freeName()
	} else if err := s.checkName(c.Name, ""); err != nil {
		return nil, err
	}
	if c.ID == "" {
		c.ID = NewID()
	}
	if c.Created.IsZero() {
		c.Created = s.options.Now()
	}
	made := &Container{Config: c, State: State{Status: Created}}
	if err := s.write(made); err != nil {
		_ = places.RemoveAll(s.container(c.ID))
		return nil, fmt.Errorf("create container: %w", err)
	}
	s.Event(made.Event("create"))
	return made, nil
}

// write makes the folder of a new container. The config comes last: without one
// there is no container.
func (s *Store) write(c *Container) error {
	if !isID(c.ID) {
		return fmt.Errorf("%q is no ID of a container", c.ID)
	}
	if err := os.Mkdir(s.container(c.ID), 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(s.container(c.ID, logsDir), 0o700); err != nil {
		return err
	}
	if err := writeJSON(s.container(c.ID, stateFile), c.State); err != nil {
		return err
	}
	return writeJSON(s.container(c.ID, configFile), c.Config)
}

// NewID makes an ID for a container.
func NewID() string {
	b := make([]byte, 32)
	rand.Read(b)
	return hex.EncodeToString(b)
}

func isID(text string) bool {
	return len(text) == 64 && strings.Trim(text, "0123456789abcdef") == ""
}

// names takes the lock under which names are given.
func (s *Store) names() (unlock func(), err error) {
	l, err := waitLock(s.path(containersDir, "names.lock"), lockPatience)
	if err != nil {
		return nil, fmt.Errorf("lock names of containers: %w", err)
	}
	return func() { _ = l.Close() }, nil
}

// checkName refuses a name that is none, or another container's.
func (s *Store) checkName(name, id string) error {
	if !validName.MatchString(name) {
		return &NameError{name, "a name is of letters, digits, _ . and -, and begins with one of the first two"}
	}
	ids, err := s.ids()
	if err != nil {
		return err
	}
	for _, other := range ids {
		var c Config
		if other == id || readJSON(s.container(other, configFile), &c) != nil {
			continue
		}
		if c.Name == name {
			return &NameError{name, "container " + Short(other) + " has it"}
		}
	}
	return nil
}

// ids lists the folders of containers.
func (s *Store) ids() ([]string, error) {
	entries, err := os.ReadDir(s.path(containersDir))
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var list []string
	for _, e := range entries {
		if isID(e.Name()) {
			list = append(list, e.Name())
		}
	}
	return list, nil
}

// Short is an ID as listings show it.
func Short(id string) string { return id[:min(12, len(id))] }

// read reads one container as it stands on disk, and sees to what its supervisor
// left undone when that was killed.
func (s *Store) read(id string) (*Container, error) {
	c := &Container{}
	if err := readJSON(s.container(id, configFile), &c.Config); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &NotFoundError{"container", Short(id)}
		}
		// It can be seen and removed, and that is all.
		return &Container{Config: Config{ID: id, Name: Short(id)}, State: State{Status: Dead, Error: err.Error()}}, nil
	}
	if err := readJSON(s.container(id, stateFile), &c.State); err != nil {
		if errors.Is(err, fs.ErrNotExist) { // it is being removed
			return nil, &NotFoundError{"container", Short(id)}
		}
		c.State = State{Status: Dead, Error: err.Error()}
	}
	c.ID = id
	return c, nil
}

// A Filter tells which containers are wanted; nil wants all.
type Filter func(c *Container) bool

// List lists the containers, the youngest first.
func (s *Store) List(ctx context.Context, want Filter) ([]*Container, error) {
	ids, err := s.ids()
	if err != nil {
		return nil, err
	}
	list := []*Container{}
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		c, err := s.look(ctx, id)
		if errors.As(err, new(*NotFoundError)) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if want == nil || want(c) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *Container) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

// Get finds a container by its name, its ID, or how its ID begins.
func (s *Store) Get(ctx context.Context, name string) (*Container, error) {
	id, err := s.find(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.look(ctx, id)
}

// find is the ID of the container that a word names.
func (s *Store) find(ctx context.Context, name string) (string, error) {
	name = strings.TrimPrefix(name, "/")
	ids, err := s.ids()
	if err != nil {
		return "", err
	}
	if isID(name) && slices.Contains(ids, name) {
		return name, nil
	}
	var begins []string
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return "", context.Cause(ctx)
		}
		var c Config
		if readJSON(s.container(id, configFile), &c) == nil && c.Name == name {
			return id, nil
		}
		if name != "" && strings.HasPrefix(id, name) {
			begins = append(begins, id)
		}
	}
	switch len(begins) {
	case 0:
		return "", &NotFoundError{"container", name}
	case 1:
		return begins[0], nil
	}
	return "", &NameError{name, fmt.Sprintf("the IDs of %d containers begin with it", len(begins))}
}

// Rename gives a container another name.
func (s *Store) Rename(ctx context.Context, id, name string) error {
	return s.configure(ctx, id, "rename", func(c *Container) error {
		if err := s.checkName(name, id); err != nil {
			return err
		}
		c.Name = name
		return nil
	})
}

// Update changes what may be changed of a container's config: limits and the
// restart policy. One that runs is told.
func (s *Store) Update(ctx context.Context, id string, change func(c *Config) error) error {
	err := s.configure(ctx, id, "update", func(c *Container) error { return change(&c.Config) })
	if err != nil {
		return err
	}
	c, err := s.look(ctx, id)
	if err == nil && c.State.Status.Alive() {
		return s.tell(ctx, c, "update", nil)
	}
	return err
}

// configure changes a config under the lock of names.
func (s *Store) configure(ctx context.Context, id, action string, change func(c *Container) error) error {
	unlock, err := s.names()
	if err != nil {
		return err
	}
	defer unlock()
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	c, err := s.read(id)
	if err != nil {
		return err
	}
	old := c.Name
	if err := change(c); err != nil {
		return err
	}
	if err := writeJSON(s.container(id, configFile), c.Config); err != nil {
		return fmt.Errorf("%s container: %w", action, err)
	}
	e := c.Event(action)
	if old != c.Name {
		e.Actor.Attributes["oldName"] = old
	}
	s.Event(e)
	return nil
}

// hold takes a container that does not run, for a command that works on its files.
// While it is held nobody can start it.
func (s *Store) hold(id string) (*Container, *flock.Flock, error) {
	l, err := waitLock(s.container(id, lockFile), lockPatience)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = &NotFoundError{"container", Short(id)}
		}
		return nil, nil, err
	}
	c, err := s.read(id)
	if err != nil {
		_ = l.Close()
		return nil, nil, err
	}
	return c, l, nil
}

// Remove removes a container that does not run, with its files and its anonymous
// volumes where volumes says so.
func (s *Store) Remove(ctx context.Context, id string, volumes bool) error {
	c, err := s.look(ctx, id)
	if err != nil {
		return err
	}
	if c.State.Status.Alive() {
		return &StateError{c.Name, c.State.Status, "remove"}
	}
	c, l, err := s.hold(id)
	if err != nil {
		return fmt.Errorf("remove container: %w", err)
	}
	if err := ctx.Err(); err != nil {
		_ = l.Close()
		return context.Cause(ctx)
	}
	return s.removeHeld(ctx, c, l, volumes)
}

// removeHeld removes a container whose lock l the caller has. Whoever takes the lock
// after that, before the folder is gone, sees that it is being removed.
func (s *Store) removeHeld(ctx context.Context, c *Container, l *flock.Flock, volumes bool) error {
	c.State.Status, c.State.Control, c.State.Pid = Removing, "", 0
	err := writeJSON(s.container(c.ID, stateFile), c.State)
	_ = l.Close() // Windows removes no open files
	if err == nil {
		err = s.sweep(ctx, c, volumes)
	}
	if err != nil {
		c.State.Status, c.State.Error = Dead, err.Error()
		_ = writeJSON(s.container(c.ID, stateFile), c.State)
		return fmt.Errorf("remove container %s: %w", c.Name, err)
	}
	s.Event(c.Event("destroy"))
	return nil
}

func (s *Store) sweep(ctx context.Context, c *Container, volumes bool) error {
	if volumes {
		for _, m := range c.Mounts {
			if m.Anonymous {
				err := s.removeUnused(ctx, m.Name, c.Name)
				if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.As(err, new(*VolumeInUseError)) {
					return err
				}
			}
		}
	}
	if s.options.Removed != nil {
		if err := s.options.Removed(context.WithoutCancel(ctx), c.Config); err != nil {
			return err
		}
	}
	s.unlisten(c.ID)
	// The config last: while it is there, the rest can be found again.
	for _, name := range []string{upperDir, logsDir, ""} {
		if err := places.RemoveAll(s.container(c.ID, name)); err != nil {
			return err
		}
	}
	return nil
}
