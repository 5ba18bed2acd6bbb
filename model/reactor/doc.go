// Package reactor has a module answer requests by functions that it exports: a model
// written in Go, C, Rust or whatever else is compiled to a reactor of WASI preview 1.
// It knows the calls and the frames that they take and give, which docs/models.md
// describes to those who write guests.
//
// A reactor exports
//
//	wherry_signature() -> i64          its signature, as JSON
//	wherry_alloc(size i32) -> i32      room for a request; 0: there is none
//	wherry_predict(at, len i32) -> i64 answers the request in that room
//
// where an i64 is a place in its memory: the address in the upper 32 bits, the length
// in bytes in the lower. What lies there is read before the next call. A frame is
//
//	4 bytes   the length of the JSON, little-endian
//	n bytes   JSON: an infer request or response of the Open Inference Protocol, with
//	          spaces at its end, so that what follows begins at a multiple of 16
//	the rest  tensors, one after the other, as the protocol's binary extension has them
//
// A reactor whose signature says "streams": true gives its answer in parts. It imports
//
//	wherry_model.emit(at, len i32) -> i32    a part, a frame; 0: more are wanted, 1: no more
//
// and calls that while wherry_predict is under way, which then may give a place of
// length 0, or the last part.
//
// Each tensor of the JSON says by its parameter binary_data_size how many of these bytes
// are its own. A response with the member "error" is the refusal of a request.
package reactor
