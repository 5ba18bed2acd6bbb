package socket

import (
	"net/http"
	"strings"
)

// Asked tells whether a request is to become a WebSocket.
func Asked(r *http.Request) bool {
	return len(r.Header["Upgrade"]) > 0 && names(r.Header["Upgrade"], "websocket")
}

// names tells whether one of the words of a header is name.
func names(lines []string, name string) bool {
	for _, line := range lines {
		for word := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(word), name) {
				return true
			}
		}
	}
	return false
}

// Valid tells whether a request can become a WebSocket, and answers one that cannot.
func Valid(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case r.ProtoMajor != 1 || r.Method != http.MethodGet || !names(r.Header["Connection"], "upgrade") || len(r.Header["Sec-Websocket-Key"]) != 1:
		http.Error(w, "this is no handshake of a WebSocket: GET of HTTP/1.1, with Connection: Upgrade and Sec-WebSocket-Key", http.StatusBadRequest)
	case r.Header.Get("Sec-WebSocket-Version") != "13":
		w.Header().Set("Sec-WebSocket-Version", "13")
		http.Error(w, "WebSocket has version 13 here", http.StatusUpgradeRequired)
	default:
		return true
	}
	return false
}

// Protocols are the subprotocols that a client offers, which is how ASGI has them.
func Protocols(r *http.Request) []string {
	list := []string{}
	for _, line := range r.Header["Sec-Websocket-Protocol"] {
		for word := range strings.SplitSeq(line, ",") {
			if word = strings.TrimSpace(word); word != "" {
				list = append(list, word)
			}
		}
	}
	return list
}

// Without has a handler that knows nothing of WebSockets say so, and what would.
func Without(h http.Handler, why string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if Asked(r) {
			http.Error(w, why, http.StatusNotImplemented)
			return
		}
		h.ServeHTTP(w, r)
	})
}
