// Package proxy passes the requests of some paths on to other servers, over a dialer
// that is handed in: a site of files and what stands behind it are one origin.
package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/wherry-run/wherry/serve/guard"
	"github.com/wherry-run/wherry/wasi"
)

// Config says what is passed on.
type Config struct {
	Routes []Route
	// Next answers what no Route is for.
	Next http.Handler
	// Dial reaches the servers; nil reaches none.
	Dial wasi.Dialer
	// Timeout is how long a server may take until it begins to answer.
	Timeout time.Duration
	// Log gets what went wrong; nil: none.
	Log *slog.Logger
}

// Bounds of what is between here and a server.
const (
	idleTimeout = 30 * time.Second
	idlePerHost = 32
	maxHeader   = 64 << 10
	// maxHops is how often a request may have been passed on by servers of this kind:
	// one that leads to itself ends there.
	maxHops = 8
)

// A Handler passes requests on. Close it when no request is under way any more.
type Handler struct {
	routes    []*forwarded // the longest prefix first
	next      http.Handler
	transport *http.Transport
}

// forwarded is a route and what passes its requests on.
type forwarded struct {
	Route
	proxy *httputil.ReverseProxy
}

// New makes the handler.
func New(c Config) *Handler {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{next: c.Next, transport: &http.Transport{
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
		MaxIdleConnsPerHost: idlePerHost, IdleConnTimeout: idleTimeout, ResponseHeaderTimeout: c.Timeout, MaxResponseHeaderBytes: maxHeader,
		DisableCompression: true, // what is packed is passed on as it is
	}}
	if c.Dial != nil {
		h.transport.DialContext = c.Dial.DialContext
	} else {
		h.transport.DialContext = nowhere
	}
	for _, r := range c.Routes {
		h.routes = append(h.routes, &forwarded{r, &httputil.ReverseProxy{
			Rewrite: r.rewrite, Transport: h.transport, FlushInterval: -1, // each piece as it comes: streams stay streams
			ModifyResponse: own, ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug), ErrorHandler: failed(c.Log, r),
		}})
	}
	slices.SortStableFunc(h.routes, func(a, b *forwarded) int { return len(b.Prefix) - len(a.Prefix) })
	return h
}

// errNowhere is why nothing is reached without a dialer.
var errNowhere = errors.New("this server is in no network: --network NAME puts it into one")

// Close ends the connections that nobody uses.
func (h *Handler) Close(context.Context) error {
	h.transport.CloseIdleConnections()
	return nil
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, to := range h.routes {
		if to.matches(r.URL.Path) {
			to.pass(w, r)
			return
		}
	}
	h.next.ServeHTTP(w, r)
}

// pass passes a request on.
func (f *forwarded) pass(w http.ResponseWriter, r *http.Request) {
	switch {
	case !straight(r.URL.Path):
		refuse(w, r, http.StatusBadRequest, "a path with . or .. in it is not passed on")
	case hops(r) >= maxHops:
		refuse(w, r, http.StatusLoopDetected, "this request was passed on in a circle")
	default:
		f.proxy.ServeHTTP(w, r)
	}
}

// straight tells a path that cannot mean one outside of a prefix to who reads it in
// another way: no part of it goes up or nowhere.
func straight(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if part == "." || part == ".." {
			return false
		}
	}
	return !strings.ContainsAny(path, "\\\x00")
}

// via is how requests say that they were passed on.
const via = "1.1 wherry"

func hops(r *http.Request) int {
	n := 0
	for _, line := range r.Header.Values("Via") {
		n += strings.Count(line, via)
	}
	return n
}

// rewrite makes the request that a server gets: for its own name, with who asked, and
// nothing that only the client says of itself.
func (to Route) rewrite(p *httputil.ProxyRequest) {
	path, raw := to.path(p.In.URL)
	p.Out.URL.Scheme, p.Out.URL.Host, p.Out.URL.Path, p.Out.URL.RawPath = to.To.Scheme, to.To.Host, path, raw
	p.Out.URL.RawQuery = p.In.URL.RawQuery // as it is: the server reads it, not we
	p.Out.Host = ""
	p.SetXForwarded()
	if record := guard.Of(p.In.Context()); record != nil {
		p.Out.Header.Set(guard.HeaderID, record.ID) // the logs of both speak of the same
	}
	p.Out.Header["Via"] = append(slices.Clone(p.In.Header["Via"]), via)
	if p.In.Header["User-Agent"] == nil {
		p.Out.Header["User-Agent"] = []string{""} // none, rather than Go's own
	}
}

// own takes away what this server says itself of every answer.
func own(r *http.Response) error {
	r.Header.Del(guard.HeaderID)
	return nil
}

// path is where a request goes on its server: as it is, or with the prefix replaced by
// the path of the server's URL.
func (to Route) path(u *url.URL) (path, raw string) {
	if to.To.Path == "" {
		return u.Path, u.RawPath
	}
	path = to.To.Path + strings.TrimPrefix(u.Path, to.Prefix)
	if rest, ok := strings.CutPrefix(u.EscapedPath(), to.Prefix); ok && u.RawPath != "" {
		raw = to.To.EscapedPath() + rest
	}
	return path, raw
}

// failed answers for a server that did not.
func failed(log *slog.Logger, to Route) func(http.ResponseWriter, *http.Request, error) {
	return func(w http.ResponseWriter, r *http.Request, err error) {
		var large *http.MaxBytesError
		var slow interface{ Timeout() bool }
		switch {
		case errors.Is(r.Context().Err(), context.Canceled): // nobody is there any more
			panic(http.ErrAbortHandler)
		case errors.As(err, &large):
			refuse(w, r, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes", large.Limit))
			return
		case errors.As(err, &slow) && slow.Timeout():
			refuse(w, r, http.StatusGatewayTimeout, "what stands behind "+to.Prefix+" does not answer in time")
		case errors.Is(err, syscall.EACCES):
			refuse(w, r, http.StatusBadGateway, "what stands behind "+to.Prefix+" is not allowed to be reached")
		default:
			refuse(w, r, http.StatusBadGateway, "what stands behind "+to.Prefix+" cannot be reached now")
		}
		log.LogAttrs(r.Context(), slog.LevelWarn, "not passed on", slog.String("path", to.Prefix), slog.String("to", to.To.String()), slog.String("error", err.Error()))
	}
}

// refuse answers in a way that is for people.
func refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		fmt.Fprintln(w, text)
	}
}
