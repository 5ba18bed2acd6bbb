package serve_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/serve"
	"github.com/wherry-run/wherry/serve/guard"
	"github.com/wherry-run/wherry/serve/openapi"
	"github.com/wherry-run/wherry/serve/repository"
)

// silent are routes that no document tells of, by the beginning of their paths: who
// asks them knows them.
var silent = []string{
	"/playground/",    // the page's own
	"/openai/",        // other names of what is described
	"/v2/{$}", "/{$}", // other names, and greetings
	"/api/",                // Ollama's, for its clients
	"/v1/chat/completions", // from here on: what says that no model does it
	"/v1/completions", "/v1/responses", "/embed_all", "/embed_sparse", "/tokenize", "/decode",
}

func isSilent(path string) bool {
	return slices.ContainsFunc(silent, func(s string) bool { return strings.HasPrefix(path, s) })
}

// served is a server of two adders. keys may be "".
func served(t *testing.T, keys string) (*serve.Server, string) {
	t.Helper()
	k, err := guard.NewKeys(keys, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := serve.New(t.Context(), serve.Config{
		Repository: repository.Config{Sources: []repository.Source{serve.Source("one", &adder{plus: 1}, 1), serve.Source("two", &adder{plus: 2}, 1)}},
		Guard:      guard.Config{Keys: k},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return s, h.URL
}

func document(t *testing.T, url, key string) ([]byte, *openapi.Document) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %s", url, response.Status, text)
	}
	var d openapi.Document
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return text, &d
}

// Every route is described, and the description is the same each time.
func TestDocument(t *testing.T) {
	s, url := served(t, "")
	first, d := document(t, url+"/openapi.json", "")
	for range 5 {
		if again, _ := document(t, url+"/openapi.json", ""); !bytes.Equal(again, first) {
			t.Fatal("two documents of one server differ")
		}
	}
	for _, r := range s.Routes() {
		method, path, _ := strings.Cut(r.Pattern, " ")
		op := d.Paths[strings.TrimSuffix(path, "{$}")][strings.ToLower(method)]
		nothing := r.Operation != nil && r.Operation(repository.Status{Signature: adderSignature}) == nil // means nothing here
		if op == nil && !nothing && !isSilent(path) {
			t.Errorf("%s is not described", r.Pattern)
		}
		if op == nil {
			continue
		}
		for _, status := range []string{"403", "413", "500"} {
			if op.Responses[status] == nil {
				t.Errorf("%s: nothing is said of %s", r.Pattern, status)
			}
		}
	}
	infer := d.Paths["/v2/models/{model}/infer"]["post"]
	if infer == nil || len(infer.Parameters) == 0 || len(infer.Parameters[0].Schema.Enum) != 2 {
		t.Errorf("the models of infer are %+v", infer)
	}
	if in, out := d.Components.Schemas["Input"], d.Components.Schemas["Output"]; in == nil || out == nil || in.Properties["x"] == nil {
		t.Error("the schemas Input and Output are missing")
	}
	ids := map[string]string{}
	for path, methods := range d.Paths {
		for method, op := range methods {
			if other := ids[op.ID]; op.ID != "" && other != "" {
				t.Errorf("%s %s has the operation ID %s of %s", method, path, op.ID, other)
			}
			ids[op.ID] = method + " " + path
		}
	}
}

func TestDocumentOfOne(t *testing.T) {
	_, url := served(t, "")
	_, d := document(t, url+"/m/two/openapi.json", "")
	if d.Info.Title != "two" || len(d.Servers) != 1 || d.Servers[0].URL != "/m/two" {
		t.Errorf("the document is of %+v at %+v", d.Info, d.Servers)
	}
	if d.Paths["/predict"] == nil || d.Paths["/v2/models/{model}/infer"] != nil {
		t.Error("the paths are not those below /m/two")
	}
	response, err := http.Get(url + "/m/three/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		t.Errorf("of no model: %s", response.Status)
	}
}

func TestDocumentOfKeys(t *testing.T) {
	_, url := served(t, "correct-horse")
	_, d := document(t, url+"/openapi.json", "correct-horse")
	if len(d.Components.SecuritySchemes) != 2 || len(d.Security) != 2 {
		t.Errorf("the security is %+v", d.Security)
	}
	for path, want := range map[string]int{"/livez": 200, "/openapi.json": 401, "/playground/data/models": 401, "/playground/app.js": 200, "/m/two/playground/app.js": 200, "/m/two/playground/data/history": 401, "/metrics": 401} {
		response, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s without a key: %s", path, response.Status)
		}
		if op := d.Paths[path]["get"]; op != nil && op.Responses["401"] == nil {
			t.Errorf("%s: nothing is said of 401", path)
		} else if op != nil && (len(op.Security) > 0) != (want == 200) {
			t.Errorf("%s: its security is %v", path, op.Security)
		}
	}
}
