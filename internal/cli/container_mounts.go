package cli

import (
	"context"
	"maps"
	"path"
	"slices"

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
			v, _, err := s.CreateVolume(m.Name, nil)
			if err != nil {
				return nil, err
			}
			m.Source = v.Path
		}
		out = append(out, runtime.Mount{Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly, Size: m.Size})
	}
	return out, nil
}

// mountsOf are the mounts of a container that is kept: those of the flags, and the
// volumes that its image asks for.
func (a *app) mountsOf(ctx context.Context, s *state.Store, image runtime.Image, o runOptions) ([]state.Mount, error) {
	list, err := parseMounts(o)
	if err != nil {
		return nil, err
	}
	for _, target := range slices.Sorted(maps.Keys(image.Config().Volumes)) {
		taken := slices.ContainsFunc(list, func(m state.Mount) bool { return path.Clean(m.Target) == path.Clean(target) })
		if !taken && path.IsAbs(target) && path.Clean(target) != "/" {
			list = append(list, state.Mount{Type: mountVolume, Target: target, Anonymous: true})
		}
	}
	for i, m := range list {
		if m.Type != mountVolume {
			continue
		}
		v, _, err := s.CreateVolume(m.Name, nil)
		if err != nil {
			return nil, err
		}
		list[i].Name, list[i].Source = v.Name, v.Path
	}
	return list, nil
}
