package model

import (
	"context"
	"errors"
)

// A Streamer is a Predictor that can give an answer in parts, while it is still
// working on it. So may be an Instance.
type Streamer interface {
	// Stream answers one request: emit gets each part, in order, and is not called
	// after Stream returned. The outputs of a part are those of the signature, or some
	// of them. An error of emit ends the request, and is the error of Stream; the
	// others are those of Predict. An Instance that could end the request where it was
	// returns the error of emit as it is, and is used again; it wraps it otherwise.
	Stream(ctx context.Context, r *Request, emit func(*Response) error) (Usage, error)
}

// Stream has a Predictor or an Instance answer in parts; of one that does not work in
// parts the whole answer is the only one.
func Stream(ctx context.Context, p interface {
	Predict(context.Context, *Request) (*Response, error)
}, r *Request, emit func(*Response) error) (Usage, error) {
	if s, ok := p.(Streamer); ok {
		return s.Stream(ctx, r, emit)
	}
	response, err := p.Predict(ctx, r)
	switch {
	case err != nil && response != nil:
		return response.Usage, err
	case err != nil:
		return Usage{}, err
	case response == nil:
		return Usage{}, errors.New("the model gave no response")
	}
	return response.Usage, emit(response)
}

// A stopError is a request that ends because its caller wants no more of it.
type stopError struct{ cause error }

func (e *stopError) Error() string { return e.cause.Error() }

func (e *stopError) Unwrap() error { return e.cause }

// Stream has an instance answer a request in parts, as Predict does as a whole.
func (p *Pool) Stream(ctx context.Context, r *Request, emit func(*Response) error) (Usage, error) {
	response, err := p.ask(ctx, r, func(ctx context.Context, i Instance, r *Request) (*Response, error) {
		usage, err := Stream(ctx, i, r, func(part *Response) error {
			if err := checkResponse(part); err != nil {
				return err
			}
			if err := emit(part); err != nil {
				return &stopError{err}
			}
			return nil
		})
		return &Response{Usage: usage}, err
	})
	var usage Usage
	if response != nil {
		usage = response.Usage
	}
	var stop *stopError
	if errors.As(err, &stop) {
		err = stop.cause
	}
	return usage, err
}
