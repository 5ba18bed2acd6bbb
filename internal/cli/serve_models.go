package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/wherry-run/wherry"
	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/task"
	"github.com/wherry-run/wherry/wasi"
)

// servedModel is one of wherry serve.
type servedModel struct {
	app           *app
	runtime       *runtime.Runtime
	name, version string
	what          string        // as it was typed
	ref           oci.Reference // what it names; zero: no image of the store
	options       serveOptions
	backend       []wherry.Option
	dial          wasi.Dialer // what its programs connect by; nil: nothing

	found  func() *foundImage // gives what was opened to see what it is; nil: nothing was
	mu     sync.Mutex
	first  bool          // it was not opened yet
	tagged digest.Digest // what ref led to when it was opened last
	golden string        // inputs of its first golden case, as JSON; "": none
}

// servedModels reads what is to be served.
func (a *app) servedModels(ctx context.Context, rt *runtime.Runtime, words []string, o serveOptions) ([]*servedModel, error) {
	backend, err := a.backend(ctx, o.native)
	if err != nil {
		return nil, err
	}
	var list []*servedModel
	for _, word := range words {
		m := &servedModel{app: a, runtime: rt, options: o, backend: backend, first: true}
		if m.name, m.version, m.what, err = splitServed(word); err != nil {
			return nil, err
		}
		for _, other := range list {
			if other.name == m.name && other.version == m.version {
				return nil, &hinted{fmt.Errorf("%s and %s are both model %s, version %s", other.what, m.what, m.name, m.version), "give one another name: NAME=" + m.what}
			}
		}
		if !isPath(m.what) {
			if m.ref, err = oci.ParseReference(m.what); err != nil {
				m.ref = oci.Reference{} // the image is opened by an ID then, or not at all
			}
		}
		list = append(list, m)
	}
	return list, nil
}

// nameOf is what clients call an image, and its version.
func nameOf(what string) (name, version string) {
	if isPath(what) {
		abs, err := filepath.Abs(what)
		if err != nil {
			abs = what
		}
		name = strings.TrimSuffix(filepath.Base(abs), filepath.Ext(abs))
		return strings.Trim(notInNames.ReplaceAllString(strings.ToLower(name), "-"), "-"), "1"
	}
	name, _, _ = strings.Cut(what, "@")
	name = name[strings.LastIndexByte(name, '/')+1:]
	name, tag, _ := strings.Cut(name, ":")
	version = "1"
	if strings.HasPrefix(what, folderPrefix) {
		return name, version // its tag says which folder
	}
	if tag != "" && strings.Trim(tag, "0123456789") == "" && len(tag) <= 15 {
		version = tag
	}
	return name, version
}

// isModelName tells names that stand in a path as they are.
func isModelName(name string) bool {
	if name == "" || len(name) > 128 || strings.Trim(name[:1], ".-_") == "" {
		return false
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._-", c) {
			return false
		}
	}
	return true
}

func (m *servedModel) source() repository.Source {
	return repository.Source{Name: m.name, Version: m.version, Open: m.open}
}

// open opens what the model's name means now. The first time it may be pulled, or
// built.
func (m *servedModel) open(ctx context.Context) (*repository.Loaded, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.find(ctx)
	if err != nil {
		return nil, err
	}
	loaded, err := m.load(ctx, f.image, f.spec)
	if err != nil {
		f.done()
		return nil, err
	}
	closeModel := loaded.Close
	loaded.Close = func(ctx context.Context) error {
		defer f.done()
		return closeModel(ctx)
	}
	m.first, m.tagged = false, f.tagged
	return loaded, nil
}

// find opens what the model's name means now, unless that is open already.
func (m *servedModel) find(ctx context.Context) (*foundImage, error) {
	if m.found != nil && m.first {
		if f := m.found(); f != nil {
			return f, nil
		}
	}
	o := m.options.runOptions
	if m.first { // it may be pulled, or built: what it is called leads there afterwards
		return m.app.find(ctx, m.what, o)
	}
	o.pull = string(images.PullNever)
	tagged := m.resolve(ctx)
	f, err := m.app.find(ctx, m.what, o)
	if err == nil {
		f.tagged = tagged
	}
	return f, err
}

// load makes the model and a first instance of it, so that what is wrong with it
// shows now.
func (m *servedModel) load(ctx context.Context, image runtime.Image, spec runtime.Spec) (*repository.Loaded, error) {
	limits := spec.Limits
	spec.Limits, spec.Dial = runtime.Limits{}, m.dial
	n := m.options.schedule.instances
	batch := repository.Batching{Max: m.options.schedule.batch, Delay: m.options.schedule.batchDelay}
	if batch.Max == 0 {
		var err error
		if batch.Max, batch.Delay, err = wherry.BatchOf(image); err != nil {
			return nil, err
		}
	}
	options := append([]wherry.Option{
		wherry.WithSpec(spec), wherry.WithLimits(limits), wherry.WithLog(m.app.unheard(m.app.Err)), wherry.WithInstances(n),
		wherry.WithReuse(model.Reuse(m.options.schedule.reuse)),
	}, m.backend...)
	p, err := wherry.Load(ctx, m.runtime, image, options...)
	if err != nil {
		var none *wherry.NotModelError
		if errors.As(err, &none) {
			return nil, &hinted{fmt.Errorf("%s: %w", m.what, err), "run it as a program: wherry run " + m.what}
		}
		return nil, err
	}
	if err := p.Warm(ctx, 1); err != nil {
		_ = p.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	var examples []model.Case
	if g, err := p.Golden(ctx); err == nil && g != nil && len(g.Cases) > 0 {
		m.golden, examples = inputsOf(&g.Cases[0]), smallCases(g.Cases)
	}
	d := ""
	if named, ok := image.(interface{ Digest() digest.Digest }); ok {
		d = string(named.Digest())
	}
	return &repository.Loaded{
		Predictor: p,
		Digest:    d,
		Instances: n,
		Batch:     batch,
		Examples:  examples,
		Tasks:     tasksOf(image, p.Signature()),
		Memory:    p.Memory,
		Close:     func(context.Context) error { return nil },
	}, nil
}

// tasksOf are what a model is good for: what its image says, else what its signature
// shows.
func tasksOf(image runtime.Image, s *model.Signature) []string {
	if said := wherry.TasksOf(image); said != nil {
		return said
	}
	return task.Of(s)
}

// Bounds on the examples that a server shows of a model.
const (
	maxExamples    = 3
	maxExampleSize = 256 << 10
)

// smallCases are golden cases that are small enough to be shown.
func smallCases(cases []model.Case) []model.Case {
	var list []model.Case
	for _, c := range cases {
		size := len(c.Name)
		for _, v := range c.Inputs {
			size += len(v)
		}
		if size <= maxExampleSize {
			c.Outputs = nil
			list = append(list, c)
		}
		if len(list) == maxExamples {
			break
		}
	}
	return list
}

// resolve is what the model's name leads to in the store; "" when it is not there.
func (m *servedModel) resolve(ctx context.Context) digest.Digest { return m.app.resolved(ctx, m.ref) }

// resolved is what a name leads to in the store; "": nothing.
func (a *app) resolved(ctx context.Context, ref oci.Reference) digest.Digest {
	if ref.IsZero() {
		return ""
	}
	s, err := a.store(ctx)
	if err != nil {
		return ""
	}
	defer s.Close()
	return resolveIn(ctx, s, ref)
}

func resolveIn(ctx context.Context, s *store.Store, ref oci.Reference) digest.Digest {
	d, err := s.Resolve(ctx, ref)
	if err != nil {
		return ""
	}
	return d.Digest
}
