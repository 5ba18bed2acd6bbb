package python

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestEnviron(t *testing.T) {
	r := httptest.NewRequest("POST", "http://example.com:8080/root/caf%C3%A9?a=b", strings.NewReader("body"))
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set("Proxy", "http://evil.example/")
	r.Header["X_Forwarded_For"] = []string{"1.2.3.4"}
	r.Header.Add("Cookie", "a=1")
	r.Header.Add("Cookie", "b=2")
	e := environ(r, "/root")
	for name, want := range map[string]any{
		"REQUEST_METHOD": "POST", "PATH_INFO": "/caf\u00c3\u00a9", "QUERY_STRING": "a=b", "SERVER_NAME": "example.com", "SERVER_PORT": "8080",
		"CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": "4", "HTTP_COOKIE": "a=1; b=2", "wsgi.url_scheme": "http", "HTTP_HOST": "example.com:8080",
	} {
		if e[name] != want {
			t.Errorf("%s is %q, not %q", name, e[name], want)
		}
	}
	for _, name := range []string{"HTTP_PROXY", "HTTP_X_FORWARDED_FOR", "HTTP_CONTENT_TYPE"} {
		if e[name] != nil {
			t.Errorf("%s is %q", name, e[name])
		}
	}
}

func TestScope(t *testing.T) {
	r := httptest.NewRequest("GET", "http://example.com/caf%C3%A9/%FF?x=%20", nil)
	r.Header.Set("X-Latin", "caf\xe9")
	r.RemoteAddr = "[::1]:99"
	text, err := json.Marshal(scope(r))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"path":"/café/` + "\ufffd" + `"`, `"query_string":"x=%20"`, `["x-latin","café"]`, `"client":["::1",99]`, `"server":["example.com",80]`, `["host","example.com"]`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

func TestParseAnswer(t *testing.T) {
	for text, good := range map[string]bool{
		`{"status":200,"headers":[["Content-Type","text/html"],["X-Latin","caf\u00e9"]]}`: true,
		`{"status":200}`:                                                                true,
		`{"status":42,"headers":[]}`:                                                    false,
		`{"status":200,"headers":[["a b","c"]]}`:                                        false,
		`{"status":200,"headers":[["a","b\r\nc: d"]]}`:                                  false,
		`{"status":200,"headers":[["a","\u4e2d"]]}`:                                     false,
		`{"status":200,"headers":[` + strings.Repeat(`["a","b"],`, 300) + `["a","b"]]}`: false,
		`{}`: false, `[]`: false, ``: false,
	} {
		status, header, err := parseAnswer([]byte(text))
		if (err == nil) != good {
			t.Errorf("%.80s: %d, %v, %v", text, status, header, err)
		}
		if v := header.Get("X-Latin"); v != "" && v != "caf\xe9" {
			t.Errorf("%q", v)
		}
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte(`{"status":200,"headers":[["Content-Type","text/html"]]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		status, header, err := parseAnswer(text)
		if err != nil {
			return
		}
		if status < 200 || status > 599 {
			t.Error(status)
		}
		for name, values := range header {
			if strings.ContainsAny(name+strings.Join(values, ""), "\r\n\x00") {
				t.Errorf("%q: %q", name, values)
			}
		}
	})
}
