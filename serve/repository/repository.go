package repository

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// Config says what a Repository has and within which bounds it works.
type Config struct {
	// Sources are the models, at least one.
	Sources []Source
	// Default is the model that answers when none is named; "" is that of the first
	// source.
	Default string
	// Waiting is how many requests may wait for each model; 0 means DefaultWaiting,
	// and less that none may.
	Waiting int
	// Timeout bounds requests that do not say themselves how long they may take, and
	// MaxTimeout those that do; 0 is no bound.
	Timeout, MaxTimeout time.Duration
	// Memory is how many bytes all models together may hold: of those beyond, the
	// ones that were not used longest are unloaded, until their next request. 0 is
	// no bound.
	Memory int64
	// Observe is told of every request that came to its end. It is called by the
	// goroutine that answers it, with the context of the call (logs and traces find
	// the request by it), and does not block.
	Observe func(context.Context, Event)
	// Failed is told of what goes wrong beside requests: a model that could not be
	// loaded for those who wait for it, bugs. nil: nobody is.
	Failed func(error)
}

// DefaultWaiting is how many requests may wait for a model unless a Config says
// otherwise.
const DefaultWaiting = 512

// A Repository has models and answers requests by them. Its methods may be called
// from any goroutine. Close it when it is done.
type Repository struct {
	config   Config
	life     context.Context // what models are opened with; ends with Close
	end      context.CancelFunc
	list     []*entry            // in the order of the sources
	models   map[string][]*entry // the versions of each name; the one served by default is first
	deflt    string
	retired  atomic.Bool  // it is not ready any more
	draining atomic.Bool  // and takes no requests
	measured atomic.Int64 // when memory was looked at last
	work     Work         // loading that requests began, closing of what was replaced
}

// New opens all models. When one of them cannot be, none is left open. ctx bounds
// the opening, and gives its values to what happens later.
func New(ctx context.Context, c Config) (*Repository, error) {
	if len(c.Sources) == 0 {
		return nil, errors.New("there is no model to serve")
	}
	r := &Repository{config: c, models: map[string][]*entry{}}
	r.work.Panicked = func(p *PanicError) { r.failed(p) }
	r.life, r.end = context.WithCancel(context.WithoutCancel(ctx))
	for _, s := range c.Sources {
		if err := r.add(s); err != nil {
			r.end()
			return nil, err
		}
	}
	for _, versions := range r.models {
		slices.SortStableFunc(versions, func(a, b *entry) int { return compareVersions(b.version, a.version) })
	}
	if r.deflt = c.Default; r.deflt == "" {
		r.deflt = r.list[0].name
	}
	if r.models[r.deflt] == nil {
		r.end()
		return nil, &NotFoundError{Model: r.deflt}
	}
	for _, e := range r.list {
		if err := e.load(ctx); err != nil {
			return nil, errors.Join(err, r.Close(context.WithoutCancel(ctx)))
		}
		r.fit(e)
	}
	return r, nil
}

func (r *Repository) add(s Source) error {
	if s.Version == "" {
		s.Version = "1"
	}
	switch {
	case s.Name == "" || s.Open == nil:
		return errors.New("a model needs a name and a way to open it")
	case slices.ContainsFunc(r.models[s.Name], func(e *entry) bool { return e.version == s.Version }):
		return fmt.Errorf("version %s of model %q is there twice", s.Version, s.Name)
	}
	e := newEntry(r, s)
	r.list = append(r.list, e)
	r.models[s.Name] = append(r.models[s.Name], e)
	return nil
}

// compareVersions orders versions: numbers by their value, and after other words.
func compareVersions(a, b string) int {
	x, y := number(a), number(b)
	switch {
	case x != y && x < y:
		return -1
	case x != y:
		return 1
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// number is the value of a version that is one, else -1.
func number(version string) int64 {
	n := int64(0)
	for _, d := range version {
		if d < '0' || d > '9' || n > 1<<50 {
			return -1
		}
		n = 10*n + int64(d-'0')
	}
	return n
}

// find gives the entry that a request means.
func (r *Repository) find(name, version string) (*entry, error) {
	if name == "" {
		name = r.deflt
	}
	versions := r.models[name]
	if len(versions) == 0 {
		return nil, &NotFoundError{Model: name}
	}
	if version == "" {
		return versions[0], nil
	}
	for _, e := range versions {
		if e.version == version {
			return e, nil
		}
	}
	return nil, &NotFoundError{Model: name, Version: version}
}

// Default is the name of the model that answers when none is named.
func (r *Repository) Default() string { return r.deflt }

// Status tells what is known of a version of a model; "" as in Call. Only Index knows
// its memory, and who waits and runs: every request asks for a status.
func (r *Repository) Status(name, version string) (Status, error) {
	e, err := r.find(name, version)
	if err != nil {
		return Status{}, err
	}
	return r.status(e), nil
}

func (r *Repository) status(e *entry) Status {
	s := e.status()
	s.Default = r.models[e.name][0] == e
	if r.retired.Load() && s.State == StateReady {
		s.State, s.Reason = StateUnloading, shuttingDown
	}
	return s
}

// failed tells of what went wrong where no request hears of it.
func (r *Repository) failed(err error) {
	if r.config.Failed != nil {
		r.config.Failed(err)
	}
}

const shuttingDown = "the server is shutting down"

// Index lists all versions of all models, in the order of the sources.
func (r *Repository) Index() []Status {
	list := make([]Status, len(r.list))
	for i, e := range r.list {
		list[i] = r.status(e)
		if s := e.current.Load(); s != nil {
			list[i].Memory = s.memory()
			list[i].Waiting, list[i].Running = s.load()
		}
	}
	return list
}

// Ready tells whether every model that is not unloaded on purpose can answer.
func (r *Repository) Ready() bool {
	if r.retired.Load() {
		return false
	}
	for _, e := range r.list {
		if !e.ready() {
			return false
		}
	}
	return true
}

// Load opens all versions of a model anew, as what their names mean now. Requests
// go on with the old until the new can answer; one that cannot be opened leaves the
// old where it is.
func (r *Repository) Load(ctx context.Context, name string) error {
	return r.each(name, func(e *entry) error {
		if err := e.load(ctx); err != nil {
			return err
		}
		r.fit(e)
		return nil
	})
}

// Unload ends all versions of a model, after those requests that wait for them. It
// stays unloaded until Load.
func (r *Repository) Unload(ctx context.Context, name string) error {
	return r.each(name, func(e *entry) error { return e.unload(ctx) })
}

func (r *Repository) each(name string, do func(*entry) error) error {
	if _, err := r.find(name, ""); err != nil {
		return err
	}
	if name == "" {
		name = r.deflt
	}
	if r.draining.Load() {
		return &NotReadyError{Model: name, Reason: shuttingDown}
	}
	var errs []error
	for _, e := range r.models[name] {
		errs = append(errs, do(e))
	}
	return errors.Join(errs...)
}

// Retire makes it not ready, so that no more requests are sent to it. It answers
// those that are.
func (r *Repository) Retire() { r.retired.Store(true) }

// Drain turns away what comes from now on, and returns when everything that was
// taken before is answered.
func (r *Repository) Drain(ctx context.Context) error {
	r.retired.Store(true)
	r.draining.Store(true)
	for _, e := range r.list {
		if s := e.current.Load(); s != nil {
			if err := s.drain(ctx); err != nil {
				return err
			}
		}
	}
	return r.work.Wait(ctx)
}

// Close ends all models. Requests that wait or are under way end with
// model.ErrClosed: Drain first.
func (r *Repository) Close(ctx context.Context) error {
	r.retired.Store(true)
	r.draining.Store(true)
	r.end()
	var errs []error
	for _, e := range r.list {
		errs = append(errs, e.close(ctx))
	}
	return errors.Join(append(errs, r.work.Wait(ctx))...)
}
