// Package door is one host function that carries bytes: a guest calls out with
// a message and gets an answer. The Python base's _host.call is its other side.
package door

import (
	"context"
	"encoding/binary"
	"errors"
	"math"

	"github.com/wherry-run/wherry/wasi"
)

// ModuleName is the name under which modules import the function, and Call is the function's.
const (
	ModuleName = "host"
	Call       = "call"
)

// MaxMessage bounds a message and an answer.
const MaxMessage = 256 << 20

// What host.call returns.
const (
	resultOK     = 0
	resultNoHost = -1 // nobody answers
	resultFault  = -2 // the message, the answer or the handler failed
)

// ErrNobody is the error of a Handler that has nobody who answers the message: the
// guest hears the same as without a Handler.
var ErrNobody = errors.New("nobody answers")

// A Handler answers a guest's message. The message is the handler's own; ctx
// ends with the guest's call. An error is a fault to the guest, without its
// text, unless ctx is done: then the guest is unwound.
type Handler func(ctx context.Context, message []byte) ([]byte, error)

// New is the host module "host" with the function
//
//	call(ptr, len, out_ptr_ptr, out_len_ptr i32) -> i32
//
// The answer is placed where the guest's export host_alloc(len) -> ptr says;
// its place and length are written to the two out pointers. With a nil handler
// every call says that nobody answers.
func New(handler Handler) wasi.HostModule {
	return wasi.HostModule{Name: ModuleName, Funcs: []wasi.HostFunc{{
		Name:    Call,
		Params:  []wasi.ValueType{wasi.I32, wasi.I32, wasi.I32, wasi.I32},
		Results: []wasi.ValueType{wasi.I32},
		Call: func(ctx context.Context, g *wasi.Guest, stack []uint64) {
			code, err := call(ctx, engineGuest{g}, handler, stack)
			if err != nil {
				g.Fail(err)
				return
			}
			stack[0] = uint64(uint32(int32(code)))
		},
	}}}
}

// guest is what a call needs of the instance that made it.
type guest interface {
	// memory is n bytes of the guest's memory at off, valid until alloc.
	memory(off, n uint32) ([]byte, bool)
	// alloc asks the guest for n bytes.
	alloc(ctx context.Context, n uint32) (uint32, error)
}

type engineGuest struct{ g *wasi.Guest }

func (e engineGuest) memory(off, n uint32) ([]byte, bool) { return e.g.Memory().Read(off, n) }

func (e engineGuest) alloc(ctx context.Context, n uint32) (uint32, error) {
	results, err := e.g.Call(ctx, "host_alloc", uint64(n))
	if err != nil || len(results) != 1 {
		return 0, err
	}
	return uint32(results[0]), nil
}

// call does one host.call. An error unwinds the guest.
func call(ctx context.Context, g guest, handler Handler, args []uint64) (int, error) {
	ptr, n, outPtr, outLen := uint32(args[0]), uint32(args[1]), uint32(args[2]), uint32(args[3])
	if handler == nil {
		return resultNoHost, nil
	}
	message, ok := g.memory(ptr, n)
	if !ok || n > MaxMessage || !writable(g, outPtr) || !writable(g, outLen) {
		return resultFault, nil
	}
	answer, err := handler(ctx, append([]byte(nil), message...))
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if errors.Is(err, ErrNobody) {
		return resultNoHost, nil
	}
	if err != nil || len(answer) > MaxMessage || len(answer) > math.MaxInt32 {
		return resultFault, nil
	}
	at, err := g.alloc(ctx, uint32(len(answer)))
	if err != nil {
		return 0, err // the guest itself ended while it made room
	}
	place, ok := g.memory(at, uint32(len(answer)))
	if !ok || at == 0 && len(answer) > 0 {
		return resultFault, nil
	}
	copy(place, answer)
	put(g, outPtr, at)
	put(g, outLen, uint32(len(answer)))
	return resultOK, nil
}

func writable(g guest, off uint32) bool {
	_, ok := g.memory(off, 4)
	return ok
}

// put writes a number where writable said yes: memory only ever grows.
func put(g guest, off, v uint32) {
	if b, ok := g.memory(off, 4); ok {
		binary.LittleEndian.PutUint32(b, v)
	}
}
