package serve_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/serve"
	"github.com/wherry-run/wherry/serve/inference"
	"github.com/wherry-run/wherry/serve/repository"
)

// TestControl: who may ask a server may not yet change it.
func TestControl(t *testing.T) {
	for _, c := range []struct {
		control bool
		want    int
	}{{false, http.StatusForbidden}, {true, http.StatusOK}} {
		s, err := serve.New(t.Context(), serve.Config{
			Repository: repository.Config{Sources: []repository.Source{serve.Source("m", &adder{plus: 1}, 1)}},
			Settings:   &inference.Settings{Level: new(slog.LevelVar)}, Control: c.control,
		})
		if err != nil {
			t.Fatal(err)
		}
		ask := func(path, body string) int {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			return w.Code
		}
		for _, path := range []string{"/v2/logging", "/v2/repository/models/m/unload"} {
			if got := ask(path, `{"log_info":false}`); got != c.want {
				t.Errorf("control %v: POST %s: %d, want %d", c.control, path, got, c.want)
			}
		}
		after := http.StatusOK
		if c.control { // it is unloaded
			after = http.StatusServiceUnavailable
		}
		if got := ask("/predict", `{"x":[1]}`); got != after {
			t.Errorf("control %v: the model answers %d after that, want %d", c.control, got, after)
		}
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}
}
