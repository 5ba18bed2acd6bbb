package model

import (
	"errors"
	"fmt"
)

// ErrClosed is returned by what was closed.
var ErrClosed = errors.New("the model is closed")

// An InputError is a request that does not fit the signature: the caller's
// mistake.
type InputError struct {
	// Tensor names the input, or the output that was asked for; "" when it is none
	// of them alone.
	Tensor string
	// Reason says in what it does not fit.
	Reason string
}

func (e *InputError) Error() string {
	if e.Tensor == "" {
		return e.Reason
	}
	return fmt.Sprintf("%s: %s", e.Tensor, e.Reason)
}

// A ModelError is a request that fitted, and that the model did not answer
// because its own code said no: an exception in Python, a status of ONNX
// Runtime. The model goes on with the next.
type ModelError struct {
	// Type is the class of the exception, or the name of the status.
	Type string
	// Message is its text, and may be shown to the caller.
	Message string
	// Traceback is where it came from, in several lines, for the log.
	Traceback string
}

func (e *ModelError) Error() string {
	switch {
	case e.Type == "":
		return e.Message
	case e.Message == "":
		return e.Type
	}
	return e.Type + ": " + e.Message
}
