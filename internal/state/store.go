package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/wherry-run/wherry/internal/pattern"
)

// Options say how a Store works.
type Options struct {
	// Spawn starts the supervisor of a container as a process of its own and returns
	// once that says how the start went, or, with await, that it can be attached to.
	// nil is for who only looks.
	Spawn func(ctx context.Context, id string, await bool) error
	// Removed is called when a container is removed, before its config is: it lets go
	// of what others keep for it. nil is nothing.
	Removed func(ctx context.Context, c Config) error
	// Died is called when a container's supervisor was killed, before anything else is
	// done about it: it lets go of what that process held. nil is nothing.
	Died func(ctx context.Context, c Config) error
	// Files opens the files of a container that does not run; nil is for who does not
	// ask for them.
	Files func(ctx context.Context, c Job) (files Files, done func(), err error)
	// Now is the clock; nil is the host's.
	Now func() time.Time
}

// Store is the containers and volumes of one user on this machine. Its methods may
// be called by any number of goroutines and processes.
type Store struct {
	dir     string
	options Options
}

// Open opens the store below a folder, and makes it when it is not there.
func Open(dir string, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Store{dir: dir, options: o}
	for _, d := range []string{containersDir, volumesDir, eventsDir} {
		if err := os.MkdirAll(s.path(d), 0o700); err != nil {
			return nil, fmt.Errorf("open containers: %w", err)
		}
	}
	return s, nil
}

const (
	containersDir = "containers"
	volumesDir    = "volumes"
	eventsDir     = "events"
	runDir        = "run"
	configFile    = "config.json"
	stateFile     = "state.json"
	lockFile      = "lock"
	markFile      = "supervised"
	logsDir       = "logs"
	upperDir      = "upper"
)

func (s *Store) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

func (s *Store) container(id string, parts ...string) string {
	return s.path(append([]string{containersDir, id}, parts...)...)
}

// Upper is the folder in which a container keeps what it writes.
func (s *Store) Upper(id string) string { return s.container(id, upperDir) }

// A NotFoundError says that there is no container, or volume, of that name.
type NotFoundError struct{ Kind, Name string }

func (e *NotFoundError) Error() string { return fmt.Sprintf("no such %s: %s", e.Kind, e.Name) }

// Is makes it fs.ErrNotExist.
func (e *NotFoundError) Is(target error) bool { return target == fs.ErrNotExist }

// A NameError says that a name is taken, or is none.
type NameError struct{ Name, Reason string }

func (e *NameError) Error() string { return fmt.Sprintf("container name %q: %s", e.Name, e.Reason) }

// A StateError says that a container does not stand as it would have to.
type StateError struct {
	Name   string
	Status Status
	Want   string // what was to be done
}

func (e *StateError) Error() string {
	return fmt.Sprintf("cannot %s container %s: it is %s", e.Want, e.Name, e.Status)
}

// ErrBusy is the cause when another command has its hands on a container.
var ErrBusy = errors.New("another command works on it")

var validName = pattern.New(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$`)

// ValidName tells whether a container or a volume may have a name.
func ValidName(name string) bool { return validName.MatchString(name) }
