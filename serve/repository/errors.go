package repository

import (
	"fmt"
	"time"
)

// A NotFoundError is a model, or a version of one, that the server does not have.
type NotFoundError struct{ Model, Version string }

func (e *NotFoundError) Error() string {
	if e.Version == "" {
		return fmt.Sprintf("there is no model %q", e.Model)
	}
	return fmt.Sprintf("there is no version %q of model %q", e.Version, e.Model)
}

// A NotReadyError is a model that the server has, and that cannot answer now.
type NotReadyError struct {
	Model, Version string
	// Reason says why not, for people.
	Reason string
	// Cause is what is behind it, for the log; nil when nothing is.
	Cause error
}

func (e *NotReadyError) Unwrap() error { return e.Cause }

func (e *NotReadyError) Error() string {
	return fmt.Sprintf("model %q is not ready: %s", e.Model, e.Reason)
}

// An OverloadedError is a request that was turned away before it was worked on.
type OverloadedError struct {
	Model string
	// Full: as many wait as may. Otherwise the request would not be answered, or was
	// not begun, before its deadline.
	Full bool
	// RetryAfter is when it is worth to ask again.
	RetryAfter time.Duration
}

func (e *OverloadedError) Error() string {
	if e.Full {
		return fmt.Sprintf("model %q is busy: as many requests wait for it as may", e.Model)
	}
	return fmt.Sprintf("model %q is busy: the request cannot be answered in its time", e.Model)
}
