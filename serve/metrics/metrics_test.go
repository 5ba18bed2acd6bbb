package metrics_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	prommodel "github.com/prometheus/common/model"

	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/serve/metrics"
	"github.com/wherry-run/wherry/serve/repository"
)

func index() []repository.Status {
	return []repository.Status{
		{Name: "iris", Version: "1", State: repository.StateReady, Waiting: 3, Running: 2, Instances: 2, Memory: 4096, Digest: "sha256:ab"},
		{Name: "new", Version: "7", State: repository.StateLoading},
	}
}

func answered(rows, batch int) repository.Event {
	return repository.Event{
		Call: &repository.Call{Model: "iris", Protocol: repository.ProtocolREST}, Answer: &repository.Answer{},
		Receipt: repository.Receipt{Model: "iris", Version: "1", Fuel: 1000, Rows: rows, Batch: batch, Queue: 2 * time.Millisecond, Compute: 3 * time.Millisecond},
		Took:    6 * time.Millisecond,
	}
}

func failed(err error) repository.Event {
	return repository.Event{
		Call:    &repository.Call{Model: "iris", Protocol: repository.ProtocolGRPC},
		Receipt: repository.Receipt{Model: "iris", Version: "1"}, Err: err, Took: time.Millisecond,
	}
}

// scrape reads /metrics: lines by their name with labels.
func scrape(t *testing.T, m *metrics.Metrics) map[string]float64 {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Fatalf("status %d, %s: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	parser := expfmt.NewTextParser(prommodel.UTF8Validation) // Prometheus' own reader
	if _, err := parser.TextToMetricFamilies(bytes.NewReader(w.Body.Bytes())); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	got := map[string]float64{}
	lines := bufio.NewScanner(w.Body)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		i := strings.LastIndexByte(lines.Text(), ' ')
		v, err := strconv.ParseFloat(lines.Text()[i+1:], 64)
		if err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		got[lines.Text()[:i]] = v
	}
	return got
}

func TestMetrics(t *testing.T) {
	m, err := metrics.New(index, metrics.Config{Compat: []string{metrics.Triton, metrics.TEI}, Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	m.Observe(ctx, answered(1, 4))
	m.Observe(ctx, answered(3, 4)) // of the same batch
	m.Observe(ctx, answered(1, 1))
	m.Observe(ctx, failed(&repository.OverloadedError{Model: "iris", Full: true}))
	trapped := failed(&runtime.TrapError{})
	trapped.Receipt.Fuel, trapped.Receipt.Wasted = 70, 7
	m.Observe(ctx, trapped)
	e := failed(&repository.NotFoundError{Model: "made-up"})
	e.Receipt = repository.Receipt{Model: "made-up"}
	m.Observe(ctx, e)
	m.HTTP("POST /predict", "POST", 200)
	m.HTTP("", "BREW", 404)
	m.HTTP("/any", "BREW", 200)
	got := scrape(t, m)
	const iris = `model_name="iris",model_version="1"`
	for name, want := range map[string]float64{
		`wherry_inference_requests_total{code="200",` + iris + `,protocol="oip-rest"}`:                   3,
		`wherry_inference_requests_total{code="429",` + iris + `,protocol="oip-grpc"}`:                   1,
		`wherry_inference_requests_total{code="500",` + iris + `,protocol="oip-grpc"}`:                   1,
		`wherry_inference_requests_total{code="404",model_name="",model_version="",protocol="oip-grpc"}`: 1,
		`wherry_inference_failures_total{` + iris + `,reason="overloaded"}`:                              1,
		`wherry_inference_failures_total{` + iris + `,reason="trap"}`:                                    1,
		`wherry_inference_request_duration_seconds_count{` + iris + `}`:                                  5,
		`wherry_inference_request_duration_seconds_bucket{` + iris + `,le="0.01"}`:                       5,
		`wherry_inference_request_duration_seconds_bucket{` + iris + `,le="0.0025"}`:                     2,
		`wherry_inference_queue_duration_seconds_sum{` + iris + `}`:                                      0.006,
		`wherry_inference_compute_duration_seconds_sum{` + iris + `}`:                                    0.009,
		`wherry_inference_batch_size_bucket{` + iris + `,le="2"}`:                                        1,
		`wherry_inference_batch_size_sum{` + iris + `}`:                                                  9,
		`wherry_inference_fuel_total{` + iris + `}`:                                                      2077,
		`wherry_inference_pending_requests{` + iris + `}`:                                                3,
		`wherry_inference_in_flight_requests{` + iris + `}`:                                              2,
		`wherry_model_memory_bytes{` + iris + `}`:                                                        4096,
		`wherry_model_instances{` + iris + `}`:                                                           2,
		`wherry_model_ready{` + iris + `}`:                                                               1,
		`wherry_model_ready{model_name="new",model_version="7"}`:                                         0,
		`wherry_model_info{digest="sha256:ab",` + iris + `}`:                                             1,
		`wherry_build_info{version="v1"}`:                                                                1,
		`wherry_http_requests_total{code="200",method="POST",route="POST /predict"}`:                     1,
		`wherry_http_requests_total{code="404",method="",route=""}`:                                      1,
		`nv_inference_request_success{model="iris",version="1"}`:                                         3,
		`nv_inference_request_failure{model="iris",reason="REJECTED",version="1"}`:                       1,
		`nv_inference_request_failure{model="iris",reason="BACKEND",version="1"}`:                        1,
		`nv_inference_count{model="iris",version="1"}`:                                                   5,
		`nv_inference_exec_count{model="iris",version="1"}`:                                              2,
		`nv_inference_pending_request_count{model="iris",version="1"}`:                                   3,
		`nv_inference_request_duration_us{model="iris",version="1"}`:                                     18000,
		`nv_inference_queue_duration_us{model="iris",version="1"}`:                                       6000,
		`nv_inference_compute_infer_duration_us{model="iris",version="1"}`:                               9000,
		`nv_inference_request_success{model="new",version="7"}`:                                          0,
		`te_request_count{method="single"}`:                                                              5,
		`te_request_count{method="batch"}`:                                                               1,
		`te_request_failure{err="overloaded"}`:                                                           1,
		`te_request_duration_count`:                                                                      3,
		`te_queue_size`:                                                                                  3,
	} {
		v, ok := got[name]
		if d := v - want; !ok || d > 1e-9 || d < -1e-9 {
			t.Errorf("%s = %v (there: %v), want %v", name, v, ok, want)
		}
	}
	if v := got["go_goroutines"]; v < 1 {
		t.Errorf("go_goroutines = %v", v)
	}
	if goruntime.GOOS == "linux" {
		for name, least := range map[string]float64{"process_resident_memory_bytes": 1 << 20, "process_virtual_memory_bytes": 1 << 20,
			"process_open_fds": 3, "process_max_fds": 16, "process_start_time_seconds": 1.7e9, "go_memstats_sys_bytes": 1 << 20} {
			if got[name] < least {
				t.Errorf("%s = %v", name, got[name])
			}
		}
	}
	for name := range got {
		if strings.Contains(name, "made-up") || strings.Contains(name, "BREW") {
			t.Errorf("a client made a series: %s", name)
		}
	}
}

func TestCompatUnknown(t *testing.T) {
	if _, err := metrics.New(nil, metrics.Config{Compat: []string{"trition"}}); err == nil || !strings.Contains(err.Error(), "triton") {
		t.Fatalf("error %v", err)
	}
}

// TestMany counts from many goroutines, and looks while they do.
func TestMany(t *testing.T) {
	m, err := metrics.New(index, metrics.Config{Compat: []string{metrics.Triton, metrics.TEI}})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				e := answered(1, 1)
				e.Receipt.Version = strconv.Itoa(i % 3)
				m.Observe(t.Context(), e)
				m.HTTP(fmt.Sprintf("GET /%d", g), "GET", 200+i%2)
			}
		})
	}
	wg.Go(func() { scrape(t, m) })
	wg.Wait()
	sum := 0.0
	for name, v := range scrape(t, m) {
		if strings.HasPrefix(name, "wherry_inference_requests_total") {
			sum += v
		}
	}
	if sum != 4000 {
		t.Fatalf("%v requests were counted, not 4000", sum)
	}
}

// TestLabels: whatever a model is called, the page can be read.
func TestLabels(t *testing.T) {
	m, err := metrics.New(nil, metrics.Config{Version: "a\"b\\c\nd\xff"})
	if err != nil {
		t.Fatal(err)
	}
	e := answered(1, 1)
	e.Receipt.Model = "x\"} 1\nfake 2\xfe"
	m.Observe(t.Context(), e)
	if got := scrape(t, m); got["fake"] != 0 || got[`wherry_inference_fuel_total{model_name="x\"} 1\nfake 2?",model_version="1"}`] != 1000 {
		t.Errorf("%v", got)
	}
}

func BenchmarkObserve(b *testing.B) {
	m, err := metrics.New(index, metrics.Config{})
	if err != nil {
		b.Fatal(err)
	}
	e := answered(1, 1)
	b.ReportAllocs()
	for b.Loop() {
		m.Observe(b.Context(), e)
		m.HTTP("POST /predict", "POST", 200)
	}
}
