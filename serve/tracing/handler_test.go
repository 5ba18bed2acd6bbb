package tracing_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel"

	"github.com/wherry-run/wherry/serve/tracing"
)

// TestErrorsAreOurs: what goes wrong is in the log of who opened the tracer, and the
// handler of the process is left as it is.
func TestErrorsAreOurs(t *testing.T) {
	var others atomic.Int64
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) { others.Add(1) }))
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }))
	defer refuses.Close()
	var log bytes.Buffer
	tracer, err := tracing.Open(t.Context(), tracing.Config{Log: slog.New(slog.NewTextHandler(&log, nil))}, func(name string) string {
		return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": refuses.URL}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	tracer.Wrap(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_ = tracer.Close(ctx) // after which nothing writes to the log
	if !strings.Contains(log.String(), "traces cannot be sent") {
		t.Errorf("the log has %q", log.String())
	}
	otel.Handle(context.Canceled)
	if others.Load() != 1 {
		t.Errorf("the handler of the process heard of %d errors", others.Load())
	}
}
