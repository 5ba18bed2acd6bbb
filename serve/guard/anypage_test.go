package guard_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/wherry-run/wherry/serve/guard"
)

// TestAnyPage wants an application asked by pages of other sites, preflights included,
// and by no other name than its own.
func TestAnyPage(t *testing.T) {
	h := guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "http://localhost:3000")
		w.WriteHeader(http.StatusNoContent)
	}), guard.Config{Bound: "127.0.0.1", AnyPage: true})
	for _, method := range []string{"OPTIONS", "POST"} {
		r := httptest.NewRequest(method, "http://localhost:8080/", nil)
		r.Header.Set("Origin", "http://localhost:3000")
		r.Header.Set("Sec-Fetch-Site", "same-site")
		r.Header.Set("Access-Control-Request-Method", "POST")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusNoContent || w.Header().Get("Access-Control-Allow-Origin") != "http://localhost:3000" {
			t.Errorf("%s: %d, %v", method, w.Code, w.Header())
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "http://evil.example/", nil))
	if w.Code != http.StatusMisdirectedRequest {
		t.Error(w.Code)
	}
}
