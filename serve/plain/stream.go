package plain

import (
	"bytes"
	"net/http"
	"time"
)

// A Stream writes server-sent events.
type Stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	began   bool
}

// NewStream is a stream that begins with its first event, so that a request which
// fails before it can be answered with a status of its own.
func NewStream(w http.ResponseWriter) *Stream {
	return &Stream{w: w, control: http.NewResponseController(w)}
}

// Began tells whether the first event was sent.
func (s *Stream) Began() bool { return s.began }

// eventTimeout is how long a client may take to read an event.
const eventTimeout = 30 * time.Second

// Event sends an event; one without a name is a plain message. A client that does not
// read is an error.
func (s *Stream) Event(name string, data []byte) error {
	if !s.began {
		h := s.w.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Accel-Buffering", "no") // of proxies
		s.w.WriteHeader(http.StatusOK)
		s.began = true
	}
	var b bytes.Buffer
	if name != "" {
		b.WriteString("event: " + name + "\n")
	}
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		b.WriteString("data: ")
		b.Write(line)
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	_ = s.control.SetWriteDeadline(time.Now().Add(eventTimeout)) // where the server can
	if _, err := s.w.Write(b.Bytes()); err != nil {
		return err
	}
	return s.control.Flush()
}
