package python

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/runtime"
)

// Options say how a model is opened.
type Options struct {
	// Process is what Container.Worker takes: limits of each request, and streams
	// for what the model prints. Without Args it is the container's own program.
	Process runtime.Process
	// Signature is what the image says of the model. Without one the model is asked,
	// which waits until it has been loaded.
	Signature *model.Signature
}

// An Instance is one model, loaded once, that answers one request after the other.
type Instance struct {
	container *runtime.Container
	worker    *runtime.Worker
	signature *model.Signature
	like      []byte // how the head of a request says what the output is, or nothing
}

// Open loads the model of a container. The error is an *model.ModelError when its
// own code failed while it was loaded, else that of Container.Worker.
func Open(ctx context.Context, c *runtime.Container, o Options) (*Instance, error) {
	w, err := c.Worker(ctx, o.Process)
	if err != nil {
		return nil, fmt.Errorf("load model: %w", translate(err))
	}
	i := &Instance{container: c, worker: w, signature: o.Signature}
	if i.signature == nil {
		if i.signature, err = describe(ctx, w); err != nil {
			w.Close(context.WithoutCancel(ctx))
			return nil, fmt.Errorf("ask the model for its signature: %w", err)
		}
	}
	if i.like, err = likeOf(i.signature); err != nil {
		w.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return i, nil
}

// describe has the guest say what predict takes and gives.
func describe(ctx context.Context, w *runtime.Worker) (*model.Signature, error) {
	answer, _, err := w.Exchange(ctx, []byte(`{"describe":true}`))
	if err != nil {
		return nil, translate(err)
	}
	return ParseSignature(answer)
}

// Signature says what the model takes and gives. It is not to be changed.
func (i *Instance) Signature() *model.Signature { return i.signature }

// Predict answers one request; see model.Predictor. More than the signature says
// is taken where nothing is lost by it: numbers of a smaller type, a scalar for
// one element, the columns of a table as a tensor each.
func (i *Instance) Predict(ctx context.Context, r *model.Request) (*model.Response, error) {
	if i.signature.Streams {
		return model.Gather(ctx, i, i.signature, r)
	}
	var response *model.Response
	usage, err := i.ask(r, func(head []byte, pieces [][]byte) error {
		answer, data, err := i.worker.Exchange(ctx, head, pieces...)
		if err != nil {
			return translate(err)
		}
		response, err = i.read(answer, data, r)
		return err
	})
	if err != nil {
		return &model.Response{Usage: usage}, err
	}
	response.Usage = usage
	return response, nil
}

// Stream answers one request in parts, each what predict gave next; see model.Streamer.
// Of a model that does not say that it streams the answer is one part.
func (i *Instance) Stream(ctx context.Context, r *model.Request, emit func(*model.Response) error) (model.Usage, error) {
	if !i.signature.Streams {
		response, err := i.Predict(ctx, r)
		if err == nil {
			err = emit(response)
		}
		return response.Usage, err
	}
	return i.ask(r, func(head []byte, pieces [][]byte) error {
		_, _, err := i.worker.Converse(ctx, func(answer, data []byte) error {
			part, err := i.read(answer, data, r)
			if err != nil {
				return err
			}
			return emit(part)
		}, head, pieces...)
		return translate(err)
	})
}

// ask makes the message of a request, and tells what it takes to have it answered, or
// not.
func (i *Instance) ask(r *model.Request, do func(head []byte, pieces [][]byte) error) (model.Usage, error) {
	inputs, err := i.fit(r)
	if err != nil {
		return model.Usage{}, err
	}
	head, pieces, err := i.request(inputs, r.Outputs)
	if err != nil {
		return model.Usage{}, err
	}
	began, before := time.Now(), i.container.Stats()
	err = do(head, pieces)
	used := i.container.Stats()
	usage := model.Usage{Fuel: used.Fuel - before.Fuel, Memory: used.Memory, Compute: time.Since(began)}
	if usage.Accelerated = calls(used) - calls(before); usage.Accelerated > 0 {
		usage.Kernels = used.Accelerated[0].Set
	}
	return usage, err
}

// read makes a response of what the guest said.
func (i *Instance) read(answer, data []byte, r *model.Request) (*model.Response, error) {
	outputs, err := parseAnswer(answer, data)
	if err == nil {
		outputs, err = i.order(outputs, r.Outputs)
	}
	if err != nil {
		return nil, &model.ModelError{Type: "protocol", Message: "the answer of the model cannot be read: " + err.Error()}
	}
	return &model.Response{Outputs: outputs}, nil
}

// calls counts what kernels of the host have done.
func calls(s runtime.Stats) (n int64) {
	for _, a := range s.Accelerated {
		n += a.Calls
	}
	return n
}

// Reset makes the model forget every request.
func (i *Instance) Reset(ctx context.Context) error { return translate(i.worker.Reset(ctx)) }

// Close ends the model, not its container.
func (i *Instance) Close(ctx context.Context) error { return i.worker.Close(ctx) }

// translate gives an error of the runtime the meaning it has for a model.
func translate(err error) error {
	var e *runtime.ExceptionError
	switch {
	case errors.As(err, new(*runtime.BrokenError)): // its exception was another request's
	case errors.As(err, &e) && e.Misuse:
		return &model.InputError{Tensor: e.Argument, Reason: e.Message}
	case errors.As(err, &e):
		return &model.ModelError{Type: e.Type, Message: e.Message, Traceback: e.Traceback}
	}
	if errors.Is(err, runtime.ErrClosed) {
		return fmt.Errorf("%w: %w", model.ErrClosed, err)
	}
	return err
}
