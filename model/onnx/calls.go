package onnx

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/emscripten"
)

// A Guest is an instance of ONNX Runtime's module. An error of Call is its end.
type Guest interface {
	Call(ctx context.Context, name string, args ...uint64) ([]uint64, error)
	Memory() wasi.Memory
}

// errGuest is a guest that says what it cannot mean. Its memory is damaged, or came
// from an image that was.
var errGuest = errors.New("ONNX Runtime: the sandbox answers nonsense")

// calls are calls in a row: after the first that fails the rest do nothing.
type calls struct {
	ctx   context.Context
	guest Guest
	build *build
	err   error
	// steady lets outputs be prepared: see Session.
	steady bool
}

// do calls a function by ONNX Runtime's name.
func (c *calls) do(name string, args ...uint64) uint32 {
	if c.err != nil {
		return 0
	}
	results, err := c.guest.Call(c.ctx, c.build.exports[name], args...)
	if err != nil {
		c.err = err
		return 0
	}
	if len(results) == 0 {
		return 0
	}
	return uint32(results[0])
}

// handle is a call that gives something, or zero and an error to be asked for.
func (c *calls) handle(name string, args ...uint64) uint32 {
	h := c.do(name, args...)
	if h == 0 {
		c.refused()
	}
	return h
}

// check is a call that gives a status.
func (c *calls) check(name string, args ...uint64) bool {
	if c.do(name, args...) != 0 {
		c.refused()
	}
	return c.err == nil
}

// statuses are ONNX Runtime's names of its error codes.
var statuses = [...]string{
	1: "FAIL", 2: "INVALID_ARGUMENT", 3: "NO_SUCHFILE", 4: "NO_MODEL", 5: "ENGINE_ERROR", 6: "RUNTIME_EXCEPTION",
	7: "INVALID_PROTOBUF", 8: "MODEL_LOADED", 9: "NOT_IMPLEMENTED", 10: "INVALID_GRAPH", 11: "EP_FAIL",
}

// refused asks for the last error, which is the model's.
func (c *calls) refused() {
	if c.err != nil {
		return
	}
	p := c.alloc(8)
	c.do("OrtGetLastError", uint64(p), uint64(p)+4)
	code, message := c.word(p), c.text(c.word(p+4))
	c.do("free", uint64(p))
	if c.err != nil {
		return
	}
	e := &model.ModelError{Type: fmt.Sprint("status ", code), Message: message}
	if code < uint32(len(statuses)) && statuses[code] != "" {
		e.Type = statuses[code]
	}
	c.err = e
}

// alloc gives memory of the guest's.
func (c *calls) alloc(n uint64) uint32 {
	if c.err != nil {
		return 0
	}
	if n > maxAddress {
		c.err = noRoom(n)
		return 0
	}
	p := c.do("malloc", max(n, 1))
	if p == 0 && c.err == nil {
		c.err = noRoom(n)
	}
	return p
}

// maxAddress is what 32 bits reach.
const maxAddress = 1<<32 - 1

// noRoom is the error for a guest without memory for something.
func noRoom(n uint64) error {
	return &model.ModelError{Type: "FAIL", Message: fmt.Sprintf("no memory for %d bytes in the sandbox", n)}
}

// view is memory of the guest's, until it runs again.
func (c *calls) view(p uint32, n uint64) []byte {
	if c.err != nil {
		return nil
	}
	if n <= maxAddress {
		if b, ok := c.guest.Memory().Read(p, uint32(n)); ok {
			return b
		}
	}
	c.err = errGuest
	return nil
}

func (c *calls) word(p uint32) uint32 {
	b := c.view(p, 4)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint32(b)
}

// maxText bounds a name or message of the guest's.
const maxText = 16 << 10

// text is a string that ends with a zero.
func (c *calls) text(p uint32) string {
	if c.err != nil || p == 0 {
		return ""
	}
	size := c.guest.Memory().Size()
	if uint64(p) >= size {
		c.err = errGuest
		return ""
	}
	b := c.view(p, min(maxText, size-uint64(p)))
	if end := bytes.IndexByte(b, 0); end >= 0 {
		b = b[:end]
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// refusal tells whether an error is the model's own: the guest goes on.
func refusal(err error) bool {
	if err == nil {
		return false
	}
	var m *model.ModelError
	return errors.As(err, &m)
}

// thrown is an error of ONNX Runtime's that its build can say in no other way than to
// end: the guest is made anew, and then it is the model's own.
func thrown(err error) *model.ModelError {
	if err == nil {
		return nil
	}
	var throw *emscripten.ThrowError
	var abort *emscripten.AbortError
	switch {
	case errors.As(err, &throw) && throw.Message != "":
		return &model.ModelError{Type: "EXCEPTION", Message: throw.Message}
	case errors.As(err, &throw):
		return &model.ModelError{Type: "EXCEPTION", Message: throw.Error()}
	case errors.As(err, &abort):
		return &model.ModelError{Type: "ABORT", Message: "ONNX Runtime aborted: " + abort.Error()}
	}
	return nil
}
