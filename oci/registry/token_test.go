package registry_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/wherry-run/wherry/oci/registry"
)

// tokens is a registry with a token service whose tokens last a few requests.
type tokens struct {
	uses   int // requests that one token is good for
	deny   bool
	mu     sync.Mutex
	issued int
	left   map[string]int
}

func (s *tokens) wrap(next http.Handler) http.Handler {
	s.left = map[string]int{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			s.issue(w)
			return
		}
		if !s.spend(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")) {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="s"`, r.Host))
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *tokens) issue(w http.ResponseWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deny {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	s.issued++
	token := fmt.Sprint("t", s.issued)
	s.left[token] = s.uses
	fmt.Fprintf(w, `{"token":%q}`, token)
}

func (s *tokens) spend(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left[token]--
	return s.left[token] >= 0
}

// TestTokensExpire: tokens that end in the middle of a push are replaced.
func TestTokensExpire(t *testing.T) {
	s := &tokens{uses: 5}
	host := serve(t, s.wrap)
	src := newMemory()
	index := build(t, src, random(1, 3_000_000), random(2, 100_000))
	ref := reference(t, host+"/iris:1")
	c := client(registry.WithJobs(2))
	if err := c.Push(t.Context(), ref, index, src, registry.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Fetch(t.Context(), ref, newMemory()); err != nil {
		t.Fatal(err)
	}
	if s.issued < 3 {
		t.Errorf("only %d tokens were issued: nothing expired", s.issued)
	}
}

func TestTokenServiceRefuses(t *testing.T) {
	s := &tokens{deny: true}
	host := serve(t, s.wrap)
	_, err := client().Resolve(t.Context(), reference(t, host+"/iris:1"))
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "wherry login "+host) {
		t.Fatalf("got %v", err)
	}
}
