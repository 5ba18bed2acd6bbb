package compose

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/wherry-run/wherry/internal/changes"
	"github.com/wherry-run/wherry/internal/state"
)

// WatchOptions say how changes of files are followed.
type WatchOptions struct {
	// Up brings a service up anew after its image was built.
	Up UpOptions
	// Tell hears of what was done for a change; nil hears nothing.
	Tell func(service, what string)
}

// ErrNothingToWatch is the cause when no service says what to do about changes.
var ErrNothingToWatch = errors.New("no service has develop.watch, with what is to be done when files change")

// Watch follows changes of the files that develop.watch names until ctx ends.
func (e *Engine) Watch(ctx context.Context, s *Stack, names []string, o WatchOptions) error {
	var all []*watched
	for _, name := range names {
		service := s.Services[name]
		for i := range service.Watch {
			w, err := newWatched(service, &service.Watch[i])
			if err != nil {
				return &ServiceError{name, err}
			}
			w.stack = s
			all = append(all, w)
		}
	}
	if len(all) == 0 {
		return ErrNothingToWatch
	}
	if err := e.initial(ctx, s, all, o); err != nil {
		return err
	}
	go e.foresee(ctx, all)
	files := make([]*changes.Files, len(all))
	for i, w := range all {
		files[i] = w.files
	}
	return changes.Follow(ctx, files, func(i int, c changes.Set) {
		err := e.follow(ctx, s, all[i], c, o)
		if err == nil && all[i].trigger.Action == types.WatchActionRebuild {
			service := all[i].service.Name // whose new containers have the image's files only
			err = e.initial(ctx, s, slices.DeleteFunc(slices.Clone(all), func(w *watched) bool { return w.service.Name != service }), o)
		}
		if err != nil && ctx.Err() == nil {
			all[i].tell(o, "failed: "+err.Error()) // the next change may be the one that mends it
		}
	})
}

// initial copies what containers are to have before anything changes.
func (e *Engine) initial(ctx context.Context, s *Stack, all []*watched, o WatchOptions) error {
	for _, w := range all {
		if w.trigger.InitialSync && w.trigger.Target != "" {
			if err := e.sync(ctx, s, w, changes.Set{Written: w.files.List()}, o); err != nil {
				return &ServiceError{w.service.Name, err}
			}
		}
	}
	return nil
}

// foresee has servers ready for their first change.
func (e *Engine) foresee(ctx context.Context, all []*watched) {
	seen := map[string]bool{}
	for _, w := range all {
		if seen[w.service.Name] || w.trigger.Action != types.WatchActionSync && w.trigger.Action != types.WatchActionSyncExec {
			continue
		}
		seen[w.service.Name] = true
		members, err := e.running(ctx, w.stack, w.service.Name)
		for _, m := range members {
			if err == nil {
				_, _ = e.Containers.Reload(ctx, m.ID, true) // the first change takes longer, then
			}
		}
	}
}

// watched is one folder, or file, that is watched for a service.
type watched struct {
	stack   *Stack
	service *Service
	trigger *types.Trigger
	files   *changes.Files
}

func newWatched(s *Service, t *types.Trigger) (*watched, error) {
	rules := changes.Rules{Ignore: t.Ignore, Include: t.Include}
	rules.Context = s.Build != nil && filepath.Clean(s.Build.Folder) == filepath.Clean(t.Path)
	if rules.Context && t.Action == types.WatchActionRebuild {
		rules.Recipe = []string{"Wasmfile"}
	}
	files, err := changes.New(t.Path, rules)
	if err != nil {
		return nil, fmt.Errorf("develop.watch of %s: %w", t.Path, err)
	}
	return &watched{service: s, trigger: t, files: files}, nil
}

func (w *watched) tell(o WatchOptions, what string) {
	if o.Tell != nil {
		o.Tell(w.service.Name, what)
	}
}

// follow does what a service wants for a change.
func (e *Engine) follow(ctx context.Context, s *Stack, w *watched, c changes.Set, o WatchOptions) error {
	switch w.trigger.Action {
	case types.WatchActionSync, types.WatchActionSyncRestart, types.WatchActionSyncExec:
		return e.sync(ctx, s, w, c, o)
	case types.WatchActionRestart:
		members, err := e.running(ctx, s, w.service.Name)
		if err != nil {
			return err
		}
		if err := e.Restart(ctx, s, members, o.Up.Stop); err != nil {
			return err
		}
		w.tell(o, "restarted: "+c.String())
		return nil
	}
	if err := e.build(ctx, w.service); err != nil {
		return err
	}
	up := o.Up
	up.Services, up.Alone, up.NoBuild = []string{w.service.Name}, true, true
	if err := e.Up(ctx, s, up); err != nil {
		return err
	}
	w.tell(o, "built and replaced: "+c.String())
	return nil
}

// running are the containers of a service that run.
func (e *Engine) running(ctx context.Context, s *Stack, name string) ([]Member, error) {
	members, err := e.Members(ctx, s.Name)
	return slices.DeleteFunc(Of(members, []string{name}), func(m Member) bool { return !m.State.Status.Alive() }), err
}

// sync copies what has changed into the containers of a service, and has those begin
// again whose programs would not see it.
func (e *Engine) sync(ctx context.Context, s *Stack, w *watched, c changes.Set, o WatchOptions) error {
	members, err := e.running(ctx, s, w.service.Name)
	if err != nil {
		return err
	}
	done := "copied"
	for _, m := range members {
		if err := e.copyInto(ctx, m, w, c); err != nil {
			return fmt.Errorf("copy into %s: %w", m.Name, err)
		}
		again := w.trigger.Action == types.WatchActionSyncRestart
		if !again {
			taken, err := e.Containers.Reload(ctx, m.ID, false)
			if err != nil {
				return err
			}
			if taken == state.ReloadDone {
				done = "copied, and reloaded"
			}
			again = taken == state.ReloadRestart
		}
		if again {
			done = "copied, and restarted"
			if err := e.again(ctx, w.service, m.Container, o.Up.Stop); err != nil {
				return err
			}
		}
		if w.trigger.Action == types.WatchActionSyncExec {
			done = "copied, and told"
			if err := e.hooks(ctx, w.service, m.Container, "exec", []Hook{hook(w.trigger.Exec)}); err != nil {
				return err
			}
		}
	}
	w.tell(o, done+": "+c.String())
	return nil
}

// copyInto copies files into a container, and removes from it those that are gone.
func (e *Engine) copyInto(ctx context.Context, m Member, w *watched, c changes.Set) error {
	if len(c.Written) > 0 {
		files, done, err := e.Containers.Files(ctx, m.Container)
		if err != nil {
			return err
		}
		defer done()
		dir, tar := w.tar(ctx, c.Written)
		defer tar.Close()
		if err := files.Extract(ctx, tar, dir); err != nil {
			return err
		}
	}
	if len(c.Gone) == 0 {
		return nil
	}
	args := []string{"rm", "-f", "--"}
	for _, name := range c.Gone {
		args = append(args, w.target(name))
	}
	return e.hooks(ctx, w.service, m.Container, "removing files", []Hook{{Args: args}})
}

// target is where a file is in the container.
func (w *watched) target(name string) string {
	if name == "." { // a file is watched, and not a folder
		return w.trigger.Target
	}
	return path.Join(w.trigger.Target, name)
}
