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

// An Output is a destination of bytes that can be waited for, and whose writes
// can be given up. A Write is done when the destination has taken it, so that
// two outputs to one terminal come out in the order they were written.
//
// One write at a time is on its way to the destination, in a goroutine of its
// own: a destination that blocks holds that goroutine and nobody else.
//
// An Output is safe for concurrent use; the pieces of writes do not mix.
type Output struct {
	dst      io.Writer
	terminal bool

	mu   sync.Mutex
	left int64  // bytes that may still be written; negative: no limit
	last *piece // the one on its way, or the last one
}

// piece is a part of a write, on its way to the destination.
type piece struct {
	size    int
	arrived chan struct{} // closed when the destination has answered
	n       int           // how much it took; good once arrived
	err     error         // why not all; likewise
	late    bool          // nobody waits for it: a later write reports err
}

// over reports whether the destination has answered.
func (p *piece) over() bool {
	select {
	case <-p.arrived:
		return true
	default:
		return false
	}
}

// NewOutput returns an Output over dst. A nil dst discards what is written.
func NewOutput(dst io.Writer) *Output {
	if dst == nil {
		dst = io.Discard
	}
	none := &piece{arrived: make(chan struct{})}
	close(none.arrived)
	return &Output{dst: dst, left: -1, last: none}
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

// Ready returns a channel that is closed once a write will not wait for an
// earlier one.
func (out *Output) Ready() <-chan struct{} {
	out.mu.Lock()
	defer out.mu.Unlock()
	return out.last.arrived
}

// Write writes p, in pieces, and returns how much of it the destination took.
// It returns the context's error as soon as ctx is done, even when the
// destination blocks.
func (out *Output) Write(ctx context.Context, p []byte) (int, error) {
	total := 0
	for len(p) > 0 {
		if ctx.Err() != nil {
			return total, context.Cause(ctx)
		}
		sent, err := out.start(p)
		if err != nil {
			return total, err
		}
		if sent == nil {
			select {
			case <-out.Ready():
			case <-ctx.Done():
			}
			continue
		}
		n, err := out.await(ctx, sent)
		total += n
		if err != nil {
			return total, err
		}
		p = p[sent.size:]
	}
	return total, nil
}

// TryWrite takes a piece of p without waiting for the destination; ok is false
// while an earlier piece is on its way. What the destination says of it comes
// back with a later write.
func (out *Output) TryWrite(p []byte) (n int, err error, ok bool) {
	if len(p) == 0 {
		return 0, nil, true
	}
	sent, err := out.start(p)
	if sent == nil {
		return 0, err, err != nil
	}
	t := time.NewTimer(settle)
	defer t.Stop()
	select {
	case <-sent.arrived:
	case <-t.C:
	}
	if out.leave(sent) {
		return sent.n, sent.err, true
	}
	return sent.size, nil, true
}

// Flush waits until nothing is on its way.
func (out *Output) Flush(ctx context.Context) error {
	select {
	case <-out.Ready():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// start sends a piece of p on its way. It returns nil when an earlier one has
// not arrived.
func (out *Output) start(p []byte) (*piece, error) {
	out.mu.Lock()
	defer out.mu.Unlock()
	if !out.last.over() {
		return nil, nil
	}
	if out.last.late && out.last.err != nil {
		out.last.late = false
		return nil, out.last.err
	}
	n := min(len(p), outputChunk)
	if out.left >= 0 {
		if n = int(min(int64(n), out.left)); n == 0 {
			return nil, ErrOutputLimit
		}
		out.left -= int64(n)
	}
	// The bytes are copied because the guest's memory may be gone before a
	// blocked destination takes them.
	out.last = &piece{size: n, arrived: make(chan struct{})}
	go out.carry(append([]byte(nil), p[:n]...), out.last)
	return out.last, nil
}

// carry takes one piece to the destination.
func (out *Output) carry(data []byte, p *piece) {
	n, err := out.dst.Write(data)
	if n < 0 || n > len(data) {
		n, err = 0, errors.New("write output: destination returned an impossible count")
	} else if n < len(data) && err == nil {
		err = io.ErrShortWrite
	}
	p.n, p.err = n, err
	close(p.arrived)
}

// await waits for a piece to arrive, or gives it up.
func (out *Output) await(ctx context.Context, p *piece) (int, error) {
	select {
	case <-p.arrived:
	case <-ctx.Done():
		grace := time.NewTimer(outputGrace)
		defer grace.Stop()
		select {
		case <-p.arrived:
		case <-grace.C:
		}
	}
	if out.leave(p) {
		return p.n, p.err
	}
	return 0, context.Cause(ctx)
}

// leave reports whether a piece has arrived; if not, its error will be a later
// write's.
func (out *Output) leave(p *piece) bool {
	out.mu.Lock()
	defer out.mu.Unlock()
	p.late = !p.over()
	return !p.late
}
