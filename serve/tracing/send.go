package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// Bounds of sending, as OpenTelemetry has them.
const (
	defaultReceiver = "http://localhost:4318"
	defaultTimeout  = 10 * time.Second // for one attempt
	firstWait       = 5 * time.Second  // before the second attempt
	longestWait     = 30 * time.Second
	shortestWait    = 100 * time.Millisecond // whatever the receiver says
	longestTry      = time.Minute            // for all attempts
	maxAnswer       = 64 << 10               // bytes that are read of an answer
	maxSaid         = 300                    // and of it in an error
)

// exporter sends spans by OTLP over HTTP: it is a SpanExporter.
type exporter struct {
	client *http.Client
	url    *url.URL
	header http.Header
	packed bool // bodies are compressed
	closed chan struct{}
}

// variables are those of the environment that say how to send.
type variables func(string) string

// get gives the value of OTEL_EXPORTER_OTLP_TRACES_<name>, or else of
// OTEL_EXPORTER_OTLP_<name>, and what the variable is called.
func (v variables) get(name string) (value, variable string) {
	for _, prefix := range []string{"OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"} {
		if value := v(prefix + name); value != "" {
			return value, prefix + name
		}
	}
	return "", ""
}

// newExporter makes the exporter that the environment describes.
func newExporter(version string, env variables) (*exporter, error) {
	if p, name := env.get("PROTOCOL"); p != "" && p != "http/protobuf" {
		return nil, fmt.Errorf("%s is %s: traces are sent as http/protobuf alone", name, p)
	}
	x := &exporter{header: http.Header{}, closed: make(chan struct{})}
	x.header.Set("User-Agent", strings.TrimSuffix("wherry/"+version, "/"))
	var err error
	if x.url, err = receiver(env); err != nil {
		return nil, err
	}
	if err := x.readHeaders(env); err != nil {
		return nil, err
	}
	x.header.Set("Content-Type", "application/x-protobuf")
	switch c, name := env.get("COMPRESSION"); c {
	case "gzip":
		x.packed = true
		x.header.Set("Content-Encoding", "gzip")
	case "", "none":
	default:
		return nil, fmt.Errorf("%s is %.40q: it is gzip or none", name, c)
	}
	timeout := defaultTimeout
	if text, name := env.get("TIMEOUT"); text != "" {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n <= 0 {
			return nil, fmt.Errorf("%s is %.40q: it is a number of milliseconds", name, text)
		}
		timeout = time.Duration(n) * time.Millisecond
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if transport.TLSClientConfig, err = tlsOf(env); err != nil {
		return nil, err
	}
	x.client = &http.Client{Transport: transport, Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }} // the headers are for the receiver alone
	return x, nil
}

// receiver is where traces go: exactly where the variable for traces says, and below
// what the one for all signals says.
func receiver(env variables) (*url.URL, error) {
	text, name := env.get("ENDPOINT")
	if text == "" {
		text = defaultReceiver
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%s is no address: write it as http://HOST:PORT", name)
	}
	if !strings.Contains(name, "_TRACES_") {
		u = u.JoinPath("v1", "traces")
	}
	return u, nil
}

// readHeaders reads NAME=VALUE,..., whose values may be percent-encoded. They may be
// secrets, so no error has one.
func (x *exporter) readHeaders(env variables) error {
	list, variable := env.get("HEADERS")
	for pair := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); !ok || err != nil || name == "" || strings.ContainsAny(name+value, "\r\n\x00") {
			return fmt.Errorf("%s is no list of headers: write NAME=VALUE,NAME=VALUE", variable)
		}
		x.header.Set(name, value)
	}
	return nil
}

// tlsOf is how the receiver is known, and who says that it is us; nil: as usual.
func tlsOf(env variables) (*tls.Config, error) {
	roots, name := env.get("CERTIFICATE")
	own, _ := env.get("CLIENT_CERTIFICATE")
	key, _ := env.get("CLIENT_KEY")
	if roots == "" && own == "" {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if roots != "" {
		text, err := os.ReadFile(roots)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s: %s has no certificate", name, roots)
		}
	}
	if own != "" {
		pair, err := tls.LoadX509KeyPair(own, key)
		if err != nil {
			return nil, fmt.Errorf("read the certificate that is shown to the receiver of traces: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// ExportSpans sends spans, again and again when the receiver says that it is busy.
func (x *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, longestTry)
	defer cancel()
	body := requestOf(spans)
	if x.packed {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(body) // into memory
		if err := z.Close(); err != nil {
			return fmt.Errorf("compress traces: %w", err)
		}
		body = b.Bytes()
	}
	for wait := firstWait; ; wait = min(wait*3/2, longestWait) {
		again, err := x.send(ctx, body)
		if again < 0 {
			return err
		}
		if again == 0 {
			again = wait
		}
		timer := time.NewTimer(max(again, shortestWait))
		select {
		case <-timer.C:
			continue
		case <-ctx.Done():
		case <-x.closed:
		}
		timer.Stop()
		return err
	}
}

// send makes one attempt. again is when another one is worth it: 0 when the receiver
// does not say, and -1 when none is.
func (x *exporter) send(ctx context.Context, body []byte) (again time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, x.url.String(), bytes.NewReader(body))
	if err != nil {
		return -1, fmt.Errorf("send traces: %w", err)
	}
	r.Header = x.header.Clone()
	answer, err := x.client.Do(r)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) { // which has the whole URL, and so a password that is in it
			err = failed.Err
		}
		return -1, fmt.Errorf("send traces to %s: %w", x.url.Host, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	switch {
	case answer.StatusCode >= 200 && answer.StatusCode < 300:
		if err != nil {
			return -1, fmt.Errorf("hear what %s says of traces: %w", x.url.Host, err)
		}
		if n, why := refusedOf(text); answer.Header.Get("Content-Type") == "application/x-protobuf" && (n > 0 || why != "") {
			return -1, fmt.Errorf("%s did not take %d spans: %s", x.url.Host, n, beginningOf(why))
		}
		return -1, nil
	case answer.StatusCode == http.StatusTooManyRequests, answer.StatusCode == http.StatusBadGateway,
		answer.StatusCode == http.StatusServiceUnavailable, answer.StatusCode == http.StatusGatewayTimeout:
		again = retryAfter(answer.Header.Get("Retry-After"), time.Now())
	default:
		again = -1
	}
	return again, fmt.Errorf("send traces: %s answers %s: %s", x.url.Host, answer.Status, beginningOf(string(text)))
}

// retryAfter is when to ask again, in seconds or as a date; 0 when that is not said.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return max(time.Duration(n)*time.Second, shortestWait)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), shortestWait)
	}
	return 0
}

// beginningOf is the beginning of what a receiver said, for a log.
func beginningOf(text string) string {
	text = strings.TrimSpace(text)
	if len(text) > maxSaid {
		text = text[:maxSaid] + "..."
	}
	return strconv.Quote(text)
}

// Shutdown ends waiting: what could not be sent is lost.
func (x *exporter) Shutdown(context.Context) error {
	close(x.closed) // the provider shuts down once
	x.client.CloseIdleConnections()
	return nil
}
