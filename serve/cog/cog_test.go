package cog_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/cog"
	"github.com/wherry-run/wherry/serve/task/tasktest"
)

// upper is a model that writes large. One that is asked about "wait" does so until it
// is let go.
func upper(name string, wait chan struct{}) *tasktest.Fake {
	f := &tasktest.Fake{Says: &model.Signature{Name: name, Inputs: []model.Field{tasktest.Text("text", 1), tasktest.Optional(tasktest.Text("mark", 1))}, Outputs: []model.Field{tasktest.Text("large", 1)}}}
	f.Answer = func(r *model.Request) ([]model.Tensor, error) {
		list, _ := model.Values[string](r.Inputs[len(r.Inputs)-1]) // mark comes before text
		switch list[0] {
		case "fail":
			return nil, &model.ModelError{Type: "ValueError", Message: "no"}
		case "wait":
			<-wait
		}
		return []model.Tensor{model.Of("large", []string{strings.ToUpper(list[0])})}, nil
	}
	return f
}

// copier gives back the file that it gets, and its size.
func copier(name string) *tasktest.Fake {
	file := func(name, kind string) model.Field {
		return model.Field{Name: name, Type: model.Bytes, Shape: []int64{1}, Parameters: &model.FieldParameters{Kind: kind}}
	}
	return &tasktest.Fake{
		Says: &model.Signature{Name: name, Inputs: []model.Field{file("image", model.KindImage)}, Outputs: []model.Field{file("copy", model.KindImage), {Name: "size", Type: model.Int64, Shape: []int64{1}}}},
		Answer: func(r *model.Request) ([]model.Tensor, error) {
			t := r.Inputs[0]
			t.Name = "copy"
			return []model.Tensor{t, model.Of("size", []int64{int64(len(t.Data) - 4)})}, nil
		},
	}
}

func handler(t testing.TB, o cog.Options, wait chan struct{}) http.Handler {
	o.Started = time.Unix(0, 0)
	return tasktest.Handler(cog.Routes(tasktest.Open(t, upper("upper", wait), copier("copier")), o))
}

var (
	times  = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00"`)
	spent  = regexp.MustCompile(`"(predict_time|queue_time)":[0-9.e+-]+`)
	random = regexp.MustCompile(`"id":"[a-z2-7]{26}"`)
)

// plainly is what was said without what differs each time.
func plainly(text string) string {
	text = times.ReplaceAllString(text, "T")
	text = spent.ReplaceAllString(text, `"$1":0`)
	return strings.TrimSpace(random.ReplaceAllString(text, `"id":"?"`))
}

func ask(h http.Handler, method, path, body string, headers ...string) (int, string) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, plainly(w.Body.String())
}

// done is a prediction that has ended.
func done(id, status, input, output, problem string) string {
	metrics := `{"predict_time":0}`
	if status == "succeeded" {
		metrics = `{"fuel":7,"peak_memory":9,"predict_time":0,"queue_time":0}`
	}
	return `{"id":"` + id + `","version":"sha256:ab","status":"` + status + `","input":` + input + `,"output":` + output + `,"error":` + problem +
		`,"logs":"","metrics":` + metrics + `,"created_at":T,"started_at":T,"completed_at":T}`
}

func TestCog(t *testing.T) {
	h := handler(t, cog.Options{MaxBody: 1 << 16, Version: "1.2.3"}, nil)
	const file = `"data:image/png;base64,iVBORw0KGgo="`
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"predict", "POST", "/predictions", `{"input":{"text":"a"}}`, 200, done("?", "succeeded", `{"text":"a"}`, `"A"`, "null")},
		{"with null", "POST", "/predictions", `{"input":{"text":"a","mark":null}}`, 200, done("?", "succeeded", `{"text":"a","mark":null}`, `"A"`, "null")},
		{"with a name", "POST", "/predictions", `{"id":"x","input":{"text":"a"}}`, 200, done("x", "succeeded", `{"text":"a"}`, `"A"`, "null")},
		{"failed", "POST", "/predictions", `{"input":{"text":"fail"}}`, 200, done("?", "failed", `{"text":"fail"}`, "null", `"ValueError: no"`)},
		{"idempotent", "PUT", "/predictions/one", `{"input":{"text":"a"}}`, 200, done("one", "succeeded", `{"text":"a"}`, `"A"`, "null")},
		{"again", "PUT", "/predictions/one", `{"input":{"text":"other"}}`, 200, done("one", "succeeded", `{"text":"a"}`, `"A"`, "null")},
		{"asked about", "GET", "/predictions/one", ``, 200, done("one", "succeeded", `{"text":"a"}`, `"A"`, "null")},
		{"asked about an unknown one", "GET", "/predictions/two", ``, 404, "{}"},
		{"cancel an unknown one", "POST", "/predictions/two/cancel", ``, 404, "{}"},
		{"two names", "PUT", "/predictions/one", `{"id":"two","input":{"text":"a"}}`, 422, `{"detail":[{"loc":["body","id"],"msg":"it is another than that of the path","type":"value_error"}]}`},
		{"no input", "POST", "/predictions", `{}`, 422, `{"detail":[{"loc":["body","input","text"],"msg":"the model needs it: BYTES [1] (text)","type":"value_error"}]}`},
		{"unknown input", "POST", "/predictions", `{"input":{"word":"a"}}`, 422, `{"detail":[{"loc":["body","input","word"],"msg":"the model has no such input; it takes \"text\", \"mark\"","type":"value_error"}]}`},
		{"input of another type", "POST", "/predictions", `{"input":[]}`, 422, `{"detail":[{"loc":["body","input"],"msg":"the input is no object","type":"value_error"}]}`},
		{"no JSON", "POST", "/predictions", `{`, 422, `{"detail":[{"loc":["body"],"msg":"the body is no request for a prediction: unexpected end of JSON input","type":"value_error"}]}`},
		{"webhook", "POST", "/predictions", `{"webhook":"http://localhost/","input":{"text":"a"}}`, 422, `{"detail":[{"loc":["body","webhook"],"msg":"this server calls no others; its owner may allow hosts with --allow-webhook","type":"value_error"}]}`},
		{"no model", "POST", "/m/none/predictions", `{}`, 404, `{"detail":"there is no model \"none\""}`},
		{"too big", "POST", "/predictions", strings.Repeat("x", 1<<17), 413, `{"detail":"the request has more than 65536 bytes"}`},

		{"a file", "POST", "/m/copier/predictions", `{"input":{"image":` + file + `}}`, 200, done("?", "succeeded", `{"image":`+file+`}`, `{"copy":`+file+`,"size":8}`, "null")},
		{"a file without base64", "POST", "/m/copier/predictions", `{"input":{"image":"data:,a%20b"}}`, 200, done("?", "succeeded", `{"image":"data:,a%20b"}`, `{"copy":"data:text/plain; charset=utf-8;base64,YSBi","size":3}`, "null")},
		{"an address", "POST", "/m/copier/predictions", `{"input":{"image":"http://169.254.169.254/"}}`, 422, `{"detail":[{"loc":["body","input","image"],"msg":"nothing is fetched from other servers: send the file itself, as a data URL","type":"value_error"}]}`},

		{"discovery", "GET", "/", ``, 200, `{"cog_version":"1.2.3","docs_url":"/","healthcheck_url":"/health-check","openapi_url":"/openapi.json","predictions_cancel_url":"/predictions/{prediction_id}/cancel","predictions_idempotent_url":"/predictions/{prediction_id}","predictions_url":"/predictions","status":"alive"}`},
		{"discovery of a model", "GET", "/m/copier/", ``, 200, `{"cog_version":"1.2.3","docs_url":"/m/copier/","healthcheck_url":"/m/copier/health-check","openapi_url":"/m/copier/openapi.json","predictions_cancel_url":"/m/copier/predictions/{prediction_id}/cancel","predictions_idempotent_url":"/m/copier/predictions/{prediction_id}","predictions_url":"/m/copier/predictions","status":"alive"}`},
		{"health", "GET", "/health-check", ``, 200, `{"setup":{"completed_at":T,"logs":"","started_at":T,"status":"succeeded"},"status":"READY","version":{"cog":"1.2.3","coglet":"1.2.3"}}`},
		{"health of nothing", "GET", "/m/none/health-check", ``, 200, `{"setup":{"completed_at":T,"logs":"","started_at":T,"status":"failed"},"status":"SETUP_FAILED","version":{"cog":"1.2.3","coglet":"1.2.3"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status, got := ask(h, c.method, c.path, c.body); status != c.status || got != c.want {
				t.Errorf("%d %s\nwant %d %s", status, got, c.status, c.want)
			}
		})
	}
}

// TestBackground makes predictions in the background, asks about them and cancels one.
func TestBackground(t *testing.T) {
	wait := make(chan struct{})
	h := handler(t, cog.Options{}, wait)
	const starting = `"status":"starting"`
	status, got := ask(h, "POST", "/predictions", `{"id":"b","input":{"text":"wait"}}`, "Prefer", "respond-async")
	if status != 202 || !strings.Contains(got, starting) {
		t.Fatalf("%d %s", status, got)
	}
	if status, got := ask(h, "PUT", "/predictions/b", `{"input":{"text":"wait"}}`); status != 202 || strings.Contains(got, "succeeded") {
		t.Errorf("while it is made: %d %s", status, got)
	}
	if status, got := ask(h, "POST", "/predictions", `{"id":"b","input":{"text":"wait"}}`); status != 409 {
		t.Errorf("another of its name: %d %s", status, got)
	}
	close(wait)
	until(t, func() (bool, string) {
		_, got := ask(h, "GET", "/predictions/b", "")
		return got == done("b", "succeeded", `{"text":"wait"}`, `"WAIT"`, "null"), got
	})
}

func until(t *testing.T, f func() (bool, string)) {
	t.Helper()
	for range 6000 {
		if ok, _ := f(); ok {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	_, got := f()
	t.Fatalf("after a minute: %s", got)
}

func TestCancel(t *testing.T) {
	wait := make(chan struct{})
	t.Cleanup(func() { close(wait) })
	h := handler(t, cog.Options{}, wait)
	for _, id := range []string{"1", "2", "3"} { // there are two instances
		ask(h, "PUT", "/predictions/"+id, `{"input":{"text":"wait"}}`, "Prefer", "respond-async")
	}
	if status, got := ask(h, "POST", "/predictions/3/cancel", ""); status != 200 || got != "{}" {
		t.Errorf("%d %s", status, got)
	}
	until(t, func() (bool, string) {
		_, got := ask(h, "GET", "/predictions/3", "")
		return got == done("3", "canceled", `{"text":"wait"}`, "null", "null"), got
	})
}

func TestStream(t *testing.T) {
	h := handler(t, cog.Options{}, nil)
	status, got := ask(h, "POST", "/predictions", `{"id":"s","input":{"text":"a"}}`, "Accept", "text/event-stream")
	want := "event: start\ndata: " + strings.Replace(strings.Replace(done("s", "processing", `{"text":"a"}`, "null", "null"), `"completed_at":T`, `"completed_at":null`, 1), `{"predict_time":0}`, "{}", 1) +
		"\n\nevent: output\ndata: {\"chunk\":\"A\",\"index\":0}\n\nevent: completed\ndata: " + done("s", "succeeded", `{"text":"a"}`, `"A"`, "null")
	if status != 200 || got != want {
		t.Errorf("%d %s\nwant %s", status, got, want)
	}
}

// TestParts shows a model that gives its answer in parts: they are the output.
func TestParts(t *testing.T) {
	f := upper("upper", nil)
	f.Parts = 3
	h := tasktest.Handler(cog.Routes(tasktest.Open(t, f), cog.Options{}))
	_, got := ask(h, "POST", "/predictions", `{"id":"s","input":{"text":"a"}}`, "Accept", "text/event-stream")
	for _, want := range []string{`{"chunk":"A","index":0}`, `{"chunk":"A","index":2}`, `"output":["A","A","A"]`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	if _, got := ask(h, "POST", "/predictions", `{"id":"s","input":{"text":"fail"}}`, "Accept", "text/event-stream"); !strings.Contains(got, "event: completed") || !strings.Contains(got, `"status":"failed"`) {
		t.Errorf("failed: %s", got)
	}
}

// TestWebhook has predictions told to a server that is allowed, and shows that no other
// is called.
func TestWebhook(t *testing.T) {
	told := make(chan string, 4)
	failed := false
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var p struct{ Status string }
		_ = json.Unmarshal(body, &p)
		if p.Status == "succeeded" && !failed {
			failed = true // so that it is sent again
			w.WriteHeader(500)
			return
		}
		told <- p.Status
	}))
	defer other.Close()
	u, _ := url.Parse(other.URL)
	h := handler(t, cog.Options{Webhooks: []string{u.Host}}, nil)
	ask(h, "POST", "/predictions", `{"webhook":"`+other.URL+`/x","input":{"text":"a"}}`)
	for _, want := range []string{"processing", "succeeded"} {
		select {
		case got := <-told:
			if got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s was not told", want)
		}
	}
	ask(h, "POST", "/predictions", `{"webhook":"`+other.URL+`/x","webhook_events_filter":["start"],"input":{"text":"a"}}`)
	if got := <-told; got != "processing" {
		t.Errorf("told %q", got)
	}
	for _, address := range []string{"http://" + u.Hostname() + "/", "http://" + u.Hostname() + ":1/", "ftp://" + u.Host, "http://x@" + u.Host + "/", "http://example.org/"} {
		if status, got := ask(h, "POST", "/predictions", `{"webhook":"`+address+`","input":{"text":"a"}}`); status != 422 {
			t.Errorf("%s: %d %s", address, status, got)
		}
	}
}

func FuzzPrediction(f *testing.F) {
	h := handler(f, cog.Options{MaxBody: 1 << 16}, make(chan struct{}))
	f.Add(true, []byte(`{"input":{"text":"a","mark":"b"}}`))
	f.Add(false, []byte(`{"id":"x","input":{"image":"data:image/png;base64,iVBORw0KGgo="},"webhook":"http://a/"}`))
	f.Fuzz(func(t *testing.T, first bool, body []byte) {
		path := "/m/copier/predictions"
		if first && !strings.Contains(string(body), "wait") {
			path = "/predictions"
		}
		if status, got := ask(h, "POST", path, string(body)); status >= 500 {
			t.Errorf("%d %s", status, got)
		}
	})
}
