// Package handler has a reactor of WASI preview 1 answer HTTP: a program in Go, C, Rust
// or whatever else that stays in memory and exports
//
//	wherry_alloc(size i32) -> i32       room for a request; 0: there is none
//	wherry_http(at, len i32) -> i64     answers the request in that room
//
// The request is a frame, and so is the answer; package wire has both. The i64 says
// where the answer is: the address in the upper 32 bits, the length in bytes in the
// lower; it is read before the next call. A program may import from wherry_http
//
//	read(at, len i32) -> i32            takes so much more of the request's body; 0: that
//	                                    was all; -1: it does not come
//	write(at, len i32) -> i32           sends an answer's frame, then pieces of its body;
//	                                    -1: nobody reads them any more
//
// After a write, what wherry_http returns is the rest of the body. It returns -1 when
// there is no whole answer, and none is to be made of it: the connection is cut.
package handler
