package route

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/serve/repository"
)

func TestProblemOf(t *testing.T) {
	secret := fmt.Errorf("start the model: open /home/me/secret: %w", errors.New("no such file"))
	memory := &runtime.LimitError{Resource: "memory", Limit: "1 MiB", Scope: runtime.ScopeCall}
	for _, c := range []struct {
		err    error
		status int
		reason string
	}{
		{&model.InputError{Tensor: "x", Reason: "no"}, 400, ReasonBadInput},
		{&RequestError{Message: "no"}, 400, ReasonBadInput},
		{&RequestError{Status: 415, Message: "no"}, 415, ReasonBadInput},
		{&http.MaxBytesError{Limit: 10}, 413, ReasonBadInput},
		{&model.ModelError{Type: "ValueError"}, 422, ReasonModel},
		{&model.ModelError{Type: "MemoryError"}, 500, ReasonOOM},
		{os.ErrDeadlineExceeded, 408, ReasonTimeout},
		{io.ErrUnexpectedEOF, 400, ReasonBadInput},
		{&repository.NotFoundError{Model: "x"}, 404, ReasonNotFound},
		{&repository.OverloadedError{Full: true}, 429, ReasonOverloaded},
		{&repository.OverloadedError{}, 503, ReasonOverloaded},
		{model.ErrBusy, 429, ReasonOverloaded},
		{&repository.NotReadyError{}, 503, ReasonNotReady},
		{&repository.NotReadyError{Cause: &model.ModelError{Message: "secret"}}, 503, ReasonNotReady},
		{model.ErrClosed, 503, ReasonNotReady},
		{context.DeadlineExceeded, 504, ReasonTimeout},
		{context.Canceled, 499, ReasonCanceled},
		{&runtime.LimitError{Resource: "wall time", Limit: "1s"}, 504, ReasonTimeout},
		{&runtime.LimitError{Resource: "fuel"}, 504, ReasonTimeout},
		{memory, 500, ReasonOOM},
		{&runtime.TrapError{Trap: "unreachable"}, 500, ReasonTrap},
		{&runtime.TrapError{Trap: "unreachable", Limit: memory}, 500, ReasonOOM},
		{&runtime.ExitError{Code: 1}, 500, ReasonTrap},
		{&runtime.ExitError{Code: 1, Limit: memory}, 500, ReasonOOM},
		{&repository.PanicError{Value: "secret", Stack: []byte("secret")}, 500, ReasonInternal},
		{secret, 500, ReasonInternal},
	} {
		for _, err := range []error{c.err, fmt.Errorf("read /secret: %w", c.err)} {
			p := ProblemOf(err)
			if again := p.RetryAfter > 0; (p.Status == 429 || p.Status == 503) != again {
				t.Errorf("%T %v: to come again after %v", c.err, err, p.RetryAfter)
			}
			if p.Status != c.status || p.Reason != c.reason || p.Message == "" || strings.Contains(p.Message, "secret") {
				t.Errorf("%T %v: %+v, want %d %s", c.err, err, p, c.status, c.reason)
			}
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "", time.Millisecond: "1", time.Second: "1", 1500 * time.Millisecond: "2"} {
		h := http.Header{}
		Problem{RetryAfter: d}.SetRetryAfter(h)
		if got := h.Get("Retry-After"); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestBody(t *testing.T) {
	text := strings.Repeat("body ", 200)
	gzipped := packed(t, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }, text)
	for _, c := range []struct {
		name, encoding, body string
		max                  int64
		status               int
	}{
		{"as it is", "", text, 1000, 0},
		{"identity", "identity", text, 1000, 0},
		{"too long", "", text, 999, 413},
		{"gzip", "gzip", gzipped, 1000, 0},
		{"deflate", "deflate", packed(t, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }, text), 1000, 0},
		{"gzip, too long unpacked", "gzip", gzipped, 999, 413},
		{"no gzip", "gzip", text, 1000, 400},
		{"gzip that ends early", "gzip", gzipped[:len(gzipped)-5], 1000, 400},
		{"no deflate", "deflate", text, 1000, 400},
		{"unknown", "br", text, 1000, 415},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, length := range []bool{true, false} {
				r := httptest.NewRequest(http.MethodPost, "/", struct{ io.Reader }{strings.NewReader(c.body)})
				r.ContentLength = -1
				if length {
					r.ContentLength = int64(len(c.body))
				}
				r.Header.Set("Content-Encoding", c.encoding)
				b, err := Body(httptest.NewRecorder(), r, c.max)
				if c.status == 0 && (err != nil || string(b) != text) {
					t.Errorf("%d bytes, %v", len(b), err)
				}
				if c.status != 0 && (err == nil || ProblemOf(err).Status != c.status) {
					t.Errorf("%v, want %d", err, c.status)
				}
			}
		})
	}
}

func packed(t *testing.T, to func(io.Writer) io.WriteCloser, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := to(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
