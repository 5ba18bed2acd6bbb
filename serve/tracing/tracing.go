// Package tracing knows how requests are told to OpenTelemetry: a span for each
// request, one for each inference in it, and in that one for the time it waited and
// one for the time it was computed. Who asks may say, as W3C Trace Context does,
// which trace a request is of. Nothing of it runs where no receiver is named.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/wherry-run/wherry/serve/guard"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// Config says who traces.
type Config struct {
	// Version of the program.
	Version string
	// Log gets what cannot be sent; nil: nobody.
	Log *slog.Logger
}

// Wanted tells whether the environment names a receiver of traces, by
// OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT.
func Wanted(env func(string) string) bool {
	if strings.EqualFold(env("OTEL_SDK_DISABLED"), "true") || env("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return env("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// Tracer makes spans.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	context  propagation.TraceContext
}

// scope names who made a span.
const scope = "github.com/wherry-run/wherry/serve"

// Open begins to send traces by OTLP over HTTP to the receiver that the process's
// environment names, with the headers, the sampler and the attributes that it says,
// in the variables of OpenTelemetry. Close it.
func Open(ctx context.Context, c Config, env func(string) string) (*Tracer, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	x, err := newExporter(c.Version, env)
	if err != nil {
		return nil, err
	}
	return open(ctx, c, sdk.WithBatcher(&logged{x, c.Log}))
}

// logged is an exporter whose failures are in the log of who opened it. OpenTelemetry
// would give them to the one handler of the whole process.
type logged struct {
	sdk.SpanExporter
	log *slog.Logger
}

// ExportSpans sends spans, or tells that it could not.
func (l *logged) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if err := l.SpanExporter.ExportSpans(ctx, spans); err != nil {
		l.log.Warn("traces cannot be sent", "error", err)
	}
	return nil
}

func open(ctx context.Context, c Config, o ...sdk.TracerProviderOption) (*Tracer, error) {
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "wherry"), attribute.String("service.version", c.Version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("describe this server for traces: %w", err)
	}
	p := sdk.NewTracerProvider(append(o, sdk.WithResource(about))...)
	return &Tracer{provider: p, tracer: p.Tracer(scope, trace.WithInstrumentationVersion(c.Version))}, nil
}

// Close sends what was not yet.
func (t *Tracer) Close(ctx context.Context) error {
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last traces: %w", err)
	}
	return nil
}

// headerResponse tells the caller in which trace the request was.
const headerResponse = "Traceresponse"

// Wrap makes a span of each request. It goes behind guard.Wrap and before the mux.
func (t *Tracer) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := t.context.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := t.tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer))
		if span.IsRecording() { // most are not where a sampler says so
			span.SetAttributes(
				attribute.String("http.request.method", r.Method), attribute.String("url.path", r.URL.Path), attribute.String("url.scheme", scheme(r)),
				attribute.String("server.address", r.Host), attribute.String("client.address", r.RemoteAddr), attribute.String("user_agent.original", r.UserAgent()),
				attribute.String("network.protocol.version", strings.TrimPrefix(r.Proto, "HTTP/")))
		}
		note(ctx, span)
		w.Header()[headerResponse] = []string{response(span.SpanContext())}
		inner := r.WithContext(ctx)
		whole := false
		defer func() {
			r.Pattern = inner.Pattern // guard tells it on
			if !span.IsRecording() {
				span.End()
				return
			}
			if r.Pattern != "" {
				_, path, _ := strings.Cut(r.Pattern, " ")
				span.SetName(r.Method + " " + path)
				span.SetAttributes(attribute.String("http.route", path))
			}
			status := http.StatusOK
			if s, ok := w.(interface{ Status() int }); ok && s.Status() != 0 {
				status = s.Status()
			}
			if !whole {
				status = http.StatusInternalServerError
			}
			span.SetAttributes(attribute.Int("http.response.status_code", status))
			if status >= 500 {
				span.SetStatus(codes.Error, "")
			}
			span.End()
		}()
		next.ServeHTTP(w, inner)
		whole = true
	})
}

func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// note tells the record of a request its trace, and the span the request's id.
func note(ctx context.Context, span trace.Span) {
	if rec := guard.Of(ctx); rec != nil {
		rec.Trace, rec.Traceparent = span.SpanContext().TraceID().String(), response(span.SpanContext())
		span.SetAttributes(attribute.String("wherry.request.id", rec.ID))
	}
}

// response is a span as W3C writes it.
func response(s trace.SpanContext) string {
	return "00-" + s.TraceID().String() + "-" + s.SpanID().String() + "-" + s.TraceFlags().String()
}

// Observe makes the spans of an inference: it is for repository.Config.
func (t *Tracer) Observe(ctx context.Context, e repository.Event) {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return
	}
	model := e.Receipt.Model
	if model == "" {
		model = e.Call.Model
	}
	ctx, span := t.tracer.Start(ctx, "infer "+model, trace.WithTimestamp(e.Began), trace.WithAttributes(
		attribute.String("wherry.model.name", model), attribute.String("wherry.model.version", e.Receipt.Version),
		attribute.String("wherry.model.digest", e.Receipt.Digest), attribute.String("wherry.protocol", e.Call.Protocol),
		attribute.Int64("wherry.fuel", int64(e.Receipt.Fuel)), attribute.Int64("wherry.memory", int64(e.Receipt.Memory)),
		attribute.Int("wherry.rows", e.Receipt.Rows), attribute.Int("wherry.batch", e.Receipt.Batch)))
	if e.Err != nil {
		p := route.ProblemOf(e.Err)
		span.SetStatus(codes.Error, p.Message)
		span.SetAttributes(attribute.String("error.type", p.Reason))
	}
	at := t.phase(ctx, "queue", e.Began, e.Receipt.Queue)
	t.phase(ctx, "compute", at, e.Receipt.Compute)
	span.End(trace.WithTimestamp(e.Began.Add(e.Took)))
}

// phase makes a span of a time that is known, and gives when it ended.
func (t *Tracer) phase(ctx context.Context, name string, began time.Time, took time.Duration) time.Time {
	ended := began.Add(took)
	_, span := t.tracer.Start(ctx, name, trace.WithTimestamp(began))
	span.End(trace.WithTimestamp(ended))
	return ended
}
