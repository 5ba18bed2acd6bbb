package tracing_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/guard"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/tracing"
)

// receiver is a receiver of OTLP over HTTP.
type receiver struct {
	mu       sync.Mutex
	spans    []*otlp.Span
	resource map[string]string
	header   string
}

func (x *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	text, err := io.ReadAll(body)
	var req collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(text, &req)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, "no traces", http.StatusBadRequest)
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.header = r.Header.Get("X-Team")
	for _, rs := range req.ResourceSpans {
		x.resource = values(rs.Resource.Attributes)
		for _, ss := range rs.ScopeSpans {
			x.spans = append(x.spans, ss.Spans...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func values(list []*common.KeyValue) map[string]string {
	m := map[string]string{}
	for _, kv := range list {
		if m[kv.Key] = kv.Value.GetStringValue(); m[kv.Key] == "" {
			m[kv.Key] = strings.TrimPrefix(kv.Value.String(), "int_value:")
		}
	}
	return m
}

// named gives the spans by their names.
func (x *receiver) named(t *testing.T, count int) map[string]*otlp.Span {
	t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	m := map[string]*otlp.Span{}
	for _, s := range x.spans {
		m[s.Name] = s
	}
	if len(x.spans) != count || len(m) != count {
		t.Fatalf("%d spans, want %d: %v", len(x.spans), count, x.spans)
	}
	return m
}

// open begins to send to a receiver by the variables of the environment.
func open(t *testing.T) (*receiver, *tracing.Tracer) {
	t.Helper()
	x := &receiver{}
	s := httptest.NewServer(x)
	t.Cleanup(s.Close)
	env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": s.URL, "OTEL_EXPORTER_OTLP_HEADERS": "x-team=boats", "OTEL_SERVICE_NAME": "my-models"}
	for name, value := range env {
		t.Setenv(name, value)
	}
	get := func(name string) string { return env[name] }
	if !tracing.Wanted(get) {
		t.Fatal("the variables are not seen")
	}
	tracer, err := tracing.Open(t.Context(), tracing.Config{Version: "v1"}, get)
	if err != nil {
		t.Fatal(err)
	}
	return x, tracer
}

func TestHTTP(t *testing.T) {
	x, tracer := open(t)
	mux, onward := http.NewServeMux(), http.Header{}
	began := time.Now()
	mux.HandleFunc("POST /m/{model}/predict", func(w http.ResponseWriter, r *http.Request) {
		e := repository.Event{
			Call: &repository.Call{Protocol: repository.ProtocolPredict}, Began: began, Took: 10 * time.Millisecond,
			Receipt: repository.Receipt{Model: "iris", Version: "2", Digest: "sha256:ab", Fuel: 7, Rows: 1, Batch: 3, Queue: 2 * time.Millisecond, Compute: 5 * time.Millisecond},
		}
		if r.PathValue("model") == "bad" {
			e.Err = &model.InputError{Tensor: "x", Reason: "no"}
			w.WriteHeader(503)
		}
		tracer.Observe(r.Context(), e)
		guard.Forward(r.Context(), onward)
	})
	var rec *guard.Record
	h := guard.Wrap(tracer.Wrap(mux), guard.Config{Done: func(r *guard.Record) { rec = r }})
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/m/iris/predict", nil)
	const trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	r.Header.Set("Traceparent", "00-"+trace+"-"+parent+"-01")
	r.Header.Set("Tracestate", "vendor=1")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if rec.Trace != trace || rec.Pattern != "POST /m/{model}/predict" {
		t.Errorf("the record is of trace %q, route %q", rec.Trace, rec.Pattern)
	}
	if err := tracer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	spans := x.named(t, 4)
	root, infer, queue, compute := spans["POST /m/{model}/predict"], spans["infer iris"], spans["queue"], spans["compute"]
	if root == nil || infer == nil || queue == nil || compute == nil {
		t.Fatalf("%v", spans)
	}
	if hex(root.TraceId) != trace || hex(root.ParentSpanId) != parent || root.TraceState != "vendor=1" || root.Kind != otlp.Span_SPAN_KIND_SERVER {
		t.Errorf("root %v", root)
	}
	if got := w.Header().Get("Traceresponse"); got != "00-"+trace+"-"+hex(root.SpanId)+"-01" {
		t.Errorf("the answer says %q", got)
	}
	if got := onward.Get("Traceparent"); got != "00-"+trace+"-"+hex(root.SpanId)+"-01" || onward.Get("X-Request-Id") != rec.ID {
		t.Errorf("others are told %q", onward)
	}
	if a := values(root.Attributes); a["http.route"] != "/m/{model}/predict" || a["http.response.status_code"] != "200" || a["wherry.request.id"] != rec.ID {
		t.Errorf("root has %v", a)
	}
	if string(infer.ParentSpanId) != string(root.SpanId) || string(queue.ParentSpanId) != string(infer.SpanId) || string(compute.ParentSpanId) != string(infer.SpanId) {
		t.Error("the spans are not within each other")
	}
	if a := values(infer.Attributes); a["wherry.model.name"] != "iris" || a["wherry.fuel"] != "7" || a["wherry.batch"] != "3" || a["wherry.protocol"] != "predict" {
		t.Errorf("infer has %v", a)
	}
	ms := uint64(time.Millisecond)
	if queue.EndTimeUnixNano-queue.StartTimeUnixNano != 2*ms || compute.StartTimeUnixNano != queue.EndTimeUnixNano || compute.EndTimeUnixNano-compute.StartTimeUnixNano != 5*ms ||
		infer.EndTimeUnixNano-infer.StartTimeUnixNano != 10*ms {
		t.Error("the times are others")
	}
	if x.resource["service.name"] != "my-models" || x.resource["service.version"] != "v1" || x.header != "boats" {
		t.Errorf("resource %v, header %q", x.resource, x.header)
	}
}

func hex(b []byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

// TestErrors are of an inference, of the server, and of a handler that fell over.
func TestErrors(t *testing.T) {
	x, tracer := open(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /bad", func(w http.ResponseWriter, r *http.Request) {
		tracer.Observe(r.Context(), repository.Event{Call: &repository.Call{Model: "m"}, Began: time.Now(), Err: errors.New("secret path")})
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("oh") })
	h := guard.Wrap(tracer.Wrap(mux), guard.Config{})
	for _, path := range []string{"/bad", "/panic", "/none"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
	}
	if err := tracer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	spans := x.named(t, 6)
	for name, want := range map[string]otlp.Status_StatusCode{
		"GET /bad": otlp.Status_STATUS_CODE_ERROR, "GET /panic": otlp.Status_STATUS_CODE_ERROR, "infer m": otlp.Status_STATUS_CODE_ERROR, "GET": otlp.Status_STATUS_CODE_UNSET,
	} {
		if got := spans[name].GetStatus().GetCode(); got != want {
			t.Errorf("%s: status %v, want %v", name, got, want)
		}
	}
	if s := spans["infer m"]; strings.Contains(s.String(), "secret") || values(s.Attributes)["error.type"] != "internal" {
		t.Errorf("infer: %v", s)
	}
	if a := values(spans["GET /panic"].Attributes); a["http.response.status_code"] != "500" {
		t.Errorf("panic: %v", a)
	}
}

// TestGRPC asks a server of gRPC.
func TestGRPC(t *testing.T) {
	x, tracer := open(t)
	s := grpc.NewServer(tracer.GRPC()...)
	healthpb.RegisterHealthServer(s, health.NewServer())
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	defer s.Stop()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const trace = "0af7651916cd43dd8448eb211c80319c"
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	c := healthpb.NewHealthClient(conn)
	if _, err := c.Check(ctx, &healthpb.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	watch, cancel := context.WithCancel(ctx)
	w, err := c.Watch(watch, &healthpb.HealthCheckRequest{})
	if err == nil {
		_, err = w.Recv()
	}
	cancel()
	if err != nil {
		t.Fatal(err)
	}
	s.GracefulStop()
	if err := tracer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, s := range x.named(t, 2) {
		if hex(s.TraceId) != trace || !strings.HasPrefix(name, "grpc.health.v1.Health/") {
			t.Errorf("%s: %v", name, s)
		}
	}
}

func TestWanted(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want bool
	}{
		{nil, false},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a"}, true},
		{map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://a"}, true},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_SDK_DISABLED": "True"}, false},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_TRACES_EXPORTER": "none"}, false},
	} {
		if got := tracing.Wanted(func(n string) string { return c.env[n] }); got != c.want {
			t.Errorf("%v: %v", c.env, got)
		}
	}
	_, err := tracing.Open(t.Context(), tracing.Config{}, func(n string) string {
		return map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}[n]
	})
	if err == nil || !strings.Contains(err.Error(), "http/protobuf") {
		t.Errorf("gRPC: %v", err)
	}
}

// TestNobodyListens: requests are answered all the same.
func TestNobodyListens(t *testing.T) {
	tracer, err := tracing.Open(t.Context(), tracing.Config{}, func(name string) string {
		return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	h := tracer.Wrap(http.NotFoundHandler())
	began := time.Now()
	for range 5000 {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("5000 requests took %v", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_ = tracer.Close(ctx)
}

// FuzzParent has clients say anything about the trace they are in.
func FuzzParent(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a=b,c=d")
	f.Add("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "=")
	f.Add("00-00000000000000000000000000000000-0000000000000000-00", ",,,")
	f.Fuzz(func(t *testing.T, parent, state string) {
		tracer, err := tracing.Silent(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.Header["Traceparent"], r.Header["Tracestate"] = []string{parent}, []string{state}
		tracer.Wrap(http.NotFoundHandler()).ServeHTTP(w, r)
		if got := w.Header().Get("Traceresponse"); len(got) != 55 || strings.Contains(got, "-"+strings.Repeat("0", 32)+"-") {
			t.Fatalf("the answer says %q", got)
		}
	})
}

func BenchmarkWrap(b *testing.B) {
	tracer, err := tracing.Silent(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	h := tracer.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequestWithContext(b.Context(), "GET", "/", nil)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}
