package state

import (
	"io"
	"maps"
	"slices"
	"sync"
)

// hub is where a program's streams and those who attached to it meet.
type hub struct {
	mu      sync.Mutex
	clients map[*listener]struct{}
	reader  *io.PipeReader // the input of this life, or of the next; nil: it has none
	in      *io.PipeWriter
}

// listener is one who attached.
type listener struct {
	frames *frameWriter
	drop   func()
	gone   chan struct{} // closed when there is nothing more for it
	once   sync.Once
}

func (l *listener) leave() { l.once.Do(func() { close(l.gone) }) }

func newHub() *hub { return &hub{clients: map[*listener]struct{}{}} }

// openInput makes the input of the next life. What is fed to it waits for that.
func (h *hub) openInput() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reader, h.in = io.Pipe()
}

// streams are those of a new life.
func (h *hub) streams(c Config, log *logWriter) Streams {
	s := Streams{
		Stdout: &output{h, log, Stdout, frameStdout}, Stderr: &output{h, log, Stderr, frameStderr}, Terminal: c.Terminal,
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reader != nil {
		s.Stdin = h.reader
	}
	return s
}

// add attaches.
func (h *hub) add(frames *frameWriter, drop func()) *listener {
	l := &listener{frames: frames, drop: drop, gone: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clients[l] = struct{}{}
	return l
}

func (h *hub) remove(l *listener) {
	h.mu.Lock()
	delete(h.clients, l)
	h.mu.Unlock()
	l.leave()
}

// feed gives the program input.
func (h *hub) feed(p []byte) {
	h.mu.Lock()
	in := h.in
	h.mu.Unlock()
	if in == nil {
		return
	}
	if len(p) == 0 {
		_ = in.Close()
		return
	}
	_, _ = in.Write(p) // a program that reads no more has closed it
}

// closeInput ends the input of a life that is over, so that nobody waits to feed it,
// and makes that of the next.
func (h *hub) closeInput() {
	h.mu.Lock()
	r := h.reader
	if r != nil {
		h.reader, h.in = io.Pipe()
	}
	h.mu.Unlock()
	if r != nil {
		_ = r.Close()
	}
}

func (h *hub) list() []*listener {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Keys(h.clients))
}

// end tells everybody how it ended.
func (h *hub) end(e ending) {
	for _, l := range h.list() {
		_ = l.frames.writeJSON(frameEnd, e)
		h.remove(l)
	}
}

// drop sends everybody away who does not read.
func (h *hub) drop() {
	for _, l := range h.list() {
		l.drop()
	}
}

// output is one of a program's outputs: it goes into the log and to all who are
// attached.
type output struct {
	hub    *hub
	log    *logWriter
	stream string
	kind   byte
}

// Write never fails: a program does not end because somebody looks away.
func (o *output) Write(p []byte) (int, error) {
	if o.log != nil {
		o.log.write(o.stream, p)
	}
	for _, l := range o.hub.list() {
		if len(p) > 0 && l.frames.write(o.kind, p) != nil {
			o.hub.remove(l)
		}
	}
	return len(p), nil
}
