package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/repository"
)

// models are two, the second of two versions.
type models []repository.Status

func (m models) Index() []repository.Status { return m }
func (m models) Default() string            { return m[0].Name }

var two = models{
	{Name: "iris", Version: "1", State: repository.StateReady, Default: true, Digest: "sha256:abc", Signature: &model.Signature{
		Name: "iris", Inputs: []model.Field{{Name: "x", Type: model.FP32, Shape: []int64{1}}}, Outputs: []model.Field{{Name: "y", Type: model.FP32, Shape: []int64{1}}},
	}},
	{Name: "digits", Version: "1", State: repository.StateReady},
	{Name: "digits", Version: "2", State: repository.StateUnavailable, Reason: "it could not be loaded", Default: true},
}

func server(t *testing.T, m Models, o Options) *httptest.Server {
	t.Helper()
	routes, err := Routes(m, o)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.Handle(r.Pattern, r.Handler)
		method, path, _ := strings.Cut(r.Pattern, " ")
		mux.Handle(method+" /m/{model}"+path, r.Handler)
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, url string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

var loaded = regexp.MustCompile(`(?:src|href)="(playground/[^"]+)"|from "\./([^"]+)"`)

// Every file that the page and its scripts name is there, of its kind, and nothing of
// the page comes from elsewhere or stands in the page as a script or a style.
func TestFiles(t *testing.T) {
	s := server(t, two, Options{})
	for _, base := range []string{"/", "/m/iris/"} {
		response, index := get(t, s.URL+base)
		if response.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s is %q", base, response.Header.Get("Content-Type"))
		}
		for _, bad := range []string{"http:", "https:", "//", "style=", "onclick", "<style", "<script>"} {
			if strings.Contains(strings.ReplaceAll(index, "<!doctype", ""), bad) {
				t.Errorf("the page has %s", bad)
			}
		}
		seen := map[string]bool{}
		queue := []string{}
		for _, m := range loaded.FindAllStringSubmatch(index, -1) {
			queue = append(queue, m[1])
		}
		for len(queue) > 0 {
			path := queue[0]
			queue = queue[1:]
			if seen[path] {
				continue
			}
			seen[path] = true
			response, text := get(t, s.URL+base+path)
			if response.StatusCode != http.StatusOK || response.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %s", path, response.Status)
			}
			if kind := response.Header.Get("Content-Type"); strings.HasSuffix(path, ".js") && kind != "text/javascript; charset=utf-8" {
				t.Errorf("%s is %q", path, kind)
			}
			for _, sink := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", `setAttribute("style`} {
				if strings.Contains(text, sink) {
					t.Errorf("%s uses %s", path, sink)
				}
			}
			if strings.HasSuffix(path, ".js") {
				for _, m := range loaded.FindAllStringSubmatch(text, -1) {
					queue = append(queue, "playground/"+m[2])
				}
			}
		}
		files, err := ReadFiles(assets, "assets")
		if err != nil {
			t.Fatal(err)
		}
		if len(seen) != len(files)-1 { // but the page itself
			t.Errorf("the page loads %d files, and %d are embedded", len(seen), len(files)-1)
		}
	}
}

func TestHeaders(t *testing.T) {
	s := server(t, two, Options{})
	response, _ := get(t, s.URL+"/playground/app.js")
	policy, tag := response.Header.Get("Content-Security-Policy"), response.Header.Get("ETag")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "require-trusted-types-for 'script'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy is %q, without %s", policy, want)
		}
	}
	if again, body := get(t, s.URL+"/playground/app.js", "If-None-Match", tag); again.StatusCode != http.StatusNotModified || body != "" {
		t.Errorf("asked again: %s", again.Status)
	}
	if response, _ := get(t, s.URL+"/playground/other.js"); response.StatusCode != http.StatusNotFound {
		t.Errorf("another file: %s", response.Status)
	}
}

func TestWanted(t *testing.T) {
	for accept, want := range map[string]bool{
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": true,
		"application/json": false, "*/*": false, "": false, "text/html;q=x=": false, "TEXT/HTML": true,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept", accept)
		if Wanted(r) != want {
			t.Errorf("%q: %v", accept, !want)
		}
	}
}

func TestList(t *testing.T) {
	s := server(t, two, Options{Version: "1.2"})
	type listed struct {
		Server string
		Models []struct {
			Name, Version, State, Reason string
			Default                      bool
			Signature                    *model.Signature
			Examples                     []struct{ Inputs map[string]any }
		}
	}
	list := func(path string) (l listed) {
		_, text := get(t, s.URL+path)
		if err := json.Unmarshal([]byte(text), &l); err != nil || len(l.Models) != 2 || l.Server != "1.2" {
			t.Fatalf("%v: %s", err, text)
		}
		return l
	}
	root := list("/playground/data/models")
	if iris := root.Models[0]; !iris.Default || iris.Signature == nil || len(iris.Examples) != 1 || iris.Examples[0].Inputs["x"] == nil {
		t.Errorf("iris is %+v", iris)
	}
	if digits := root.Models[1]; digits.Default || digits.Version != "2" || digits.Reason == "" || digits.Signature != nil {
		t.Errorf("digits is %+v", digits)
	}
	// Of others than the page's own only what a list shows is sent.
	if iris := list("/m/digits/playground/data/models").Models[0]; iris.Signature != nil || iris.Examples != nil {
		t.Errorf("on another page iris is %+v", iris)
	}
}

func TestHistory(t *testing.T) {
	h := NewHistory()
	now := time.Unix(1_000_000_000, 0)
	h.now = func() time.Time { return now }
	observe := func(model string, took time.Duration, err error) {
		h.Observe(context.Background(), repository.Event{Receipt: repository.Receipt{Model: model, Queue: 2 * time.Millisecond}, Took: took, Err: err})
	}
	observe("", time.Second, nil) // nobody's
	for i := range maxModels {    // and of models that are not there
		observe(fmt.Sprint("none", i), time.Second, &repository.NotFoundError{Model: "none"})
	}
	for i := range 100 {
		observe("iris", time.Duration(i+1)*time.Millisecond, nil)
	}
	observe("iris", time.Hour, errors.New("it failed"))
	if p := h.points("iris"); p[len(p)-1].Answered != 100 {
		t.Errorf("in the first second of a span: %+v", p[len(p)-1])
	}
	now = now.Add(span * time.Second)
	points := h.points("iris")
	points = points[:len(points)-1] // the last has begun only
	last := points[len(points)-1]
	if last.Answered != 100.0/span || last.Failed != 1.0/span || last.Queue != 2 {
		t.Errorf("the last point is %+v", last)
	}
	if last.P50 == nil || *last.P50 < 40 || *last.P50 > 63 || *last.P99 < 85 || *last.P99 > 125 {
		t.Errorf("the latencies are %v and %v", *last.P50, *last.P99)
	}
	for _, p := range points[:len(points)-1] {
		if p.Answered != 0 || p.P50 != nil {
			t.Errorf("an earlier point is %+v", p)
		}
	}
	now = now.Add(seconds * time.Second) // the same places of the ring
	for _, p := range h.points("iris") {
		if p.Answered != 0 {
			t.Errorf("the past is not over: %+v", p)
		}
	}
	for _, name := range []string{"iris", "nobody"} {
		if n := len(h.points(name)); n != len(points)+1 {
			t.Errorf("%s has %d points", name, n)
		}
	}
	s := server(t, two, Options{History: h})
	_, text := get(t, s.URL+"/playground/data/history")
	var got struct {
		Model   string
		Points  []point
		Waiting *int
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil || got.Model != "iris" || len(got.Points) != len(points)+1 || got.Waiting == nil {
		t.Errorf("%v: %s", err, text)
	}
	if response, text := get(t, s.URL+"/m/other/playground/data/history"); response.StatusCode != http.StatusNotFound || !strings.Contains(text, "no model") {
		t.Errorf("another model: %s %s", response.Status, text)
	}
}

func TestSteps(t *testing.T) {
	for d := time.Microsecond; d < 50*time.Second; d = d*11/10 + 1 {
		if d < shortest {
			continue
		}
		ms, want := middle(step(d)), float64(d)/1e6
		if ms < want*0.85 || ms > want*1.18 {
			t.Fatalf("%s is counted as %f ms", d, ms)
		}
	}
	for _, d := range []time.Duration{-time.Second, 0, time.Hour * 10000} {
		if s := step(d); s < 0 || s >= steps {
			t.Errorf("%s: step %d", d, s)
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	h := NewHistory()
	e := repository.Event{Receipt: repository.Receipt{Model: "iris"}, Took: time.Millisecond}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			h.Observe(context.Background(), e)
		}
	})
}
