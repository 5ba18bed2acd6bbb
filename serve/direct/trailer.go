package direct

import (
	"net/http"
	"net/textproto"
	"strings"
)

// announce takes up which fields the handler says to follow the body.
func (a *answer) announce(values []string) {
	a.trails = a.trails || len(values) > 0
	for _, v := range values {
		for name := range strings.SplitSeq(v, ",") {
			name = textproto.CanonicalMIMEHeaderKey(strings.Trim(name, " \t"))
			if validName(name) && mayTrail(name) {
				a.trailers = append(a.trailers, name)
			}
		}
	}
}

// mayTrail tells fields that do not say what the message is, or who may have it (RFC
// 9110, 6.5.1): those that net/http takes.
func mayTrail(name string) bool {
	switch name {
	case "Authorization", "Cache-Control", "Connection", "Content-Encoding", "Content-Length", "Content-Range", "Content-Type",
		"Expect", "Host", "Keep-Alive", "Max-Forwards", "Pragma", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
		"Range", "Realm", "Te", "Trailer", "Transfer-Encoding", "Www-Authenticate":
		return false
	}
	return !strings.HasPrefix(name, "If-")
}

// appendTrailers writes the fields after the body: those that were announced, and those
// that are marked as such.
func (a *answer) appendTrailers(b []byte) []byte {
	for _, name := range a.trailers {
		b = appendField(b, name, a.header[name])
	}
	for name, values := range a.header {
		if name, ok := strings.CutPrefix(name, http.TrailerPrefix); ok && validName(name) {
			b = appendField(b, name, values)
		}
	}
	return b
}
