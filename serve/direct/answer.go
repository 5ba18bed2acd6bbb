package direct

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is the http.ResponseWriter of a request. What a handler writes is kept until it
// returns, and written at once; when it is much, or the handler flushes, in chunks.
type answer struct {
	conn   *conn
	body   *body // of the request
	header http.Header
	now    time.Time // of the request

	status  int
	length  int64 // of the body, as the handler said; -1: it did not
	written int64
	failed  error

	trailers []string // fields that follow the body, as far as the handler said which before
	trails   bool     // there may be some
	typed    bool     // its type is known, or nobody's business
	closes   bool     // no request follows
	begun    bool     // the head is out
	over     bool     // the handler has returned
}

// maxKept is how much of an answer is kept until it is whole, and the most that is
// written in one chunk.
const maxKept = 64 << 10

// soon is how much of an answer, with its head, is sent before it is whole: what net/http
// keeps. A first piece that may be all is not: the length of all is said, if it can be.
const soon = 4 << 10

func (a *answer) begin(c *conn, b *body) {
	a.conn, a.body, a.header, a.length = c, b, make(http.Header, usualFields), -1
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

var errOver = errors.New("the request was answered already")

// bodiless tells statuses whose answers have no body.
func bodiless(status int) bool {
	return status < 200 || status == http.StatusNoContent || status == http.StatusNotModified
}

// WriteHeader implements http.ResponseWriter. What is no status is a mistake of the
// handler's, as with net/http.
func (a *answer) WriteHeader(status int) {
	switch {
	case a.status != 0 || a.over:
		return
	case status < 100 || status > 999:
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	case status < 200 && status != http.StatusSwitchingProtocols:
		a.interim(status)
		return
	}
	a.status = status
	b := appendStatus(a.conn.room.head[:0], status)
	dated := false
	for name, values := range a.header {
		switch name {
		case "Content-Length":
			a.declare(values)
			continue
		case "Transfer-Encoding": // said here
			continue
		case "Trailer":
			a.announce(values)
		case "Connection":
			a.closes = a.closes || len(values) > 0 && strings.EqualFold(values[0], "close")
			continue
		case "Content-Type":
			if a.typed = true; status == http.StatusNotModified {
				continue
			}
		case "Content-Encoding":
			a.typed = a.typed || len(values) > 0 && values[0] != ""
		case "Date":
			dated = true
		}
		if !validName(name) {
			a.trails = a.trails || strings.HasPrefix(name, http.TrailerPrefix)
			continue
		}
		b = appendField(b, name, values)
	}
	if !dated {
		b = append(append(append(b, "Date: "...), a.conn.server.stamp(a.now)...), newline...)
	}
	a.conn.room.head = b
}

func appendStatus(b []byte, status int) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = append(strconv.AppendInt(b, int64(status), 10), ' ')
	return append(append(b, http.StatusText(status)...), newline...)
}

// appendField writes lines of a head. The name is valid.
func appendField(b []byte, name string, values []string) []byte {
	for _, v := range values {
		b = append(append(append(b, name...), ": "...), oneLine(v)...)
		b = append(b, newline...)
	}
	return b
}

// interim tells what is known before the answer is.
func (a *answer) interim(status int) {
	if a.failed != nil {
		return
	}
	b := appendStatus(a.conn.room.out[:0], status)
	for name, values := range a.header {
		if name != "Content-Length" && name != "Transfer-Encoding" && validName(name) {
			b = appendField(b, name, values)
		}
	}
	a.write(append(b, newline...))
}

// declare takes up how long the handler says that the body is.
func (a *answer) declare(values []string) {
	if len(values) == 0 {
		return
	}
	if n, err := strconv.ParseInt(values[0], 10, 64); err == nil && n >= 0 && !bodiless(a.status) {
		a.length = n
	}
}

// validName tells names of headers, as RFC 9110 has them.
func validName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !letter(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// oneLine is a value without what would end its line, as net/http writes it.
func oneLine(v string) string {
	if plainValue(v) && (v == "" || v[0] != ' ' && v[len(v)-1] != ' ') {
		return v
	}
	return strings.Trim(strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' {
			return ' '
		}
		return r
	}, v), " \t")
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	if a.over {
		return 0, errOver
	}
	a.WriteHeader(http.StatusOK)
	switch {
	case a.failed != nil:
		return 0, a.failed
	case bodiless(a.status):
		return 0, http.ErrBodyNotAllowed
	}
	if a.written += int64(len(p)); a.length >= 0 && a.written > a.length {
		return 0, http.ErrContentLength
	}
	if a.length >= 0 && len(p) >= maxKept {
		return a.pass(p)
	}
	for done := 0; done < len(p); {
		n := min(maxKept-len(a.conn.room.text), len(p)-done)
		a.conn.room.text = append(a.conn.room.text, p[done:done+n]...)
		if done += n; done < len(p) {
			if a.part(false); a.failed != nil {
				return done, a.failed
			}
		}
	}
	if len(a.conn.room.head)+len(a.conn.room.text) > soon && (a.length >= 0 || a.written > int64(len(p))) {
		a.part(false)
	}
	return len(p), a.failed
}

// sniffed is how much of a body its type is known by.
const sniffed = 512

// pass writes a large part as it is, after what is kept.
func (a *answer) pass(p []byte) (int, error) {
	first := 0
	if kept := len(a.conn.room.text); !a.begun && kept < sniffed {
		first = sniffed - kept
		a.conn.room.text = append(a.conn.room.text, p[:first]...)
	}
	if a.part(false); a.failed != nil {
		return 0, a.failed
	}
	n, err := a.conn.Write(p[first:])
	a.failed = err
	return first + n, err
}

// Flush implements http.Flusher.
func (a *answer) Flush() { _ = a.FlushError() }

// FlushError is Flush for http.ResponseController.
func (a *answer) FlushError() error {
	if a.over {
		return errOver
	}
	a.WriteHeader(http.StatusOK)
	a.part(false)
	return a.failed
}

// chunked tells whether the body ends by itself, because nobody said how long it is.
func (a *answer) chunked() bool { return a.length < 0 && !bodiless(a.status) }

// part writes what is kept, after the head when that is not out: as a chunk, unless it is
// known how much there is.
func (a *answer) part(last bool) {
	ends := last && a.chunked()
	if a.failed != nil || a.begun && len(a.conn.room.text) == 0 && !ends {
		return
	}
	b := a.conn.room.out[:0]
	if !a.begun {
		a.begun = true
		b = a.appendHead(b)
		switch {
		case a.length >= 0:
			b = appendLength(b, a.length)
		case !bodiless(a.status):
			b = append(b, "Transfer-Encoding: chunked\r\n"...)
		}
		b = append(b, newline...)
	}
	switch {
	case a.length >= 0:
		b = append(b, a.conn.room.text...)
		a.conn.room.text = a.conn.room.text[:0]
	case len(a.conn.room.text) > 0:
		b = append(strconv.AppendInt(b, int64(len(a.conn.room.text)), 16), newline...)
		b = append(append(b, a.conn.room.text...), newline...)
		a.conn.room.text = a.conn.room.text[:0]
	}
	if ends {
		b = append(a.appendTrailers(append(b, "0\r\n"...)), newline...)
	}
	a.write(b)
}

func appendLength(b []byte, n int64) []byte {
	return append(strconv.AppendInt(append(b, "Content-Length: "...), n, 10), newline...)
}

// appendHead begins an answer. The request is read to its end before anything is said: a
// client may send it all before it reads.
func (a *answer) appendHead(b []byte) []byte {
	a.closes = a.closes || a.conn.server.closing.Load()
	if !a.closes && !a.body.skip() {
		a.closes = true
	}
	b = append(b, a.conn.room.head...)
	if !a.typed && len(a.conn.room.text) > 0 && !bodiless(a.status) {
		b = append(append(append(b, "Content-Type: "...), http.DetectContentType(a.conn.room.text)...), newline...)
	}
	if a.closes {
		b = append(b, "Connection: close\r\n"...)
	}
	return b
}

func (a *answer) write(b []byte) {
	if _, err := a.conn.Write(b); err != nil {
		a.failed = err
	}
	a.conn.room.out = keep(b)
}

// finish writes what is left, when the handler has returned. It tells whether another
// request may follow.
func (a *answer) finish() bool {
	a.WriteHeader(http.StatusOK)
	a.over = true
	defer func() { a.conn.room.head, a.conn.room.text = keep(a.conn.room.head), keep(a.conn.room.text) }()
	if a.begun || a.trails && a.chunked() {
		a.part(true)
	} else {
		b := a.appendHead(a.conn.room.out[:0])
		switch {
		case a.length >= 0:
			b = appendLength(b, a.length)
		case !bodiless(a.status):
			b = appendLength(b, int64(len(a.conn.room.text)))
		}
		a.write(append(append(b, newline...), a.conn.room.text...))
	}
	short := a.length >= 0 && a.length != a.written // who waits for the rest hears that there is none
	return a.failed == nil && !a.closes && !short
}

// SetReadDeadline is for http.ResponseController.
func (a *answer) SetReadDeadline(t time.Time) error { return a.conn.SetReadDeadline(t) }

// SetWriteDeadline is for http.ResponseController.
func (a *answer) SetWriteDeadline(t time.Time) error { return a.conn.SetWriteDeadline(t) }
