package wasi

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// outputChunk bounds one write to an Output's destination.
const outputChunk = 64 << 10

// outputGrace is how long a write that was given up may still go on before
// Write returns without it. A writer in memory is done long before, so its
// owner may look at it afterwards; only a writer that truly blocks is left.
const outputGrace = 50 * time.Millisecond

// ErrOutputLimit says that a guest has written all the bytes it may write.
var ErrOutputLimit = errors.New("output limit reached")

// An Output is a destination of bytes whose writes can be given up. A write is
// done when the destination has taken it, so that two outputs to one terminal
// come out in the order they were written.
//
// An Output is safe for concurrent use; writes do not interleave.
type Output struct {
	dst      io.Writer
	terminal bool

	turn chan struct{} // holds one token; who has it may write

	mu   sync.Mutex
	left int64 // bytes that may still be written; negative: no limit
}

// NewOutput returns an Output over dst. A nil dst discards what is written.
func NewOutput(dst io.Writer) *Output {
	if dst == nil {
		dst = io.Discard
	}
	out := &Output{dst: dst, turn: make(chan struct{}, 1), left: -1}
	out.turn <- struct{}{}
	return out
}

// NewTerminalOutput is NewOutput for a destination that is a terminal.
func NewTerminalOutput(dst io.Writer) *Output {
	out := NewOutput(dst)
	out.terminal = true
	return out
}

// Limit lets at most n more bytes pass; then writes fail with ErrOutputLimit.
// It returns out.
func (out *Output) Limit(n int64) *Output {
	out.mu.Lock()
	defer out.mu.Unlock()
	out.left = max(n, 0)
	return out
}

// Terminal reports whether the output is a terminal.
func (out *Output) Terminal() bool { return out.terminal }

// Writable reports whether nothing is on its way to the destination.
func (out *Output) Writable() bool { return len(out.turn) > 0 }

// Write writes p, in pieces, and returns how much of it the destination took.
// It returns the context's error as soon as ctx is done, even when the
// destination blocks.
func (out *Output) Write(ctx context.Context, p []byte) (int, error) {
	total := 0
	for len(p) > 0 {
		n, err := out.writeChunk(ctx, p[:min(len(p), outputChunk)])
		total += n
		if err != nil {
			return total, err
		}
		p = p[n:]
	}
	return total, nil
}

type writeResult struct {
	n   int
	err error
}

func (out *Output) writeChunk(ctx context.Context, p []byte) (int, error) {
	select {
	case <-out.turn:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	if ctx.Err() != nil {
		out.turn <- struct{}{}
		return 0, context.Cause(ctx)
	}
	n := out.reserve(len(p))
	if n == 0 {
		out.turn <- struct{}{}
		return 0, ErrOutputLimit
	}
	// The bytes are copied because the guest's memory may be gone before a
	// blocked destination takes them.
	data := append([]byte(nil), p[:n]...)
	done := make(chan writeResult, 1)
	go func() {
		n, err := out.dst.Write(data)
		if n < 0 || n > len(data) {
			n, err = 0, errors.New("write output: destination returned an impossible count")
		} else if n < len(data) && err == nil {
			err = io.ErrShortWrite
		}
		done <- writeResult{n, err}
		out.turn <- struct{}{}
	}()
	select {
	case r := <-done:
		return r.n, r.err
	case <-ctx.Done():
	}
	grace := time.NewTimer(outputGrace)
	defer grace.Stop()
	select {
	case r := <-done:
		return r.n, r.err
	case <-grace.C:
		return 0, context.Cause(ctx)
	}
}

// reserve takes up to n bytes from what may still be written.
func (out *Output) reserve(n int) int {
	out.mu.Lock()
	defer out.mu.Unlock()
	if out.left < 0 {
		return n
	}
	n = int(min(int64(n), out.left))
	out.left -= int64(n)
	return n
}
