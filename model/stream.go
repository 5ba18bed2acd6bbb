package model

import "context"

// A Streamer is a Predictor that can give an answer in parts, while it is still
// working on it. So may be an Instance.
type Streamer interface {
	// Stream answers one request: emit gets each part, in order, and is not called
	// after Stream returned. The outputs of a part are those of the signature, or some
	// of them. An error of emit ends the request, and is the error of Stream; the
	// others are those of Predict. A model that does not work in parts emits one.
	Stream(ctx context.Context, r *Request, emit func(*Response) error) (Usage, error)
}
