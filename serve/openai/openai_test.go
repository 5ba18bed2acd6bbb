package openai_test

import (
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/serve/openai"
	"github.com/wherry-run/wherry/serve/task/tasktest"
)

func fakes() []*tasktest.Fake {
	return []*tasktest.Fake{tasktest.Embedder("many"), tasktest.Single("one"), tasktest.Tokens("ids"), tasktest.Ranker("rank"), tasktest.Other("other")}
}

func TestOpenAI(t *testing.T) {
	m := tasktest.Open(t, fakes()...)
	h := tasktest.Handler(openai.Routes(m, openai.Options{MaxBody: 1 << 20, Started: time.Unix(100, 0)}))
	const none = `,"param":null,"code":null}}`
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"a text", "POST", "/v1/embeddings", `{"model":"many","input":"see me"}`, 200, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[6,2,3,1]}],"model":"many","usage":{"prompt_tokens":2,"total_tokens":2}}`},
		{"the other path", "POST", "/openai/v1/embeddings", `{"model":"many","input":"see me"}`, 200, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[6,2,3,1]}],"model":"many","usage":{"prompt_tokens":2,"total_tokens":2}}`},
		{"without a model", "POST", "/v1/embeddings", `{"input":["a"]}`, 200, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1,1,0,1]}],"model":"many","usage":{"prompt_tokens":1,"total_tokens":1}}`},
		{"the model of the path", "POST", "/m/one/v1/embeddings", `{"model":"text-embedding-3-small","input":["a","be"]}`, 200, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1,1,0,1]},{"object":"embedding","index":1,"embedding":[2,1,1,1]}],"model":"one","usage":{"prompt_tokens":0,"total_tokens":0}}`},
		{"with its version", "POST", "/v1/embeddings", `{"model":"one:1","input":"a","user":"u"}`, 200, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1,1,0,1]}],"model":"one","usage":{"prompt_tokens":0,"total_tokens":0}}`},
		{"base64", "POST", "/v1/embeddings", `{"model":"one","input":"a","encoding_format":"base64"}`, 200, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AACAPwAAgD8AAAAAAACAPw=="}],"model":"one","usage":{"prompt_tokens":0,"total_tokens":0}}`},
		{"fewer dimensions", "POST", "/v1/embeddings", `{"model":"one","input":"abc","dimensions":1}`, 200, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1]}],"model":"one","usage":{"prompt_tokens":0,"total_tokens":0}}`},
		{"tokens", "POST", "/v1/embeddings", `{"model":"ids","input":[5,6,7]}`, 200, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[18,3]}],"model":"ids","usage":{"prompt_tokens":3,"total_tokens":3}}`},
		{"lists of tokens", "POST", "/v1/embeddings", `{"model":"ids","input":[[5],[6,7]]}`, 200, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[5,1]},{"object":"embedding","index":1,"embedding":[13,2]}],"model":"ids","usage":{"prompt_tokens":3,"total_tokens":3}}`},
		{"tokens for texts", "POST", "/v1/embeddings", `{"model":"many","input":[5,6,7]}`, 400, `{"error":{"message":"model \"many\" takes texts, no numbers of tokens","type":"invalid_request_error","param":"model","code":"model_not_supported"}}`},
		{"texts for tokens", "POST", "/v1/embeddings", `{"model":"ids","input":"a"}`, 400, `{"error":{"message":"model \"ids\" takes the numbers of tokens, no texts","type":"invalid_request_error","param":"model","code":"model_not_supported"}}`},
		{"no embedder", "POST", "/v1/embeddings", `{"model":"other","input":"a"}`, 400, `{"error":{"message":"model \"other\" makes no embeddings of texts","type":"invalid_request_error","param":"model","code":"model_not_supported"}}`},
		{"no model", "POST", "/v1/embeddings", `{"model":"none","input":"a"}`, 404, `{"error":{"message":"there is no model \"none\"","type":"invalid_request_error","param":"model","code":"model_not_found"}}`},
		{"no input", "POST", "/v1/embeddings", `{"model":"many"}`, 400, `{"error":{"message":"input: it is missing: a text, or a list of texts","type":"invalid_request_error","param":"input","code":null}}`},
		{"an empty list", "POST", "/v1/embeddings", `{"model":"many","input":[]}`, 400, `{"error":{"message":"input: it must be a text, a list of texts, or lists of the numbers of tokens, and not empty","type":"invalid_request_error","param":"input","code":null}}`},
		{"an empty text", "POST", "/v1/embeddings", `{"model":"many","input":["a",""]}`, 400, `{"error":{"message":"input: text 1 is empty","type":"invalid_request_error","param":"input","code":null}}`},
		{"too many dimensions", "POST", "/v1/embeddings", `{"model":"many","input":"a","dimensions":5}`, 400, `{"error":{"message":"dimensions: model \"many\" has vectors of 4 numbers","type":"invalid_request_error","param":"dimensions","code":null}}`},
		{"another format", "POST", "/v1/embeddings", `{"model":"many","input":"a","encoding_format":"hex"}`, 400, `{"error":{"message":"encoding_format: it is float or base64, not \"hex\"","type":"invalid_request_error","param":"encoding_format","code":null}}`},
		{"a wrong type", "POST", "/v1/embeddings", `{"model":1,"input":"a"}`, 400, `{"error":{"message":"model: it cannot be a number","type":"invalid_request_error","param":"model","code":null}}`},
		{"no JSON", "POST", "/v1/embeddings", `{`, 400, `{"error":{"message":"the body is no JSON","type":"invalid_request_error"` + none},
		{"refused", "POST", "/v1/embeddings", `{"model":"many","input":"fail"}`, 422, `{"error":{"message":"ValueError: no","type":"invalid_request_error"` + none},
		{"too big", "POST", "/v1/embeddings", `{"input":"` + strings.Repeat("a", 1<<20) + `"}`, 413, `{"error":{"message":"the request has more than 1048576 bytes","type":"invalid_request_error"` + none},

		{"rerank", "POST", "/v1/rerank", `{"model":"rank","query":"a boat","documents":["fish","a boat",{"text":"a cat"}],"top_n":2,"return_documents":true}`, 200, `{"object":"list","model":"rank","results":[{"index":1,"relevance_score":0.8807971,"document":{"text":"a boat"}},{"index":2,"relevance_score":0.7310586,"document":{"text":"a cat"}}],"usage":{"prompt_tokens":0,"total_tokens":0}}`},
		{"rerank nothing", "POST", "/v1/rerank", `{"model":"rank","query":"a boat","documents":[]}`, 400, `{"error":{"message":"documents: there are none","type":"invalid_request_error","param":"documents","code":null}}`},
		{"no document", "POST", "/v1/rerank", `{"model":"rank","query":"a boat","documents":[1]}`, 400, `{"error":{"message":"documents: document 0 is no text, and has none","type":"invalid_request_error","param":"documents","code":null}}`},
		{"no ranker", "POST", "/v1/rerank", `{"model":"many","query":"a boat","documents":["a"]}`, 400, `{"error":{"message":"model \"many\" does not rank texts","type":"invalid_request_error","param":"model","code":"model_not_supported"}}`},

		{"models", "GET", "/m/one/v1/models", ``, 200, `{"object":"list","data":[{"id":"one","object":"model","created":100,"owned_by":"wherry","name":"one","ready":true}],"models":["one"]}`},
		{"a model", "GET", "/v1/models/one", ``, 200, `{"id":"one","object":"model","created":100,"owned_by":"wherry","name":"one","ready":true}`},
		{"no such model", "GET", "/v1/models/none", ``, 404, `{"error":{"message":"there is no model \"none\"","type":"invalid_request_error","param":"model","code":"model_not_found"}}`},
		{"chat", "POST", "/v1/chat/completions", `{}`, 404, `{"error":{"message":"no model of this server generates text: there are /v1/models, /v1/embeddings and /v1/rerank, and every model answers POST /predict","type":"invalid_request_error","param":null,"code":"unsupported_endpoint"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
			if got := strings.TrimSpace(w.Body.String()); w.Code != c.status || got != c.want {
				t.Errorf("%d %s\nwant %d %s", w.Code, got, c.status, c.want)
			}
		})
	}
}

// TestMany shows that a long list becomes a request for every 32 texts, and that the
// order holds.
func TestMany(t *testing.T) {
	f := tasktest.Embedder("many")
	h := tasktest.Handler(openai.Routes(tasktest.Open(t, f), openai.Options{}))
	var list []string
	for i := range 100 {
		list = append(list, `"`+strings.Repeat("x", i+1)+`"`)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/v1/embeddings", strings.NewReader(`{"input":[`+strings.Join(list, ",")+`]}`)))
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"index":99,"embedding":[100,1,0,1]`) || !strings.Contains(w.Body.String(), `"index":32,"embedding":[33,1,0,1]`) {
		t.Errorf("%d %.200s", w.Code, w.Body)
	}
	if n := f.Calls(); n != 4 {
		t.Errorf("%d requests", n)
	}
}

func TestDescribed(t *testing.T) {
	m := tasktest.Open(t, fakes()...)
	got := map[string]int{}
	for _, st := range m.Index() {
		for _, r := range openai.Routes(m, openai.Options{}) {
			if r.Operation != nil && r.Operation(st) != nil {
				got[st.Name]++
			}
		}
	}
	for name, want := range map[string]int{"many": 3, "one": 3, "ids": 3, "rank": 3, "other": 2} {
		if got[name] != want {
			t.Errorf("%s: %d operations, want %d", name, got[name], want)
		}
	}
}

func FuzzOpenAI(f *testing.F) {
	m := tasktest.Open(f, fakes()...)
	h := tasktest.Handler(openai.Routes(m, openai.Options{MaxBody: 1 << 16}))
	var names []string
	for _, st := range m.Index() {
		names = append(names, st.Name)
	}
	f.Add(uint8(0), false, []byte(`{"input":["a","b"],"dimensions":2}`))
	f.Add(uint8(2), false, []byte(`{"input":[[1,2],[3]],"encoding_format":"base64"}`))
	f.Add(uint8(3), true, []byte(`{"query":"a","documents":["a",{"text":"b"}],"top_n":1}`))
	f.Fuzz(func(t *testing.T, which uint8, rank bool, body []byte) {
		path := "/m/" + names[int(which)%len(names)] + "/v1/embeddings"
		if rank {
			path = "/m/" + names[int(which)%len(names)] + "/v1/rerank"
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", path, strings.NewReader(string(body))))
		if w.Code >= 500 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// TestCounted: documents and texts are counted before they are read, and then refused
// in the protocol's words.
func TestCounted(t *testing.T) {
	h := tasktest.Handler(openai.Routes(tasktest.Open(t, fakes()...), openai.Options{}))
	const n = 1 << 20
	for path, body := range map[string]string{
		"/m/rank/v1/rerank":     `{"query":"a","documents":[0` + strings.Repeat(",0", n) + `]}`,
		"/m/many/v1/embeddings": `{"input":[""` + strings.Repeat(`,""`, n) + `]}`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", path, strings.NewReader(body)))
		runtime.ReadMemStats(&after)
		took := int(after.TotalAlloc - before.TotalAlloc)
		if w.Code != 400 || !strings.Contains(w.Body.String(), "more than 2048") || took > 8*len(body) {
			t.Errorf("%s: %d %s, %d bytes for %d", path, w.Code, w.Body, took, len(body))
		}
	}
}
