package guard_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/serve/guard"
	"github.com/wherry-run/wherry/serve/repository"
)

// echo answers with the body that it got.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	case err != nil:
		w.WriteHeader(http.StatusRequestTimeout)
	default:
		_, _ = w.Write(b)
	}
})

// ask sends a request without a network. The headers are name, value, ...
func ask(t *testing.T, h http.Handler, method, url string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, url, nil)
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	write(t, file, "# ours\nalice alices-secret\n\nnamelesskey # of the cron job\n")
	keys, err := guard.NewKeys("from-the-env1, from-the-env2", file, nil)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	h := guard.Wrap(echo, guard.Config{Keys: keys, Access: slog.New(slog.NewJSONHandler(&log, nil)),
		Open: func(r *http.Request) bool { return r.URL.Path == "/v2/health/live" }})
	for _, c := range []struct {
		path, header, value string
		status              int
		name                string
	}{
		{"/predict", "", "", 401, ""},
		{"/v2/health/live", "", "", 200, ""},
		{"/v2/health/live", "X-Api-Key", "alices-secret", 200, "alice"},
		{"/v2/health/live/", "", "", 401, ""},
		{"/predict", "Authorization", "Bearer alices-secret", 200, "alice"},
		{"/predict", "Authorization", "bearer   alices-secret ", 200, "alice"},
		{"/predict", "Authorization", "alices-secret", 401, ""},
		{"/predict", "Authorization", "Basic alices-secret", 401, ""},
		{"/predict", "Authorization", "Bearer alices-secre", 401, ""},
		{"/predict", "Authorization", "Bearer alices-secrets", 401, ""},
		{"/predict", "Authorization", "Bearer alice", 401, ""},
		{"/predict", "Authorization", "Bearer ", 401, ""},
		{"/predict", "Authorization", "Bearer " + strings.Repeat("x", 5000), 401, ""},
		{"/predict", "X-Api-Key", "from-the-env1", 200, "key-1"},
		{"/predict", "X-Api-Key", "from-the-env2", 200, "key-2"},
		{"/predict", "X-Api-Key", "namelesskey", 200, "key-4"},
		{"/predict", "X-Api-Key", "# ours", 401, ""},
	} {
		log.Reset()
		resp := ask(t, h, "GET", c.path, c.header, c.value)
		if resp.StatusCode != c.status {
			t.Errorf("%s with %s: %s: status %d, want %d", c.path, c.header, c.value, resp.StatusCode, c.status)
		}
		if c.status == 401 && resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("a 401 does not say how to authenticate")
		}
		var line struct{ Key string }
		if err := json.Unmarshal(log.Bytes(), &line); err != nil || line.Key != c.name {
			t.Errorf("%s: %s: logged key %q, want %q (%v)", c.header, c.value, line.Key, c.name, err)
		}
		if len(c.value) > 8 && strings.Contains(log.String(), c.value) {
			t.Errorf("the log has the key: %s", log.String())
		}
	}
}

func TestKeysWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":                 "no key",
		"# nothing\n":      "no key",
		"short":            "5 characters",
		"a b c":            "3 words",
		"ok-ok-ok-ok\n\nx": "line 3",
	} {
		file := filepath.Join(t.TempDir(), "keys")
		write(t, file, text)
		if _, err := guard.NewKeys("", file, nil); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "short") {
			t.Errorf("%q: error %v, want one with %q", text, err, want)
		}
	}
	if k, err := guard.NewKeys(" ", "", nil); k != nil || err != nil {
		t.Errorf("no keys: %v, %v", k, err)
	}
	if _, err := guard.NewKeys("", filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestHosts(t *testing.T) {
	for _, c := range []struct {
		bound  string
		hosts  []string
		host   string
		status int
	}{
		{"127.0.0.1:8080", nil, "localhost:8080", 200},
		{"127.0.0.1:8080", nil, "LOCALHOST", 200},
		{"127.0.0.1:8080", nil, "iris.localhost:8080", 200},
		{"127.0.0.1:8080", nil, "127.0.0.1:9", 200},
		{"127.0.0.1:8080", nil, "[::1]:8080", 200},
		{"127.0.0.1:8080", nil, "evil.example:8080", 421},
		{"127.0.0.1:8080", nil, "127.0.0.1.evil.example", 421},
		{"127.0.0.1:8080", nil, "localhost.evil.example", 421},
		{"127.0.0.1:8080", nil, "10.0.0.1", 421},
		{"127.0.0.1:8080", nil, "", 421},
		{"127.0.0.1:8080", []string{"proxy.example"}, "proxy.example:443", 200},
		{"127.0.0.1:8080", []string{"proxy.example"}, "other.example", 421},
		{"127.0.0.1:8080", []string{"*"}, "evil.example", 200},
		{"[::1]:8080", nil, "evil.example", 421},
		{"localhost:8080", nil, "evil.example", 421},
		{"0.0.0.0:8080", nil, "anything.example", 200},
		{":8080", nil, "anything.example", 200},
		{"10.0.0.1:8080", []string{"api.example"}, "anything.example", 421},
		{"10.0.0.1:8080", []string{"api.example"}, "api.example.", 200},
		{"10.0.0.1:8080", []string{"api.example"}, "10.0.0.1:8080", 200},
	} {
		h := guard.Wrap(echo, guard.Config{Bound: c.bound, Hosts: c.hosts})
		if resp := ask(t, h, "GET", "/", "Host", c.host); resp.StatusCode != c.status {
			t.Errorf("bound to %s, allowed %v: %q: status %d, want %d", c.bound, c.hosts, c.host, resp.StatusCode, c.status)
		}
	}
}

func TestSites(t *testing.T) {
	const local, far, strict = "127.0.0.1:8080", "0.0.0.0:8080", "strict 0.0.0.0:8080"
	ours := []string{"https://Good.example/"}
	for _, c := range []struct {
		what    string
		bound   string
		origins []string
		method  string
		headers []string
		status  int
		allow   string // Access-Control-Allow-Origin
	}{
		{"a program", local, nil, "POST", nil, 200, ""},
		{"the server's own page", local, nil, "POST", []string{"Origin", "http://localhost:8080", "Sec-Fetch-Site", "same-origin"}, 200, ""},
		{"its own page in an old browser", local, nil, "POST", []string{"Origin", "http://localhost:8080"}, 200, ""},
		{"its address, typed", local, nil, "GET", []string{"Sec-Fetch-Site", "none"}, 200, ""},
		{"a link to it", local, nil, "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 200, ""},
		{"a frame", local, nil, "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 403, ""},
		{"a form of another site", local, nil, "POST", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 403, ""},
		{"an image of another site", local, nil, "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 403, ""},
		{"another port of this machine", local, nil, "POST", []string{"Origin", "http://localhost:3000", "Sec-Fetch-Site", "same-site"}, 403, ""},
		{"another site in an old browser", local, nil, "POST", []string{"Origin", "http://evil.example"}, 403, ""},
		{"a file", local, nil, "POST", []string{"Origin", "null"}, 403, ""},
		{"a preflight", local, nil, "OPTIONS", []string{"Origin", "http://evil.example", "Access-Control-Request-Method", "POST"}, 403, ""},
		{"an allowed site", local, ours, "POST", []string{"Origin", "https://good.example", "Sec-Fetch-Site", "cross-site"}, 200, "https://good.example"},
		{"its other port", local, ours, "POST", []string{"Origin", "https://good.example:8443", "Sec-Fetch-Site", "cross-site"}, 403, ""},
		{"its port, said", local, ours, "POST", []string{"Origin", "https://good.example:443"}, 200, "https://good.example:443"},
		{"without TLS", local, ours, "POST", []string{"Origin", "http://good.example"}, 403, ""},
		{"a name that begins so", local, ours, "POST", []string{"Origin", "https://good.example.evil.example"}, 403, ""},
		{"an allowed site's preflight", local, ours, "OPTIONS", []string{"Origin", "https://good.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization, content-type"}, 204, "https://good.example"},
		{"any site", local, []string{"*"}, "POST", []string{"Origin", "https://any.example", "Sec-Fetch-Site", "cross-site"}, 200, "*"},
		{"any site, far", far, []string{"*"}, "POST", []string{"Origin", "null"}, 200, "*"},
		{"another site, far", far, nil, "POST", []string{"Origin", "https://any.example", "Sec-Fetch-Site", "cross-site"}, 200, ""},
		{"another site, far, one allowed", far, ours, "POST", []string{"Origin", "https://any.example"}, 200, ""},
		{"a program, strict", strict, nil, "POST", nil, 200, ""},
		{"another site, strict", strict, nil, "POST", []string{"Origin", "https://any.example", "Sec-Fetch-Site", "cross-site"}, 403, ""},
		{"another site without TLS, strict", strict, nil, "POST", []string{"Origin", "https://any.example"}, 403, ""},
		{"a file, strict", strict, nil, "POST", []string{"Origin", "null"}, 403, ""},
		{"a form of another site, strict", strict, nil, "POST", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 403, ""},
		{"an image for another site, strict", strict, nil, "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 403, ""},
		{"a link to it, strict", strict, nil, "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 200, ""},
		{"the server's own page, strict", strict, nil, "POST", []string{"Origin", "http://localhost:8080", "Sec-Fetch-Site", "same-origin"}, 200, ""},
		{"its own page without TLS, strict", strict, nil, "POST", []string{"Origin", "http://localhost:8080"}, 200, ""},
		{"another name of the site, strict", strict, nil, "POST", []string{"Origin", "https://www.good.example", "Sec-Fetch-Site", "same-site"}, 200, ""},
		{"an allowed site, strict", strict, ours, "POST", []string{"Origin", "https://good.example", "Sec-Fetch-Site", "cross-site"}, 200, "https://good.example"},
		{"any site, strict", strict, []string{"*"}, "POST", []string{"Origin", "https://any.example", "Sec-Fetch-Site", "cross-site"}, 200, "*"},
	} {
		h := guard.Wrap(echo, guard.Config{Bound: strings.TrimPrefix(c.bound, "strict "), Origins: c.origins, Strict: c.bound == strict})
		resp := ask(t, h, c.method, "http://localhost:8080/predict", c.headers...)
		if got := resp.Header.Get("Access-Control-Allow-Origin"); resp.StatusCode != c.status || got != c.allow {
			t.Errorf("%s: status %d, allowed %q; want %d, %q", c.what, resp.StatusCode, got, c.status, c.allow)
		}
		if c.status == 204 && resp.Header.Get("Access-Control-Allow-Headers") != "authorization, content-type" {
			t.Errorf("%s: headers %q", c.what, resp.Header)
		}
		if len(c.origins) > 0 && !strings.Contains(resp.Header.Get("Vary"), "Origin") {
			t.Errorf("%s: caches are not told that the answer depends on the origin", c.what)
		}
	}
}

// TestPreflightNeedsNoKey: browsers send none.
func TestPreflightNeedsNoKey(t *testing.T) {
	keys, err := guard.NewKeys("some-secret", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	h := guard.Wrap(echo, guard.Config{Keys: keys, Origins: []string{"*"}})
	if resp := ask(t, h, "OPTIONS", "/predict", "Origin", "https://a.example", "Access-Control-Request-Method", "POST"); resp.StatusCode != 204 {
		t.Errorf("preflight: status %d", resp.StatusCode)
	}
	resp := ask(t, h, "POST", "/predict", "Origin", "https://a.example")
	if resp.StatusCode != 401 || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("without a key: status %d, %v; the page must be able to read why", resp.StatusCode, resp.Header)
	}
}

func TestRequestID(t *testing.T) {
	h := guard.Wrap(echo, guard.Config{})
	if got := ask(t, h, "GET", "/", "X-Request-Id", "order-7/b=1").Header.Get("X-Request-Id"); got != "order-7/b=1" {
		t.Errorf("a sane id became %q", got)
	}
	seen := map[string]bool{}
	for _, bad := range []string{"", "a b", "ü", "x\"y", strings.Repeat("a", 129), "new\nline"} {
		got := ask(t, h, "GET", "/", "X-Request-Id", bad).Header.Get("X-Request-Id")
		if len(got) != 32 || seen[got] {
			t.Errorf("%q became %q", bad, got)
		}
		seen[got] = true
	}
}

func TestPanic(t *testing.T) {
	var log bytes.Buffer
	h := guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			_, _ = w.Write([]byte("half"))
			_ = http.NewResponseController(w).Flush()
		}
		panic("a tensor fell over")
	}), guard.Config{Log: slog.New(slog.NewJSONHandler(&log, nil))})
	s := httptest.NewServer(h)
	defer s.Close()
	resp, err := get(t, s.URL+"/")
	if err != nil || resp.StatusCode != 500 {
		t.Fatalf("%v, %v", resp, err)
	}
	if body, _ := io.ReadAll(resp.Body); strings.Contains(string(body), "fell over") || !json.Valid(body) || !strings.Contains(string(body), resp.Header.Get("X-Request-Id")) {
		t.Errorf("the answer is %s", body)
	}
	if !strings.Contains(log.String(), "fell over") || !strings.Contains(log.String(), "guard_test.go") {
		t.Errorf("the log does not say what happened: %s", log.String())
	}
	resp, err = get(t, s.URL+"/late")
	if err == nil {
		_, err = io.ReadAll(resp.Body)
	}
	if err == nil {
		t.Error("half an answer looked like a whole one")
	}
	if resp, err := get(t, s.URL+"/"); err != nil || resp.StatusCode != 500 {
		t.Errorf("afterwards: %v, %v", resp, err)
	}
}

func get(t *testing.T, url string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err == nil {
		t.Cleanup(func() { _ = resp.Body.Close() })
	}
	return resp, err
}

func TestAccess(t *testing.T) {
	var log bytes.Buffer
	var done *guard.Record
	mux := http.NewServeMux()
	mux.HandleFunc("POST /m/{model}", func(w http.ResponseWriter, r *http.Request) {
		for range 2 {
			guard.Observe(r.Context(), repository.Event{
				Call:    &repository.Call{Protocol: repository.ProtocolPredict},
				Receipt: repository.Receipt{Model: "iris", Version: "2", Digest: "sha256:ab", Fuel: 40, Memory: 70, Rows: 1, Batch: 4, Queue: time.Millisecond, Compute: time.Second},
			})
		}
		echo(w, r)
	})
	h := guard.Wrap(mux, guard.Config{Access: guard.NewLog(&log, guard.LogAuto), Done: func(r *guard.Record) { done = r }})
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/m/iris?secret=1", strings.NewReader("12345"))
	r.Header.Set("X-Request-Id", "abc")
	r.Header.Set("User-Agent", "ua")
	h.ServeHTTP(httptest.NewRecorder(), r)
	var line map[string]any
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, log.String())
	}
	for name, want := range map[string]any{
		"msg": "request", "id": "abc", "method": "POST", "path": "/m/iris", "status": 200.0, "in": 5.0, "out": 5.0, "agent": "ua", "protocol": "predict",
		"model": "iris", "version": "2", "digest": "sha256:ab", "fuel": 20.0, "memory": 70.0, "rows": 2.0, "batch": 4.0, "queue_seconds": 0.002, "compute_seconds": 2.0, "calls": 2.0,
	} {
		if line[name] != want {
			t.Errorf("%s is %v, want %v", name, line[name], want)
		}
	}
	if strings.Contains(log.String(), "secret") {
		t.Error("the log has the query")
	}
	if done == nil || done.Pattern != "POST /m/{model}" || done.Status != 200 || done.Took <= 0 {
		t.Errorf("done: %+v", done)
	}
}

func TestLimit(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	begun, held := make(chan struct{}), make(chan struct{})
	s := guard.NewServer(guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/held" {
			close(begun)
			<-held
		}
	}), guard.Config{}), nil)
	go func() { _ = s.Serve(guard.Limit(l, 1)) }()
	defer s.Close()
	url := "http://" + l.Addr().String()
	first := make(chan error, 1)
	go func() {
		c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		_, err := c.Get(url + "/held") //nolint:noctx
		first <- err
	}()
	<-begun
	c := &http.Client{Transport: &http.Transport{}, Timeout: 300 * time.Millisecond}
	if _, err := c.Get(url); err == nil { //nolint:noctx
		t.Error("a second connection was served")
	}
	close(held)
	if err := <-first; err != nil {
		t.Error(err)
	}
	c.Timeout = time.Minute
	if _, err := c.Get(url); err != nil { //nolint:noctx
		t.Errorf("after the first is gone: %v", err)
	}
}

// TestObserveWithout is of calls that no request made.
func TestObserveWithout(t *testing.T) {
	guard.Observe(context.WithoutCancel(t.Context()), repository.Event{Call: &repository.Call{}})
}
