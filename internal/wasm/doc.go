// Package wasm knows the binary format of WebAssembly core modules: what kind of file a byte string is, how a module
// divides into sections, functions and instructions, whether it is valid, and how to write one back.
//
// Nothing here runs, compiles or changes the meaning of a module, and nothing here knows an engine. The package reads
// hostile input: every count is held against the bytes that are left before anything is allocated, every depth and
// size against [Limits], and no input makes it panic.
//
// [Decode] splits a module into sub-slices of the input without copying code. A [Walker] steps over the instructions
// of a function. A [Checker] does the same with the type of every operand at hand, and [Validate] runs a Checker over
// all functions on several cores. An [Editor] copies a function with insertions, leaving untouched bytes untouched.
package wasm
