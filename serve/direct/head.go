package direct

import (
	"bytes"
	"net/http"
	"net/textproto"
	"strings"
)

// A head is what stands before a body: of a request that is taken here.
type head struct {
	method  string
	target  string // path and query
	path    string
	query   string
	host    string
	header  http.Header
	content int64 // bytes of the body
	length  int   // bytes of the head itself
}

// What a request begins and a line of it ends with.
const (
	version = " HTTP/1.1"
	newline = "\r\n"
)

// maxContent bounds the length that a head may say, in digits. Whoever answers has lower
// bounds.
const maxContent = 12

// parse reads the head that b begins with. It is false for every request that is not of
// the one shape that nearly all with this method have: a path of common letters, with GET a
// query, with POST the length of the body, no header that changes what the message is or
// where it ends. Whatever is not plain is for net/http to judge.
func parse(b []byte, method string) (h head, ok bool) {
	if len(b) <= len(method) || string(b[:len(method)]) != method || b[len(method)] != ' ' {
		return h, false
	}
	end := bytes.Index(b, []byte(newline+newline))
	if end < 0 {
		return h, false
	}
	h.length = end + 2*len(newline)
	text := string(b[:end+len(newline)]) // all strings of the request are parts of it
	line, rest, _ := strings.Cut(text, newline)
	h.method, h.content = method, -1
	if h.target, ok = strings.CutSuffix(line[len(method)+1:], version); !ok || !h.parseTarget() || !h.parseFields(rest) || h.host == "" {
		return h, false
	}
	if method == http.MethodGet {
		if h.content > 0 {
			return h, false
		}
		h.content = 0
	}
	return h, h.content >= 0
}

// parseTarget tells path and query apart.
func (h *head) parseTarget() bool {
	var asks bool
	h.path, h.query, asks = strings.Cut(h.target, "?")
	return plainPath(h.path) && (!asks || h.method == http.MethodGet && plainQuery(h.query))
}

// usualFields is how many headers most requests have at most.
const usualFields = 8

// parseFields reads the lines of headers, each with its end.
func (h *head) parseFields(rest string) bool {
	n := strings.Count(rest, "\n")
	h.header = make(http.Header, usualFields)
	values := make([]string, n) // in one piece
	for i := range n {
		end := strings.Index(rest, newline)
		if end < 0 {
			return false
		}
		name, value, ok := strings.Cut(rest[:end], ":")
		if !ok || !plainName(name) {
			return false
		}
		if value = strings.Trim(value, " "); !plainValue(value) {
			return false
		}
		rest = rest[end+len(newline):]
		name = textproto.CanonicalMIMEHeaderKey(name)
		keep, ok := h.note(name, value)
		switch {
		case !ok:
			return false
		case !keep:
			continue
		}
		if have := h.header[name]; have != nil {
			h.header[name] = append(have, value)
			continue
		}
		values[i] = value
		h.header[name] = values[i : i+1 : i+1]
	}
	return rest == ""
}

// note takes up what a header says of the message. ok is false when net/http is to
// understand it; keep when handlers see it.
func (h *head) note(name, value string) (keep, ok bool) {
	switch name {
	case "Host":
		first := h.host == ""
		h.host = value
		return false, first && plainHost(value)
	case "Content-Length":
		if h.content >= 0 || len(value) == 0 || len(value) > maxContent {
			return false, false
		}
		h.content = 0
		for i := range len(value) {
			if value[i] < '0' || value[i] > '9' {
				return false, false
			}
			h.content = 10*h.content + int64(value[i]-'0')
		}
	case "Connection":
		return true, strings.EqualFold(value, "keep-alive")
	case "Accept": // a stream of events may be long
		return true, !strings.Contains(value, "event-stream")
	case "Transfer-Encoding", "Expect", "Upgrade", "Trailer", "Te", "Pragma", "Http2-Settings":
		return false, false
	}
	return true, true
}

func letter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// plainPath tells a path that means what it says: no query, nothing escaped, nothing to
// clean.
func plainPath(s string) bool {
	if s == "" || s[0] != '/' || strings.Contains(s, "//") {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case letter(c), c == '/', c == '-', c == '_', c == '.', c == '~', c == ':', c == '@':
		default:
			return false
		}
	}
	return true
}

// plainQuery tells a query of visible letters of ASCII that is not empty.
func plainQuery(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '#' {
			return false
		}
	}
	return s != ""
}

func plainName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !letter(c) && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

// plainValue tells a value of visible letters of ASCII.
func plainValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

func plainHost(s string) bool {
	for i := range len(s) {
		if c := s[i]; !letter(c) && c != '.' && c != '-' && c != ':' && c != '[' && c != ']' && c != '_' {
			return false
		}
	}
	return s != ""
}
