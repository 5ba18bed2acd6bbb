package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/wherry-run/wherry/compose"
	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/state"
	"github.com/wherry-run/wherry/oci/store"
	"github.com/wherry-run/wherry/packager/bases"
)

// composeMachine makes what stacks ask for, by the very code of create, build and pull.
type composeMachine struct {
	app                   *app
	store                 *state.Store
	quietPull, quietBuild bool
}

// silent is the machine's program for work of which nothing is to be shown.
func (m composeMachine) silent(quiet bool) *app {
	if !quiet {
		return m.app
	}
	a := *m.app
	a.quiet, a.progress = true, nil
	return &a
}

// Create makes a container of what would be its flags.
func (m composeMachine) Create(ctx context.Context, c compose.Container) (*state.Container, error) {
	o, err := flagsOf(c)
	if err != nil {
		return nil, err
	}
	return m.app.create(ctx, m.store, c.Image, c.Args, o)
}

// flagsOf is a container of a stack as the flags of create.
func flagsOf(c compose.Container) (runOptions, error) {
	o := runOptions{
		env: c.Env, entrypoint: c.Entrypoint, workdir: c.WorkingDir, pull: string(images.PullNever), tty: c.Terminal, interactive: c.OpenStdin,
		readOnly: c.ReadOnly, unknownImports: "refuse", supervised: true, native: backendOptions{backend: backendSandbox},
	}
	if _, ours := bases.Lookup(c.Image); ours {
		o.pull = string(images.PullMissing)
	}
	for _, m := range c.Mounts {
		if m.Type == mountBind {
			var err error
			if m, err = absoluteSource(m); err != nil {
				return o, err
			}
		}
		o.given = append(o.given, m)
	}
	for _, t := range c.Texts {
		o.texts = append(o.texts, textFile{t.Target, t.Content, t.Mode})
	}
	o.limits.cpus, o.limits.ulimits = c.CPUs, c.Ulimits
	if c.Memory > 0 {
		o.limits.memory = strconv.FormatUint(c.Memory, 10)
	}
	o.serving.publish, o.serving.instances, o.serving.name = c.Publish, c.Instances, c.Served
	if c.StopTimeout != nil {
		o.serving.stop, o.serving.stopSet = *c.StopTimeout, true
	}
	o.life = lifeOptions{
		detach: true, remove: c.Remove, name: c.Name, restart: c.Restart, hostname: c.Hostname, user: c.User, platform: c.Platform,
		stopSignal: c.StopSignal, logDriver: c.LogDriver, logOptions: c.LogOptions, pids: c.Pids, labelled: c.Labels,
	}
	if o.life.health.none = c.NoHealth; c.Health != nil {
		h := &o.life.health
		h.test, h.retries = c.Health.Test, c.Health.Retries
		h.interval, h.timeout = time.Duration(c.Health.Interval), time.Duration(c.Health.Timeout)
		h.startPeriod, h.startInterval = time.Duration(c.Health.StartPeriod), time.Duration(c.Health.StartInterval)
	}
	o.network = networkOptions{allow: c.Allow, hosts: c.Hosts, dns: c.DNS, expose: c.Expose}
	if o.network.joins = c.Networks; c.Network != "" {
		o.network.networks, o.network.joins = []string{c.Network}, nil
	}
	return o, nil
}

// Build builds an image and gives it its tags.
func (m composeMachine) Build(ctx context.Context, b compose.Build) error {
	a := m.silent(m.quietBuild)
	w, err := a.workshop(ctx)
	if err != nil {
		return err
	}
	defer w.close(context.WithoutCancel(ctx))
	o := buildOptions{
		tags: b.Tags, file: b.File, inline: b.Inline, target: b.Target, args: b.Args, labelled: b.Labels, secrets: b.Secrets, noCache: b.NoCache, pull: b.Pull,
	}
	result, err := a.build(ctx, w, b.Folder, o)
	if err != nil {
		return err
	}
	return a.tagBuilt(ctx, w, result, o)
}

// Pull has an image in the store.
func (m composeMachine) Pull(ctx context.Context, image, policy string) error {
	if policy != "always" {
		policy = "missing"
	}
	a := m.silent(m.quietPull)
	_, err := a.fetch(ctx, image, pullOptions{quiet: true, policy: policy})
	a.talk().Clear()
	return err
}

// ID is the ID that a container of the image would have.
func (m composeMachine) ID(ctx context.Context, image string) (string, error) {
	s, err := m.app.store(ctx)
	if err != nil {
		return "", err
	}
	defer s.Close()
	if base, ok := bases.Lookup(image); ok {
		image = base.Ref
		entry, err := images.Find(ctx, s, image)
		if errors.Is(err, store.ErrNotFound) {
			return "", nil
		}
		return string(entry.Descriptor.Digest), err
	}
	i, err := images.Open(ctx, s, image, images.Options{Pull: images.PullNever})
	if missing := new(images.NotFoundError); errors.As(err, &missing) || errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("open image %s: %w", image, err)
	}
	defer i.Close()
	return string(i.ID()), nil
}
