package model

import (
	"context"
	"time"
)

// A Predictor is a model that answers. It may be used by any number of
// goroutines at once.
type Predictor interface {
	// Signature says what the model takes and gives. It is not to be changed.
	Signature() *Signature
	// Predict answers one request. The errors are *InputError when the request does
	// not fit the signature, *ModelError when the model itself refused it, those of
	// ctx, ErrClosed, and the runtime's when the guest trapped or met a limit. A
	// failed request harms no other. Beside an error there may be a Response without
	// outputs: what the attempt took.
	Predict(ctx context.Context, r *Request) (*Response, error)
	// Close ends the model. Requests under way end with ErrClosed.
	Close(ctx context.Context) error
}

// A Request is one infer request of the protocol.
type Request struct {
	// ID is the caller's name for it, if any. Nothing hangs on it.
	ID string
	// Inputs are tensors with the names of the signature's inputs, in any order.
	Inputs []Tensor
	// Outputs names those that are wanted; none means all.
	Outputs []string
}

// A Response answers a Request.
type Response struct {
	// Outputs are in the order that was asked for, else in the signature's.
	Outputs []Tensor
	// Usage is what the answer took.
	Usage Usage
}

// Usage is what one request took of the machine.
type Usage struct {
	// Fuel counts what the guest did; see runtime.Limits.
	Fuel uint64
	// Memory is the most bytes that the guest's memory had.
	Memory uint64
	// Wait passed until an instance was free, and Compute in it.
	Wait, Compute time.Duration
	// Accelerated counts what kernels of the host did in the guest's place, and Kernels
	// names their set and its version; "" when they did nothing. See runtime.Accelerated.
	Accelerated int64
	Kernels     string
}
