package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// newTransport is the standard one without transparent compression, which would
// make digests and ranges speak of other bytes than the registry's.
func newTransport(jobs int) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dial,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxIdleConns:           4 * jobs,
		MaxIdleConnsPerHost:    jobs + 2,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    15 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		WriteBufferSize:        64 << 10,
		ReadBufferSize:         64 << 10,
	}
}

// loopback reports whether host[:port] is this machine, where plain HTTP can be
// seen by nobody else.
func loopback(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// guard is below everything that sends, so nothing passes it: neither a
// redirect nor a token service may lower the connection to plain HTTP.
type guard struct {
	inner http.RoundTripper
	host  string // of the registry
	plain bool   // the registry itself may speak plain HTTP
	any   bool   // and so may whatever it refers to
}

func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	switch u := req.URL; {
	case u.Scheme == "https":
	case u.Scheme != "http":
		return nil, &refusedError{fmt.Errorf("refuse to follow it to a %q address", u.Scheme)}
	case g.any || g.plain && (u.Host == g.host || loopback(u.Host)):
	default:
		return nil, &refusedError{fmt.Errorf("refuse plain HTTP to %s", u.Host)}
	}
	return g.inner.RoundTrip(req)
}

// refusedError is a request that we do not make; trying again is no use.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

const maxRedirects = 10

func checkRedirect(_ *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return &refusedError{fmt.Errorf("it redirected %d times", maxRedirects)}
	}
	return nil
}

// errStalled says that nothing came or went for the whole idle time.
var errStalled = errors.New("the connection stalled")

// withDeadline bounds a small request by the idle time.
func withDeadline(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, errStalled)
}

// floor is the least that a peer may send: less than bytes in so much waiting
// for it counts as stalled, though something moves now and then.
type floor struct {
	bytes  int64
	within time.Duration
}

// watchdog cancels a request in which nothing moves. It runs only while the
// network is waited for: a slow disk on our side is not the peer's fault.
type watchdog struct {
	timer  *time.Timer
	idle   time.Duration
	cancel context.CancelCauseFunc
}

func watch(ctx context.Context, idle time.Duration) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &watchdog{idle: idle, cancel: cancel, timer: time.AfterFunc(idle, func() { cancel(errStalled) })}
}

// pat tells the dog that something moved.
func (w *watchdog) pat() { w.timer.Reset(w.idle) }

// rest lets it sleep until the next pat.
func (w *watchdog) rest() { w.timer.Stop() }

// stop ends the watch and the request.
func (w *watchdog) stop() {
	w.timer.Stop()
	w.cancel(context.Canceled)
}

// watchedBody is a response body under a watchdog, which must not fall below
// the floor either.
type watchedBody struct {
	io.ReadCloser
	ctx    context.Context
	dog    *watchdog
	floor  floor
	waited time.Duration // for the network, since the floor was last looked at
	came   int64         // meanwhile
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.dog.pat()
	began := time.Now()
	n, err := b.ReadCloser.Read(p)
	b.dog.rest()
	b.waited += time.Since(began)
	b.came += int64(n)
	if err == nil && b.waited >= b.floor.within {
		if b.came < b.floor.bytes {
			err = fmt.Errorf("%w: only %d bytes came in %s", errStalled, b.came, b.waited.Round(time.Millisecond))
		}
		b.waited, b.came = 0, 0
	}
	return n, classify(b.ctx, err)
}

func (b *watchedBody) Close() error {
	b.dog.stop()
	return b.ReadCloser.Close()
}

// classify replaces the "context canceled" of our own watchdogs by the reason.
func classify(ctx context.Context, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if cause := context.Cause(ctx); errors.Is(cause, errStalled) {
		return fmt.Errorf("%w: %w", errStalled, errCut{err})
	}
	return err
}

// errCut keeps the text of an error and hides its identity: a request that our
// watchdog cancelled was not cancelled by the caller.
type errCut struct{ err error }

func (e errCut) Error() string { return e.err.Error() }
