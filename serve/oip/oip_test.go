package oip_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/inference"
	"github.com/wherry-run/wherry/serve/inference/testmodels"
	"github.com/wherry-run/wherry/serve/oip"
	"github.com/wherry-run/wherry/serve/repository"
)

// server is one with both models.
func server(t testing.TB) *httptest.Server {
	t.Helper()
	r := testmodels.Repository(t)
	mux := http.NewServeMux()
	level := new(slog.LevelVar)
	for _, one := range oip.Routes(r, oip.Options{Version: "1.2.3", MaxBody: 1 << 20, Settings: &inference.Settings{Level: level}}) {
		mux.Handle(one.Pattern, one.Handler)
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

type reply struct {
	status int
	header http.Header
	body   string
}

func ask(t testing.TB, s *httptest.Server, method, path, body string, headers ...string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "identity")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	a, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{a.StatusCode, a.Header, string(text)}
}

const (
	inputA = `{"name":"A","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]}`
	inputB = `{"data":[[10,10,10,0.5]],"shape":[1,4],"datatype":"FP32","name":"B"}`
	both   = `{"id":"7","inputs":[` + inputA + `,` + inputB + `]`
)

func TestDocuments(t *testing.T) {
	s := server(t)
	for _, c := range []struct {
		ask, body string
		status    int
		want      string
	}{
		{"GET /v2", "", 200, `{"extensions":["classification",`},
		{"GET /v2/", "", 200, `"name":"wherry","version":"1.2.3"}`},
		{"GET /v2/health/live", "", 200, `{"live":true}`},
		{"GET /v2/health/ready", "", 200, `{"ready":true}`},
		{"GET /v2/models", "", 200, `{"models":["simple","words"]}`},
		{"GET /v2/models/simple", "", 200, `{"name":"simple","versions":["1","2"],"platform":"onnxruntime_onnx","inputs":[{"name":"A","datatype":"FP32","shape":[-1,4]},`},
		{"GET /v2/models/simple/versions/2", "", 200, `"properties":{"image_digest":"sha256:0"}`},
		{"GET /v2/models/simple/versions/3", "", 404, `{"error":"there is no version \"3\" of model \"simple\""}`},
		{"GET /v2/models/none", "", 404, `{"error":"there is no model \"none\""}`},
		{"GET /v2/models/simple/ready", "", 200, `{"name":"simple","ready":true}`},
		{"GET /v2/models/simple/versions/1/ready", "", 200, `"ready":true`},
		{"GET /v2/models/simple/config", "", 200, `"input":[{"name":"A","data_type":"TYPE_FP32","format":"FORMAT_NONE","dims":[-1,4],"optional":false}`},
		{"GET /v2/models/stats", "", 200, `{"model_stats":[{"name":"simple","version":"1","last_inference":0,`},
		{"GET /v2/models/simple/versions/1/stats", "", 200, `"inference_stats":{"success":{"count":0,"ns":0}`},
		{"POST /v2/repository/index", "", 200, `[{"name":"simple","version":"1","state":"READY","reason":""},`},
		{"POST /v2/repository/index", `{"ready":1}`, 400, "not what is wanted"},
		{"POST /v2/repository/models/words/unload", `{"parameters":{"unload_dependents":false}}`, 200, ""},
		{"GET /v2/models/words/ready", "", 503, `"ready":false`},
		{"POST /v2/models/words/generate", `{"text_input":"a"}`, 503, "not ready"},
		{"POST /v2/repository/index", `{"ready":true}`, 200, `"state":"READY"`},
		{"POST /v2/repository/models/words/load", `{"parameters":{"config":"{}"}}`, 400, "loaded from its image"},
		{"POST /v2/repository/models/words/load", "", 200, ""},
		{"GET /v2/models/words/ready", "", 200, `"ready":true`},
		{"POST /v2/repository/models/none/load", "", 404, "no model"},
		{"GET /v2/logging", "", 200, `"log_info":true,"log_verbose_level":0`},
		{"POST /v2/logging", `{"log_info":false,"log_verbose_level":0}`, 200, `"log_error":true,"log_file":"","log_format":"default","log_info":false,`},
		{"POST /v2/logging", `{"log_file":"/etc/x"}`, 400, "cannot be changed"},
		{"POST /v2/logging", `{"what":1}`, 400, "no setting"},
		{"GET /v2/trace/setting", "", 200, `"trace_level":["OFF"]`},
		{"GET /v2/models/simple/trace/setting", "", 200, `"trace_mode":"opentelemetry"`},
		{"GET /v2/models/none/trace/setting", "", 404, "no model"},
		{"POST /v2/trace/setting", `{"trace_level":["OFF"],"trace_file":null}`, 200, `"trace_level":["OFF"]`},
		{"POST /v2/trace/setting", `{"trace_level":["TIMESTAMPS"]}`, 400, "set up where it is started"},
		{"GET /v2/systemsharedmemory/status", "", 200, "[]"},
		{"POST /v2/cudasharedmemory/unregister", "", 200, ""},
		{"POST /v2/systemsharedmemory/region/a/register", `{}`, 400, "no shared memory"},
		{"POST /v2/models/simple/generate", `{"text_input":"a"}`, 400, "takes no text"},
		{"POST /v2/models/words/generate", `{"text_input":"a b","id":"9","parameters":{"priority":1}}`, 200, `{"model_name":"words","model_version":"1","id":"9","text_output":"a b"}`},
		{"POST /v2/models/words/generate", `{"prompt":["a"]}`, 200, `"text_output":"a"}`},
		{"POST /v2/models/words/generate", `[]`, 400, "no JSON object"},
		{"POST /v2/models/words/generate", "{" + many(10_000) + `"text_input":"a"}`, 400, "members"},
		{"POST /v2/models/words/generate", `{"text_input":"refuse"}`, 422, `{"error":"ValueError: no"}`},
		{"POST /v2/models/words/generate_stream", `{"text_input":"a b"}`, 200, "data: {\"model_name\":\"words\",\"model_version\":\"1\",\"text_output\":\"a\"}\n\ndata: {\"model_name\":\"words\",\"model_version\":\"1\",\"text_output\":\"b\"}\n\n"},
		{"POST /v2/models/words/generate_stream", `{"text_input":"a break"}`, 200, `data: {"error":"ValueError: no"}`},
		{"POST /v2/models/words/generate_stream", `{"text_input":"break"}`, 422, `{"error":"ValueError: no"}`},
		{"POST /v1/models/words:predict", `{"instances":["a"]}`, 200, `{"predictions":["a"]}`},
		{"POST /v1/models/words:predict", `{"instances":[{"prompt":"a"},{"prompt":"b"}]}`, 200, `{"predictions":["a","b"]}`},
		{"POST /v1/models/simple:predict", `{"instances":[{"A":[1,2,3,4],"B":[1,1,1,1]}]}`, 200, `{"predictions":[{"SUM":[[2,3,4,5]],"DIFF":[[0,1,2,3]]}]}`},
		{"POST /v1/models/simple:predict", `{"inputs":{"A":[[1,2,3,4]],"B":[[1,1,1,1]]}}`, 200, `{"predictions":{"SUM":[[2,3,4,5]],"DIFF":[[0,1,2,3]]}}`},
		{"POST /v1/models/simple:explain", `{}`, 404, "error"},
		{"POST /v1/models/simple:predict", `{"instances":{}}`, 400, "is a list"},
	} {
		method, path, _ := strings.Cut(c.ask, " ")
		a := ask(t, s, method, path, c.body)
		if a.status != c.status || !strings.Contains(a.body, c.want) {
			t.Errorf("%s %s: got %d %s, want %d %s", c.ask, c.body, a.status, a.body, c.status, c.want)
		}
	}
}

func TestInferJSON(t *testing.T) {
	s := server(t)
	const answer = `{"model_name":"simple","model_version":"2","id":"7","outputs":[{"name":"SUM","datatype":"FP32","shape":[1,4],"data":[11,12,13,4.5]},` +
		`{"name":"DIFF","datatype":"FP32","shape":[1,4],"data":[-9,-8,-7,3.5]}]}`
	for _, c := range []struct {
		body   string
		status int
		want   string
	}{
		{both + `}`, 200, answer},
		{" {\n\"outputs\" : null, \"extra\": {\"a\":[\"}\"]}," + both[1:] + "} \n", 200, answer},
		{both + `,"outputs":[{"name":"DIFF"}]}`, 200, `"outputs":[{"name":"DIFF","datatype":"FP32","shape":[1,4],"data":[-9,-8,-7,3.5]}]}`},
		{both + `,"outputs":[{"name":"SUM","parameters":{"classification":2}}]}`, 200, `{"name":"SUM","datatype":"BYTES","shape":[1,2],"data":["13.000000:2:c","12.000000:1:b"]}`},
		{both + `,"outputs":[{"name":"SUM","parameters":{"classification":99}}]}`, 200, `"shape":[1,4]`},
		{both + `,"outputs":[{"name":"SUM","parameters":{"classification":0}}]}`, 400, "at least 1"},
		{both + `,"outputs":[{"name":"NONE"}]}`, 400, "no such output"},
		{both + `,"parameters":{"priority":1,"timeout":1000000,"mine":"x","sequence_id":0}}`, 200, answer},
		{both + `,"parameters":{"sequence_id":5,"sequence_start":true}}`, 400, "sequence"},
		{both + `,"parameters":{"priority":-1}}`, 400, "priority"},
		{both + `,"parameters":{"triton_what":1}}`, 400, "triton_"},
		{both + `,"parameters":null}`, 200, answer},
		{both + `,"parameters":{` + many(300) + `"and":no JSON`, 400, "more than 256 parameters"},
		{both + `,"parameters":{"list":[1,{"a":null}]}}`, 200, answer},
		{both + `,"parameters":{"list":[[],` + strings.Repeat("[],", 40<<10) + `no JSON}`, 400, "lists or objects have more than"},
		{both + `,"parameters":{"a":[` + nested + `],"b":[` + nested + `],"c":{"d":[` + nested + `]}}}`, 400, "lists or objects have more than"},
		{both + `,"parameters":{"list":[1,}}`, 400, "no JSON"},
		{`{"id":"7","inputs":[` + inputA + `]}`, 400, "the model needs it"},
		{`{"inputs":[` + strings.Replace(inputA, `[1,4]`, `[4]`, 1) + `,` + inputB + `]}`, 400, "shape"},
		{`{"inputs":[` + strings.Replace(inputA, `,"data":[1,2,3,4]`, `,"parameters":{"shared_memory_region":"x"}`, 1) + `,` + inputB + `]}`, 400, "no shared memory"},
		{`{"inputs":[` + strings.Replace(inputA, `"data"`, `"date"`, 1) + `,` + inputB + `]}`, 400, "no data"},
		{`{"inputs":[{"name":"A","data":[1,2}]}`, 400, "no JSON"},
		{both, 400, "ends too early"},
		{both + `}}`, 400, "no JSON"},
		{both + `,}`, 400, "no JSON"},
		{`{}`, 400, "no inputs"},
		{``, 400, "ends too early"},
		{`[]`, 400, "no JSON"},
		{"{\"\xff\":1}", 400, "UTF-8"},
		{`{"inputs":[` + strings.Repeat(inputA+",", 5000) + inputB + `]}`, 400, "more than 4096"},
		{strings.Repeat(" ", 1<<20) + `{}`, 413, "more than"},
	} {
		a := ask(t, s, "POST", "/v2/models/simple/infer", c.body)
		if a.status != c.status || !strings.Contains(a.body, c.want) || !json.Valid([]byte(a.body)) {
			t.Errorf("%.300s: got %d %s, want %d %s", c.body, a.status, a.body, c.status, c.want)
		}
	}
	if a := ask(t, s, "POST", "/v2/models/simple/versions/1/infer", both+"}"); a.status != 200 || !strings.Contains(a.body, `"model_version":"1"`) {
		t.Errorf("got %v", a)
	}
	if a := ask(t, s, "POST", "/v2/models/words/infer", `{"inputs":[{"name":"prompt","shape":[1],"data":["/w=="],"datatype":"BYTES","parameters":{"content_type":"base64"}}]}`); !strings.Contains(a.body, `"content_type":"base64"`) || !strings.Contains(a.body, `"data":["/w=="]`) {
		t.Errorf("got %v", a)
	}
}

// nested is a list of lists that may stand in a request once, and not twice.
var nested = strings.Repeat("[],", 10<<10) + "[]"

// A tensor without elements takes no memory for those that it could have: neither
// what the request says nor how long it is makes room.
func TestInferEmpty(t *testing.T) {
	s := server(t)
	empty := strings.Repeat(`{"name":"x","datatype":"INT64","shape":[0],"data":[]},`, 4000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a := ask(t, s, "POST", "/v2/models/simple/infer", `{"inputs":[`+empty+inputA+`]`+strings.Repeat(" ", 1<<19)+`}`)
	runtime.ReadMemStats(&after)
	if more := (after.TotalAlloc - before.TotalAlloc) >> 20; a.status != 400 || more > 64 {
		t.Errorf("got %d %s, and %d MB were taken", a.status, a.body, more)
	}
}

// many are that many members of an object, and a comma.
func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"p%d":1,`, i)
	}
	return b.String()
}

// frame is a request of tensors in binary.
func frame(parameters string, a, b []float32) (body string, headers []string) {
	x, y := model.Of("A", a), model.Of("B", b)
	text := fmt.Sprintf(`{"inputs":[{"name":"A","datatype":"FP32","shape":[1,4],"parameters":{"binary_data_size":%d}},{"name":"B","datatype":"FP32","shape":[1,4],"parameters":{"binary_data_size":%d}}]%s}`,
		len(x.Data), len(y.Data), parameters)
	return text + string(x.Data) + string(y.Data), []string{"Inference-Header-Content-Length", strconv.Itoa(len(text)), "Content-Type", "application/octet-stream"}
}

func TestInferBinary(t *testing.T) {
	s := server(t)
	one, two := []float32{1, 2, 3, 4}, []float32{1, 1, 1, 1}
	sum, diff := model.Of("", []float32{2, 3, 4, 5}).Data, model.Of("", []float32{0, 1, 2, 3}).Data
	for _, c := range []struct {
		parameters string
		json, raw  string
	}{
		{``, `"data":[2,3,4,5]`, ""},
		{`,"parameters":{"binary_data_output":true}`, `"shape":[1,4],"parameters":{"binary_data_size":16}}`, string(sum) + string(diff)},
		{`,"parameters":{"binary_data_output":true},"outputs":[{"name":"SUM","parameters":{"binary_data":false}},{"name":"DIFF"}]`, `"data":[2,3,4,5]`, string(diff)},
		{`,"outputs":[{"name":"SUM","parameters":{"binary_data":true}},{"name":"DIFF"}]`, `"data":[0,1,2,3]`, string(sum)},
		{`,"outputs":[{"name":"SUM","parameters":{"binary_data":true,"classification":1}}]`, `"datatype":"BYTES","shape":[1,1]`, "\x0a\x00\x00\x005.000000:3"},
	} {
		body, headers := frame(c.parameters, one, two)
		for _, encoding := range []string{"", "gzip", "deflate"} {
			sent, headers := body, headers
			if encoding != "" {
				sent, headers = packed(t, body, encoding), append(headers[:len(headers):len(headers)], "Content-Encoding", encoding)
			}
			a := ask(t, s, "POST", "/v2/models/simple/infer", sent, headers...)
			n := len(a.body)
			if c.raw != "" {
				var err error
				if n, err = strconv.Atoi(a.header.Get("Inference-Header-Content-Length")); err != nil {
					t.Fatalf("%s: got %v", c.parameters, a)
				}
			}
			if a.status != 200 || !strings.Contains(a.body[:n], c.json) || a.body[n:] != c.raw {
				t.Errorf("%s %s: got %d %q, want %s and %q", c.parameters, encoding, a.status, a.body, c.json, c.raw)
			}
		}
	}
}

func TestInferBinaryWrong(t *testing.T) {
	s := server(t)
	good, headers := frame("", make([]float32, 4), make([]float32, 4))
	length := headers[1]
	for _, c := range []struct{ body, length, want string }{
		{good, "", "400 A: binary_data_size is 16, and 0 bytes follow"},
		{good, "999999", "400 the header Inference"},
		{good, "-1", "400 the header Inference"},
		{good, "0", "400 a body of nothing but data is for a model of one input"},
		{good + "more", length, "400 4 bytes follow"},
		{good[:len(good)-1], length, "400 B: binary_data_size is 16, and 15"},
		{strings.Replace(good, `_size":16`, `_size":15`, 1), length, "400"},
		{strings.Replace(good, `_size":16`, `_size":-1`, 1), length, "400"},
		{strings.Replace(good, `_size":16`, `_size":"16"`, 1), strconv.Itoa(len(good) - 30), "400"},
	} {
		h := []string{"Content-Type", "application/octet-stream"}
		if c.length != "" {
			h = append(h, "Inference-Header-Content-Length", c.length)
		}
		a := ask(t, s, "POST", "/v2/models/simple/infer", c.body, h...)
		if got := fmt.Sprintf("%d %s", a.status, strings.TrimPrefix(a.body, `{"error":"`)); !strings.HasPrefix(got, c.want) {
			t.Errorf("%q: got %s, want %s", c.length, got, c.want)
		}
	}
}

// A body of nothing but data is the one input.
func TestInferRaw(t *testing.T) {
	s := server(t)
	for _, headers := range [][]string{{"Content-Type", "application/octet-stream"}, {"Inference-Header-Content-Length", "0"}} {
		a := ask(t, s, "POST", "/v2/models/words/infer", "hello", headers...)
		if n, _ := strconv.Atoi(a.header.Get("Inference-Header-Content-Length")); a.status != 200 || a.body[n:] != "\x05\x00\x00\x00hello" {
			t.Errorf("got %d %q", a.status, a.body)
		}
	}
}

// Long answers are compressed for those who can read that.
func TestPackedAnswer(t *testing.T) {
	s := server(t)
	row := strings.Repeat("[1,2,3,4],", 500) + "[1,2,3,4]"
	body := `{"inputs":[{"name":"A","datatype":"FP32","shape":[501,4],"data":[` + row + `]},{"name":"B","datatype":"FP32","shape":[501,4],"data":[` + row + `]}]%s}`
	for _, binary := range []string{"", `,"parameters":{"binary_data_output":true}`} {
		plain := ask(t, s, "POST", "/v2/models/simple/infer", fmt.Sprintf(body, binary))
		for accept, want := range map[string]string{"gzip": "gzip", "deflate": "deflate", "deflate, gzip;q=0.5": "gzip", "gzip;q=0, br": "", "": "", "identity": ""} {
			a := ask(t, s, "POST", "/v2/models/simple/infer", fmt.Sprintf(body, binary), "Accept-Encoding", accept)
			if got := a.header.Get("Content-Encoding"); got != want || unpacked(t, a.body, want) != plain.body ||
				a.header.Get("Inference-Header-Content-Length") != plain.header.Get("Inference-Header-Content-Length") {
				t.Errorf("%q: got %q, and %d bytes", accept, got, len(a.body))
			}
		}
	}
	bomb := packed(t, strings.Repeat(" ", 64<<20), "gzip")
	if a := ask(t, s, "POST", "/v2/models/simple/infer", bomb, "Content-Encoding", "gzip"); a.status != 413 {
		t.Errorf("a bomb of %d bytes: got %d %s", len(bomb), a.status, a.body)
	}
}

func packed(t testing.TB, text, encoding string) string {
	t.Helper()
	var b bytes.Buffer
	var z io.WriteCloser = gzip.NewWriter(&b)
	if encoding == "deflate" {
		z = zlib.NewWriter(&b)
	}
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func unpacked(t testing.TB, text, encoding string) string {
	t.Helper()
	r, err := io.Reader(strings.NewReader(text)), error(nil)
	switch encoding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "deflate":
		r, err = zlib.NewReader(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every route that is there for people is described, for every model.
func TestOperations(t *testing.T) {
	for _, m := range []model.Predictor{testmodels.NewAdder(), testmodels.NewWords()} {
		st := repository.Status{Name: "m", Version: "1", Signature: m.Signature()}
		for _, one := range oip.Routes(nil, oip.Options{}) {
			if one.Operation == nil {
				if one.Pattern != "GET /v2/{$}" {
					t.Errorf("%s is not described", one.Pattern)
				}
				continue
			}
			op := one.Operation(st)
			if op == nil {
				if !strings.Contains(one.Pattern, "generate") {
					t.Errorf("%s is not described", one.Pattern)
				}
				continue
			}
			if _, err := json.Marshal(op); err != nil || len(op.Responses) == 0 {
				t.Errorf("%s: %v", one.Pattern, err)
			}
		}
	}
}

func TestTimeoutParameter(t *testing.T) {
	c := repository.Call{}
	if err := inference.Settle(&c, map[string]any{"timeout": int64(1500), "priority": uint64(3)}); err != nil || c.Timeout != 1500*time.Microsecond || c.Priority != 3 {
		t.Errorf("got %+v, %v", c, err)
	}
}

func BenchmarkInfer(b *testing.B) {
	s := server(b)
	handler := s.Config.Handler
	frames, headers := frame(`,"parameters":{"binary_data_output":true}`, make([]float32, 4), make([]float32, 4))
	for _, c := range []struct {
		name, body string
		headers    []string
	}{
		{"json", both + "}", nil}, {"binary", frames, headers},
	} {
		b.Run(c.name, func(b *testing.B) { // the handler alone
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest("POST", "/v2/models/simple/infer", strings.NewReader(c.body))
				for i := 0; i < len(c.headers); i += 2 {
					r.Header.Set(c.headers[i], c.headers[i+1])
				}
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				if w.Code != 200 {
					b.Fatal(w.Body)
				}
			}
		})
		b.Run(c.name+"/loopback", func(b *testing.B) { // with 32 clients and their side
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				client := &http.Client{Transport: &http.Transport{}}
				for pb.Next() {
					r, _ := http.NewRequestWithContext(b.Context(), "POST", s.URL+"/v2/models/simple/infer", strings.NewReader(c.body))
					for i := 0; i < len(c.headers); i += 2 {
						r.Header.Set(c.headers[i], c.headers[i+1])
					}
					a, err := client.Do(r)
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, a.Body)
					a.Body.Close()
				}
			})
		})
	}
}
