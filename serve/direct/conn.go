package direct

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/wherry-run/wherry/internal/late"
)

// inRoom is for a head, and what came with it.
const inRoom = 4 << 10

// conn is a connection whose requests have been answered directly so far.
type conn struct {
	Conn
	server  *Server
	backlog *backlog
	base    context.Context
	remote  string
	used    bool // a request was answered

	in       [inRoom]byte
	from, to int   // what was read and is not used lies between
	room     rooms // of the answer under way: lines of its head, what follows them, and what is written at once

	mu    sync.Mutex // is held for moments only: who ends the server takes it
	waits bool       // for a request
	given bool       // to net/http, or about to be
	watch watch
}

// rooms are what an answer is written into, one after the other.
type rooms struct{ head, text, out []byte }

// maxHeld is how much of a room a connection keeps.
const maxHeld = 8 << 10

// keep gives a room back.
func keep(b []byte) []byte {
	if cap(b) > maxHeld {
		return nil
	}
	return b[:0]
}

// serve answers requests until the connection ends, or is net/http's.
func (c *conn) serve() {
	defer c.server.remove(c)
	ended := false
	defer func() {
		if !ended { // by runtime.Goexit, or a mistake of ours
			c.recovered(recover())
			_ = c.Close()
		}
	}()
	for c.next() {
	}
	ended = true
}

// next answers a request. It is false when there is none, or none for here.
func (c *conn) next() bool {
	if !c.come() {
		return false
	}
	h, ok := parse(c.in[c.from:c.to], c.server.method)
	if !ok {
		c.giveUp()
		return false
	}
	c.from += h.length
	if !c.answer(&h) {
		return false
	}
	c.used = true
	return true
}

// preface is what connections of HTTP/2 begin with, as far as it is looked at.
const preface = "PRI "

// come has the next request come, or as much of it as does at once. After another one it
// is so much that it is known not to be a preface: net/http looks for one where a
// connection begins, and would take what is handed to it for that. As there, ends of lines
// that old clients send after the body of a POST are left out.
func (c *conn) come() bool {
	if !c.used {
		return c.from < c.to || c.wait()
	}
	if !c.reach(len(preface)) {
		return false
	}
	if c.server.method == http.MethodPost && c.skipNewlines() && !c.reach(len(preface)) {
		return false
	}
	if string(c.in[c.from:c.from+len(preface)]) == preface && c.server.prefaced() {
		_ = c.Close()
		return false
	}
	return true
}

// reach waits until there are n bytes. When they do not come the connection is closed.
func (c *conn) reach(n int) bool {
	for c.to-c.from < n {
		if !c.wait() {
			return false
		}
	}
	return true
}

// recovered tells of a panic that is none of a handler's ways to end.
func (c *conn) recovered(p any) {
	if p != nil && p != http.ErrAbortHandler {
		c.server.log.Error("panic", "remote", c.remote, "panic", p, "stack", string(debug.Stack()))
	}
}

// longAgo ends a read that waits.
var longAgo = time.Unix(1, 0)

// wait reads on. When nothing comes the connection is closed.
func (c *conn) wait() bool {
	c.from, c.to = 0, copy(c.in[:], c.in[c.from:c.to])
	timeout := c.server.http.IdleTimeout
	if !c.used {
		timeout = c.server.http.ReadHeaderTimeout
	}
	c.mu.Lock()
	c.waits = true
	switch {
	case c.server.closing.Load():
		_ = c.SetReadDeadline(longAgo)
	case timeout > 0:
		_ = c.SetReadDeadline(time.Now().Add(timeout))
	}
	c.mu.Unlock()
	n, err := c.Read(c.in[c.to:])
	if c.to += n; n > 0 {
		return true
	}
	if !c.used && c.server.closing.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		c.giveUp() // net/http gives one that came a moment ago some time
		return false
	}
	_ = c.Close()
	return false
}

// wake ends the wait for a request.
func (c *conn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waits && !c.given {
		_ = c.SetReadDeadline(longAgo)
	}
}

// waiting tells whether it is not known yet what comes, or it is on its way to net/http.
func (c *conn) waiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waits || c.given
}

// giveUp leaves the connection to net/http, with all that was read. From then on nothing
// of it is touched here.
func (c *conn) giveUp() {
	c.mu.Lock()
	c.given = true
	_ = c.SetReadDeadline(time.Time{})
	_ = c.SetWriteDeadline(time.Time{})
	c.mu.Unlock()
	c.Unread(bytes.Clone(c.in[c.from:c.to]))
	c.backlog.hand(c.Conn)
}

// skipNewlines leaves out as many as net/http does, and tells whether there were any.
func (c *conn) skipNewlines() bool {
	n := 0
	for n < 4 && c.from < c.to && (c.in[c.from] == '\r' || c.in[c.from] == '\n') {
		c.from++
		n++
	}
	return n > 0
}

// exchange is a request under way.
type exchange struct {
	ctx  late.Context
	body body
	url  url.URL
	answer
}

// answer answers a request. It tells whether there may be another; if not, the connection
// is closed.
func (c *conn) answer(h *head) (again bool) {
	x := &exchange{}
	x.ctx.Begin(c.base, nil)
	x.body.conn = c
	x.body.left.Store(h.content)
	x.url.Path, x.url.RawQuery = h.path, h.query
	x.answer.begin(c, &x.body)
	r := (&http.Request{
		Method: h.method, URL: &x.url, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h.header, Body: &x.body, ContentLength: h.content,
		Host: h.host, RemoteAddr: c.remote, RequestURI: h.target,
	}).WithContext(&x.ctx)
	if h.content == 0 {
		r.Body = http.NoBody
	}
	x.answer.now = c.begin(x)
	whole := c.run(&x.answer, r)
	more := c.end()
	x.ctx.Cancel(nil)
	if whole {
		again = x.answer.finish() && more
	}
	left := x.body.close()
	if again {
		_ = c.SetWriteDeadline(time.Time{}) // the handler's
	} else {
		c.hangUp(whole && left > 0)
	}
	return again
}

// begin says that there is a request, from now on.
func (c *conn) begin(x *exchange) time.Time {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits = false
	_ = c.SetReadDeadline(time.Time{})
	c.watch.begin(c, x, now)
	return now
}

// run has the handler answer. It is false when the connection is to be cut.
func (c *conn) run(w http.ResponseWriter, r *http.Request) (whole bool) {
	defer func() { c.recovered(recover()) }()
	c.server.http.Handler.ServeHTTP(w, r)
	return true
}

// lastRead is how long a client that is still sending has to read what it was told.
const lastRead = 500 * time.Millisecond

// hangUp closes the connection. To close one on which something was not read makes the
// other side forget what it was told: it gets some time.
func (c *conn) hangUp(unread bool) {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && unread {
		_ = half.CloseWrite()
		time.Sleep(lastRead)
	}
	_ = c.Close()
}
