package wasi

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// inputChunk bounds what an Input reads ahead of its reader.
const inputChunk = 64 << 10

// settle is how long the first look at an input waits for bytes that are there.
const settle = 200 * time.Microsecond

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
// standard input and hand on its Reader.
//
// An Input is safe for concurrent use.
type Input struct {
	terminal bool
	*source
}

// source is what the Inputs over one reader share.
type source struct {
	src    io.Reader
	whole  bool // every read of src fills its chunk, but for the last
	prompt bool // the first look at it waits for nothing

	mu      sync.Mutex
	buf     []byte        // bytes read and not yet taken
	err     error         // why there will be no more; nil while open
	filling bool          // a goroutine is in src.Read
	ready   chan struct{} // closed while a read would not block
}

// NewInput returns an Input over src. A nil src is an empty input; a src that
// is the Reader of another Input shares that one's bytes.
func NewInput(src io.Reader) *Input {
	if r, ok := src.(*inputReader); ok {
		return &Input{source: r.in.source}
	}
	s := &source{src: src, ready: make(chan struct{})}
	if src == nil {
		s.err = io.EOF
		close(s.ready)
	}
	return &Input{source: s}
}

// NewTerminalInput is NewInput for a source that is a terminal: a guest that
// asks sees a character device.
func NewTerminalInput(src io.Reader) *Input {
	in := NewInput(src)
	in.terminal = true
	return in
}

// Whole has the Input read its source in full chunks, all but the last, so that
// how many bytes a read gives does not depend on when they came. It is called
// before the first read, and returns in.
func (in *Input) Whole() *Input {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.whole = true
	return in
}

// Terminal reports whether the input is a terminal.
func (in *Input) Terminal() bool { return in.terminal }

// Reader is the input as an io.Reader whose reads end with ctx. NewInput over
// it is an Input over the same bytes, so several programs can use one input in
// turn and none takes bytes that it does not read.
func (in *Input) Reader(ctx context.Context) io.Reader { return &inputReader{ctx, in} }

type inputReader struct {
	ctx context.Context
	in  *Input
}

func (r *inputReader) Read(p []byte) (int, error) { return r.in.Read(r.ctx, p) }

// Ready returns a channel that is closed once a read will not block: bytes
// have arrived, or the input has ended or failed.
func (s *source) Ready() <-chan struct{} {
	s.mu.Lock()
	started := s.fill()
	ready := s.ready
	s.mu.Unlock()
	if started && !s.prompt {
		// A source that has bytes gives them at once. Without this moment the
		// first look at a full input would say that it is empty.
		t := time.NewTimer(settle)
		defer t.Stop()
		select {
		case <-ready:
		case <-t.C:
		}
	}
	return ready
}

// Buffered returns how many bytes can be read at once, and whether the input
// ends after them.
func (s *source) Buffered() (n int, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.buf), s.err != nil
}

// Read reads up to len(p) bytes, waiting for the first one. It returns the
// context's error as soon as ctx is done; no byte is lost by that.
func (s *source) Read(ctx context.Context, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if n, err, ok := s.take(p, true); ok {
			return n, err
		}
		select {
		case <-s.Ready():
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// TryRead reads what is there, without waiting; ok is false when there is
// nothing yet.
func (s *source) TryRead(p []byte) (n int, err error, ok bool) {
	s.Ready() // somebody wants bytes: start reading
	return s.take(p, true)
}

// Peek copies what is there without taking it; ok is false when there is
// nothing yet.
func (s *source) Peek(p []byte) (n int, err error, ok bool) {
	s.Ready()
	return s.take(p, false)
}

// take copies buffered bytes to p and, when asked, removes them.
func (s *source) take(p []byte, remove bool) (int, error, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.buf) == 0 {
		return 0, s.err, s.err != nil
	}
	n := copy(p, s.buf)
	if remove {
		s.buf = s.buf[n:]
		if len(s.buf) == 0 {
			s.buf = nil
			if s.err == nil {
				s.ready = make(chan struct{})
			}
		}
	}
	return n, nil, true
}

// fill starts one read of the source unless one is under way or not needed,
// and reports whether it did. The lock is held.
func (s *source) fill() bool {
	if s.filling || s.err != nil || len(s.buf) > 0 {
		return false
	}
	s.filling = true
	go s.readSource(s.whole)
	return true
}

// readSome reads until there are bytes or an error, or patience ends.
func readSome(src io.Reader, p []byte) (n int, err error) {
	for range maxEmptyReads {
		if n, err = src.Read(p); n != 0 || err != nil {
			break
		}
	}
	return n, err
}

// readSource reads until the source gives bytes or an error.
func (s *source) readSource(whole bool) {
	chunk := make([]byte, inputChunk)
	var n int
	var err error
	for more := true; more && err == nil; {
		var m int
		m, err = readSome(s.src, chunk[n:])
		if m < 0 || m > len(chunk)-n {
			n, err = -1, nil
			break
		}
		n += m
		more = whole && m > 0 && n < len(chunk)
	}
	if n == 0 && err == nil {
		err = io.ErrNoProgress
	}
	if n < 0 {
		n, err = 0, errors.New("read input: source returned an impossible count")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.filling = false
	s.buf, s.err = chunk[:n], err
	close(s.ready)
}
