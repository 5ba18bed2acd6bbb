package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/wherry-run/wherry/internal/cli/ux"
)

// command runs a command line.
func command(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	home := t.TempDir()
	var o, e bytes.Buffer
	code = Main(t.Context(), args, func(name string) string {
		if name == "WHERRY_HOME" {
			return home
		}
		return ""
	}, ux.Streams{In: strings.NewReader(""), Out: &o, Err: &e})
	return o.String(), e.String(), code
}

// fake is a server of a model, of any kind.
type fake struct {
	inferred, wrong, plain atomic.Int64
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	switch r.Method + " " + r.URL.Path {
	case "POST /v2/repository/index":
		_, _ = io.WriteString(w, `[{"name":"asleep","state":"UNAVAILABLE"},{"name":"line","version":"1","state":"READY"}]`)
	case "GET /v2/models/line":
		_, _ = io.WriteString(w, `{"name":"line","platform":"x","inputs":[{"name":"x","datatype":"FP32","shape":[-1,2]}],"outputs":[]}`)
	case "POST /v2/models/line/infer":
		var in struct {
			Inputs []struct {
				Name  string
				Shape []int64
				Data  []float32
			}
		}
		if err := json.Unmarshal(body, &in); err != nil || len(in.Inputs) != 1 || in.Inputs[0].Name != "x" || len(in.Inputs[0].Data) != 2 || r.Header.Get("Content-Type") != "application/json" {
			f.wrong.Add(1)
		}
		if f.inferred.Add(1)%2 == 0 {
			w.WriteHeader(http.StatusTooManyRequests)
		}
		_, _ = io.WriteString(w, `{}`)
	case "POST /else":
		if string(body) != "a,b\n" || r.Header.Get("Content-Type") != "text/csv" || r.Header.Get("X-Key") != "k" {
			f.wrong.Add(1)
		}
		f.plain.Add(1)
	case "GET /page":
	default:
		http.Error(w, "nothing\nhere", http.StatusNotFound)
	}
}

func TestBenchURL(t *testing.T) {
	f := &fake{}
	s := httptest.NewServer(f)
	defer s.Close()
	for _, url := range []string{s.URL, s.URL + "/", s.URL + "/v2/models/line", s.URL + "/v2/models/line/infer"} {
		f.inferred.Store(0) // the first request is to be answered
		out, errs, code := command(t, "bench", "--url", url, "--concurrency", "1,3", "--duration", "50ms", "--format", "json")
		if code != 0 {
			t.Fatalf("%s: %d, %s", url, code, errs)
		}
		var rows []httpRow
		for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
			var r httpRow
			if err := d.Decode(&r); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			rows = append(rows, r)
		}
		if len(rows) != 2 || rows[1].Clients != 3 || rows[1].Requests == 0 || rows[0].Failed["429"]+rows[1].Failed["429"] == 0 || rows[1].P50 <= 0 || rows[1].P99 < rows[1].P50 || rows[1].Max < rows[1].P99 {
			t.Errorf("%s: %s", url, out)
		}
	}
	file := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(file, []byte("a,b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code := command(t, "bench", "--url", s.URL+"/else", "--data", file, "-H", "X-Key: k", "--concurrency", "2", "--duration", "50ms")
	if code != 0 || !strings.HasPrefix(out, "CLIENTS") || !strings.Contains(out, "latency of one request") || !strings.Contains(out, "of "+file) {
		t.Errorf("%d, %s, %s", code, out, errs)
	}
	if _, errs, code := command(t, "bench", "--url", s.URL+"/page", "--concurrency", "1", "--duration", "10ms"); code != 0 {
		t.Errorf("GET: %d, %s", code, errs)
	}
	if f.wrong.Load() > 0 || f.inferred.Load() == 0 || f.plain.Load() == 0 {
		t.Errorf("%d wrong, %d inferred, %d plain", f.wrong.Load(), f.inferred.Load(), f.plain.Load())
	}
}

func TestBenchURLWrong(t *testing.T) {
	s := httptest.NewServer(&fake{})
	defer s.Close()
	gone := httptest.NewServer(&fake{})
	gone.Close()
	for _, c := range []struct{ args, want string }{
		{"--url localhost", "write it as http://"},
		{"--url ftp://localhost/", "write it as http://"},
		{"--url " + s.URL + "/none", "answers with status 404: nothing"},
		{"--url " + s.URL + "/v2/models/none", "answers with status 404"},
		{"--url " + gone.URL, "ask 127.0.0.1"},
		{"--url " + s.URL + "/page x=1", "inputs need a model's URL"},
		{"--url " + s.URL + " y=1", `input`},
		{"--url " + s.URL + " --concurrency 0", "numbers from 1"},
		{"--url " + s.URL + " --data none.json", "none.json"},
		{"--url " + s.URL + " --header x", "NAME: VALUE"},
		{"--url " + s.URL + " --http", "--url for a server"},
		{"--data x.json iris", "--url"},
		{"--http --batch 4 iris", "--batch is not for"},
		{"--startup --http iris", "--http is not for --startup"},
		{"", "an image"},
	} {
		out, errs, code := command(t, append([]string{"bench", "--duration", "10ms"}, strings.Fields(c.args)...)...)
		if code == 0 || !strings.Contains(errs, c.want) || out != "" || strings.Count(errs, "\n") > 4 {
			t.Errorf("%s: code %d, %q, want %q", c.args, code, errs, c.want)
		}
	}
}

// TestServeOperationsWrong: what is wrong with the flags is said before anything is
// opened.
func TestServeOperationsWrong(t *testing.T) {
	dir := t.TempDir()
	keys := filepath.Join(dir, "keys")
	if err := os.WriteFile(keys, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, want string }{
		{"--api-key-file " + filepath.Join(dir, "none"), "no file of API keys"},
		{"--api-key-file " + keys, "line 1 has 5 characters"},
		{"--tls-cert " + keys, "TLS needs both"},
		{"--tls-cert " + keys + " --tls-key " + keys, "certificate"},
		{"--allow-origin example.com", "https://example.com"},
		{"--access-log=xml", "text, json or auto"},
		{"--max-body lots", "--max-body"},
		{"--max-bodies -1", "--max-bodies"},
		{"--max-connections -1", "--max-connections"},
		{"--read-timeout -1s", "--read-timeout"},
		{"--metrics-compat tritn", "triton"},
		{"--request-log " + filepath.Join(dir, "no", "log.csv"), "request log"},
		{"--request-log " + filepath.Join(dir, "log.csv") + " --request-log-sample 2", "--request-log-sample"},
	} {
		_, errs, code := command(t, append(append([]string{"serve", "-p", "0"}, strings.Fields(c.args)...), "none:1")...)
		if code == 0 || !strings.Contains(errs, c.want) || strings.Contains(errs, "none:1") {
			t.Errorf("%s: code %d, %q, want %q", c.args, code, errs, c.want)
		}
	}
}

func TestBoundTo(t *testing.T) {
	for _, c := range []struct {
		addresses string
		want      string
	}{
		{"127.0.0.1:80", "127.0.0.1"}, {"[::1]:80", "::1"}, {"localhost:80", "localhost"}, {"0.0.0.0:80", ""}, {":80", ""}, {"127.0.0.1:80 10.0.0.1:80", ""},
	} {
		if got := boundTo(strings.Fields(c.addresses)); got != c.want {
			t.Errorf("%s: %q, want %q", c.addresses, got, c.want)
		}
	}
}
