package serve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wherry-run/wherry/serve"
	"github.com/wherry-run/wherry/serve/repository"
)

// TestDrainBackground: a server that is to end makes the predictions of the background
// that it has promised, and tells their webhooks, before it does.
func TestDrainBackground(t *testing.T) {
	var mu sync.Mutex
	var told []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(50 * time.Millisecond)
		var p struct{ Status string }
		_ = json.NewDecoder(r.Body).Decode(&p)
		mu.Lock()
		defer mu.Unlock()
		told = append(told, p.Status)
	}))
	defer other.Close()
	u, _ := url.Parse(other.URL)
	s, err := serve.New(t.Context(), serve.Config{
		Repository: repository.Config{Sources: []repository.Source{serve.Source("m", &adder{plus: 1, delay: 30 * time.Millisecond}, 1)}},
		Webhooks:   []string{u.Host},
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/predictions", strings.NewReader(`{"webhook":"`+other.URL+`","webhook_events_filter":["completed"],"input":{"x":[1]}}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Prefer", "respond-async")
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code != http.StatusAccepted {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Drain(ctx); err != nil {
		t.Error(err)
	}
	mu.Lock()
	if strings.Join(told, " ") != "succeeded succeeded succeeded" {
		t.Errorf("told %q", told)
	}
	mu.Unlock()
	if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

// TestLogSaysWhy: what is the server's own mistake is in its log, by the id that the
// client has.
func TestLogSaysWhy(t *testing.T) {
	var mu sync.Mutex
	var log bytes.Buffer
	s, err := serve.New(t.Context(), serve.Config{
		Repository: repository.Config{Sources: []repository.Source{serve.Source("m", &adder{}, 1)}},
		Log:        slog.New(slog.NewTextHandler(&locked{&mu, &log}, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.WithoutCancel(t.Context()))
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/predict", strings.NewReader(`{"x":[13]}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Request-Id", "the-one")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	mu.Lock()
	defer mu.Unlock()
	if got := log.String(); w.Code != 500 || !strings.Contains(got, "a mistake") || !strings.Contains(got, "id=the-one") || !strings.Contains(got, "serve_test.go") {
		t.Errorf("%d %s, the log has %s", w.Code, w.Body, got)
	}
}

// locked is a buffer that several may write to.
type locked struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}
