// Package wire knows what a server and the program that answers for it say to each
// other of one request, and how an answer that comes piece by piece is sent.
//
// All numbers have 32 bits and are little-endian; a text is its length and its bytes
// in UTF-8, or whatever bytes a client sent. A request is
//
//	number    flags: 1 when more of the body is to be read than is here
//	number    how many texts there are
//	texts     method, target as the client wrote it, protocol, host, the client's
//	          address, scheme; then name and value of each header
//	the rest  the body, or its beginning
//
// and an answer
//
//	number    status
//	number    how many texts there are
//	texts     name and value of each header
//	the rest  the body, or its beginning
package wire

import (
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// AtOnce is how much of a request's body comes with its head.
const AtOnce = 256 << 10

// FlagMore says that more of the body is to be read.
const FlagMore = 1

// Request makes the frame of a request, with the beginning of its body. What an error
// is of is the body.
func Request(b []byte, r *http.Request) ([]byte, error) {
	at := len(b)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	target := r.RequestURI
	if target == "" {
		target = r.URL.RequestURI()
	}
	for _, s := range [...]string{r.Method, target, r.Proto, r.Host, r.RemoteAddr, scheme} {
		b = text(b, s)
	}
	n := uint32(6)
	for name, values := range r.Header {
		if HopByHop(name) {
			continue
		}
		for _, v := range values {
			b = text(text(b, name), v)
			n += 2
		}
	}
	if r.ContentLength > 0 {
		b = text(text(b, "Content-Length"), strconv.FormatInt(r.ContentLength, 10))
		n += 2
	}
	binary.LittleEndian.PutUint32(b[at+4:], n)
	b, more, err := Body(b, r)
	if more {
		binary.LittleEndian.PutUint32(b[at:], FlagMore)
	}
	return b, err
}

// Body appends the beginning of a request's body, at most AtOnce, and tells whether more
// is to be read.
func Body(b []byte, r *http.Request) (_ []byte, more bool, err error) {
	if r.ContentLength == 0 {
		return b, false, nil
	}
	head := len(b)
	b = slices.Grow(b, int(min(max(r.ContentLength+1, 4<<10), AtOnce))) // one more, to meet the end
	n, err := fill(r.Body, b[head:min(cap(b), head+AtOnce)])
	switch b = b[:head+n]; err {
	case nil:
		return b, true, nil
	case io.EOF:
		return b, false, nil
	}
	return nil, false, err
}

// fill reads until there is no more room. It is not io.ReadFull: the end is io.EOF
// with whatever there was.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var got int
		got, err = r.Read(p[n:])
		n += got
	}
	return n, err
}

func text(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

// HopByHop tells headers that are of one connection: how messages are carried is the
// server's alone. name is spelled as net/http spells it.
func HopByHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Proxy", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// Pause is how long a piece of an answer may wait for more to be sent together with it.
const Pause = 20 * time.Millisecond

// An Answer is sent to a client piece by piece, by one goroutine at a time until End.
type Answer struct {
	w     http.ResponseWriter
	quiet bool // a request with HEAD has no body

	mu    sync.Mutex
	begun bool
	ended bool
	timer *time.Timer // nil: nothing waits to be sent
}

// NewAnswer is the answer to a request.
func NewAnswer(w http.ResponseWriter, r *http.Request) *Answer {
	a := &Answer{}
	a.Open(w, r)
	return a
}

// Open makes of a zero Answer the one to a request.
func (a *Answer) Open(w http.ResponseWriter, r *http.Request) {
	a.w, a.quiet = w, r.Method == http.MethodHead
}

// ErrSilent is the cause by which a request ends whose program said nothing for too long.
var ErrSilent = errors.New("it said nothing for too long")

// ErrGone says that nobody reads the answer any more.
var ErrGone = errors.New("the client has gone, or has its answer")

// Begin sends the head, once. length is that of the body, if that is known, else -1.
func (a *Answer) Begin(status int, header http.Header, length int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended || a.begun {
		return ErrGone
	}
	h := a.w.Header()
	for name, values := range header {
		h[name] = values
	}
	a.begin(h, status, header["Content-Type"] != nil, header["Content-Length"] != nil, length)
	return nil
}

// begin sends the head, which is in h. The caller holds mu.
func (a *Answer) begin(h http.Header, status int, hasType, hasLength bool, length int) {
	a.begun = true
	if !hasType { // nothing is guessed of what a program says
		h["Content-Type"] = nil
	}
	if length >= counted && !a.quiet && !hasLength && status != http.StatusNoContent && status != http.StatusNotModified {
		h["Content-Length"] = []string{strconv.Itoa(length)}
	}
	a.w.WriteHeader(status)
}

// counted is how long a body must be for its length to be said here: net/http counts
// those that fit into its buffer itself, for less.
const counted = 2 << 10

// Begun tells whether the head was sent.
func (a *Answer) Begun() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.begun
}

// Write sends a piece of the body, soon.
func (a *Answer) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return 0, ErrGone
	}
	if a.quiet {
		return len(p), nil
	}
	n, err := a.w.Write(p)
	if err == nil && a.timer == nil {
		a.timer = time.AfterFunc(Pause, a.flush)
	}
	return n, err
}

// Whole sends an answer that is there at once.
func (a *Answer) Whole(status int, header http.Header, body []byte) error {
	if err := a.Begin(status, header, len(body)); err != nil {
		return err
	}
	return a.rest(body)
}

// BeginAs is Begin with a head that a program has said.
func (a *Answer) BeginAs(head *Head, length int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended || a.begun {
		return ErrGone
	}
	h := a.w.Header()
	head.Put(h)
	a.begin(h, head.Status, head.hasType, head.hasLength, length)
	return nil
}

// WholeAs is Whole with a head that a program has said.
func (a *Answer) WholeAs(head *Head) error {
	if err := a.BeginAs(head, len(head.Body)); err != nil {
		return err
	}
	return a.rest(head.Body)
}

// rest sends a body that is all.
func (a *Answer) rest(body []byte) error {
	if a.quiet || len(body) == 0 {
		return nil
	}
	_, err := a.w.Write(body)
	return err
}

func (a *Answer) flush() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer = nil; !a.ended {
		_ = http.NewResponseController(a.w).Flush() // who writes next hears what is wrong
	}
}

// End says that the answer is over: nothing touches the connection any more.
func (a *Answer) End() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
}
