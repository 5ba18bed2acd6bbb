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
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds of the head of an answer.
const (
	maxTexts = 512
	maxText  = 32 << 10 // bytes
	maxHead  = 256 << 10
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

var errShort = errors.New("the answer is cut off")

// ParseAnswer reads the head of an answer; the body is what is left of b. Names are as
// net/http spells them.
func ParseAnswer(b []byte) (status int, header http.Header, body []byte, err error) {
	number := func() (n uint32) {
		if len(b) < 4 {
			err = errShort
			return 0
		}
		n = binary.LittleEndian.Uint32(b)
		b = b[4:]
		return n
	}
	size := len(b)
	code, count := number(), number()
	if err == nil && (count > maxTexts || count%2 != 0) {
		err = fmt.Errorf("the answer has %d names and values of headers: they are to be pairs, and at most %d", count, maxTexts)
	}
	header = make(http.Header, 8)
	name := ""
	for i := uint32(0); i < count && err == nil; i++ {
		n := number()
		switch {
		case err != nil:
		case uint64(n) > uint64(len(b)):
			err = errShort
		case n > maxText || size-len(b) > maxHead:
			err = errors.New("the head of the answer is too long")
		case i%2 == 0:
			name, b = string(b[:n]), b[n:]
		default:
			err = Add(header, name, string(b[:n]))
			b = b[n:]
		}
	}
	if err == nil && (code < 200 || code > 599) {
		err = fmt.Errorf("the status of the answer is %d", code)
	}
	return int(code), header, b, err
}

// Add adds a field that a program says to the head of an answer, if it is one.
func Add(h http.Header, name, value string) error {
	if !Token(name) {
		return fmt.Errorf("the answer has a header with the name %.80q", name)
	}
	value = strings.Trim(value, " \t")
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return fmt.Errorf("the header %s of the answer has control characters", name)
		}
	}
	name = textproto.CanonicalMIMEHeaderKey(name)
	if HopByHop(name) {
		return nil
	}
	if name == "Content-Length" {
		if n, err := strconv.ParseInt(value, 10, 64); err != nil || n < 0 || h[name] != nil {
			return fmt.Errorf("the Content-Length of the answer is %.80q", value)
		}
	}
	h[name] = append(h[name], value)
	return nil
}

// Token tells the name of a field (RFC 9110, 5.6.2).
func Token(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
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
	return &Answer{w: w, quiet: r.Method == http.MethodHead}
}

// ErrGone says that nobody reads the answer any more.
var ErrGone = errors.New("the client has gone, or has its answer")

// Begin sends the head, once. length is that of the body, if that is known, else -1.
func (a *Answer) Begin(status int, header http.Header, length int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended || a.begun {
		return ErrGone
	}
	a.begun = true
	h := a.w.Header()
	for name, values := range header {
		h[name] = values
	}
	if header["Content-Type"] == nil { // nothing is guessed of what a program says
		h["Content-Type"] = nil
	}
	if length >= 0 && !a.quiet && header["Content-Length"] == nil && status != http.StatusNoContent && status != http.StatusNotModified {
		h["Content-Length"] = []string{strconv.Itoa(length)}
	}
	a.w.WriteHeader(status)
	return nil
}

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
