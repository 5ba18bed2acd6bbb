// Package wasi holds what a guest may be given: clocks, randomness, byte
// streams and connections, each behind a small type, and the form in which
// host functions are handed to the engine.
//
// The packages below this one turn those capabilities into an ABI that guests
// link against: preview1 for WASI preview 1, door for one call that carries
// bytes. Nothing here reaches for the machine by itself; a capability that is
// not handed in does not exist for the guest.
package wasi
