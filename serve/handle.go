package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/wherry-run/wherry/serve/direct"
	"github.com/wherry-run/wherry/serve/guard"
)

// server is the HTTP server of a handler.
func (c ListenConfig) server(h http.Handler, log *slog.Logger) *http.Server {
	s := guard.NewServer(h, log)
	s.TLSConfig = c.TLS
	if c.TLS == nil {
		s.Protocols = new(http.Protocols)
		s.Protocols.SetHTTP1(true)
		s.Protocols.SetUnencryptedHTTP2(true)
	}
	return s
}

// A connecting answers connections: an http.Server, or what is before one.
type connecting interface {
	Serve(l net.Listener) error
	ServeTLS(l net.Listener, certFile, keyFile string) error
	Shutdown(ctx context.Context) error
	Close() error
}

// take has a server answer the connections of listeners. What each ends with goes to
// failed.
func (c ListenConfig) take(s connecting, listeners []net.Listener, failed chan<- error) {
	for _, l := range listeners {
		l = guard.Limit(l, c.Connections)
		go func() {
			if c.TLS != nil {
				failed <- s.ServeTLS(l, "", "")
				return
			}
			failed <- s.Serve(l)
		}()
	}
}

// Handle answers the connections of listeners with a handler, one that guard.Wrap has
// made, until ctx ends: then it takes no more, lets the requests that it has come to
// their ends, no longer than the grace of c, and returns nil. It closes the listeners.
// Before it returns no request is under way any more.
func Handle(ctx context.Context, h http.Handler, c ListenConfig, log *slog.Logger, listeners ...net.Listener) error {
	requests, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	own := c.server(h, log)
	own.BaseContext = func(net.Listener) context.Context { return requests }
	s := connecting(own)
	if c.Small {
		s = direct.New(requests, own, http.MethodGet, log)
	}
	failed := make(chan error, len(listeners))
	c.take(s, listeners, failed)
	var broken error
	select {
	case broken = <-failed:
		broken = fmt.Errorf("take connections: %w", broken)
	case <-ctx.Done():
	}
	grace := c.Grace
	if grace == 0 {
		grace = DefaultGrace
	}
	end, cancel := context.WithTimeout(requests, max(grace, 0))
	defer cancel()
	if s.Shutdown(end) == nil {
		return broken
	}
	cut()
	last, done := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer done()
	_ = s.Shutdown(last) // so that who is cut off hears it
	return errors.Join(broken, ErrGrace, s.Close())
}
