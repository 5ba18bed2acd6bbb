package cgi

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/serve/web/wire"
)

func TestHead(t *testing.T) {
	for _, c := range []struct {
		text   string
		status int
		local  string
		body   string
		wrong  string
	}{
		{"Content-Type: text/plain\n\nhi", 200, "", "hi", ""},
		{"Content-Type: text/plain\r\n\r\nhi", 200, "", "hi", ""},
		{"Status: 404 Not Found\n\n", 404, "", "", ""},
		{"Location: https://example.com/\n\n", 302, "", "", ""},
		{"Location: //example.com/\n\n", 302, "", "", ""},
		{"Location: /other?x=1\n\n", 0, "/other?x=1", "", ""},
		{"Status: 301 Moved\nLocation: /other\n\n", 301, "", "", ""},
		{"Transfer-Encoding: chunked\nConnection: close\nX-A: b\n\n", 200, "", "", ""},
		{"HTTP/1.1 200 OK\n\nhi", 0, "", "", "NPH"},
		{"\nhi", 0, "", "", "no line"},
		{"no colon\n\n", 0, "", "", "is none"},
		{"A b: c\n\n", 0, "", "", "is none"},
		{"X: a\x00b\n\n", 0, "", "", "control"},
		{"X: a\rSet-Cookie: y\n\n", 0, "", "", "control"},
		{"Status: 99\n\n", 0, "", "", "Status"},
		{"Status: 100 Continue\n\n", 0, "", "", "Status"},
		{"Status: 200\nStatus: 200\n\n", 0, "", "", "Status"},
		{"Content-Length: -1\n\n", 0, "", "", "Content-Length"},
		{"Content-Length: 1\nContent-Length: 2\n\n", 0, "", "", "Content-Length"},
		{strings.Repeat("X: y\n", 300) + "\n", 0, "", "", "lines"},
		{"X: " + strings.Repeat("y", maxHead), 0, "", "", "bytes"},
	} {
		h, n, err := parseHead([]byte(c.text))
		switch {
		case c.wrong != "":
			if err == nil || errors.Is(err, errMore) || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%.60q: %v", c.text, err)
			}
		case err != nil:
			t.Errorf("%.60q: %v", c.text, err)
		case h.status != c.status || h.local != c.local || c.text[n:] != c.body || h.header["Connection"] != nil || h.header["Transfer-Encoding"] != nil:
			t.Errorf("%.60q: %+v, %q", c.text, h, c.text[n:])
		}
	}
	if _, _, err := parseHead([]byte("Content-Type: text/pl")); err != errMore {
		t.Error(err)
	}
}

func TestVariables(t *testing.T) {
	r := httptest.NewRequest("POST", "http://example.com:8080/a%20b?c=d&e", strings.NewReader("body"))
	r.Header.Set("Proxy", "http://evil.example/")
	r.Header["X_forwarded_For"] = []string{"1.2.3.4"}
	r.Header.Set("X-Forwarded-For", "5.6.7.8")
	r.Header.Add("Cookie", "a=1")
	r.Header.Add("Cookie", "b=2")
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set("X-Nul", "a\x00b")
	r.RemoteAddr = "[::1]:99"
	env := variables(r)
	for _, want := range []string{
		"GATEWAY_INTERFACE=CGI/1.1", "REQUEST_METHOD=POST", "PATH_INFO=/a b", "QUERY_STRING=c=d&e", "SERVER_NAME=example.com", "SERVER_PORT=8080",
		"CONTENT_LENGTH=4", "CONTENT_TYPE=text/plain", "HTTP_X_FORWARDED_FOR=5.6.7.8", "HTTP_COOKIE=a=1; b=2", "REMOTE_ADDR=::1", "HTTP_X_NUL=ab", "SCRIPT_NAME=",
	} {
		if !slices.Contains(env, want) {
			t.Errorf("%s is not in %q", want, env)
		}
	}
	for _, kv := range env {
		if strings.HasPrefix(kv, "HTTP_PROXY=") || strings.Contains(kv, "1.2.3.4") || strings.ContainsRune(kv, 0) {
			t.Errorf("%q", kv)
		}
	}
}

// FuzzHead holds that no head lets a program say more than a head may.
func FuzzHead(f *testing.F) {
	f.Add([]byte("Status: 200 OK\r\nContent-Type: text/html\r\n\r\nbody"))
	f.Add([]byte("Location: /x\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		h, n, err := parseHead(text)
		if err != nil {
			return
		}
		if n <= 0 || n > len(text) || (h.status < 200 || h.status > 599) && h.local == "" {
			t.Fatalf("%q: %+v, %d", text, h, n)
		}
		w := httptest.NewRecorder()
		for name, values := range h.header {
			if !wire.Token(name) || http.CanonicalHeaderKey(name) != name {
				t.Fatalf("the name %q", name)
			}
			for _, v := range values {
				if strings.ContainsAny(v, "\r\n\x00") {
					t.Fatalf("the value %q", v)
				}
				w.Header().Add(name, v)
			}
		}
	})
}
