package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wherry-run/wherry/serve/web/proxy"
)

// network is one in which names are servers of the test.
type network map[string]string

func (n network) DialContext(ctx context.Context, proto, address string) (net.Conn, error) {
	switch at := n[address]; at {
	case "":
		return nil, fmt.Errorf("connect to %s: %w", address, syscall.ECONNREFUSED)
	case "forbidden":
		return nil, fmt.Errorf("connect to %s: %w", address, syscall.EACCES)
	default:
		return (&net.Dialer{}).DialContext(ctx, proto, at)
	}
}

// told is a server that tells what it was asked.
func told(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/slow" {
			<-r.Context().Done()
			return
		}
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		w.Header().Set("X-End", "2")
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, "%s %s host=%s for=%s fhost=%s hop=%q body=%s via=%q", r.Method, r.RequestURI, r.Host, r.Header.Get("X-Forwarded-For"),
			r.Header.Get("X-Forwarded-Host"), r.Header.Get("X-Drop"), body, r.Header.Get("Via"))
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func open(t *testing.T, labels map[string]string, n network) *httptest.Server {
	t.Helper()
	routes, err := proxy.Routes(labels, "p.", "")
	if err != nil {
		t.Fatal(err)
	}
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "site") })
	h := proxy.New(proxy.Config{Routes: routes, Next: next, Dial: n, Timeout: 200 * time.Millisecond})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { s.Close(); _ = h.Close(t.Context()) })
	return s
}

func ask(t *testing.T, s *httptest.Server, method, target, body string, headers ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	path, query, _ := strings.Cut(target, "?")
	r.URL.Opaque = "//" + s.Listener.Addr().String() + path // as it is
	r.URL.RawQuery = query
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	got, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got.StatusCode, string(text), got.Header
}

func TestPassed(t *testing.T) {
	back := told(t)
	s := open(t, map[string]string{"p./api/": "http://back:8000", "p./api/other/": "http://other:1/", "p./one": "http://back:8000/two"},
		network{"back:8000": back, "other:1": back})
	for _, c := range []struct {
		target string
		says   string
	}{
		{"/", "site"},
		{"/api", "site"},
		{"/apis/", "site"},
		{"/onesie", "site"},
		{"/api/", "GET /api/ host=back:8000 "},
		{"/api/a%2Fb%20c?x=1;y=%zz", "GET /api/a%2Fb%20c?x=1;y=%zz host=back:8000 "},
		{"/api/other/x%2Fy", "GET /x%2Fy host=other:1 "},
		{"/one", "GET /two host=back:8000 "},
		{"/one/more", "GET /two/more host=back:8000 "},
	} {
		if _, text, _ := ask(t, s, "GET", c.target, ""); !strings.HasPrefix(text, c.says) {
			t.Errorf("%s: %q, want %q", c.target, text, c.says)
		}
	}
	status, text, header := ask(t, s, "POST", "/api/rows", "hello", "X-Forwarded-For", "6.6.6.6", "X-Forwarded-Host", "evil", "Connection", "X-Drop", "X-Drop", "1")
	host := s.Listener.Addr().String()
	if status != http.StatusAccepted || header.Get("X-Hop") != "" || header.Get("X-End") != "2" ||
		text != `POST /api/rows host=back:8000 for=127.0.0.1 fhost=`+host+` hop="" body=hello via="1.1 wherry"` {
		t.Error(status, text, header)
	}
}

func TestNotPassed(t *testing.T) {
	back := told(t)
	s := open(t, map[string]string{"p./api/": "http://back:8000", "p./gone/": "http://gone:8000", "p./no/": "http://no:80", "p./loop/": "http://loop:80"},
		network{"back:8000": back, "no:80": "forbidden"})
	for target, want := range map[string]int{
		"/api/../etc": 400, "/api/%2e%2e/etc": 400, "/api/./x": 400, "/api/a%5cb": 400, "/gone/x": 502, "/no/x": 502, "/api/slow": 504,
	} {
		if status, text, header := ask(t, s, "GET", target, ""); status != want || header.Get("Cache-Control") != "no-store" || strings.Contains(text, "gone:8000") {
			t.Errorf("%s: %d %q, want %d", target, status, text, want)
		}
	}
	if status, _, _ := ask(t, s, "POST", "/api/x", strings.Repeat("x", 2<<20)); status != 413 {
		t.Error("a large body:", status)
	}
	if status, _, _ := ask(t, s, "GET", "/api/x", "", "Via", strings.Repeat("1.1 wherry, ", 8)); status != 508 {
		t.Error("a circle:", status)
	}
	h := proxy.New(proxy.Config{Routes: []proxy.Route{{Prefix: "/", To: &url.URL{Scheme: "http", Host: "back:1"}}}})
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, httptest.NewRequest("GET", "/x", nil)); w.Code != 502 {
		t.Error("without a network:", w.Code)
	}
}

// TestCircle wants a server that passes on to itself to end.
func TestCircle(t *testing.T) {
	n := network{}
	s := open(t, map[string]string{"p./": "http://self:80"}, n)
	n["self:80"] = s.Listener.Addr().String()
	if status, _, _ := ask(t, s, "GET", "/", ""); status != 508 {
		t.Error(status)
	}
}

// TestStreams wants the first piece of an answer before there is a second, and a
// connection that changes its protocol.
func TestStreams(t *testing.T) {
	more := make(chan struct{})
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "test" {
			c, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n")
			line, _ := rw.ReadString('\n')
			fmt.Fprint(c, "back: "+line)
			return
		}
		_, _ = io.WriteString(w, "one\n")
		_ = http.NewResponseController(w).Flush()
		<-more
		_, _ = io.WriteString(w, "two\n")
	}))
	defer back.Close()
	s := open(t, map[string]string{"p./": "http://back:80"}, network{"back:80": back.Listener.Addr().String()})
	got, err := http.Get(s.URL + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	lines := bufio.NewScanner(got.Body)
	if !lines.Scan() || lines.Text() != "one" {
		t.Fatal(lines.Text(), lines.Err())
	}
	close(more)
	if !lines.Scan() || lines.Text() != "two" {
		t.Error(lines.Text(), lines.Err())
	}
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(c, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n")
	r := bufio.NewReader(c)
	answer, err := http.ReadResponse(r, nil)
	if err != nil || answer.StatusCode != 101 {
		t.Fatal(answer, err)
	}
	fmt.Fprint(c, "hello\n")
	if line, err := r.ReadString('\n'); line != "back: hello\n" {
		t.Error(line, err)
	}
}

func TestRoutes(t *testing.T) {
	for _, c := range []struct{ prefix, target string }{
		{"api/", "http://back"}, {"", "http://back"}, {"/a/../b", "http://back"}, {"/a%20b", "http://back"}, {"/a?b", "http://back"},
		{"/a/", "back:8000"}, {"/a/", "ftp://back"}, {"/a/", "http://"}, {"/a/", "http://:80"}, {"/a/", "http://u:p@back"}, {"/a/", "http://back?x=1"},
		{"/a/", "http://back:0"}, {"/a/", "http://back:70000"}, {"/a/", "http://back/../x"}, {"/a/", ""}, {"/a/", "http://back#x"}, {"/" + strings.Repeat("a", 3000), "http://back"},
	} {
		if r, err := proxy.ParseRoute(c.prefix, c.target); err == nil {
			t.Errorf("%.40q, %q: %v", c.prefix, c.target, r)
		}
	}
	list, err := proxy.Routes(map[string]string{"p./a/": "http://x", "other": "y"}, "p.", "/a/=http://y  /b/=https://[::1]:8443/c/")
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	for _, r := range list {
		if r.Prefix == "/a/" && r.To.Host != "y" {
			t.Error("the variable goes before the label:", r)
		}
	}
	if _, err := proxy.Routes(nil, "p.", "/a/"); err == nil {
		t.Error("a word without a server")
	}
}

// FuzzPass passes paths on: what arrives is below what the prefix stands for.
func FuzzPass(f *testing.F) {
	var at string
	back := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { at = r.URL.Path }))
	f.Cleanup(back.Close)
	r, err := proxy.ParseRoute("/api/", "http://back/inner/")
	if err != nil {
		f.Fatal(err)
	}
	h := proxy.New(proxy.Config{Routes: []proxy.Route{r}, Dial: network{"back:80": back.Listener.Addr().String()}, Next: http.NotFoundHandler()})
	for _, seed := range []string{"/api/x", "/api/%2e%2e/x", "/%61pi/x%2fy", "/api//../x", "/api/\\..", "/api/%00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		request := httptest.NewRequest("GET", "/", nil)
		u.Scheme, u.Host = "", ""
		request.URL = u
		at = ""
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request)
		if at != "" && (!strings.HasPrefix(at, "/inner/") || strings.Contains(at+"/", "/../")) {
			t.Errorf("%q arrives at %q", target, at)
		}
	})
}
