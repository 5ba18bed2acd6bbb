package compose

import (
	"context"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/oci"
)

// Reserved tells labels by which what is of a stack is found: a container has none of them of
// its image.
func Reserved(label string) bool {
	return strings.HasPrefix(label, LabelPrefix) || label == LabelOrigin || label == LabelHooks
}

// origin is that label of a stack's, "" too: nobody else is to say it.
func (s *Stack) origin() map[string]string {
	if !s.Fetched {
		return nil
	}
	return map[string]string{LabelOrigin: s.Origin}
}

// origin are the names in registries of a stack's files.
func origin(files []string) string {
	var list []string
	for _, name := range files {
		text, ok := Remote(name)
		if !ok {
			continue
		}
		if ref, err := oci.ParseReference(text); err == nil {
			text = ref.FamiliarName()
		}
		list = append(list, text)
	}
	return strings.Join(list, ",")
}

// Others are the containers, networks and volumes that are there under a stack's name, or by
// the names that its own have, and that were made for another one: a line each. A stack that
// was fetched says itself what it is called.
func (e *Engine) Others(ctx context.Context, project, origin string, s *Stack) ([]string, error) {
	var list []string
	note := func(kind, name string, labels map[string]string, named bool) {
		if mine := labels[LabelProject] == project; (mine || named) && !(mine && labels[LabelOrigin] == origin) {
			list = append(list, kind+" "+name)
		}
	}
	members, err := e.Members(ctx, project)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		note("container", m.Name, m.Labels, false)
	}
	networks, err := e.Networks.List()
	if err != nil {
		return nil, err
	}
	for _, n := range networks {
		note("network", n.Name, n.Labels, s.hasNetwork(n.Name))
	}
	volumes, err := e.Containers.Volumes()
	if err != nil {
		return nil, err
	}
	for _, v := range volumes {
		note("volume", v.Name, v.Labels, s.hasVolume(v.Name))
	}
	slices.Sort(list)
	return list, nil
}

// hasNetwork tells a network that a stack takes for its own.
func (s *Stack) hasNetwork(name string) bool {
	if s == nil {
		return false
	}
	for _, n := range s.Networks {
		if n.Options.Name == name && !n.External {
			return true
		}
	}
	return false
}

// hasVolume tells a volume that a stack takes for its own.
func (s *Stack) hasVolume(name string) bool {
	if s == nil {
		return false
	}
	for _, v := range s.Volumes {
		if v.Name == name && !v.External {
			return true
		}
	}
	return false
}
