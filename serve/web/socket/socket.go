package socket

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// Codes with which a connection ends (RFC 6455, 7.4.1).
const (
	Normal     = 1000
	GoingAway  = 1001
	NoCode     = 1005 // it was closed without one
	Abnormal   = 1006 // it was not closed: it broke
	NotText    = 1007
	Policy     = 1008
	TooLarge   = 1009
	Internal   = 1011
	TryAgain   = 1013
	maxReason  = 123 // bytes
	firstOwn   = 3000
	lastOwn    = 4999
	maxPings   = 32 // of a client, each second
	maxHeaders = 64 // of an answer to a handshake
)

// Times of a connection.
const (
	// PingEvery is how often a client is asked whether it is there.
	PingEvery = 20 * time.Second
	silence   = 2*PingEvery + 5*time.Second // after which it is not
	farewell  = 5 * time.Second             // for the end
)

// Options say how a connection is accepted.
type Options struct {
	// Protocol is the subprotocol that was chosen, of those that the client offers.
	Protocol string
	// Header is added to the answer.
	Header http.Header
	// MaxMessage bounds the bytes of a message.
	MaxMessage int64
	// Timeout is how long a message may take, from its first byte to its last.
	Timeout time.Duration
	// Hold takes note of bytes of a message that have come in, and of those, as a negative
	// number, that Read did not give back; an error says that they are too many. nil:
	// they never are.
	Hold func(bytes int) error
}

// A Message is a text or bytes.
type Message struct {
	Text bool
	Data []byte
}

// A CloseError is the end of a connection.
type CloseError struct {
	Code   int
	Reason string
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("the connection ended with %d %s", e.Code, e.Reason)
}

// A Conn is a WebSocket. One goroutine may read, one write, and any close it.
type Conn struct {
	ws     *websocket.Conn
	raw    net.Conn
	o      Options
	within bool // of a message: its time is not made longer by anything else
	pings  int
	second time.Time // in which there were so many
	asked  atomic.Bool
}

// Accept answers the handshake of a request that is Valid. After an error the request is
// over.
func Accept(w http.ResponseWriter, r *http.Request, o Options) (*Conn, error) {
	h := w.Header()
	if len(o.Header) > maxHeaders {
		return nil, fmt.Errorf("the answer to the handshake has %d headers, more than %d", len(o.Header), maxHeaders)
	}
	for name, values := range o.Header {
		h[name] = values
	}
	c := &Conn{o: o}
	options := &websocket.AcceptOptions{
		InsecureSkipVerify: true, // the application is told the origin, and decides
		OnPingReceived:     c.pinged, OnPongReceived: func(context.Context, []byte) { c.alive() },
	}
	if o.Protocol != "" {
		options.Subprotocols = []string{o.Protocol}
	}
	taken := &taken{ResponseWriter: w}
	ws, err := websocket.Accept(taken, r, options)
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(o.MaxMessage)
	c.ws, c.raw = ws, taken.conn
	return c, nil
}

// taken keeps the connection that is handed over, for its deadlines.
type taken struct {
	http.ResponseWriter
	conn net.Conn
}

// Hijack implements http.Hijacker.
func (t *taken) Hijack() (c net.Conn, rw *bufio.ReadWriter, err error) {
	c, rw, err = http.NewResponseController(t.ResponseWriter).Hijack()
	t.conn = c
	return c, rw, err
}

// alive is called when something came of the client.
func (c *Conn) alive() {
	if !c.within {
		_ = c.raw.SetReadDeadline(time.Now().Add(silence))
	}
}

// pinged tells whether a ping is answered.
func (c *Conn) pinged(context.Context, []byte) bool {
	if now := time.Now(); now.Sub(c.second) >= time.Second {
		c.second, c.pings = now, 0
	}
	if c.pings++; c.pings > maxPings {
		go c.Close(Policy, "too many pings")
		return false
	}
	c.alive()
	return true
}

// Read gives the next message. The error is a *CloseError; ctx does not end it, Close does.
func (c *Conn) Read(ctx context.Context) (Message, error) {
	c.alive()
	kind, from, err := c.ws.Reader(context.WithoutCancel(ctx)) // there are deadlines, which cost less
	if err != nil {
		return Message{}, c.ended(err)
	}
	c.within = true
	_ = c.raw.SetReadDeadline(time.Now().Add(c.o.Timeout))
	data, err := c.whole(from)
	c.within = false
	if err == nil && kind == websocket.MessageText && !utf8.Valid(data) {
		err = &CloseError{NotText, "a text that is not UTF-8"}
	}
	if err != nil {
		c.hold(-len(data))
		return Message{}, c.ended(err)
	}
	return Message{kind == websocket.MessageText, data}, nil
}

// whole reads a message to its end.
func (c *Conn) whole(from io.Reader) ([]byte, error) {
	var b bytes.Buffer
	for {
		n, err := io.CopyN(&b, from, 64<<10)
		if c.hold(int(n)) != nil {
			return b.Bytes(), &CloseError{TryAgain, "the server has as many bytes of messages as it may"}
		}
		if err == io.EOF {
			return b.Bytes(), nil
		}
		if err != nil {
			return b.Bytes(), err
		}
	}
}

func (c *Conn) hold(bytes int) error {
	if c.o.Hold == nil || bytes == 0 {
		return nil
	}
	return c.o.Hold(bytes)
}

// ended is how a connection has ended of which nothing is to be read any more. What is
// wrong the client is told.
func (c *Conn) ended(err error) error {
	var ours *CloseError
	var theirs websocket.CloseError
	switch {
	case errors.As(err, &ours):
		c.Close(ours.Code, ours.Reason)
		return ours
	case errors.As(err, &theirs):
		c.Close(Normal, "")
		return &CloseError{int(theirs.Code), strings.ToValidUTF8(theirs.Reason, "")}
	case errors.Is(err, websocket.ErrMessageTooBig):
		c.Close(TooLarge, "")
		return &CloseError{TooLarge, "a message is larger than the server takes"}
	}
	_ = c.ws.CloseNow()
	return &CloseError{Abnormal, ""}
}

// Write sends a message.
func (c *Conn) Write(ctx context.Context, m Message) error {
	kind := websocket.MessageBinary
	if m.Text {
		kind = websocket.MessageText
	}
	_ = c.raw.SetWriteDeadline(time.Now().Add(c.o.Timeout))
	return c.ws.Write(context.WithoutCancel(ctx), kind, m.Data)
}

// Ping asks the client whether it is there; Read learns of an answer. It is to be
// called every PingEvery.
func (c *Conn) Ping(ctx context.Context) {
	if !c.asked.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer c.asked.Store(false)
		ctx, cancel := context.WithTimeout(ctx, PingEvery-time.Second)
		defer cancel()
		_ = c.ws.Ping(ctx)
	}()
}

// Close ends the connection with a code that may be sent, or else Normal, and waits a
// little for the client to agree.
func (c *Conn) Close(code int, reason string) {
	if !sendable(code) {
		code = Normal
	}
	for len(reason) > maxReason {
		_, n := utf8.DecodeLastRuneInString(reason)
		reason = reason[:len(reason)-n]
	}
	_ = c.raw.SetDeadline(time.Now().Add(farewell))
	_ = c.ws.Close(websocket.StatusCode(code), reason)
}

// sendable tells codes that may be in a frame.
func sendable(code int) bool {
	return code >= Normal && code <= 1014 && code != 1004 && code != NoCode && code != Abnormal || code >= firstOwn && code <= lastOwn
}
