package runtime

import (
	"context"
	"io"
	"slices"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/nn"
)

// A Caller is a program that has its host do something for it. It is of use while the
// program runs.
type Caller struct {
	session *session
	stderr  io.Writer
}

// Open opens a file of the program's container.
func (c *Caller) Open(name string) (*File, error) { return c.session.container.Open(name) }

// Identity names what the program's container has in a folder and below; see
// Container.Identity.
func (c *Caller) Identity(folder string) (string, bool) {
	return c.session.container.Identity(folder)
}

// Stderr is where the program says what went wrong.
func (c *Caller) Stderr() io.Writer { return c.stderr }

// Create makes a container that works for the program: what it uses counts as the
// program's, within the limits of its call and its container, and as deterministic as
// that, and accelerated only if that is. Close it before the program's container.
func (c *Caller) Create(ctx context.Context, image Image, spec Spec) (*Container, error) {
	outer := c.session.container
	spec.Deterministic, spec.KeepNaNs = outer.spec.Deterministic, outer.spec.KeepNaNs
	spec.NoAcceleration = outer.spec.NoAcceleration
	return outer.rt.create(ctx, image, spec, c.session)
}

// hold lets the deadline of a call stand still, and of the call that it works for.
func (s *session) hold() (release func()) {
	own := s.deadline.hold()
	if s.container.caller == nil {
		return own
	}
	outer := s.container.caller.hold()
	return func() { outer(); own() }
}

// asksNN tells whether a module imports wasi-nn.
func asksNN(imports []wasi.Import) bool {
	return slices.ContainsFunc(imports, func(i wasi.Import) bool { return i.Module == nn.ModuleName && i.Kind == wasi.KindFunc })
}

// models is wasi-nn for a program that imports it; nil is none.
func (s *session) models(module *engine.Module, p Process, m *meter) *nn.Host {
	if s.container.spec.NN == nil || !asksNN(imported(module)) {
		return nil
	}
	return nn.New(s.container.spec.NN(&Caller{s, p.Stderr}), m)
}
