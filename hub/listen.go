package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// maxConnections bounds the connections of a listener.
const maxConnections = 1024

// Serve answers the connections of a listener with h, a Hub or what wraps one, until ctx
// ends: then requests under way get grace to end. It closes the listener.
func Serve(ctx context.Context, h http.Handler, l net.Listener, config *tls.Config, grace time.Duration, log *slog.Logger) error {
	requests, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	s := &http.Server{
		Handler: h, TLSConfig: config, BaseContext: func(net.Listener) context.Context { return requests },
		ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // strangers who speak no HTTP
	}
	failed := make(chan error, 1)
	limited := netutil.LimitListener(l, maxConnections)
	go func() {
		if config != nil {
			failed <- s.ServeTLS(limited, "", "")
			return
		}
		failed <- s.Serve(limited)
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("take connections: %w", err)
	case <-ctx.Done():
	}
	end, stop := context.WithTimeout(requests, grace)
	defer stop()
	err := s.Shutdown(end)
	if errors.Is(err, context.DeadlineExceeded) {
		cut() // an upload that was cut off goes on at the next start
		return s.Close()
	}
	return err
}
