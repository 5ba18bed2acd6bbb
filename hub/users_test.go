package hub_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/wherry-run/wherry/hub"
)

func passwords(t *testing.T, file string, pairs ...string) {
	t.Helper()
	text := "# users\n\n"
	for i := 0; i+1 < len(pairs); i += 2 {
		hash, err := bcrypt.GenerateFromPassword([]byte(pairs[i+1]), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		text += pairs[i] + ":" + string(hash) + "\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestUsers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "htpasswd")
	passwords(t, file, "ann", "secret", "bob", "other")
	users, err := hub.OpenPasswords(file)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, hub.Config{Users: users})
	if a := s.want(401, "UNAUTHORIZED", "GET", "/v2/", nil); a.Header.Get("WWW-Authenticate") == "" {
		t.Error("there is no challenge")
	}
	const annSecret, annOther, bobOther, nobody = "Basic YW5uOnNlY3JldA==", "Basic YW5uOm90aGVy", "Basic Ym9iOm90aGVy", "Basic bm86c2VjcmV0"
	for range 2 { // a password that was right is remembered, one that was wrong is not
		s.want(200, "", "GET", "/v2/", nil, "Authorization", annSecret)
		s.want(200, "", "GET", "/v2/", nil, "Authorization", bobOther)
		s.want(401, "", "GET", "/v2/", nil, "Authorization", annOther)
		s.want(401, "", "GET", "/v2/", nil, "Authorization", nobody)
		s.want(401, "", "GET", "/v2/", nil, "Authorization", "Bearer x")
		s.want(401, "", "GET", "/v2/a/blobs/uploads/x", nil)
	}
	// A file that changes is read again, and who is out of it is out.
	passwords(t, file, "ann", "other password")
	for deadline := time.Now().Add(time.Minute); s.do("GET", "/v2/", nil, "Authorization", annSecret).StatusCode != 401; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the old password is still right")
		}
	}
	s.want(401, "", "GET", "/v2/", nil, "Authorization", bobOther)
	if err := os.WriteFile(file, []byte("ann:$apr1$x$y"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := hub.OpenPasswords(file); err == nil {
		t.Error("a hash that is not of bcrypt was taken")
	}
}

func TestReadOnly(t *testing.T) {
	s := serve(t, hub.Config{})
	data, d := s.image("a", "1", noise(1, 100), nil)
	s.stop()
	s.c.ReadOnly = true
	s.start()
	s.want(405, "UNSUPPORTED", "PUT", "/v2/a/manifests/2", data)
	s.want(405, "UNSUPPORTED", "POST", "/v2/a/blobs/uploads/", nil)
	s.want(405, "UNSUPPORTED", "DELETE", "/v2/a/manifests/"+string(d), nil)
	s.want(200, "", "GET", "/v2/a/manifests/1", nil)
}

// TestPagesOfTheWeb: a page that somebody looks at reaches no registry of this machine.
func TestPagesOfTheWeb(t *testing.T) {
	s := serve(t, hub.Config{Local: true})
	s.want(200, "", "GET", "/v2/", nil)
	s.want(200, "", "GET", "/v2/", nil, "Host", "localhost:5000")
	s.want(421, "DENIED", "GET", "/v2/", nil, "Host", "evil.example:5000")
	s.want(403, "DENIED", "POST", "/v2/a/blobs/uploads/", nil, "Origin", "https://evil.example")
	s.want(403, "DENIED", "POST", "/v2/a/blobs/uploads/", nil, "Sec-Fetch-Site", "cross-site")
	s.want(405, "UNSUPPORTED", "TRACE", "/v2/", nil)
	s.want(404, "UNSUPPORTED", "GET", "/", nil)
	s.want(404, "", "GET", "/v2/..%2f..%2fetc/passwd", nil)
}
