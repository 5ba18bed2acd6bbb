package serve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/wherry-run/wherry/test/dock"
)

// spans is a receiver of OpenTelemetry's protocol, which counts.
type spans struct {
	mu     sync.Mutex
	names  map[string]int
	traces map[string]bool
}

func (s *spans) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	var req collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(text, &req)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rs := range req.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, span := range ss.Spans {
				s.names[span.Name]++
				s.traces[fmt.Sprintf("%x", span.TraceId)] = true
			}
		}
	}
}

// asked is what wherry bench counts.
type asked struct {
	Clients, Requests int
	PerSecond, P99    float64
	Failed            map[string]int
}

// TestOperations: wherry bench asks a server that tells all it can, and the numbers of
// bench, access log, request log, metrics and traces are the same.
func TestOperations(t *testing.T) {
	got := &spans{names: map[string]int{}, traces: map[string]bool{}}
	receiver := httptest.NewServer(got)
	defer receiver.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", receiver.URL)
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "1000000") // none is left out here
	image, dir := times(t, 2), t.TempDir()
	keys, log, scraped := filepath.Join(dir, "keys"), filepath.Join(dir, "requests.csv"), filepath.Join(dir, "metrics.txt")
	if err := os.WriteFile(keys, []byte("tester a-key-of-the-test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := launch(t, "two="+image, "--api-key-file", keys, "--access-log=json", "--request-log", log, "--metrics-compat", "triton")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.said.String(), "  curl -H x-api-key:KEY http://") {
		t.Errorf("the command to ask has no key: %s", s.said)
	}
	ended := false
	defer func() {
		if !ended {
			_ = s.end()
		}
	}()
	rows := bench(t, "--url", s.URL+"/v2/models/two", "--header", "x-api-key: a-key-of-the-test", "--concurrency", "1,4", "--duration", "300ms")
	if len(rows) != 2 || rows[0].Clients != 1 || rows[1].Clients != 4 {
		t.Fatalf("bench: %+v", rows)
	}
	for _, r := range rows {
		if len(r.Failed) > 0 || r.Requests < 5 || r.PerSecond <= 0 || r.P99 <= 0 {
			t.Errorf("bench: %+v", r)
		}
	}
	ask := func(path, body string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, strings.NewReader(body))
		if body == "" {
			r.Method = http.MethodGet
		}
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer a-key-of-the-test")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	// A request that fits the protocol, and not the model.
	if status, text := ask("/v2/models/two/infer", `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,3],"data":[1,2,3]}]}`); status != 400 {
		t.Errorf("status %d: %s", status, text)
	}
	_, text := ask("/metrics", "")
	if err := os.WriteFile(scraped, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ended = true
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	r := Python(t).Run(t, "", filepath.Join("testdata", "operations.py"), log, scraped)
	var logged, good, bad int
	if _, err := fmt.Sscan(r.Out, &logged, &good, &bad); err != nil || r.Code != 0 {
		t.Fatalf("%v\n%s%s", err, r.Out, r.Err)
	}
	counted := 0
	for line := range strings.SplitSeq(s.said.String(), "\n") {
		var l struct{ Msg, Model, Key, Trace string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "request" && l.Model == "two" {
			if counted++; l.Key != "tester" || !got.traces[l.Trace] {
				t.Fatalf("access log: %s", line)
			}
		}
	}
	if least := rows[0].Requests + rows[1].Requests + 1; good < least || bad != 1 || logged != good+bad || counted != logged || got.names["infer two"] != logged ||
		got.names["queue"] != logged || got.names["compute"] != logged || got.names["POST /v2/models/{model}/infer"] != logged {
		t.Errorf("bench has counted %d, metrics %d and %d that failed, the request log %d, the access log %d, traces %v", least, good, bad, logged, counted, got.names)
	}
	t.Logf("%d requests, and as many in the request log, the access log, metrics and traces: %v", logged, got.names)
}

// bench runs wherry bench.
func bench(t *testing.T, args ...string) []asked {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, append([]string{"bench", "--format", "json"}, args...)...)
	cmd.Env = append(os.Environ(), "WHERRY_HOME="+dock.Home(t))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("wherry bench %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	var rows []asked
	for d := json.NewDecoder(&out); d.More(); {
		var r asked
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	return rows
}

// TestBench measures a model over HTTP in one process.
func TestBench(t *testing.T) {
	for _, r := range bench(t, "--http", "--concurrency", "2", "--duration", "200ms", times(t, 2)) {
		if len(r.Failed) > 0 || r.Requests < 5 {
			t.Errorf("%+v", r)
		}
	}
}
