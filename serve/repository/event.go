package repository

import "time"

// An Event is a Call that came to its end. It is given to Config.Observe together
// with the context of the call, by which metrics, logs and traces know the request
// it belongs to. What it points to may be kept, but not changed.
type Event struct {
	Call *Call
	// Answer is nil when the call failed, and of a stream its last part.
	Answer *Answer
	// Receipt is the answer's; of a failed call it has what is known: Model and
	// Version when there are such, Queue, and what was computed until it failed.
	Receipt Receipt
	Err     error
	// Began is when Infer was called, and Took how long it was until it returned.
	Began time.Time
	Took  time.Duration
}
