package python

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/wherry-run/wherry/serve/web/wire"
)

// latin is bytes as a text of Latin-1, which is how Python's servers hand them on.
func latin(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			r := make([]rune, len(s))
			for i := range len(s) {
				r[i] = rune(s[i])
			}
			return string(r)
		}
	}
	return s
}

var errLatin = errors.New("a header of the answer has characters that are not of Latin-1")

// bytesOf is latin backwards.
func bytesOf(s string) (string, error) {
	plain := true
	for i := range len(s) {
		plain = plain && s[i] < utf8.RuneSelf
	}
	if plain {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff {
			return "", errLatin
		}
		b = append(b, byte(r))
	}
	return string(b), nil
}

// message is the JSON of a request.
type message struct {
	Environ map[string]any `json:"environ,omitempty"`
	Scope   map[string]any `json:"scope,omitempty"`
	Root    string         `json:"root,omitempty"`
	// Size is how many bytes of the body lie behind the message, and More says that there
	// are more to fetch.
	Size int  `json:"size"`
	More bool `json:"more,omitempty"`
}

func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// address takes host and port apart; what has none gets the port given.
func address(hostport, port string) (string, string) {
	if h, p, err := net.SplitHostPort(hostport); err == nil {
		return h, p
	}
	return strings.Trim(hostport, "[]"), port
}

func server(r *http.Request) (host, port string) {
	port = "80"
	if r.TLS != nil {
		port = "443"
	}
	return address(r.Host, port)
}

// withoutRoot takes the root off a path, where it stands before it.
func withoutRoot(p, root string) string {
	if rest, ok := strings.CutPrefix(p, root); ok && root != "" && (rest == "" || rest[0] == '/') {
		return rest
	}
	return p
}

// environ is a request as PEP 3333 says it.
func environ(r *http.Request, root string) map[string]any {
	host, port := server(r)
	remote, remotePort := address(r.RemoteAddr, "")
	e := map[string]any{
		"REQUEST_METHOD": latin(r.Method), "PATH_INFO": latin(withoutRoot(r.URL.Path, root)), "QUERY_STRING": latin(r.URL.RawQuery),
		"SERVER_NAME": latin(host), "SERVER_PORT": latin(port), "SERVER_PROTOCOL": r.Proto, "SERVER_SOFTWARE": "wherry",
		"REMOTE_ADDR": remote, "REMOTE_PORT": remotePort, "wsgi.url_scheme": scheme(r), "HTTP_HOST": latin(r.Host),
		"RAW_URI": latin(r.RequestURI), "REQUEST_URI": latin(r.RequestURI),
	}
	if r.ContentLength > 0 {
		e["CONTENT_LENGTH"] = strconv.FormatInt(r.ContentLength, 10)
	}
	for name, values := range r.Header {
		if wire.HopByHop(name) || strings.Contains(name, "_") { // could pass for another
			continue
		}
		between := ","
		if name == "Cookie" {
			between = "; "
		}
		value := latin(strings.Join(values, between))
		switch name {
		case "Content-Type":
			e["CONTENT_TYPE"] = value
		case "Content-Length":
		default:
			e["HTTP_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))] = value
		}
	}
	return e
}

// scope is a request as ASGI says it.
func scope(r *http.Request) map[string]any {
	host, port := server(r)
	remote, remotePort := address(r.RemoteAddr, "0")
	headers := make([][2]string, 0, len(r.Header)+2)
	headers = append(headers, [2]string{"host", latin(r.Host)})
	if r.ContentLength > 0 {
		headers = append(headers, [2]string{"content-length", strconv.FormatInt(r.ContentLength, 10)})
	}
	for name, values := range r.Header {
		if wire.HopByHop(name) {
			continue
		}
		for _, v := range values {
			headers = append(headers, [2]string{strings.ToLower(name), latin(v)})
		}
	}
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	raw, _, _ := strings.Cut(r.RequestURI, "?")
	return map[string]any{
		"type": "http", "http_version": strings.TrimPrefix(r.Proto, "HTTP/"), "method": r.Method, "scheme": scheme(r),
		"path": strings.ToValidUTF8(r.URL.Path, "\ufffd"), "raw_path": latin(raw), "query_string": latin(r.URL.RawQuery),
		"headers": headers, "client": [2]any{remote, number(remotePort)}, "server": [2]any{host, number(port)},
	}
}

// answer is the JSON of an answer.
type answer struct {
	Status  int         `json:"status"`
	Headers [][2]string `json:"headers"`
}

// maxFields bounds the headers of an answer.
const maxFields = 256

// parseAnswer reads the head of an answer.
func parseAnswer(text []byte) (int, http.Header, error) {
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		return 0, nil, errors.New("the head of the answer is not what is expected")
	}
	if a.Status < 200 || a.Status > 599 || len(a.Headers) > maxFields {
		return 0, nil, errors.New("the head of the answer is not what is expected")
	}
	header := make(http.Header, len(a.Headers))
	for _, f := range a.Headers {
		value, err := bytesOf(f[1])
		if err == nil {
			err = wire.Add(header, f[0], value)
		}
		if err != nil {
			return 0, nil, err
		}
	}
	return a.Status, header, nil
}
