package direct

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// usual is the head of what most clients send.
const usual = "POST /v2/models/iris/infer HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: x\r\nAccept: */*\r\ncontent-type:  application/json \r\nX-Two: a\r\nx-two: b\r\nContent-Length: 5\r\n\r\nhello"

func TestParse(t *testing.T) {
	h, ok := parse([]byte(usual), http.MethodPost)
	want := http.Header{"User-Agent": {"x"}, "Accept": {"*/*"}, "Content-Type": {"application/json"}, "X-Two": {"a", "b"}, "Content-Length": {"5"}}
	if !ok || h.path != "/v2/models/iris/infer" || h.host != "localhost:8080" || h.content != 5 || usual[h.length:] != "hello" || !reflect.DeepEqual(h.header, want) {
		t.Fatalf("%v, %+v", ok, h)
	}
	const begin, end = "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n", "\r\nx"
	if _, ok := parse([]byte(begin+end), http.MethodPost); !ok {
		t.Error("the shortest is not taken")
	}
	for name, text := range map[string]string{
		"another method":          strings.Replace(begin, "POST", "PUT", 1) + end,
		"a query":                 strings.Replace(begin, "/p", "/p?x=1", 1) + end,
		"an escape":               strings.Replace(begin, "/p", "/%70", 1) + end,
		"an absolute URL":         strings.Replace(begin, "/p", "http://h/p", 1) + end,
		"two slashes":             strings.Replace(begin, "/p", "//p", 1) + end,
		"HTTP/1.0":                strings.Replace(begin, "1.1", "1.0", 1) + end,
		"a space more":            strings.Replace(begin, "/p ", "/p  ", 1) + end,
		"no Host":                 strings.Replace(begin, "Host: h\r\n", "", 1) + end,
		"an empty Host":           strings.Replace(begin, ": h", ":", 1) + end,
		"two Hosts":               begin + "Host: h\r\n" + end,
		"a Host with a path":      strings.Replace(begin, ": h", ": h/x", 1) + end,
		"no length":               strings.Replace(begin, "Content-Length: 1\r\n", "", 1) + end,
		"two lengths":             begin + "Content-Length: 1\r\n" + end,
		"a length with a sign":    strings.Replace(begin, "h: 1", "h: +1", 1) + end,
		"a length in hex":         strings.Replace(begin, "h: 1", "h: 0x1", 1) + end,
		"a list of lengths":       strings.Replace(begin, "h: 1", "h: 1, 1", 1) + end,
		"a length of many digits": strings.Replace(begin, "h: 1", "h: 0000000000001", 1) + end,
		"chunks":                  begin + "Transfer-Encoding: chunked\r\n" + end,
		"chunks, oddly":           begin + "transfer-encoding:\tchunked\r\n" + end,
		"to be continued":         begin + "Expect: 100-continue\r\n" + end,
		"another protocol":        begin + "Connection: Upgrade\r\nUpgrade: websocket\r\n" + end,
		"the last request":        begin + "Connection: close\r\n" + end,
		"events":                  begin + "Accept: text/event-stream\r\n" + end,
		"a space before a colon":  begin + "X : a\r\n" + end,
		"a line that goes on":     begin + "X: a\r\n b\r\n" + end,
		"an end without return":   begin + "X: a\nY: b\r\n" + end,
		"a return alone":          begin + "X: a\rY: b\r\n" + end,
		"a zero":                  begin + "X: a\x00\r\n" + end,
		"letters beyond ASCII":    begin + "X: ä\r\n" + end,
		"no colon":                begin + "X\r\n" + end,
		"no name":                 begin + ": x\r\n" + end,
		"no end":                  begin,
		"HTTP/2":                  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"TLS":                     "\x16\x03\x01",
		"nothing":                 "",
	} {
		if h, ok := parse([]byte(text), http.MethodPost); ok {
			t.Errorf("%s: is taken: %+v", name, h)
		}
	}
}

func TestParseGet(t *testing.T) {
	const begin, end = "GET /p?a=b&c HTTP/1.1\r\nHost: h\r\n", "\r\nx"
	for _, text := range []string{begin + end, begin + "Content-Length: 0\r\n" + end, strings.Replace(begin, "?a=b&c", "", 1) + end} {
		if h, ok := parse([]byte(text), http.MethodGet); !ok || h.path != "/p" || h.content != 0 || text[h.length:] != "x" || strings.Contains(text, "?") && h.query != "a=b&c" {
			t.Errorf("%q: %v, %+v", text, ok, h)
		}
	}
	for name, text := range map[string]string{
		"another method": strings.Replace(begin, "GET", "HEAD", 1) + end,
		"a body":         begin + "Content-Length: 1\r\n" + end,
		"chunks":         begin + "Transfer-Encoding: chunked\r\n" + end,
		"an empty query": strings.Replace(begin, "a=b&c", "", 1) + end,
		"a fragment":     strings.Replace(begin, "&", "#", 1) + end,
		"a space":        strings.Replace(begin, "&", " ", 1) + end,
		"a zero":         strings.Replace(begin, "&", "\x00", 1) + end,
		"no Host":        strings.Replace(begin, "Host: h\r\n", "", 1) + end,
		"a WebSocket":    begin + "Connection: Upgrade\r\nUpgrade: websocket\r\n" + end,
		"HTTP/2":         begin + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n" + end,
	} {
		if h, ok := parse([]byte(text), http.MethodGet); ok {
			t.Errorf("%s: is taken: %+v", name, h)
		}
	}
}

// FuzzParse holds what is taken here against net/http: it is the same request there, to
// the last byte.
func FuzzParse(f *testing.F) {
	f.Add([]byte(usual))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\nPOST / HTTP/1.1\r\n"))
	f.Add([]byte("GET /a?b=c&d=%20 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		method := http.MethodPost
		if bytes.HasPrefix(b, []byte("GET")) {
			method = http.MethodGet
		}
		h, ok := parse(b, method)
		if !ok {
			return
		}
		reader := bufio.NewReader(bytes.NewReader(b))
		r, err := http.ReadRequest(reader)
		if err != nil {
			t.Fatalf("net/http: %v", err)
		}
		header := r.Header.Clone()
		header.Del("Host")
		switch {
		case r.Method != method, h.method != method, r.RequestURI != h.target, r.URL.Path != h.path, r.URL.RawPath != "", r.URL.RawQuery != h.query, r.URL.String() != h.target,
			r.Host != h.host, r.ContentLength != h.content, r.TransferEncoding != nil, r.Close, r.Proto != "HTTP/1.1":
			t.Errorf("%+v, net/http %+v", h, r)
		case !reflect.DeepEqual(header, h.header):
			t.Errorf("%v, net/http %v", h.header, header)
		}
		if h.content > int64(len(b)) {
			return
		}
		if body, err := io.ReadAll(r.Body); err == nil && !bytes.Equal(body, b[h.length:][:h.content]) {
			t.Errorf("another body: %q", body)
		}
	})
}
