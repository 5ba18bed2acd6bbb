package serve_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/serve"
	"github.com/wherry-run/wherry/serve/guard"
)

// TestOtherSites: a server that a network reaches is not for every page that somebody
// there has open; as a handler of another server, whose matter that is, it is.
func TestOtherSites(t *testing.T) {
	for bound, want := range map[string]int{"0.0.0.0:8080": http.StatusForbidden, "": http.StatusOK} {
		s, err := serve.New(t.Context(), serve.Config{Repository: serve.Models("m", &adder{plus: 1}), Guard: guard.Config{Bound: bound}})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/v2/models/m/infer", strings.NewReader(`{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}`))
		r.Header.Set("Content-Type", "text/plain")
		r.Header.Set("Origin", "https://any.example")
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code != want {
			t.Errorf("bound to %q: %d %s", bound, w.Code, w.Body)
		}
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}
}
