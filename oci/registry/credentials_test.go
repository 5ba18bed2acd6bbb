package registry_test

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/cli/cli/config"
	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/wherry-run/wherry/oci/registry"
)

// secured wants a user and password, and notes what it saw.
func secured(t *testing.T, seen *[]string) (host string) {
	var mu sync.Mutex
	return serve(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			*seen = append(*seen, r.Header.Get("Authorization"))
			mu.Unlock()
			if r.Header.Get("Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("jo:secret")) {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
}

// keys gives one set of credentials for one host.
type keys struct{ host string }

func (k keys) Resolve(r authn.Resource) (authn.Authenticator, error) {
	if r.RegistryStr() == k.host {
		return authn.FromConfig(authn.AuthConfig{Username: "jo", Password: "secret"}), nil
	}
	return authn.Anonymous, nil
}

// TestNoCredentialsElsewhere: what a registry redirects to gets no secret.
func TestNoCredentialsElsewhere(t *testing.T) {
	var elsewhere []string
	var mu sync.Mutex
	blobs := newMemory()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		elsewhere = append(elsewhere, r.Header.Get("Authorization")+r.Header.Get("Cookie"))
		mu.Unlock()
		for d, b := range blobs.blobs {
			if strings.HasSuffix(r.URL.Path, string(d)) {
				w.Write(b)
				return
			}
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(other.Close)
	// Another name for this machine is another origin.
	origin := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	f := &fault{match: isBlobGet, do: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		w.Header().Set("Set-Cookie", "session=1")
		http.Redirect(w, r, origin+r.URL.Path, http.StatusTemporaryRedirect)
	}}
	var seen []string
	var host string
	host = serve(t, func(next http.Handler) http.Handler {
		next = f.wrap(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			seen = append(seen, r.Header.Get("Authorization"))
			mu.Unlock()
			if r.Header.Get("Authorization") == "" {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	index := build(t, blobs, random(1, 1000), random(2, 1000))
	ref := reference(t, host+"/iris:1")
	c := client(registry.WithKeychain(keys{host}))
	if err := c.Push(t.Context(), ref, index, blobs, registry.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Fetch(t.Context(), ref, newMemory()); err != nil {
		t.Fatal(err)
	}
	if len(elsewhere) == 0 {
		t.Fatal("nobody was redirected")
	}
	for _, s := range elsewhere {
		if s != "" {
			t.Fatalf("the other origin got %q", s)
		}
	}
	if len(seen) == 0 {
		t.Fatal("the registry saw nothing")
	}
}

func TestLogin(t *testing.T) {
	dir, before := t.TempDir(), config.Dir()
	t.Setenv("DOCKER_CONFIG", dir)
	config.SetDir(dir) // it asks the environment once in a process
	t.Cleanup(func() { config.SetDir(before) })
	var seen []string
	host := secured(t, &seen)
	c := registry.New(registry.WithPatience(30*time.Second, time.Millisecond))
	if _, err := c.Login(t.Context(), host, "jo", "wrong"); !errors.Is(err, registry.ErrCredentials) {
		t.Fatalf("a wrong password: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "config.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal("a wrong password was stored")
	}
	ref := reference(t, host+"/iris:1")
	if _, err := c.Resolve(t.Context(), ref); !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("without a login: %v", err)
	}
	src := newMemory()
	index := build(t, src, random(1, 10), random(2, 10))
	where, err := c.Login(t.Context(), host, "jo", "secret")
	if err != nil || where == "" {
		t.Fatal(where, err)
	}
	if err := c.Push(t.Context(), ref, index, src, registry.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := c.Logout(host); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Resolve(t.Context(), ref); !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("after logout: %v", err)
	}
}
