package onnx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/runtime"
)

// Options say how an instance is made.
type Options struct {
	// Module is the path of ONNX Runtime's module in the container; "" is the first word
	// of the container's command.
	Module string
	// Model is the path of the model's file; "" is the second word of the container's
	// command.
	Model string
	// Files are where the model and its weights are; nil is the container.
	Files Files
	// Content is what is loaded as the model, instead of its file; nil is the file. It is
	// read again when the instance is made anew. Key names it: what has the same Key is
	// the same.
	Content Source
	Key     string
	// Limits bound each request, and what the instance has.
	Limits runtime.Limits
	// Log gets what ONNX Runtime prints; nil discards it.
	Log io.Writer
}

// Files are those of a container, or of a program that works in one.
type Files interface {
	Open(name string) (*runtime.File, error)
	// Identity names what is in a folder and below; false: that is not known.
	Identity(folder string) (string, bool)
}

// An Instance is a model that is loaded, in a sandbox of its own.
type Instance struct {
	worker *runtime.Worker
	driver *driver
}

// Open loads a model of a container. The file is checked as far as it must be to be
// loaded; what it says wrong is a *model.ModelError with ONNX Runtime's words.
func Open(ctx context.Context, c *runtime.Container, o Options) (*Instance, error) {
	command := c.Command()
	if o.Module == "" && len(command) > 0 {
		o.Module = command[0]
	}
	if o.Model == "" && len(command) > 1 {
		o.Model = command[1]
	}
	if o.Module == "" || o.Model == "" {
		return nil, errors.New("open model: the image names no ONNX model; give it one with MODEL")
	}
	files := o.Files
	if files == nil {
		files = c
	}
	d := &driver{model: o.Model, source: o.Files, content: o.Content, key: o.Key}
	if err := d.know(files); err != nil {
		return nil, err
	}
	w, err := c.Worker(ctx, runtime.Process{
		Args: []string{o.Module, o.Model}, Driver: d, Limits: o.Limits, Streams: true, Stdout: o.Log, Stderr: o.Log,
	})
	if own := thrown(err); own != nil {
		err = own
	}
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", o.Model, err)
	}
	return &Instance{worker: w, driver: d}, nil
}

// Process is what is run of an image to record how it starts: ONNX Runtime, and the
// model at a path of the container's; "" loads none. By its signature it is shown what
// requests are like; nil is not known.
func Process(c *runtime.Container, path string, s *model.Signature) (runtime.Process, error) {
	command := c.Command()
	if len(command) == 0 {
		return runtime.Process{}, errors.New("the image names no module of ONNX Runtime as its entrypoint")
	}
	args := command[:1:1]
	if path != "" {
		args = append(args, path)
	}
	d := &driver{model: path, signature: s}
	if err := d.know(c); err != nil {
		return runtime.Process{}, err
	}
	return runtime.Process{Args: args, Driver: d}, nil
}

// Inputs and Outputs are the names that the model has for them, in its order.
func (i *Instance) Inputs() []string { return texts(i.driver.session.Inputs) }

// Outputs are the names of the model's outputs.
func (i *Instance) Outputs() []string { return texts(i.driver.session.Outputs) }

func texts(list []name) []string {
	out := make([]string, len(list))
	for i, n := range list {
		out[i] = n.Name
	}
	return out
}

// Predict answers a request. After an *model.InputError and a *model.ModelError the
// instance goes on, made anew if need be; after any other error of the guest it is
// broken until Reset.
func (i *Instance) Predict(ctx context.Context, r *model.Request) (*model.Response, error) {
	out, err := i.ask(ctx, r)
	own := thrown(err)
	if own == nil {
		return out, err
	}
	if i.Reset(ctx) != nil {
		return out, err
	}
	if i.driver.session.steady && strings.Contains(own.Message, otherShape) {
		i.driver.session.steady = false
		return i.Predict(ctx, r)
	}
	return out, own
}

// otherShape is what ONNX Runtime says of a prepared output that the model has another
// shape for this time.
const otherShape = "OrtValue shape verification failed"

// ask answers a request, and leaves the guest as it is then.
func (i *Instance) ask(ctx context.Context, r *model.Request) (*model.Response, error) {
	out := &model.Response{}
	began := time.Now()
	err := i.worker.Do(ctx, func(ctx context.Context, m *runtime.Machine) (err error) {
		before, accelerated := m.Fuel(), m.Accelerated()
		out.Outputs, err = i.driver.session.Run(ctx, r.Inputs, r.Outputs)
		out.Usage = model.Usage{Fuel: m.Fuel() - before, Memory: m.Memory().Size()}
		if out.Usage.Accelerated = m.Accelerated() - accelerated; out.Usage.Accelerated > 0 {
			out.Usage.Kernels = m.Kernels()
		}
		return err
	})
	out.Usage.Compute = time.Since(began)
	return out, err
}

// Reset makes it forget every request.
func (i *Instance) Reset(ctx context.Context) error { return i.worker.Reset(ctx) }

// Close frees it.
func (i *Instance) Close(ctx context.Context) error { return i.worker.Close(ctx) }
