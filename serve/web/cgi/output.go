package cgi

import (
	"errors"
	"net/http"
	"sync"
	"time"
)

// output is the standard output of a run: a head, and then the body of the answer.
type output struct {
	w     http.ResponseWriter
	r     *http.Request
	heard func() // each time that something comes

	mu    sync.Mutex
	front []byte // of the head, until it is whole
	begun bool   // the head was sent
	local string
	wrong error // what is wrong with the head
	flush *time.Timer
	ended bool
}

// pause is how long what was said may wait for more to be sent together with it.
const pause = 20 * time.Millisecond

var errHead = errors.New("the answer is refused")

// Write implements io.Writer. An error ends the run's output.
func (o *output) Write(p []byte) (int, error) {
	o.heard()
	o.mu.Lock()
	defer o.mu.Unlock()
	body := p
	switch {
	case o.wrong != nil:
		return 0, errHead
	case o.local != "":
		return len(p), nil
	case !o.begun:
		o.front = append(o.front, p...)
		h, n, err := parseHead(o.front)
		if err == errMore {
			return len(p), nil
		}
		if err != nil {
			o.wrong = err
			return 0, errHead
		}
		if o.local = h.local; o.local != "" {
			return len(p), nil
		}
		o.send(h)
		body, o.front = o.front[n:], nil
	}
	if len(body) == 0 || o.r.Method == http.MethodHead {
		return len(p), nil
	}
	if _, err := o.w.Write(body); err != nil {
		return 0, err
	}
	o.later()
	return len(p), nil
}

// send sends the head.
func (o *output) send(h *head) {
	o.begun = true
	to := o.w.Header()
	for name, values := range h.header {
		to[name] = values
	}
	if to["Content-Type"] == nil { // nothing is guessed of what a program says
		to["Content-Type"] = nil
	}
	o.w.WriteHeader(h.status)
}

// later has what was written sent soon, also when no more comes.
func (o *output) later() {
	if o.flush != nil {
		return
	}
	o.flush = time.AfterFunc(pause, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.flush = nil; !o.ended {
			_ = http.NewResponseController(o.w).Flush()
		}
	})
}

// end says that the run is over: nothing touches the answer any more.
func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	if o.flush != nil {
		o.flush.Stop()
		o.flush = nil
	}
}
