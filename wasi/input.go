package wasi

import (
	"context"
	"errors"
	"io"
	"sync"
)

// inputChunk bounds what an Input reads ahead of its reader.
const inputChunk = 64 << 10

// maxEmptyReads is how often a source may answer "no bytes, no error" in a row
// before it counts as broken, as in bufio.
const maxEmptyReads = 100

// An Input is a stream of bytes that can be waited for: it says when a read
// will not block, and a blocked read can be given up.
//
// A plain io.Reader can do neither, so an Input reads from its source in a
// goroutine of its own, and only while somebody wants bytes: it never holds
// more than one chunk that nobody asked for. Bytes that arrive after a read
// was given up are kept for the next read; none is lost. That goroutine stays
// in the source's Read until the source answers, which for a terminal may be
// the end of the process: this is why a process should make one Input of its
// standard input and share it.
//
// An Input is safe for concurrent use.
type Input struct {
	src      io.Reader
	terminal bool

	mu      sync.Mutex
	buf     []byte        // bytes read and not yet taken
	err     error         // why there will be no more; nil while open
	filling bool          // a goroutine is in src.Read
	ready   chan struct{} // closed while a read would not block
}

// NewInput returns an Input over src. A nil src is an empty input.
func NewInput(src io.Reader) *Input {
	in := &Input{src: src, ready: make(chan struct{})}
	if src == nil {
		in.err = io.EOF
		close(in.ready)
	}
	return in
}

// NewTerminalInput is NewInput for a source that is a terminal: a guest that
// asks sees a character device.
func NewTerminalInput(src io.Reader) *Input {
	in := NewInput(src)
	in.terminal = true
	return in
}

// Terminal reports whether the input is a terminal.
func (in *Input) Terminal() bool { return in.terminal }

// Ready returns a channel that is closed once a read will not block: bytes
// have arrived, or the input has ended or failed.
func (in *Input) Ready() <-chan struct{} {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.fill()
	return in.ready
}

// Buffered returns how many bytes can be read at once, and whether the input
// ends after them.
func (in *Input) Buffered() (n int, ended bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.buf), in.err != nil
}

// Read reads up to len(p) bytes, waiting for the first one. It returns the
// context's error as soon as ctx is done; no byte is lost by that.
func (in *Input) Read(ctx context.Context, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if n, err, ok := in.take(p, true); ok {
			return n, err
		}
		select {
		case <-in.Ready():
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// TryRead reads what is there, without waiting; ok is false when there is
// nothing yet.
func (in *Input) TryRead(p []byte) (n int, err error, ok bool) {
	in.Ready() // somebody wants bytes: start reading
	return in.take(p, true)
}

// Peek copies what is there without taking it; ok is false when there is
// nothing yet.
func (in *Input) Peek(p []byte) (n int, err error, ok bool) {
	in.Ready()
	return in.take(p, false)
}

// take copies buffered bytes to p and, when asked, removes them.
func (in *Input) take(p []byte, remove bool) (int, error, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.buf) == 0 {
		return 0, in.err, in.err != nil
	}
	n := copy(p, in.buf)
	if remove {
		in.buf = in.buf[n:]
		if len(in.buf) == 0 {
			in.buf = nil
			if in.err == nil {
				in.ready = make(chan struct{})
			}
		}
	}
	return n, nil, true
}

// fill starts one read of the source unless one is under way or not needed.
// The lock is held.
func (in *Input) fill() {
	if in.filling || in.err != nil || len(in.buf) > 0 {
		return
	}
	in.filling = true
	go in.readSource()
}

// readSource reads until the source gives bytes or an error.
func (in *Input) readSource() {
	chunk := make([]byte, inputChunk)
	var n int
	var err error
	for range maxEmptyReads {
		if n, err = in.src.Read(chunk); n != 0 || err != nil {
			break
		}
	}
	if n == 0 && err == nil {
		err = io.ErrNoProgress
	}
	if n < 0 || n > len(chunk) {
		n, err = 0, errors.New("read input: source returned an impossible count")
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.filling = false
	in.buf, in.err = chunk[:n], err
	close(in.ready)
}
