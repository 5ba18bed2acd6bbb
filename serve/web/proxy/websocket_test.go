package proxy_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/coder/websocket"

	"github.com/wherry-run/wherry/serve/web/socket"
)

// TestWebSocket has one pass through.
func TestWebSocket(t *testing.T) {
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/ws" || !socket.Asked(r) || !socket.Valid(w, r) {
			http.Error(w, "no", http.StatusNotFound)
			return
		}
		c, err := socket.Accept(w, r, socket.Options{MaxMessage: 1 << 20, Timeout: 10e9, Protocol: "two"})
		if err != nil {
			return
		}
		for {
			m, err := c.Read(r.Context())
			if err != nil {
				return
			}
			m.Data = append(m.Data, '!')
			_ = c.Write(r.Context(), m)
		}
	}))
	defer back.Close()
	s := open(t, map[string]string{"p./api/": "http://back:8000"}, network{"back:8000": back.Listener.Addr().String()})
	c, r, err := websocket.Dial(t.Context(), s.URL+"/api/ws", &websocket.DialOptions{Subprotocols: []string{"one", "two"}})
	if err != nil {
		t.Fatal(r, err)
	}
	defer c.CloseNow()
	for range 3 {
		if err := c.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		kind, data, err := c.Read(t.Context())
		if err != nil || kind != websocket.MessageText || string(data) != "hello!" || c.Subprotocol() != "two" {
			t.Fatalf("%v %q, %v", kind, data, err)
		}
	}
	if err := c.Close(4000, "bye"); err != nil {
		t.Error(err)
	}
	if _, r, err := websocket.Dial(t.Context(), s.URL+"/api/other", nil); err == nil || r.StatusCode != http.StatusNotFound {
		t.Errorf("%v, %v", r, err)
	}
}
