package tracing_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/wherry-run/wherry/serve/tracing"
)

// taker keeps requests, and answers as it is told.
type taker struct {
	mu      sync.Mutex
	bodies  [][]byte
	headers []http.Header
	paths   []string
	answer  func(w http.ResponseWriter, attempt int)
}

func (x *taker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	x.mu.Lock()
	x.bodies, x.headers, x.paths = append(x.bodies, body), append(x.headers, r.Header), append(x.paths, r.URL.Path)
	n := len(x.bodies)
	x.mu.Unlock()
	if x.answer != nil {
		x.answer(w, n)
	}
}

// sent has an exporter send spans to a receiver.
func sent(t *testing.T, x *taker, env map[string]string, spans []sdk.ReadOnlySpan) error {
	t.Helper()
	s := httptest.NewServer(x)
	defer s.Close()
	e, err := tracing.Exporter(func(name string) string { return strings.ReplaceAll(env[name], "SERVER", s.URL) })
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	return e.ExportSpans(t.Context(), spans)
}

// toServer is the least that an environment says.
var toServer = map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "SERVER"}

// everything is spans with all that they can have.
func everything() []sdk.ReadOnlySpan {
	state, _ := trace.ParseTraceState("vendor=1,other=2")
	own := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1, 2}, SpanID: trace.SpanID{3}, TraceFlags: trace.FlagsSampled, TraceState: state})
	far := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1, 2}, SpanID: trace.SpanID{4}, Remote: true})
	began := time.Unix(1700000000, 123456789)
	all := []attribute.KeyValue{
		attribute.String("text", "a"), attribute.String("empty", ""), attribute.Bool("yes", true), attribute.Bool("no", false),
		attribute.Int64("n", -5), attribute.Int64("zero", 0), attribute.Float64("x", 2.5), attribute.Float64("none", 0),
		attribute.StringSlice("texts", []string{"a", ""}), attribute.BoolSlice("truths", []bool{true, false}),
		attribute.Int64Slice("numbers", []int64{1, -1}), attribute.Float64Slice("reals", []float64{0, 0.5}), attribute.StringSlice("nothing", nil),
	}
	about := resource.NewWithAttributes("https://example.com/schema", attribute.String("service.name", "boats"))
	scope := instrumentation.Scope{Name: "scope", Version: "v2", SchemaURL: "https://example.com/scope", Attributes: attribute.NewSet(attribute.Int("of", 1))}
	return tracetest.SpanStubs{
		{
			Name: "root", SpanContext: own, Parent: far, SpanKind: trace.SpanKindServer, StartTime: began, EndTime: began.Add(time.Second),
			Attributes: all, DroppedAttributes: 3, DroppedEvents: 4, DroppedLinks: 5, ChildSpanCount: 1,
			Events:   []sdk.Event{{Name: "event", Time: began, Attributes: all[:2], DroppedAttributeCount: 6}},
			Links:    []sdk.Link{{SpanContext: far, Attributes: all[4:5], DroppedAttributeCount: 7}, {SpanContext: own.WithTraceState(trace.TraceState{})}}, // whose state theirs leaves out
			Status:   sdk.Status{Code: codes.Error, Description: "it broke"},
			Resource: about, InstrumentationScope: scope,
		},
		{Name: "fine", SpanContext: own, Parent: own, SpanKind: trace.SpanKindInternal, StartTime: began, EndTime: began, Status: sdk.Status{Code: codes.Ok}, Resource: about, InstrumentationScope: scope},
		{Name: "", SpanContext: own, StartTime: began, EndTime: began, Resource: about, InstrumentationScope: scope},
	}.Snapshots()
}

// TestLikeOpenTelemetry holds that what is sent is what OpenTelemetry's own exporter
// sends.
func TestLikeOpenTelemetry(t *testing.T) {
	spans := everything()
	ours, theirs := &taker{}, &taker{}
	if err := sent(t, ours, toServer, spans); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(theirs)
	defer s.Close()
	e, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(s.URL))
	if err == nil {
		err = e.ExportSpans(t.Context(), spans)
	}
	if err != nil {
		t.Fatal(err)
	}
	var got, want collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(ours.bodies[0], &got); err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(theirs.bodies[0], &want); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(&got, &want) {
		t.Errorf("got\n%v\nwant\n%v", &got, &want)
	}
	if ours.paths[0] != "/v1/traces" || ours.headers[0].Get("Content-Type") != theirs.headers[0].Get("Content-Type") {
		t.Errorf("to %s: %v", ours.paths[0], ours.headers[0])
	}
}

// TestOtherValues are those that OpenTelemetry's values have besides: nested ones, and
// texts that are none.
func TestOtherValues(t *testing.T) {
	spans := tracetest.SpanStubs{{Name: "bad \xff name", Attributes: []attribute.KeyValue{
		attribute.String("agent\xfe", "\xff"), attribute.KeyValue{Key: "bytes", Value: attribute.ByteSliceValue([]byte{0, 255})},
		attribute.KeyValue{Key: "nested", Value: attribute.SliceValue(attribute.Int64Value(1), attribute.MapValue(attribute.Bool("in", true)))},
		attribute.KeyValue{Key: "nothing"},
	}, Links: []sdk.Link{{SpanContext: everything()[0].SpanContext()}}}, {Name: "other scope", InstrumentationScope: instrumentation.Scope{Name: "b"}}}.Snapshots()
	x := &taker{}
	if err := sent(t, x, toServer, spans); err != nil {
		t.Fatal(err)
	}
	var got collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(x.bodies[0], &got); err != nil {
		t.Fatal(err)
	}
	scopes := got.ResourceSpans[0].ScopeSpans
	if len(scopes) != 2 || scopes[1].Scope.Name != "b" || scopes[0].Spans[0].Name != "bad \uFFFD name" {
		t.Fatalf("%v", &got)
	}
	if l := scopes[0].Spans[0].Links[0]; l.TraceState != "vendor=1,other=2" || l.Flags != 0x101 {
		t.Errorf("link %v", l)
	}
	a := scopes[0].Spans[0].Attributes
	nested := a[2].Value.GetArrayValue().GetValues()
	if a[0].Key != "agent\uFFFD" || a[0].Value.GetStringValue() != "\uFFFD" || !bytes.Equal(a[1].Value.GetBytesValue(), []byte{0, 255}) ||
		nested[0].GetIntValue() != 1 || !nested[1].GetKvlistValue().GetValues()[0].GetValue().GetBoolValue() || a[3].Value.GetValue() != nil {
		t.Errorf("%v", a)
	}
}

func TestVariables(t *testing.T) {
	spans := everything()[:1]
	for _, c := range []struct {
		name, path, header string
		env                map[string]string
	}{
		{"below the receiver of all", "/in/v1/traces", "", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "SERVER/in/"}},
		{"the receiver of traces", "/in", "", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "SERVER/in"}},
		{"headers", "/v1/traces", "a=b, c", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "SERVER", "OTEL_EXPORTER_OTLP_HEADERS": "x-other=1, X-Team = a=b%2C%20c ,"}},
		{"headers of traces", "/v1/traces", "t", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "SERVER", "OTEL_EXPORTER_OTLP_HEADERS": "x-team=all", "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-team=t"}},
		{"packed", "/v1/traces", "", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "SERVER", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := &taker{}
			if err := sent(t, x, c.env, spans); err != nil {
				t.Fatal(err)
			}
			if x.paths[0] != c.path || x.headers[0].Get("X-Team") != c.header || x.headers[0].Get("User-Agent") != "wherry/v1" {
				t.Errorf("to %s with %v", x.paths[0], x.headers[0])
			}
			body := x.bodies[0]
			if c.env["OTEL_EXPORTER_OTLP_COMPRESSION"] != "" {
				z, err := gzip.NewReader(bytes.NewReader(body))
				if err == nil {
					body, err = io.ReadAll(z)
				}
				if err != nil || x.headers[0].Get("Content-Encoding") != "gzip" {
					t.Fatal(err, x.headers[0])
				}
			}
			if err := proto.Unmarshal(body, &collector.ExportTraceServiceRequest{}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWrongVariables(t *testing.T) {
	for _, c := range []struct{ name, value, says string }{
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "http://HOST:PORT"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://", "TRACES_ENDPOINT"},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"},
		{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "http/protobuf"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "secret", "NAME=VALUE"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a=secret%0d%0ab", "NAME=VALUE"},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "gzip"},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "milliseconds"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", "/none.pem", "OTEL_EXPORTER_OTLP_CERTIFICATE"},
		{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/none.pem", "certificate"},
	} {
		_, err := tracing.Exporter(func(name string) string { return map[string]string{c.name: c.value}[name] })
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s=%s: %v", c.name, c.value, err)
		}
	}
}

// TestCertificate sends to a receiver whose certificate only the environment knows.
func TestCertificate(t *testing.T) {
	x := &taker{}
	s := httptest.NewTLSServer(x)
	defer s.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, known := range []string{"", file} {
		env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": s.URL, "OTEL_EXPORTER_OTLP_CERTIFICATE": known}
		e, err := tracing.Exporter(func(name string) string { return env[name] })
		if err != nil {
			t.Fatal(err)
		}
		if err := e.ExportSpans(t.Context(), everything()); (err == nil) != (known != "") {
			t.Errorf("certificate %q: %v", known, err)
		}
	}
}

func TestAnswers(t *testing.T) {
	partial, err := proto.Marshal(&collector.ExportTraceServiceResponse{PartialSuccess: &collector.ExportTracePartialSuccess{RejectedSpans: 2, ErrorMessage: "too many boats"}})
	if err != nil {
		t.Fatal(err)
	}
	status := func(code int, after, text string) func(http.ResponseWriter, int) {
		return func(w http.ResponseWriter, attempt int) {
			if attempt < 3 {
				w.Header().Set("Retry-After", after)
				w.WriteHeader(code)
				_, _ = io.WriteString(w, text)
			}
		}
	}
	for _, c := range []struct {
		name     string
		answer   func(http.ResponseWriter, int)
		attempts int
		says     string
	}{
		{"taken", nil, 1, ""},
		{"busy, then taken", status(503, "0", ""), 3, ""},
		{"too often, with a date that is past", status(429, "Mon, 02 Jan 2006 15:04:05 GMT", ""), 3, ""},
		{"refused", status(400, "0", "no such boat\n"+strings.Repeat("x", 1000)), 1, `no such boat\n`},
		{"elsewhere", func(w http.ResponseWriter, _ int) { w.Header().Set("Location", "/other"); w.WriteHeader(307) }, 1, "307"},
		{"in part", func(w http.ResponseWriter, _ int) {
			w.Header().Set("Content-Type", "application/x-protobuf")
			_, _ = w.Write(partial)
		}, 1, `did not take 2 spans: "too many boats"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := &taker{answer: c.answer}
			err := sent(t, x, toServer, everything())
			if len(x.bodies) != c.attempts || (err != nil) != (c.says != "") || err != nil && (!strings.Contains(err.Error(), c.says) || len(err.Error()) > 500) {
				t.Errorf("%d attempts, %v", len(x.bodies), err)
			}
			for _, b := range x.bodies {
				if !bytes.Equal(b, x.bodies[0]) {
					t.Error("another attempt has another body")
				}
			}
		})
	}
}

// TestEnd: a server that ends does not wait for a receiver that is busy.
func TestEnd(t *testing.T) {
	x := &taker{answer: func(w http.ResponseWriter, _ int) { w.WriteHeader(503) }}
	s := httptest.NewServer(x)
	defer s.Close()
	e, err := tracing.Exporter(func(name string) string { return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": s.URL}[name] })
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- e.ExportSpans(context.WithoutCancel(t.Context()), everything()) }()
	for x.mu.Lock(); len(x.bodies) == 0; x.mu.Lock() {
		x.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	x.mu.Unlock()
	if err := e.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err == nil {
			t.Error("it was not sent, and that is no error")
		}
	case <-time.After(20 * time.Second):
		t.Error("it still waits")
	}
}

func FuzzRefused(f *testing.F) {
	b, _ := proto.Marshal(&collector.ExportTraceServiceResponse{PartialSuccess: &collector.ExportTracePartialSuccess{RejectedSpans: 2, ErrorMessage: "no"}})
	f.Add(b)
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add([]byte("\n\x06\b\x02\n\x02Q/")) // a field of another kind
	f.Fuzz(func(t *testing.T, answer []byte) {
		n, why := tracing.RefusedOf(answer)
		var want collector.ExportTraceServiceResponse
		if proto.Unmarshal(answer, &want) != nil {
			return // of such an answer anything may be read
		}
		if n != want.GetPartialSuccess().GetRejectedSpans() || why != want.GetPartialSuccess().GetErrorMessage() {
			t.Fatalf("read %d %q, is %v", n, why, &want)
		}
	})
}
