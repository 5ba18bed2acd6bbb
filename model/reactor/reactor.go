package reactor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/runtime"
)

// Bounds of what guest and host say to each other, in bytes.
const (
	MaxSignature = 64 << 10
	MaxRequest   = 1 << 30
)

// Options say how an instance is made.
type Options struct {
	// Args are the program and its arguments; none are the container's own.
	Args []string
	// Signature is what the image says of the model; nil asks the guest.
	Signature *model.Signature
	// Limits bound each request, and what the instance has.
	Limits runtime.Limits
	// Log gets what the guest prints; nil discards it.
	Log io.Writer
}

// An Instance is a reactor that has begun, in a sandbox of its own.
type Instance struct {
	worker    *runtime.Worker
	driver    *driver
	signature *model.Signature
}

// Open begins the reactor of a container.
func Open(ctx context.Context, c *runtime.Container, o Options) (*Instance, error) {
	args := o.Args
	if len(args) == 0 {
		args = c.Command()
	}
	if len(args) == 0 {
		return nil, errors.New("open model: the image names no module; give it an ENTRYPOINT")
	}
	d := &driver{}
	w, err := c.Worker(ctx, runtime.Process{Args: args, Driver: d, Limits: o.Limits, Stdout: o.Log, Stderr: o.Log})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	i := &Instance{worker: w, driver: d, signature: o.Signature}
	if i.signature != nil {
		return i, nil
	}
	err = w.Do(ctx, func(ctx context.Context, m *runtime.Machine) (err error) {
		i.signature, err = describe(ctx, m)
		return err
	})
	if err != nil {
		w.Close(context.WithoutCancel(ctx))
		return nil, fmt.Errorf("ask %s for its signature: %w", args[0], err)
	}
	return i, nil
}

// Process is what is run of an image to record how its reactor starts.
func Process(c *runtime.Container) runtime.Process {
	return runtime.Process{Args: c.Command(), Driver: &driver{}}
}

// Signature says what the model takes and gives. It is not to be changed.
func (i *Instance) Signature() *model.Signature { return i.signature }

// Predict answers one request; see model.Predictor. After an *model.InputError and a
// *model.ModelError the instance goes on; after any other error it is broken until Reset.
func (i *Instance) Predict(ctx context.Context, r *model.Request) (*model.Response, error) {
	if i.signature.Streams {
		return model.Gather(ctx, i, i.signature, r)
	}
	if err := i.signature.Check(r); err != nil {
		return nil, err
	}
	out := &model.Response{}
	began := time.Now()
	err := i.worker.Do(ctx, func(ctx context.Context, m *runtime.Machine) error {
		before, accelerated := m.Fuel(), m.Accelerated()
		outputs, err := predict(ctx, m, r, false)
		out.Usage, out.Outputs = used(m, before, accelerated), outputs
		return err
	})
	out.Usage.Compute = time.Since(began)
	if err != nil {
		return out, translate(err)
	}
	if out.Outputs, err = order(i.signature, out.Outputs, r.Outputs); err != nil {
		return out, errProtocol(err)
	}
	return out, nil
}

// translate gives an error of the runtime the meaning it has for a model.
func translate(err error) error {
	if errors.Is(err, runtime.ErrClosed) {
		return fmt.Errorf("%w: %w", model.ErrClosed, err)
	}
	return err
}

// Reset makes it forget every request.
func (i *Instance) Reset(ctx context.Context) error { return i.worker.Reset(ctx) }

// Close frees it.
func (i *Instance) Close(ctx context.Context) error { return i.worker.Close(ctx) }
