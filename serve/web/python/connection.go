package python

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/wherry-run/wherry/serve/web/pool"
	"github.com/wherry-run/wherry/serve/web/socket"
	"github.com/wherry-run/wherry/serve/web/wire"
)

// Letters of what an application says of a WebSocket, before its number.
const (
	letterAccept = 'K'
	letterDeny   = 'D'
	letterText   = 'T'
	letterBytes  = 'B'
	letterClose  = 'X'
	letterFail   = 'F'
)

// full says that a message was taken, and that the next one is to wait.
var full = []byte{2}

// Bounds of a connection.
const (
	window = 16      // messages that the application has not received yet
	queue  = 1 << 20 // bytes that the client has not taken yet
)

// connection is a WebSocket between a client and an application.
type connection struct {
	id      uint32
	hub     *hub
	w       http.ResponseWriter
	request *http.Request
	decided chan decision
	ready   chan struct{} // something is to be sent
	room    chan struct{} // the application has received something
	over    chan struct{} // closed when nothing is read or sent any more

	mu       sync.Mutex
	chosen   bool // whether it is accepted
	closing  bool // the last thing to be sent is there
	left     bool // the client has gone
	out      []outgoing
	size     int  // bytes of out
	stuffed  bool // the application waits for the client
	received int  // messages that the application has not received yet
}

// outgoing is a message, or the end.
type outgoing struct {
	socket.Message
	end *socket.CloseError
}

// decision is the application's answer to a handshake: a status, or that it accepts.
type decision struct {
	status   int
	protocol string
	header   http.Header
	body     []byte
}

func newConnection(w http.ResponseWriter, r *http.Request) *connection {
	return &connection{
		w: w, request: r, decided: make(chan decision, 1), over: make(chan struct{}),
		ready: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
}

// said hears what the application says of a connection.
func (b *hub) said(letter byte, rest []byte) []byte {
	if len(rest) < 4 {
		return gone
	}
	c := b.of(binary.LittleEndian.Uint32(rest))
	if c == nil {
		return gone
	}
	rest = rest[4:]
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left || c.closing {
		return gone
	}
	switch letter {
	case letterText, letterBytes:
		return c.send(outgoing{Message: socket.Message{Text: letter == letterText, Data: append([]byte(nil), rest...)}})
	case letterClose:
		if len(rest) < 2 {
			return gone
		}
		return c.finishLocked(http.StatusForbidden, &socket.CloseError{Code: int(binary.LittleEndian.Uint16(rest)), Reason: string(rest[2:])})
	case letterFail:
		return c.finishLocked(http.StatusInternalServerError, &socket.CloseError{Code: socket.Internal})
	case letterAccept, letterDeny:
		return c.answer(letter, rest)
	}
	return gone
}

// answer takes the application's answer to the handshake.
func (c *connection) answer(letter byte, rest []byte) []byte {
	if c.chosen || len(rest) < 4 || uint64(binary.LittleEndian.Uint32(rest)) > uint64(len(rest)-4) {
		return gone
	}
	n := binary.LittleEndian.Uint32(rest)
	text, body := rest[4:4+n], rest[4+n:]
	status, header, err := parseAnswer(text)
	var more struct{ Subprotocol string }
	if err == nil {
		err = json.Unmarshal(text, &more)
	}
	if err != nil {
		c.hub.Log.Error("the answer to a handshake", "path", c.request.URL.Path, "error", err)
		return c.finishLocked(http.StatusInternalServerError, nil)
	}
	if letter == letterDeny {
		c.closing = true
		c.decided <- decision{status: status, header: header, body: append([]byte(nil), body...)}
		return done
	}
	c.chosen = true
	c.decided <- decision{protocol: more.Subprotocol, header: header}
	return done
}

// send queues something for the client. c.mu is held.
func (c *connection) send(o outgoing) []byte {
	if !c.chosen || c.stuffed && o.end == nil { // it was told to wait
		return gone
	}
	c.out = append(c.out, o)
	c.size += len(o.Data)
	select {
	case c.ready <- struct{}{}:
	default:
	}
	if c.size > queue {
		c.stuffed = true
		return full
	}
	return done
}

// finishLocked ends the connection: one that is not accepted with a status. c.mu is held.
func (c *connection) finishLocked(status int, end *socket.CloseError) []byte {
	if c.left || c.closing {
		return gone
	}
	c.closing = true
	if !c.chosen {
		c.decided <- decision{status: status}
		return done
	}
	c.stuffed = false
	c.send(outgoing{end: end})
	return done
}

// finish ends a connection that the application is done with.
func (c *connection) finish(end *socket.CloseError) {
	status := http.StatusInternalServerError
	if end.Code == socket.GoingAway {
		status = http.StatusServiceUnavailable
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finishLocked(status, end)
}

// fail ends a connection whose application goes on no more.
func (c *connection) fail(err error) {
	status := http.StatusBadGateway
	if errors.Is(err, wire.ErrSilent) {
		status = http.StatusGatewayTimeout
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finishLocked(status, &socket.CloseError{Code: socket.Internal})
}

// took notes that the application has received messages.
func (c *connection) took(n int) {
	c.mu.Lock()
	c.received -= min(n, c.received)
	c.mu.Unlock()
	select {
	case c.room <- struct{}{}:
	default:
	}
}

// serve waits for the application's answer, and carries messages until the end.
func (c *connection) serve() {
	ended := &socket.CloseError{Code: socket.Abnormal}
	defer func() {
		c.mu.Lock()
		c.left = true
		c.out, c.size = nil, 0
		c.mu.Unlock()
		c.hub.tell(event{ID: c.id, Gone: ended.Code, Reason: ended.Reason, Drained: true})
	}()
	patience := time.NewTimer(c.hub.Timeout)
	defer patience.Stop()
	var d decision
	select {
	case d = <-c.decided:
	case <-c.request.Context().Done():
		panic(http.ErrAbortHandler)
	case <-patience.C:
		d.status = http.StatusGatewayTimeout
	}
	if d.status != 0 {
		c.deny(d)
		return
	}
	ws, err := socket.Accept(c.w, c.request, socket.Options{
		Protocol: d.protocol, Header: d.header, MaxMessage: c.hub.mostMessage(), Timeout: c.hub.Timeout, Hold: c.hub.hold,
	})
	if err != nil {
		c.hub.Log.Error("a WebSocket was not opened", "path", c.request.URL.Path, "error", err)
		return
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		c.write(ws)
	}()
	ended = c.read(ws)
	close(c.over)
	<-written
}

// deny answers a handshake as any other request.
func (c *connection) deny(d decision) {
	if d.header == nil {
		text := http.StatusText(d.status)
		switch d.status {
		case http.StatusServiceUnavailable:
			pool.Busy(c.w)
			return
		case http.StatusBadGateway, http.StatusGatewayTimeout:
			text = "the application behind this address did not answer"
		}
		http.Error(c.w, text, d.status)
		return
	}
	a := wire.NewAnswer(c.w, c.request)
	_ = a.Whole(d.status, d.header, d.body) // a client that left
	a.End()
}

// read hands on what the client sends, and says how the connection has ended.
func (c *connection) read(ws *socket.Conn) *socket.CloseError {
	for {
		m, err := ws.Read(c.request.Context())
		if err != nil {
			var end *socket.CloseError
			errors.As(err, &end)
			return end
		}
		e, n := event{ID: c.id, data: m.Data}, len(m.Data)
		if m.Text {
			e.Text = &n
		} else {
			e.Bytes = &n
		}
		c.mu.Lock()
		c.received++
		c.mu.Unlock()
		c.hub.tell(e)
		if !c.patient() {
			return &socket.CloseError{Code: socket.Abnormal}
		}
	}
}

// patient waits until the application has room for another message. It tells whether
// that comes.
func (c *connection) patient() bool {
	for {
		c.mu.Lock()
		room, last := c.received < window, c.left
		c.mu.Unlock()
		if room || last {
			return !last
		}
		<-c.room
	}
}

// write sends what there is to be sent, and the end.
func (c *connection) write(ws *socket.Conn) {
	ping := time.NewTicker(socket.PingEvery)
	defer ping.Stop()
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.request.Context()))
	defer cancel()
	for {
		select {
		case <-c.ready:
		case <-ping.C:
			ws.Ping(ctx)
			continue
		case <-c.over:
			return
		}
		for _, o := range c.take() {
			if o.end != nil {
				c.leave()
				ws.Close(o.end.Code, o.end.Reason)
				return
			}
			if err := ws.Write(ctx, o.Message); err != nil {
				c.leave()
				ws.Close(socket.Abnormal, "")
				return
			}
		}
		c.drained()
	}
}

// leave says that nothing is sent any more.
func (c *connection) leave() {
	c.mu.Lock()
	c.left = true
	c.mu.Unlock()
	select {
	case c.room <- struct{}{}:
	default:
	}
}

// take is what is to be sent now.
func (c *connection) take() []outgoing {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.out
	c.out = nil
	return list
}

// drained tells an application that waits for the client that it has taken everything.
func (c *connection) drained() {
	c.mu.Lock()
	stuffed := c.stuffed && len(c.out) == 0
	if len(c.out) == 0 {
		c.size, c.stuffed = 0, false
	}
	c.mu.Unlock()
	if stuffed {
		c.hub.tell(event{ID: c.id, Drained: true})
	}
}
