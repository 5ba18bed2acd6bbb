package guard

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"
)

// Timeouts of connections, against clients that say nothing.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
)

// NewServer makes the server of a handler, with bounds for what comes before a
// request is one. Bodies and answers are bounded by Wrap.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // of broken handshakes and scanners
	}
	return s
}

// TLS gives the configuration of a server with a certificate and a key in PEM
// files, which are read again when they change, and at once by again. A file that
// went wrong is logged, and the old certificate stays.
func TLS(certFile, keyFile string, log *slog.Logger) (c *tls.Config, again func(), err error) {
	if certFile == "" || keyFile == "" {
		return nil, nil, errors.New("TLS needs both a certificate and its key")
	}
	c, w, err := newTLS(certFile, keyFile, log)
	if err != nil {
		return nil, nil, err
	}
	return c, w.again, nil
}

func newTLS(certFile, keyFile string, log *slog.Logger) (*tls.Config, *watched, error) {
	var current atomic.Pointer[tls.Certificate]
	w, err := watch(log, []string{certFile, keyFile}, func() error {
		c, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return fmt.Errorf("read the certificate of TLS: %w", err)
		}
		current.Store(&c)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			w.look()
			return current.Load(), nil
		},
	}, w, nil
}
