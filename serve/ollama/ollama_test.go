package ollama_test

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/serve/ollama"
	"github.com/wherry-run/wherry/serve/plain"
	"github.com/wherry-run/wherry/serve/task/tasktest"
)

var took = regexp.MustCompile(`"total_duration":\d+`)

func TestOllama(t *testing.T) {
	m := tasktest.Open(t, tasktest.Embedder("many"), tasktest.Single("one"), tasktest.Other("other"))
	h := tasktest.Handler(ollama.Routes(m, ollama.Options{MaxBody: 1 << 16, Version: "1.2.3", Started: time.Unix(0, 0)}))
	const details = `"details":{"families":[],"family":"","format":"","parameter_size":"","parent_model":"","quantization_level":""}`
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"embed", "POST", "/api/embed", `{"model":"one:latest","input":"abc"}`, 200, `{"model":"one:latest","embeddings":[[0.90453404,0.30151135,0,0.30151135]],"total_duration":?,"load_duration":0,"prompt_eval_count":0}`},
		{"embed several", "POST", "/api/embed", `{"model":"many","input":["e e","e e"],"truncate":true,"dimensions":1}`, 200, `{"model":"many","embeddings":[[1],[1]],"total_duration":?,"load_duration":0,"prompt_eval_count":4}`},
		{"embed nothing", "POST", "/api/embed", `{"model":"many"}`, 200, `{"model":"many","embeddings":[],"total_duration":?,"load_duration":0,"prompt_eval_count":0}`},
		{"the older way", "POST", "/api/embeddings", `{"model":"one:1","prompt":"abc"}`, 200, `{"embedding":[3,1,0,1]}`},
		{"other input", "POST", "/api/embed", `{"model":"one","input":3}`, 400, `{"error":"input is neither a text nor a list of texts"}`},
		{"no embedder", "POST", "/api/embed", `{"model":"other","input":"a"}`, 400, `{"error":"model \"other\" makes no embeddings of texts"}`},
		{"no model", "POST", "/api/embed", `{"model":"none","input":"a"}`, 404, `{"error":"there is no model \"none\""}`},
		{"no JSON", "POST", "/api/embed", `{`, 400, `{"error":"the body cannot be read: unexpected end of JSON input"}`},
		{"generate", "POST", "/api/generate", `{"model":"one","prompt":"a"}`, 400, `{"error":"model one does not generate texts"}`},
		{"version", "GET", "/api/version", ``, 200, `{"version":"1.2.3"}`},
		{"tags", "GET", "/m/one/api/tags", ``, 200, `{"models":[{` + details + `,"digest":"ab","model":"one:latest","modified_at":"1970-01-01T00:00:00Z","name":"one:latest","size":0}]}`},
		{"show", "POST", "/api/show", `{"name":"one"}`, 200, `{"capabilities":["embedding"],` + details + `,"model_info":{},"modelfile":"","parameters":"","template":""}`},
		{"root", "GET", "/", ``, 200, `Ollama is running`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
			r.Header.Set("User-Agent", "ollama-python/0.6.1")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if got := took.ReplaceAllString(strings.TrimSpace(w.Body.String()), `"total_duration":?`); w.Code != c.status || got != c.want {
				t.Errorf("%d %s\nwant %d %s", w.Code, got, c.status, c.want)
			}
		})
	}
}

// TestManyTexts: texts of nothing take room, too, and are not read without a bound.
func TestManyTexts(t *testing.T) {
	h := tasktest.Handler(ollama.Routes(tasktest.Open(t, tasktest.Embedder("many")), ollama.Options{}))
	body := `{"model":"many","input":["",` + strings.Repeat(`"",`, plain.MaxCells) + `""]}`
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/api/embed", strings.NewReader(body)))
	if w.Code != 413 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
