package compose

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/wherry-run/wherry/internal/network"
	"github.com/wherry-run/wherry/internal/state"
)

// UpOptions say how a stack is brought up.
type UpOptions struct {
	Services     []string // none: all
	Alone        bool     // --no-deps
	Build        bool     // anew, where a service has a build
	NoBuild      bool
	Pull         string // instead of what the services say
	Recreate     bool   // --force-recreate
	Keep         bool   // --no-recreate
	RecreateDeps bool   // --always-recreate-deps
	Orphans      bool   // --remove-orphans
	Scale        map[string]int
	NoStart      bool
	FreshVolumes bool // -V: no anonymous volume is taken over
	AllResources bool // networks and volumes that no service uses, too
	Stop         state.StopOptions
	// Wait has up return when everything runs, and is well where there is a check, or
	// after Patience, if that is not 0.
	Wait     bool
	Patience time.Duration
}

// Up makes what a stack lacks, replaces what has changed, and starts what does not run.
func (e *Engine) Up(ctx context.Context, s *Stack, o UpOptions) error {
	names, err := s.Selected(o.Services, o.Alone)
	if err != nil {
		return err
	}
	for name := range o.Scale {
		if s.Services[name] == nil {
			return &UnknownError{name}
		}
	}
	if err := e.Prepare(ctx, s, names, o); err != nil {
		return err
	}
	members, err := e.Members(ctx, s.Name)
	if err != nil {
		return err
	}
	for _, m := range s.orphans(members) {
		if !o.Orphans {
			e.tell("Container", m.Name, "Orphaned")
			continue
		}
		if err := e.remove(ctx, m, o.Stop, false); err != nil {
			return err
		}
	}
	u := &update{Engine: e, stack: s, options: o, members: Of(members, nil), changed: map[string]bool{}}
	err = walk(ctx, names, s.needs, u.service)
	if err != nil || !o.Wait || o.NoStart || e.Dry {
		return err
	}
	return e.Await(ctx, s.Name, names, o.Patience)
}

func (s *Stack) needs(name string) []string {
	if s.Services[name] == nil {
		return nil
	}
	return sorted(s.Services[name].Needs)
}

// Prepare has the images, networks and volumes of some services.
func (e *Engine) Prepare(ctx context.Context, s *Stack, names []string, o UpOptions) error {
	for _, name := range names {
		for _, t := range s.Services[name].Container.Texts {
			if t.unset != nil {
				return t.unset
			}
		}
	}
	for _, build := range []bool{true, false} { // an image that one service builds may be another's
		for _, name := range names {
			if service := s.Services[name]; (service.Build != nil) == build {
				if err := e.image(ctx, s, service, o); err != nil {
					return &ServiceError{name, err}
				}
			}
		}
	}
	if err := s.Resolve(ctx); err != nil {
		return err
	}
	if o.AllResources {
		for _, key := range sorted(s.Networks) {
			if err := e.network(ctx, s.Networks[key]); err != nil {
				return err
			}
		}
		for _, key := range sorted(s.Volumes) {
			if err := e.volume(s.Volumes[key]); err != nil {
				return err
			}
		}
	}
	for _, name := range names {
		service := s.Services[name]
		for _, key := range service.Networks {
			if err := e.network(ctx, s.Networks[key]); err != nil {
				return err
			}
		}
		for _, key := range service.Volumes {
			if err := e.volume(s.Volumes[key]); err != nil {
				return err
			}
		}
		for _, m := range service.Container.Mounts {
			if m.Type == types.VolumeTypeBind && !m.ReadOnly && !e.Dry {
				if err := os.MkdirAll(m.Source, 0o755); err != nil && !errors.Is(err, os.ErrExist) && !isFile(m.Source) {
					return &ServiceError{name, fmt.Errorf("make the folder to mount: %w", err)}
				}
			}
		}
	}
	return nil
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && !info.IsDir()
}

// image has the image of a service in the store.
func (e *Engine) image(ctx context.Context, stack *Stack, s *Service, o UpOptions) error {
	if s.External != "" {
		return nil
	}
	policy := s.Pull
	if o.Pull != "" && o.Pull != "policy" {
		policy = o.Pull
	}
	if s.Build != nil && (o.Build || policy == types.PullPolicyBuild) && !o.NoBuild {
		return e.build(ctx, s)
	}
	id, err := e.Images.ID(ctx, s.Container.Image)
	if err != nil {
		return err
	}
	switch {
	case s.Build != nil && id == "" && o.NoBuild:
		return fmt.Errorf("its image %s is not there, and is not to be built", s.Container.Image)
	case s.Build != nil && id == "":
		return e.build(ctx, s)
	case s.Build != nil && policy != types.PullPolicyAlways, policy == types.PullPolicyNever:
		return nil
	case id != "" && policy != types.PullPolicyAlways:
		return nil
	}
	if other := stack.builder(s.Container.Image); other != nil && id == "" && !o.NoBuild {
		return e.build(ctx, other)
	}
	e.tell("Image", s.Container.Image, "Pulling")
	if err := e.does(func() error { return e.Images.Pull(ctx, s.Container.Image, policy) }); err != nil {
		return err
	}
	e.tell("Image", s.Container.Image, "Pulled")
	return nil
}

// builder is the service that builds an image; nil: none does.
func (s *Stack) builder(image string) *Service {
	for _, name := range sorted(s.Services) {
		if b := s.Services[name].Build; b != nil && slices.Contains(b.Tags, image) {
			return s.Services[name]
		}
	}
	return nil
}

func (e *Engine) build(ctx context.Context, s *Service) error {
	e.tell("Image", s.Container.Image, "Building")
	if err := e.does(func() error { return e.Images.Build(ctx, *s.Build) }); err != nil {
		return err
	}
	e.tell("Image", s.Container.Image, "Built")
	return nil
}

// network makes a network that is not there.
func (e *Engine) network(ctx context.Context, n *Network) error {
	_, err := e.Networks.Get(n.Options.Name)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, network.ErrNotFound):
		return err
	case n.External:
		return fmt.Errorf("network %s is external, and is not there: %w", n.Options.Name, err)
	}
	err = e.does(func() error { _, err := e.Networks.Create(ctx, n.Options); return err })
	if errors.Is(err, network.ErrExists) { // somebody was faster
		return nil
	}
	if err == nil {
		e.tell("Network", n.Options.Name, "Created")
	}
	return err
}

// volume makes a volume that is not there.
func (e *Engine) volume(v *Volume) error {
	if v.External {
		if _, err := e.Containers.Volume(v.Name); err != nil {
			return fmt.Errorf("volume %s is external: %w", v.Name, err)
		}
		return nil
	}
	if e.Dry {
		if _, err := e.Containers.Volume(v.Name); err != nil {
			e.tell("Volume", v.Name, "Created")
		}
		return nil
	}
	_, made, err := e.Containers.CreateVolume(v.Name, v.Labels)
	if made {
		e.tell("Volume", v.Name, "Created")
	}
	return err
}

// An update brings the services of a stack to what they shall be.
type update struct {
	*Engine
	stack   *Stack
	options UpOptions
	members []Member

	mu      sync.Mutex
	changed map[string]bool // services of which containers were replaced
}

// service brings one service to what it shall be, once what it needs is so.
func (u *update) service(ctx context.Context, name string) error {
	s := u.stack.Services[name]
	if s.External != "" {
		return nil
	}
	if !u.options.Alone && !u.options.NoStart {
		for _, need := range sorted(s.Needs) {
			if err := u.need(ctx, s, need); err != nil {
				return &ServiceError{name, err}
			}
		}
	}
	if err := u.converge(ctx, s); err != nil {
		return &ServiceError{name, err}
	}
	return nil
}

// converge has as many containers of a service as there shall be, each of them as it
// shall be.
func (u *update) converge(ctx context.Context, s *Service) error {
	hash, err := s.Hash()
	if err != nil {
		return err
	}
	image, err := u.Images.ID(ctx, s.Container.Image)
	if err != nil {
		return err
	}
	want := s.Scale
	if n, ok := u.options.Scale[s.Name]; ok {
		want = n
	}
	if want > 1 && s.Container.Name != "" {
		return fmt.Errorf("%d containers cannot have the one name %s: leave container_name out", want, s.Container.Name)
	}
	have := Of(u.members, []string{s.Name})
	for len(have) > want {
		last := have[len(have)-1]
		have = have[:len(have)-1]
		if err := u.end(ctx, s, last, u.options.Stop); err != nil {
			return err
		}
		if err := u.remove(ctx, last, u.options.Stop, false); err != nil {
			return err
		}
	}
	fresh := u.options.Recreate || u.options.RecreateDeps && len(u.options.Services) > 0 && !slices.Contains(u.options.Services, s.Name)
	if u.options.Recreate && len(u.options.Services) > 0 && !slices.Contains(u.options.Services, s.Name) {
		fresh = u.options.RecreateDeps // --force-recreate is for those that are named
	}
	taken := map[int]bool{}
	for _, m := range have {
		taken[m.Number] = true
		stale := fresh || m.Hash != hash || image != "" && m.Image.ID != image
		if stale && !u.options.Keep {
			err = u.replace(ctx, s, m, hash)
		} else {
			err = u.run(ctx, s, m.Container, u.restarts(s))
		}
		if err != nil {
			return err
		}
	}
	for n := 1; len(taken) < want; n++ {
		if taken[n] {
			continue
		}
		taken[n] = true
		c, err := u.create(ctx, s, hash, n, nil)
		if err != nil {
			return err
		}
		if err := u.run(ctx, s, c, false); err != nil {
			return err
		}
	}
	return nil
}

// restarts tells whether something that a service needs was replaced, and the service is
// to be started again for that.
func (u *update) restarts(s *Service) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for name, need := range s.Needs {
		if need.Restart && u.changed[name] {
			return true
		}
	}
	return false
}

// create makes the nth container of a service; old is the one that it replaces, if any.
func (u *update) create(ctx context.Context, s *Service, hash string, n int, old *Member) (*state.Container, error) {
	c := s.Container
	c.Name = u.stack.name(s, n)
	c.Labels = with(c.Labels, u.stack.labels(s, hash, n, false))
	if old != nil && !u.options.FreshVolumes {
		c.Mounts = inherited(c.Mounts, old.Mounts)
	}
	made := &state.Container{Config: state.Config{Name: c.Name}}
	err := u.does(func() (err error) { made, err = u.Maker.Create(ctx, c); return err })
	if err != nil {
		return nil, err
	}
	u.tell("Container", c.Name, "Created")
	return made, nil
}

// inherited are the mounts of a container with the volumes without a name that the one
// before it had in the same places.
func inherited(mounts, old []state.Mount) []state.Mount {
	out := slices.Clone(mounts)
	for _, m := range old {
		if !m.Anonymous || m.Type != types.VolumeTypeVolume {
			continue
		}
		m.Source = ""
		i := slices.IndexFunc(out, func(n state.Mount) bool { return n.Target == m.Target })
		switch {
		case i < 0:
			out = append(out, m)
		case out[i].Anonymous:
			out[i].Name = m.Name
		}
	}
	return out
}

// replace ends a container and makes it anew. Its number and its volumes stay.
func (u *update) replace(ctx context.Context, s *Service, m Member, hash string) error {
	u.mu.Lock()
	u.changed[s.Name] = true
	u.mu.Unlock()
	ran := m.State.Status.Alive()
	if err := u.end(ctx, s, m, u.options.Stop); err != nil {
		return err
	}
	if err := u.does(func() error { return u.Containers.Remove(ctx, m.ID, u.options.FreshVolumes) }); err != nil && !missing(err) {
		return err
	}
	c, err := u.create(ctx, s, hash, m.Number, &m)
	if err != nil {
		return err
	}
	if u.options.NoStart && !ran {
		return nil
	}
	return u.run(ctx, s, c, false)
}

// run starts a container that does not run. again has one that does begin anew.
func (u *update) run(ctx context.Context, s *Service, c *state.Container, again bool) error {
	switch {
	case u.options.NoStart:
		return nil
	case c.State.Status.Alive() && again:
		if err := u.again(ctx, s, c, u.options.Stop); err != nil {
			return err
		}
		u.tell("Container", c.Name, "Restarted")
		return nil
	case c.State.Status.Alive():
		u.tell("Container", c.Name, "Running")
		return nil
	}
	return u.begin(ctx, s, c)
}

// begin starts a container and runs what is to run after that.
func (e *Engine) begin(ctx context.Context, s *Service, c *state.Container) error {
	if err := e.does(func() error { return e.Containers.Start(ctx, c.ID) }); err != nil {
		return err
	}
	e.tell("Container", c.Name, "Started")
	if s == nil {
		return nil
	}
	return e.hooks(ctx, s, c, "post_start", s.Began)
}

// missing tells that something is gone already.
func missing(err error) bool { return errors.As(err, new(*state.NotFoundError)) }
