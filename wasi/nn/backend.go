// Package nn is wasi-nn for core modules: the functions of "wasi_ephemeral_nn",
// with those that WasmEdge has besides. A program loads models by them and has them
// compute; what runs the models is a Backend.
package nn

import (
	"context"
	"errors"
	"math"
)

// A Backend loads the models that a program asks for. It is used by one goroutine
// at a time.
type Backend interface {
	// Load makes a graph of the bytes of a model's file, which are the backend's.
	Load(ctx context.Context, file []byte) (Graph, error)
	// Named makes a graph of a model that has a name; ErrNotFound is none.
	Named(ctx context.Context, name string) (Graph, error)
}

// A Graph is a model that is loaded. It is used by one goroutine at a time.
type Graph interface {
	// Inputs are what it takes, in its order.
	Inputs() []Input
	// Run computes: the inputs are in the graph's order, and those with no Type were
	// not given. The outputs are in the graph's order, and the caller's.
	Run(ctx context.Context, inputs []Tensor) ([]Tensor, error)
	// Close frees it.
	Close(ctx context.Context) error
}

// An Input is what a graph says of one of its inputs.
type Input struct {
	Type Type
}

// A Tensor is an array of elements, row by row, little-endian and without gaps.
type Tensor struct {
	Type  Type
	Shape []int64
	Data  []byte
}

// A Type is the type of a tensor's elements, by its name in the Open Inference
// Protocol.
type Type string

// The types that wasi-nn has. A graph may have others: those of as many bytes pass
// as the ones named here.
const (
	FP16  Type = "FP16"
	FP32  Type = "FP32"
	FP64  Type = "FP64"
	Uint8 Type = "UINT8"
	Int32 Type = "INT32"
	Int64 Type = "INT64"
)

// The errors by which a Backend or a Graph says what a program is told. Any other is
// a runtime error to it.
var (
	ErrNotFound    = errors.New("there is no model of this name")
	ErrInvalid     = errors.New("it is no model, or no input of it")
	ErrUnsupported = errors.New("it is not supported")
	ErrMemory      = errors.New("there is no memory for it")
)

// An EndError of a Backend or a Graph ends the program that asked.
type EndError struct{ Err error }

func (e *EndError) Error() string { return e.Err.Error() }

// Unwrap gives what the program ends with.
func (e *EndError) Unwrap() error { return e.Err }

// size gives the bytes of an element; 0 for what wasi-nn cannot carry.
func (t Type) size() uint64 {
	switch t.carrier() {
	case Uint8:
		return 1
	case FP16:
		return 2
	case FP32, Int32:
		return 4
	case FP64, Int64:
		return 8
	}
	return 0
}

// carrier is the type by which wasi-nn carries another, bit by bit; "" for none.
func (t Type) carrier() Type {
	switch t {
	case FP16, FP32, FP64, Uint8, Int32, Int64:
		return t
	case "BOOL", "INT8":
		return Uint8
	case "INT16", "UINT16", "BF16":
		return FP16
	case "UINT32":
		return Int32
	case "UINT64":
		return Int64
	}
	return ""
}

// The numbers of the types, as they are and as they were: until 2023 there was no
// FP64 and no INT64.
var (
	types   = []Type{FP16, FP32, FP64, Uint8, Int32, Int64}
	earlier = []Type{FP16, FP32, Uint8, Int32}
)

// typeOf tells which type a program means by a number: that of which there are as
// many bytes as elements say, and of two the one that the graph takes.
func typeOf(number uint8, elements uint64, length uint64, wanted Type) (Type, bool) {
	var fits []Type
	for _, table := range [][]Type{types, earlier} {
		if int(number) >= len(table) {
			continue
		}
		t := table[number]
		if elements <= math.MaxUint64/t.size() && elements*t.size() == length {
			fits = append(fits, t)
		}
	}
	for _, t := range fits {
		if t == wanted.carrier() {
			return wanted, true
		}
	}
	if len(fits) > 0 {
		return fits[0], true
	}
	return "", false
}
