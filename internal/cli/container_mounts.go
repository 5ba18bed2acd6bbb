package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
	"github.com/wherry-run/wherry/runtime"
)

// specMounts are the mounts of a run. A volume without a name needs none where the
// container goes with the run: its files do as well.
func (a *app) specMounts(o runOptions) ([]runtime.Mount, error) {
	list, err := parseMounts(o)
	if err != nil {
		return nil, err
	}
	out := slices.Clone(o.mounted)
	for _, m := range list {
		if m.Type == mountVolume {
			if m.Anonymous || o.life.kept() || o.supervised {
				continue
			}
			s, err := a.openContainers()
			if err != nil {
				return nil, err
			}
			v, _, err := s.CreateVolume(m.Name, m.Labels)
			if err != nil {
				return nil, err
			}
			m.Source = v.Path
		}
		out = append(out, runtimeMount(m))
	}
	return out, nil
}

func runtimeMount(m state.Mount) runtime.Mount {
	return runtime.Mount{Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly, Size: m.Size, Mode: m.Mode}
}

// fillVolumes gives volumes that are used for the first time what the image has at
// their place.
func fillVolumes(ctx context.Context, s *state.Store, image runtime.Image, list []state.Mount) error {
	for _, m := range list {
		if m.Type != mountVolume || m.NoCopy || m.Name == "" {
			continue
		}
		err := s.FillVolume(m.Name, func(dir string) error {
			r, w := io.Pipe()
			defer r.Close()
			go func() { w.CloseWithError(runtime.ArchiveImage(ctx, w, image, m.Target)) }()
			err := state.UnpackHost(ctx, r, dir, ".")
			if errors.Is(err, fs.ErrNotExist) { // the image has nothing there
				return nil
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("fill the volume at %s from the image: %w", m.Target, err)
		}
	}
	return nil
}

// needsVolumes tells whether a run has to have volumes without a name: else the files of
// its container are as good, and go with it as well.
func needsVolumes(image runtime.Image, o runOptions) (bool, error) {
	if !o.readOnly {
		return false, nil
	}
	list, err := parseMounts(o)
	return len(image.Config().Volumes) > 0 || slices.ContainsFunc(list, func(m state.Mount) bool { return m.Anonymous }), err
}

// fillNamed is fillVolumes for a run that is not kept.
func (a *app) fillNamed(ctx context.Context, image runtime.Image, o runOptions) error {
	list, err := parseMounts(o)
	if err != nil || !slices.ContainsFunc(list, func(m state.Mount) bool { return m.Type == mountVolume && !m.Anonymous }) {
		return err
	}
	s, err := a.openContainers()
	if err != nil {
		return err
	}
	for _, m := range list {
		if m.Type != mountVolume || m.Anonymous {
			continue
		}
		leave, err := s.HoldVolume(ctx, m.Name)
		if err != nil {
			return err
		}
		a.held = append(a.held, leave) // until this process ends
	}
	return fillVolumes(ctx, s, image, list)
}

// borrowed are the mounts of other containers: NAME[:ro].
func borrowed(ctx context.Context, s *state.Store, list []state.Mount, from []string) ([]state.Mount, error) {
	for _, word := range from {
		name, mode, _ := strings.Cut(word, ":")
		if mode != "" && mode != "ro" && mode != "rw" {
			return nil, &ux.UsageError{Text: fmt.Sprintf("--volumes-from %q: write CONTAINER[:ro]", word)}
		}
		c, err := s.Get(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, m := range c.Mounts {
			if m.Type == mountTmpfs || mountedAt(list, m.Target) {
				continue
			}
			m.Anonymous, m.NoCopy = false, true
			m.ReadOnly = m.ReadOnly || mode == "ro"
			list = append(list, m)
		}
	}
	return list, nil
}

func mountedAt(list []state.Mount, target string) bool {
	return slices.ContainsFunc(list, func(m state.Mount) bool { return path.Clean(m.Target) == path.Clean(target) })
}

// mountsOf are the mounts of a container that is kept: those of the flags, and the
// volumes that its image asks for.
func (a *app) mountsOf(ctx context.Context, s *state.Store, image runtime.Image, o runOptions) ([]state.Mount, error) {
	list, err := parseMounts(o)
	if err != nil {
		return nil, err
	}
	if list, err = borrowed(ctx, s, list, o.volumesFrom); err != nil {
		return nil, err
	}
	for _, target := range slices.Sorted(maps.Keys(image.Config().Volumes)) {
		if !mountedAt(list, target) && path.IsAbs(target) && path.Clean(target) != "/" {
			list = append(list, state.Mount{Type: mountVolume, Target: target, Anonymous: true})
		}
	}
	for i, m := range list {
		if m.Type != mountVolume {
			continue
		}
		v, _, err := s.CreateVolume(m.Name, m.Labels)
		if err != nil {
			return nil, err
		}
		list[i].Name, list[i].Source = v.Name, v.Path
	}
	return list, fillVolumes(ctx, s, image, list)
}
