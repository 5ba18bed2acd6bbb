// Package wherry is the front door for Go services: it opens the image of a model,
// from a registry, from this machine or out of the program itself, and has it
// answer in this process, in a sandbox, without cgo.
//
//	m, err := wherry.Open(ctx, "iris:1")
//	...
//	defer m.Close(ctx)
//	type flower struct{ SepalLength, SepalWidth, PetalLength, PetalWidth float64 }
//	type answer struct{ Species string; Probability float64 }
//	a, err := wherry.Call[flower, answer](ctx, m, flower{5.1, 3.5, 1.4, 0.2})
//
// What is behind it are the packages model, images and runtime, for who wants more.
package wherry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/onnx"
	"github.com/wherry-run/wherry/model/onnx/nn"
	"github.com/wherry-run/wherry/model/python"
	"github.com/wherry-run/wherry/model/python/ort"
	"github.com/wherry-run/wherry/model/reactor"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/runtime"
)

// A Model is an open image that answers requests: a model.Predictor. Its methods
// may be called from any goroutine. Close it when it is done.
type Model struct {
	pool    pool
	loader  *loader
	closing []func(context.Context) error // in reverse
}

var _ model.Predictor = (*Model)(nil)

// pool is what answers: a *model.Pool, or those of the steps of a pipeline.
type pool interface {
	model.Predictor
	model.Streamer
	Warm(ctx context.Context, n int) error
	Stats() model.PoolStats
}

// Open opens the model that ref names: an image of this machine, else of its
// registry. With FromFS it names what a program carries in itself. No instance is
// made before the first request, or Warm.
func Open(ctx context.Context, ref string, options ...Option) (*Model, error) {
	o, err := newSettings(options)
	if err != nil {
		return nil, err
	}
	opened, err := open(ctx, ref, o)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", ref, err)
	}
	m, err := load(ctx, opened.runtime, opened.image, o)
	if err != nil {
		opened.close(context.WithoutCancel(ctx))
		return nil, fmt.Errorf("open %s: %w", ref, err)
	}
	m.closing = append([]func(context.Context) error{opened.close}, m.closing...)
	return m, nil
}

// Load makes a Model of an image that is open: one of package images, or another
// that a runtime.Container can be made of. Runtime and image stay the caller's,
// who closes them after the Model.
func Load(ctx context.Context, rt *runtime.Runtime, image runtime.Image, options ...Option) (*Model, error) {
	o, err := newSettings(options)
	if err != nil {
		return nil, err
	}
	return load(ctx, rt, image, o)
}

// Signature says what the model takes and gives. It is not to be changed.
func (m *Model) Signature() *model.Signature { return m.pool.Signature() }

// Predict answers one request; see model.Predictor.
func (m *Model) Predict(ctx context.Context, r *model.Request) (*model.Response, error) {
	response, err := m.pool.Predict(ctx, r)
	m.logTraceback(err)
	return response, err
}

// logTraceback tells who reads the log where a model's own error came from.
func (m *Model) logTraceback(err error) {
	if err == nil {
		return
	}
	var refused *model.ModelError
	if errors.As(err, &refused) && refused.Traceback != "" {
		fmt.Fprintln(m.loader.log, refused.Traceback)
	}
}

// Warm makes instances until there are n, so that requests find them.
func (m *Model) Warm(ctx context.Context, n int) error { return m.pool.Warm(ctx, n) }

// Stats tells what instances there are and were.
func (m *Model) Stats() model.PoolStats { return m.pool.Stats() }

// Golden reads the cases that the image carries to prove itself; nil when it has
// none.
func (m *Model) Golden(ctx context.Context) (*model.Golden, error) {
	g, err := m.loader.golden(ctx)
	if err != nil {
		return nil, fmt.Errorf("read golden cases: %w", err)
	}
	return g, nil
}

// Close ends the model: requests under way end with model.ErrClosed.
func (m *Model) Close(ctx context.Context) error {
	errs := []error{m.pool.Close(ctx)}
	for _, end := range slices.Backward(m.closing) {
		errs = append(errs, end(ctx))
	}
	return errors.Join(errs...)
}

// Call has a model answer a Go value with a Go value: structs whose fields are
// inputs and outputs, or a value for the only one; see model.NewRequest and
// model.Response.Into.
func Call[In, Out any](ctx context.Context, p model.Predictor, in In) (Out, error) {
	var out Out
	r, err := model.NewRequest(p.Signature(), in)
	if err != nil {
		return out, err
	}
	response, err := p.Predict(ctx, r)
	if err != nil {
		return out, err
	}
	err = response.Into(p.Signature(), &out)
	return out, err
}

// Run runs the program of an image to its end, as spec says; the error is that of
// runtime.Container.Run. Models that it loads by wasi-nn are run by the ONNX Runtime of
// the image, or that of WithONNXRuntime; Spec.NN is for another.
func Run(ctx context.Context, ref string, spec runtime.Spec, options ...Option) error {
	o, err := newSettings(options)
	if err != nil {
		return err
	}
	opened, err := open(ctx, ref, o)
	if err != nil {
		return fmt.Errorf("open %s: %w", ref, err)
	}
	defer opened.close(context.WithoutCancel(ctx))
	if spec.NN == nil {
		models := &baseFinder{opened: opened, settings: o}
		defer models.close()
		spec.NN = nn.New(nn.Options{Image: opened.image, Base: models.open})
	}
	c, err := opened.runtime.Create(ctx, opened.image, spec)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	return c.Run(ctx)
}

// A NotModelError is an image of a program that answers no requests.
type NotModelError struct {
	// Reason says what it lacks.
	Reason string
}

func (e *NotModelError) Error() string { return "the image is no model: " + e.Reason }

// Kind says what kind of model an image is, one of the constants oci.Model..., or ""
// for none.
func Kind(image runtime.Image) string {
	c := image.Config()
	if kind := c.Labels[oci.LabelModel]; kind != "" {
		return kind
	}
	if len(c.Entrypoint) == 2 && c.Entrypoint[0] == "predict" { // built before there were labels
		return oci.ModelPython
	}
	return ""
}

// SignatureOf reads the signature that an image says it has; nil when it says
// nothing, and the model has to be asked.
func SignatureOf(image runtime.Image) (*model.Signature, error) {
	text := image.Config().Labels[oci.LabelSignature]
	switch {
	case text == "":
		return nil, nil
	case len(text) > oci.MaxSignature:
		return nil, fmt.Errorf("its signature has %d bytes, more than %d", len(text), oci.MaxSignature)
	}
	return model.ParseSignature([]byte(text))
}

// TasksOf are the tasks that an image says its model is good for, in the words of
// package serve/repository; nil when it says nothing.
func TasksOf(image runtime.Image) []string {
	var list []string
	for task := range strings.SplitSeq(image.Config().Labels[oci.LabelTasks], ",") {
		if task = strings.TrimSpace(task); task != "" {
			list = append(list, task)
		}
	}
	return list
}

// loader makes instances of an image.
type loader struct {
	runtime   *runtime.Runtime
	image     runtime.Image
	kind      string
	path      string // of a pipeline's step: its file; else ""
	signature *model.Signature
	settings  *settings
	log       io.Writer
	outside   *outside // for native ONNX Runtime; else nil
	live      instances
}

func load(ctx context.Context, rt *runtime.Runtime, image runtime.Image, o *settings) (*Model, error) {
	l := &loader{runtime: rt, image: image, kind: Kind(image), settings: o, log: &sharedWriter{w: o.log}}
	var err error
	if l.signature, err = SignatureOf(image); err != nil {
		return nil, err
	}
	if l.kind == oci.ModelPipeline {
		return l.pipeline(ctx)
	}
	return l.load(ctx)
}

// load makes a Model of one that is no pipeline.
func (l *loader) load(ctx context.Context) (_ *Model, err error) {
	o := l.settings
	config := model.PoolConfig{Instances: o.instances, Waiting: o.waiting, Reuse: o.reuse, New: l.instance}
	var first model.Instance
	switch l.kind {
	case oci.ModelPython:
		if l.signature == nil {
			if first, err = l.ask(ctx); err != nil {
				return nil, err
			}
		}
		config.Check = python.Check(l.signature)
	case oci.ModelWasm:
		if l.signature == nil {
			if first, err = l.ask(ctx); err != nil {
				return nil, err
			}
		}
	case oci.ModelONNX:
		if l.signature == nil {
			return nil, &NotModelError{"it has no label " + oci.LabelSignature + "; build it again"}
		}
		if o.native != nil {
			l.outside = &outside{}
			config.New = l.native
		}
	case "":
		return nil, &NotModelError{"a model is built with MODEL, or answers with ENTRYPOINT [\"predict\", FILE.py]"}
	default:
		return nil, &NotModelError{fmt.Sprintf("%q is a kind of model that this version does not know", l.kind)}
	}
	if o.native != nil && l.outside == nil {
		return nil, errors.New("native ONNX Runtime runs ONNX models alone, and this is a program")
	}
	config.Signature, config.First = l.signature, first
	pool, err := model.NewPool(ctx, config)
	if err != nil {
		return nil, err
	}
	m := &Model{pool: pool, loader: l}
	if l.outside != nil {
		m.closing = append(m.closing, l.outside.close)
	}
	return m, nil
}

// ask makes an instance of a program whose image does not say what it takes, and
// asks it.
func (l *loader) ask(ctx context.Context) (model.Instance, error) {
	i, err := l.instance(ctx)
	if err != nil {
		return nil, err
	}
	l.signature = i.(*instance).Instance.(interface{ Signature() *model.Signature }).Signature()
	return i, nil
}

// instance makes an instance in a container of its own, so that what it writes is
// gone with it.
func (l *loader) instance(ctx context.Context) (_ model.Instance, err error) {
	i := &instance{}
	spec := l.settings.containerSpec(l.log)
	if l.kind == oci.ModelPython && spec.Door == nil {
		spec.Door = ort.Door(l.image)
	}
	if l.kind == oci.ModelWasm && spec.NN == nil {
		spec.NN = nn.New(nn.Options{Image: l.image})
	}
	c, err := l.runtime.Create(ctx, l.image, spec)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.Close(context.WithoutCancel(ctx))
		}
	}()
	i.container = c
	switch l.kind {
	case oci.ModelONNX:
		i.knows = true
		o := onnx.Options{Limits: l.settings.limits, Log: l.log}
		if l.path != "" {
			o.Module, o.Model = ort.Module, l.path
		}
		i.Instance, err = onnx.Open(ctx, c, o)
	case oci.ModelWasm:
		i.knows = true
		i.Instance, err = reactor.Open(ctx, c, reactor.Options{Args: l.command(c), Signature: l.signature, Limits: l.settings.limits, Log: l.log})
	default:
		i.Instance, err = python.Open(ctx, c, python.Options{
			Process: runtime.Process{Args: l.command(c), Limits: l.settings.limits}, Signature: l.signature,
		})
	}
	if err != nil {
		return nil, err
	}
	i.end = l.live.add(i)
	return i, nil
}

// instance is one of a model and the container that it is in.
type instance struct {
	model.Instance
	container *runtime.Container
	knows     bool   // what a request costs
	end       func() // takes it out of those that live
}

// Predict answers a request, and says what its container spent on that where the
// instance does not know.
func (i *instance) Predict(ctx context.Context, r *model.Request) (*model.Response, error) {
	if i.knows {
		return i.Instance.Predict(ctx, r)
	}
	before := i.container.Stats().Fuel
	response, err := i.Instance.Predict(ctx, r)
	switch {
	case response == nil && err == nil:
		return nil, nil
	case response == nil:
		response = &model.Response{}
	}
	i.account(&response.Usage, before)
	return response, err
}

// account says what the container spent since before.
func (i *instance) account(u *model.Usage, before uint64) {
	stats := i.container.Stats()
	if u.Fuel == 0 {
		u.Fuel = stats.Fuel - before
	}
	if u.Memory == 0 {
		u.Memory = stats.PeakMemory
	}
}

// errTouched has an instance replaced.
var errTouched = errors.New("it has written files")

// Reset makes it forget every request. Files that it wrote cannot be taken back:
// its container ends with it.
func (i *instance) Reset(ctx context.Context) error {
	if i.container.Touched() {
		return errTouched
	}
	return i.Instance.Reset(ctx)
}

// Close frees it and its container.
func (i *instance) Close(ctx context.Context) error {
	i.end()
	return errors.Join(i.Instance.Close(ctx), i.container.Close(ctx))
}

// golden reads the golden cases of the image.
func (l *loader) golden(ctx context.Context) (*model.Golden, error) {
	name := l.image.Config().Labels[oci.LabelGolden]
	if name == "" {
		return nil, nil
	}
	c, err := l.runtime.Create(ctx, l.image, runtime.Spec{})
	if err != nil {
		return nil, err
	}
	defer c.Close(context.WithoutCancel(ctx))
	f, err := c.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Size() > model.MaxGolden {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", name, f.Size(), model.MaxGolden)
	}
	text := make([]byte, f.Size())
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, f.Size()), text); err != nil {
		return nil, err
	}
	if !json.Valid(text) {
		return nil, fmt.Errorf("%s is no JSON", name)
	}
	return model.ParseGolden(text)
}
