package tei_test

import (
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"net/http"

	"github.com/wherry-run/wherry/serve/predict"
	"github.com/wherry-run/wherry/serve/route"
	"github.com/wherry-run/wherry/serve/task/tasktest"
	"github.com/wherry-run/wherry/serve/tei"
)

func fakes() []*tasktest.Fake {
	return []*tasktest.Fake{tasktest.Embedder("many"), tasktest.Single("one"), tasktest.Tokens("ids"), tasktest.Classifier("class"), tasktest.Ranker("rank"), tasktest.Other("other")}
}

// handler has /predict behind the protocol, as a server does.
func handler(t testing.TB) http.Handler {
	m := tasktest.Open(t, fakes()...)
	var routes []route.Route
	routes = append(routes, tei.Routes(m, tei.Options{MaxBody: 1 << 16, Version: "1.2.3"})...)
	return tasktest.Handler(append(routes, predict.Routes(m, predict.Options{})...))
}

func ask(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestTEI(t *testing.T) {
	h := handler(t)
	problem := func(message, kind string) string {
		return `{"error":"` + message + `","error_type":"` + kind + `"}`
	}
	const best, worst = `[{"label":"good","score":0.875},{"label":"bad","score":0.125}]`, `[{"label":"bad","score":0.75},{"label":"good","score":0.25}]`
	for _, c := range []struct {
		name, path, body string
		status           int
		want             string
	}{
		{"embed", "/embed", `{"inputs":"see me","normalize":false}`, 200, `[[6,2,3,1]]`},
		{"embed several", "/embed", `{"inputs":["a","be"],"normalize":false,"truncate":true}`, 200, `[[1,1,0,1],[2,1,1,1]]`},
		{"normal", "/m/ids/embed", `{"inputs":[4,3]}`, 200, `[[0.96152395,0.27472112]]`},
		{"lists of tokens", "/m/ids/embed", `{"inputs":[[4,3],[5]],"normalize":false}`, 200, `[[7,2],[5,1]]`},
		{"dimensions", "/m/one/embed", `{"inputs":"abc","dimensions":1}`, 200, `[[1]]`},
		{"too many dimensions", "/m/one/embed", `{"inputs":"abc","dimensions":9}`, 400, problem("dimensions must be from 1 to 4", "Validation")},
		{"tokens for texts", "/embed", `{"inputs":[1]}`, 422, problem(`model \"many\" takes texts, no numbers of tokens`, "Validation")},
		{"no texts", "/embed", `{"inputs":[]}`, 400, problem("there are no texts", "Empty")},
		{"no inputs", "/embed", `{}`, 422, problem("inputs are missing", "Validation")},
		{"other inputs", "/embed", `{"inputs":{"a":1}}`, 422, problem("inputs are neither a text nor a list of texts", "Validation")},
		{"no JSON", "/embed", `{`, 422, problem("the body cannot be read: unexpected end of JSON input", "Validation")},
		{"too many", "/embed", `{"inputs":["a"` + strings.Repeat(`,"a"`, 2048) + `]}`, 413, problem("there are 2049 texts, more than 2048", "Validation")},
		{"refused", "/embed", `{"inputs":"fail"}`, 424, problem("ValueError: no", "Backend")},
		{"another kind", "/m/class/embed", `{"inputs":"a"}`, 424, problem(`model \"class\" makes no embeddings of texts`, "Backend")},
		{"no model", "/m/none/embed", `{"inputs":"a"}`, 404, problem(`there is no model \"none\"`, "Validation")},
		{"the root embeds", "/", `{"inputs":"see me","normalize":false}`, 200, `[[6,2,3,1]]`},
		{"the root compares", "/", `{"inputs":{"source_sentence":"see me","sentences":["see me"]}}`, 200, `[1]`},
		{"similarity", "/similarity", `{"inputs":{"source_sentence":"see me","sentences":["see me","a"]}}`, 200, `[1,0.73484695]`},
		{"similarity to nothing", "/similarity", `{"inputs":{"source_sentence":"see me"}}`, 400, problem("there are no texts", "Empty")},

		{"rerank", "/m/rank/rerank", `{"query":"a boat","texts":["fish","a boat","a cat"],"return_text":true}`, 200, `[{"index":1,"text":"a boat","score":0.8807971},{"index":2,"text":"a cat","score":0.7310586},{"index":0,"text":"fish","score":0.5}]`},
		{"raw scores", "/m/rank/rerank", `{"query":"a boat","texts":["fish","a boat"],"raw_scores":true}`, 200, `[{"index":1,"score":2},{"index":0,"score":0}]`},
		{"the root ranks", "/m/rank/", `{"query":"a boat","texts":["fish"],"raw_scores":true}`, 200, `[{"index":0,"score":0}]`},
		{"no ranker", "/rerank", `{"query":"a boat","texts":["fish"]}`, 424, problem(`model \"many\" does not rank texts`, "Backend")},

		{"classify", "/m/class/predict", `{"inputs":"good boat"}`, 200, best},
		{"classify one of a list", "/m/class/predict", `{"inputs":["boat"]}`, 200, worst},
		{"classify a pair", "/m/class/predict", `{"inputs":["boat","good"]}`, 200, best},
		{"classify several", "/m/class/predict", `{"inputs":[["good"],["boat"]]}`, 200, "[" + best + "," + worst + "]"},
		{"classify pairs", "/m/class/predict", `{"inputs":[["boat","good"],["boat","boat"]]}`, 200, "[" + best + "," + worst + "]"},
		{"classify a mixture", "/m/class/predict", `{"inputs":[["boat","good"],["boat"]]}`, 422, problem("inputs are a text, two of them in a list, or lists of such lists", "Validation")},
		{"the root classifies", "/m/class/", `{"inputs":"good"}`, 200, best},
		{"by name", "/m/class/predict", `{"text":"good"}`, 200, `{"label":"good","scores":[0.125,0.875]}`},
		{"of another model", "/m/one/predict", `{"text":"a"}`, 200, `{"embedding":[1,1,0,1]}`},

		{"tokenize", "/tokenize", `{"inputs":"a"}`, 424, problem(`model \"many\" keeps its tokens to itself: it takes texts, and gives what it makes of them`, "Backend")},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := ask(h, "POST", c.path, c.body)
			if got := strings.TrimSpace(w.Body.String()); w.Code != c.status || got != c.want {
				t.Errorf("%d %s\nwant %d %s", w.Code, got, c.status, c.want)
			}
		})
	}
	if w := ask(h, "POST", "/m/other/", `{}`); w.Code != 404 {
		t.Errorf("the root of another model: %d", w.Code)
	}
	w := ask(h, "POST", "/embed", `{"inputs":"see me"}`)
	if got := w.Header(); got.Get("x-compute-characters") != "6" || got.Get("x-compute-tokens") != "2" || got.Get("x-compute-type") != "cpu" || !strings.Contains(got.Get("Wherry-Receipt"), " fuel=7, ") {
		t.Errorf("headers: %v", got)
	}
}

func TestInfo(t *testing.T) {
	h := handler(t)
	for name, want := range map[string]string{
		"many":  `"model_type":{"embedding":{"pooling":"model"}}`,
		"class": `"model_type":{"classifier":{"id2label":{"0":"bad","1":"good"},"label2id":{"bad":0,"good":1}}}`,
		"rank":  `"model_type":{"reranker":{"id2label":{"0":"LABEL_0"},"label2id":{"LABEL_0":0}}}`,
	} {
		if w := ask(h, "GET", "/m/"+name+"/info", ""); w.Code != 200 || !strings.Contains(w.Body.String(), want) || !strings.Contains(w.Body.String(), `"model_sha":"sha256:ab"`) || !strings.Contains(w.Body.String(), `"max_input_length":65536`) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if w := ask(h, "GET", "/m/other/info", ""); w.Code != 424 {
		t.Errorf("other: %d %s", w.Code, w.Body)
	}
}

func FuzzTEI(f *testing.F) {
	h := handler(f)
	paths := []string{"/embed", "/m/ids/embed", "/m/rank/rerank", "/m/class/predict", "/similarity", "/"}
	for i := range paths {
		f.Add(uint8(i), []byte(`{"inputs":["a","b"],"query":"a","texts":["a"],"dimensions":2}`))
		f.Add(uint8(i), []byte(`{"inputs":{"source_sentence":"a","sentences":["b"]}}`))
		f.Add(uint8(i), []byte(`{"inputs":[["a","b"]]}`))
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		if w := ask(h, "POST", paths[int(which)%len(paths)], string(body)); w.Code >= 500 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// TestCounted: texts are counted before they are read.
func TestCounted(t *testing.T) {
	m := tasktest.Open(t, fakes()...)
	h := tasktest.Handler(tei.Routes(m, tei.Options{}))
	list := `[""` + strings.Repeat(`,""`, 1<<20) + `]`
	for path, body := range map[string]string{
		"/m/rank/rerank":     `{"query":"a","texts":` + list + `}`,
		"/m/many/similarity": `{"inputs":{"source_sentence":"a","sentences":` + list + `}}`,
		"/m/many/embed":      `{"inputs":` + list + `}`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w := ask(h, "POST", path, body)
		runtime.ReadMemStats(&after)
		took := int(after.TotalAlloc - before.TotalAlloc)
		if w.Code != 413 || took > 8*len(body) {
			t.Errorf("%s: %d %s, %d bytes for %d", path, w.Code, w.Body, took, len(body))
		}
	}
}
