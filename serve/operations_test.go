package serve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/wherry-run/wherry/serve"
	"github.com/wherry-run/wherry/serve/guard"
	"github.com/wherry-run/wherry/serve/metrics"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/requestlog"
	"github.com/wherry-run/wherry/serve/tracing"
)

// buffer is written by many.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) lines() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Split(strings.TrimSpace(b.b.String()), "\n")
}

// linux has what metrics of processes are read from.
const linux = runtime.GOOS == "linux"

// TestOperations has one server tell all that it can of a good request and of a bad
// one.
func TestOperations(t *testing.T) {
	var exported atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		exported.Add(1)
	}))
	defer receiver.Close()
	env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.URL}
	tracer, err := tracing.Open(t.Context(), tracing.Config{}, func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "log.parquet")
	requests, err := requestlog.Open(requestlog.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := guard.NewKeys("the-secret-key", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var access buffer
	s, err := serve.New(t.Context(), serve.Config{
		Repository: repository.Config{Sources: []repository.Source{serve.Source("adder", &adder{plus: 1}, 2)}},
		Guard:      guard.Config{Keys: keys, Access: slog.New(slog.NewJSONHandler(&access, nil))},
		Operations: serve.Operations{MetricsCompat: []string{metrics.Triton}, RequestLog: requests, Tracer: tracer},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	defer h.Close()
	ask := func(method, path, key, body string) (*http.Response, string) {
		r, err := http.NewRequestWithContext(t.Context(), method, h.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Api-Key", key)
		r.Header.Set("X-Request-Id", "r-1")
		r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		resp, err := h.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(text)
	}
	if resp, _ := ask("POST", "/predict", "", `{"x":[1]}`); resp.StatusCode != 401 {
		t.Errorf("without a key: %d", resp.StatusCode)
	}
	if resp, _ := ask("GET", "/v2/health/ready", "", ""); resp.StatusCode != 200 {
		t.Errorf("readiness without a key: %d", resp.StatusCode)
	}
	if resp, _ := ask("GET", "/metrics", "", ""); resp.StatusCode != 401 {
		t.Errorf("metrics without a key: %d", resp.StatusCode)
	}
	resp, text := ask("POST", "/predict", "the-secret-key", `{"x":[1]}`)
	if resp.StatusCode != 200 || !strings.Contains(text, "2") || !strings.Contains(resp.Header.Get("Wherry-Receipt"), "compute=") || resp.Header.Get("X-Request-Id") != "r-1" ||
		!strings.HasPrefix(resp.Header.Get("Traceresponse"), "00-0af7651916cd43dd8448eb211c80319c-") {
		t.Errorf("%d %s %v", resp.StatusCode, text, resp.Header)
	}
	if resp, _ := ask("POST", "/m/adder/predict", "the-secret-key", `{"x":["no"]}`); resp.StatusCode != 400 {
		t.Errorf("a bad request: %d", resp.StatusCode)
	}
	_, text = ask("GET", "/metrics", "the-secret-key", "")
	for _, want := range []string{
		`wherry_inference_requests_total{code="200",model_name="adder",model_version="1",protocol="predict"} 1`,
		`wherry_http_requests_total{code="400",method="POST",route="POST /m/{model}/predict"} 1`,
		`wherry_http_requests_total{code="401",method="",route=""} 2`,
		`nv_inference_request_success{model="adder",version="1"} 1`,
		`wherry_model_ready{model_name="adder",model_version="1"} 1`,
		`wherry_request_log_dropped_total 0`, `process_resident_memory_bytes `,
	} {
		if !strings.Contains(text, want) && (want != `process_resident_memory_bytes ` || linux) {
			t.Errorf("metrics lack %s", want)
		}
	}
	ctx := context.WithoutCancel(t.Context())
	for _, end := range []func(context.Context) error{s.Close, requests.Close, tracer.Close} {
		if err := end(ctx); err != nil {
			t.Error(err)
		}
	}
	if exported.Load() == 0 {
		t.Error("no traces came")
	}
	type row struct {
		ID     string `parquet:"id"`
		Trace  string `parquet:"trace"`
		Key    string `parquet:"key"`
		Status int64  `parquet:"status"`
		Inputs string `parquet:"inputs"`
	}
	rows, err := parquet.ReadFile[row](path)
	if err != nil || len(rows) == 0 || rows[0] != (row{"r-1", "0af7651916cd43dd8448eb211c80319c", "key-1", 200, `{"x":[1]}`}) {
		t.Errorf("the request log has %+v, %v", rows, err)
	}
	found := false
	for _, line := range access.lines() {
		var l struct{ Path, Model, Key, Trace, Protocol string }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		if l.Path == "/predict" && l.Model != "" {
			found = l.Model == "adder" && l.Key == "key-1" && l.Trace != "" && l.Protocol == "predict"
		}
	}
	if !found || strings.Contains(strings.Join(access.lines(), ""), "the-secret-key") {
		t.Errorf("the access log has %s", access.lines())
	}
}
