package state

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Streams travel between a command and a supervisor as frames: a byte that says
// what it is, four with the length, and as many bytes.
const (
	frameStdin  = 0 // of no bytes: the end of the input
	frameStdout = 1
	frameStderr = 2
	frameEnd    = 3 // JSON, an ending: the last frame
	frameStart  = 4 // JSON, an ExecConfig: the first frame of exec
	frameSignal = 5 // one byte: a signal for a program of exec
)

// maxFrame bounds a frame, in bytes.
const maxFrame = 1 << 20

// ending is how what was attached to ended.
type ending struct {
	Exit     Exit
	Detached bool        `json:",omitempty"` // it goes on
	Failed   *StartError `json:",omitempty"` // it never began
}

type frameWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (f *frameWriter) write(kind byte, p []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		part := p[:min(len(p), maxFrame)]
		buf := make([]byte, 5, 5+len(part))
		buf[0] = kind
		binary.BigEndian.PutUint32(buf[1:], uint32(len(part)))
		if _, err := f.w.Write(append(buf, part...)); err != nil {
			return err
		}
		if p = p[len(part):]; len(p) == 0 {
			return nil
		}
	}
}

func (f *frameWriter) writeJSON(kind byte, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(b) > maxFrame {
		return fmt.Errorf("a message of %d bytes, more than %d", len(b), maxFrame)
	}
	return f.write(kind, b)
}

// stream writes frames of one kind.
func (f *frameWriter) stream(kind byte) io.Writer { return &frameStream{f, kind} }

type frameStream struct {
	f    *frameWriter
	kind byte
}

func (s *frameStream) Write(p []byte) (int, error) {
	if len(p) == 0 { // that would say something else
		return 0, nil
	}
	if err := s.f.write(s.kind, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

var errFrame = errors.New("what came is no frame of a supervisor")

// readFrame reads one frame. The bytes are the caller's until the next call with
// the same buffer.
func readFrame(r io.Reader, buf *[]byte) (kind byte, p []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if head[0] > frameSignal || n > maxFrame {
		return 0, nil, errFrame
	}
	if uint32(cap(*buf)) < n {
		*buf = make([]byte, n)
	}
	p = (*buf)[:n]
	if _, err := io.ReadFull(r, p); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return head[0], p, nil
}
