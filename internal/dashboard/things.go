package dashboard

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/wherry-run/wherry/internal/state"
)

// images are those of this machine, with the containers that are made of them.
func (d *Dashboard) images(ctx context.Context) (any, error) {
	shown := []usedImage{}
	if d.config.Images == nil {
		return map[string]any{"images": shown}, nil
	}
	list, err := d.config.Images.Images(ctx)
	if err != nil {
		return nil, err
	}
	all, err := d.config.Containers.List(ctx, nil)
	if err != nil {
		return nil, err
	}
	users := map[string][]string{}
	for _, c := range all {
		users[c.Image.ID] = append(users[c.Image.ID], c.Name)
	}
	for _, i := range list {
		shown = append(shown, usedImage{i, users[i.ID]})
	}
	return map[string]any{"images": shown}, nil
}

type usedImage struct {
	Image
	Users []string `json:"users,omitempty"`
}

// volume is what the page shows of one.
type volume struct {
	Name      string    `json:"name"`
	Anonymous bool      `json:"anonymous,omitempty"`
	Created   time.Time `json:"created"`
	Users     []string  `json:"users,omitempty"`
	Files     int       `json:"files"`
	Bytes     int64     `json:"bytes"`
	More      bool      `json:"more,omitempty"` // than were counted
}

// maxCounted bounds the files of a volume that are looked at for its size.
const maxCounted = 20000

func (d *Dashboard) volumes(ctx context.Context) (any, error) {
	list, err := d.config.Containers.Volumes()
	if err != nil {
		return nil, err
	}
	users, err := d.config.Containers.VolumeUsers(ctx)
	if err != nil {
		return nil, err
	}
	shown := make([]volume, 0, len(list))
	for _, v := range list {
		one := volume{Name: v.Name, Anonymous: v.Anonymous, Created: v.Created, Users: users[v.Name]}
		if err := one.measure(ctx, v); err != nil {
			return nil, err
		}
		shown = append(shown, one)
	}
	return map[string]any{"volumes": shown}, nil
}

// measure counts the files of a volume.
func (v *volume) measure(ctx context.Context, of state.Volume) error {
	return filepath.WalkDir(of.Path, func(_ string, e os.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil || e.IsDir(): // what goes away meanwhile does not count
			return nil
		case v.Files >= maxCounted:
			v.More = true
			return filepath.SkipAll
		}
		if info, err := e.Info(); err == nil {
			v.Files++
			v.Bytes += info.Size()
		}
		return nil
	})
}

// virtual is what the page shows of a network.
type virtual struct {
	Name     string    `json:"name"`
	Subnet   string    `json:"subnet"`
	Internal bool      `json:"internal,omitempty"`
	Created  time.Time `json:"created"`
	Members  []member  `json:"members"`
}

// member is a container of a network.
type member struct {
	Name    string   `json:"name"`
	Address string   `json:"address"`
	Aliases []string `json:"aliases,omitempty"`
}

func (d *Dashboard) networks(ctx context.Context) (any, error) {
	shown := []virtual{}
	if d.config.Networks == nil {
		return map[string]any{"networks": shown}, nil
	}
	list, err := d.config.Networks.List()
	if err != nil {
		return nil, err
	}
	for _, n := range list {
		members, err := d.config.Networks.Members(ctx, n)
		if err != nil {
			return nil, err
		}
		one := virtual{Name: n.Name, Subnet: n.Subnet.String(), Internal: n.Internal, Created: n.Created, Members: []member{}}
		for _, m := range members {
			one.Members = append(one.Members, member{m.Name, m.Address.String(), m.Aliases})
		}
		shown = append(shown, one)
	}
	slices.SortFunc(shown, func(a, b virtual) int { return cmp.Compare(a.Name, b.Name) })
	return map[string]any{"networks": shown}, nil
}
