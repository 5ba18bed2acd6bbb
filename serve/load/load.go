// Package load knows how to ask a server again and again, and what came of it. It
// writes the same bytes to connections that stay open, and reads just enough of the
// answers to know where they end: what it costs itself is a small part of what a
// server's answer costs, where net/http's client costs as much as its server.
package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

// A Target is a request, and where it is sent.
type Target struct {
	URL    *url.URL
	Method string // "" is GET, and POST with a Body
	Header http.Header
	Body   []byte
	// Timeout bounds each answer; 0: DefaultTimeout.
	Timeout time.Duration
	// TLS is for https; nil: what is usual.
	TLS *tls.Config
}

// DefaultTimeout bounds an answer.
const DefaultTimeout = 30 * time.Second

// A Result is what came of asking.
type Result struct {
	// Latencies of answers with a status of 2xx, in order; from the first byte
	// written to the last one read.
	Latencies []time.Duration
	// Late is, of the same requests where Offer sent them, in order, how long after the
	// moment when one was due it was sent: the part of a latency that is the generator's.
	Late []time.Duration
	// Statuses of all answers, and Errors of requests that had none, counted.
	Statuses map[int]int
	Errors   map[string]int
	// Retry counts answers of other statuses that said when to ask again (Retry-After).
	Retry int
	// Received are bytes of answers.
	Received int64
	// Took is how long all that was.
	Took time.Duration
}

// Failed counts what was not answered with 2xx.
func (r *Result) Failed() int {
	n := 0
	for status, count := range r.Statuses {
		if status < 200 || status > 299 {
			n += count
		}
	}
	for _, count := range r.Errors {
		n += count
	}
	return n
}

// request is the bytes of the request.
func (t *Target) request() ([]byte, error) {
	if t.URL.Scheme != "http" && t.URL.Scheme != "https" || t.URL.Host == "" {
		return nil, fmt.Errorf("%q is no URL of HTTP", t.URL.Redacted())
	}
	method := t.Method
	if method == "" {
		if method = http.MethodGet; t.Body != nil {
			method = http.MethodPost
		}
	}
	h := t.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Del("Content-Length")
	h.Del("Connection")
	host := t.URL.Host
	if given := h.Get("Host"); given != "" {
		host = given
		h.Del("Host")
	}
	if h.Get("User-Agent") == "" {
		h.Set("User-Agent", "wherry-bench")
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, t.URL.RequestURI(), host)
	if err := h.Write(&b); err != nil { // it leaves line ends in values out
		return nil, err
	}
	if t.Body != nil || method == http.MethodPost {
		b.WriteString("Content-Length: " + strconv.Itoa(len(t.Body)) + "\r\n")
	}
	b.WriteString("\r\n")
	b.Write(t.Body)
	return b.Bytes(), nil
}

// dial opens a connection.
func (t *Target) dial(ctx context.Context) (net.Conn, error) {
	host, port := t.URL.Hostname(), t.URL.Port()
	if port == "" {
		if port = "80"; t.URL.Scheme == "https" {
			port = "443"
		}
	}
	address := net.JoinHostPort(host, port)
	ctx, cancel := context.WithTimeout(ctx, t.timeout())
	defer cancel()
	if t.URL.Scheme == "http" {
		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}
	c := t.TLS.Clone()
	if c == nil {
		c = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	c.NextProtos = []string{"http/1.1"}
	return (&tls.Dialer{Config: c}).DialContext(ctx, "tcp", address)
}

func (t *Target) timeout() time.Duration {
	if t.Timeout > 0 {
		return t.Timeout
	}
	return DefaultTimeout
}

// Ask sends the request once, and gives the beginning of what was answered.
func (t *Target) Ask(ctx context.Context) (status int, body []byte, err error) {
	request, err := t.request()
	if err != nil {
		return 0, nil, err
	}
	c := &client{target: t, request: request}
	defer c.close()
	var text capped
	status, err = c.ask(ctx, &text)
	return status, text, err
}

// maxAsked bounds what is kept of an answer.
const maxAsked = 1 << 20

// capped is the beginning of what is written.
type capped []byte

func (c *capped) Write(p []byte) (int, error) {
	*c = append(*c, p[:min(len(p), maxAsked-len(*c))]...)
	return len(p), nil
}

// Run has so many clients send the request for some time, each as soon as its last
// one was answered, on a connection of its own. It ends with ctx. An error is of the
// target itself.
func (t *Target) Run(ctx context.Context, clients int, d time.Duration) (*Result, error) {
	request, err := t.request()
	if err != nil {
		return nil, err
	}
	all := &Result{Statuses: map[int]int{}, Errors: map[string]int{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	began := time.Now()
	for range clients {
		wg.Go(func() {
			c := &client{target: t, request: request, Result: Result{Statuses: map[int]int{}, Errors: map[string]int{}}}
			defer c.close()
			c.run(ctx, began.Add(d))
			mu.Lock()
			defer mu.Unlock()
			all.add(&c.Result)
		})
	}
	wg.Wait()
	all.Took = time.Since(began)
	slices.Sort(all.Latencies)
	return all, ctx.Err()
}

func (r *Result) add(o *Result) {
	r.Latencies = append(r.Latencies, o.Latencies...)
	r.Late = append(r.Late, o.Late...)
	r.Received += o.Received
	r.Retry += o.Retry
	for status, n := range maps.All(o.Statuses) {
		r.Statuses[status] += n
	}
	for text, n := range maps.All(o.Errors) {
		r.Errors[text] += n
	}
}

// client is one connection, opened again when it breaks.
type client struct {
	Result
	target  *Target
	request []byte
	conn    net.Conn
	reader  *reader
	stop    func() bool // of the watch over the context
}

func (c *client) close() {
	if c.conn != nil {
		c.stop()
		_ = c.conn.Close()
		c.conn = nil
	}
}

// pause is how long a client waits after a request without an answer.
const pause = 10 * time.Millisecond

func (c *client) run(ctx context.Context, until time.Time) {
	for ctx.Err() == nil {
		began := time.Now()
		if began.After(until) {
			return
		}
		if !c.once(ctx, began) && ctx.Err() == nil {
			time.Sleep(pause)
		}
	}
}

// once asks, and counts what came of it. It is false when that was no answer.
func (c *client) once(ctx context.Context, since time.Time) bool {
	status, err := c.ask(ctx, nil)
	if err != nil {
		c.close()
		if ctx.Err() == nil {
			c.Errors[cause(err)]++
		}
		return false
	}
	c.Statuses[status]++
	if status >= 200 && status <= 299 {
		c.Latencies = append(c.Latencies, time.Since(since))
	} else if c.reader.retry {
		c.Retry++
	}
	return true
}

// ask sends the request and reads the answer, whose body goes to text.
func (c *client) ask(ctx context.Context, text io.Writer) (int, error) {
	if c.conn == nil {
		conn, err := c.target.dial(ctx)
		if err != nil {
			return 0, err
		}
		c.conn, c.reader = conn, newReader(conn)
		c.stop = context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	}
	if err := c.conn.SetDeadline(time.Now().Add(c.target.timeout())); err != nil {
		return 0, err
	}
	if _, err := c.conn.Write(c.request); err != nil {
		return 0, err
	}
	before := c.reader.read
	status, again, err := c.reader.answer(text)
	c.Received += c.reader.read - before
	if err != nil || !again {
		c.close()
	}
	return status, err
}

// cause is an error in few words, so that equal ones can be counted.
func cause(err error) string {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "timeout"
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "closed by the server"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	return err.Error()
}
