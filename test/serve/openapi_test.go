package serve

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// checks are what schemathesis holds the answers against: that the server does not
// fail, and that the document says of each answer that it may come, with which
// headers and which content.
const checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance"

// unloading says that models are unloaded while a document is asked for.
const unloading = "unloading"

var summed = regexp.MustCompile(`(\d+) generated, (\d+) passed`)

// conforms has schemathesis ask everything that a document describes.
func conforms(t *testing.T, document string, args ...string) {
	t.Helper()
	python := Python(t)
	python.Dir = t.TempDir()
	python.Limit = time.Hour
	// A model that was unloaded is not ready, which is no failure of the server.
	config := "[checks]\nnot_a_server_error.expected-statuses = [\"2xx\", \"3xx\", \"4xx\", \"503\"]\n"
	if !slices.Contains(args, unloading) {
		config = ""
	}
	if err := os.WriteFile(filepath.Join(python.Dir, "schemathesis.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	args = slices.DeleteFunc(args, func(a string) bool { return a == unloading })
	// Of the several processors it makes use one: CPython 3.11 reads no sources in two
	// threads at once.
	r := python.Run(t, "", append([]string{
		"-m", "schemathesis.cli", "run", document, "--checks", checks, "--workers", "1", "--no-color", "--continue-on-failure", "--no-shrink",
		"--suppress-health-check", "all", "--generation-database", "none", "--request-timeout", "60", "--warnings", "off",
	}, args...)...)
	m := summed.FindStringSubmatch(r.Out)
	if r.Code != 0 || m == nil {
		t.Errorf("%s: schemathesis ended with %d\n%s%s", document, r.Code, r.Out, r.Err)
		return
	}
	t.Logf("%s: %s", document, m[0])
}

// What the server answers is what its OpenAPI document says. The long form asks
// hundreds of times for each operation, of every model.
func TestOpenAPI(t *testing.T) {
	if os.Getenv("WHERRY_TEST_OPENAPI") == "long" {
		testOpenAPILong(t)
		return
	}
	s := Shared(t)
	// A model that is unloaded would be missed by others.
	conforms(t, s.URL+"/openapi.json", "--phases", "fuzzing", "--max-examples", "4", "--exclude-path-regex", "load$|sharedmemory")
	conforms(t, s.URL+"/m/cancer/openapi.json", "--phases", "examples,coverage")
}

func testOpenAPILong(t *testing.T) {
	var args []string
	for name, image := range images {
		need(t, image)
		args = append(args, name+"="+image)
	}
	s := Start(t, append(args, "--default-model", "iris", "--timeout", "30s")...)
	t.Run("default", func(t *testing.T) {
		conforms(t, s.URL+"/openapi.json", "--max-examples", "100", "--exclude-path-regex", "unload$")
	})
	for name := range images {
		t.Run(name, func(t *testing.T) { conforms(t, s.URL+"/m/"+name+"/openapi.json", "--max-examples", "50") })
	}
	t.Run("planted", func(t *testing.T) { testPlanted(t, s.URL) })
	t.Run("unloading", func(t *testing.T) { conforms(t, s.URL+"/openapi.json", unloading, "--max-examples", "10") })
	t.Run("keys", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "keys")
		if err := os.WriteFile(file, []byte("tester correct-horse\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		s := Start(t, "iris="+images["iris"], "--api-key-file", file)
		conforms(t, s.URL+"/openapi.json", unloading, "--max-examples", "10", "--header", "Authorization: Bearer correct-horse", "--checks", checks+",ignored_auth")
	})
}

// testPlanted proves that a mistake would be found: a document that does not tell of
// an answer, and one that tells of another content.
func testPlanted(t *testing.T, url string) {
	response, err := http.Get(url + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for name, plant := range map[string]func(responses map[string]any){
		"status": func(r map[string]any) { delete(r, "400") },
		"content": func(r map[string]any) {
			r["200"] = map[string]any{"description": "", "content": map[string]any{"application/json": map[string]any{"schema": map[string]any{"type": "number"}}}}
		},
	} {
		var d map[string]any
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatal(err)
		}
		predict := d["paths"].(map[string]any)["/predict"].(map[string]any)["post"].(map[string]any)
		plant(predict["responses"].(map[string]any))
		planted, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "planted.json")
		if err := os.WriteFile(file, planted, 0o600); err != nil {
			t.Fatal(err)
		}
		python := Python(t)
		python.Dir = filepath.Dir(file)
		r := python.Run(t, "", "-m", "schemathesis.cli", "run", file, "--url", url, "--checks", checks, "--include-path", "/predict", "--max-examples", "30", "--generation-database", "none", "--no-color")
		if r.Code == 0 || !strings.Contains(r.Out, "/predict") {
			t.Errorf("%s: a document with a mistake passes\n%s", name, r.Out)
		}
	}
}
