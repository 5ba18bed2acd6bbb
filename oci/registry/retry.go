package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/wherry-run/wherry/oci"
)

const (
	maxAttempts = 5
	maxPause    = 15 * time.Second
	// maxRetryAfter bounds what a registry may ask us to wait.
	maxRetryAfter = 60 * time.Second
)

// retry calls fn until it succeeds, fails for good, or failed too often.
func (c *Client) retry(ctx context.Context, onRetry func(), fn func(context.Context) error) error {
	for attempt := 1; ; attempt++ {
		err := fn(ctx)
		if err == nil || attempt == maxAttempts || !temporary(ctx, err) {
			return err
		}
		if onRetry != nil {
			onRetry()
		}
		if perr := c.pause(ctx, attempt, err); perr != nil {
			return err
		}
	}
}

// pause waits before the next attempt: as long as the registry asked for, or
// twice as long each time, with jitter so that many clients do not come back
// together.
func (c *Client) pause(ctx context.Context, attempt int, err error) error {
	d := min(c.backoff<<(attempt-1), maxPause)
	d = d/2 + rand.N(d/2+1)
	var status *StatusError
	if errors.As(err, &status) && status.RetryAfter > 0 {
		d = min(status.RetryAfter, maxRetryAfter)
		d += rand.N(d/10 + 1)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// temporary reports whether trying again can help. What is not known to be
// final is taken for a broken connection.
func temporary(ctx context.Context, err error) bool {
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return false
	}
	var (
		status   *StatusError
		refused  *refusedError
		mismatch *oci.MismatchError
		document *oci.DocumentError
		cert     *tls.CertificateVerificationError
		host     x509.HostnameError
		dns      *net.DNSError
		local    *localError
	)
	switch {
	case errors.As(err, &status):
		return temporaryStatus(status.Code)
	case errors.As(err, &dns):
		return dns.IsTemporary || dns.IsTimeout
	case errors.As(err, &refused), errors.As(err, &mismatch), errors.As(err, &document),
		errors.As(err, &cert), errors.As(err, &host), errors.As(err, &local):
		return false
	case errors.Is(err, syscall.ECONNREFUSED):
		return false
	}
	return isNetwork(err)
}

func temporaryStatus(code int) bool {
	switch code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, http.StatusInsufficientStorage:
		return false
	}
	return code >= 500
}

// retryAfter reads the header: seconds, or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil && n > 0 {
		return min(time.Duration(min(n, 3600))*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(v); err == nil && at.After(now) {
		return min(at.Sub(now), maxRetryAfter)
	}
	return 0
}

// localError is a failure on our side of a transfer: the disk, or the sink.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

// HostError says with which registry something failed before any image was
// spoken of.
type HostError struct {
	Host string
	Err  error
}

func (e *HostError) Error() string { return fmt.Sprintf("reach registry %s: %v", e.Host, e.Err) }

// Unwrap returns what happened.
func (e *HostError) Unwrap() error { return e.Err }
