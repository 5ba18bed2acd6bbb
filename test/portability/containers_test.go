//go:build portability

package portability

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

// containers lives through the verbs of detached containers where commands and
// supervisors meet by named pipes: a site that is published, and another, in a process
// of its own, to which it passes requests on.
func containers(t *testing.T, p dock.Program) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"Back": "FROM static\nCOPY index.html /srv/http/\n", "index.html": "from behind",
		"Front": "FROM static\nLABEL run.wherry.web.proxy./=http://back:8080\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"Front", "Back"} {
		p.Must(t, "", "build", "-q", "-t", strings.ToLower(name), "-f", windowsPath(filepath.Join(dir, name)), windowsPath(dir))
	}
	p.Must(t, "", "network", "create", "inner")
	p.Must(t, "", "run", "-d", "--name", "back", "--network", "inner", "-v", "things:/things", "back")
	p.Must(t, "", "run", "-d", "--name", "front", "--network", "inner", "-p", "0:8080", "front")
	for _, c := range []struct {
		want string
		args []string
	}{
		{"running", []string{"inspect", "-f", "{{.State.Status}}", "front"}},
		{"back,front", []string{"ps", "--format", "{{.Names}}"}},
		{"index.html", []string{"exec", "back", "ls", "/srv/http"}},
		{"words", []string{"exec", "-i", "back", "cat"}},
		{"front", []string{"restart", "front"}},
		{"answers at", []string{"logs", "front"}},
		{"things", []string{"volume", "ls", "-q"}},
	} {
		r := p.Run(t, "words", c.args...)
		for word := range strings.SplitSeq(c.want, ",") {
			if r.Code != 0 || !strings.Contains(r.Out+r.Err, word) {
				t.Errorf("%q: %d %q %q, without %s", c.args, r.Code, r.Out, r.Err, word)
			}
		}
	}
	at := strings.TrimSpace(p.Must(t, "", "port", "front", "8080/tcp"))
	var said string
	for end := time.Now().Add(time.Minute); said == "" && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if r, err := http.Get("http://" + at + "/"); err == nil {
			text, _ := io.ReadAll(r.Body)
			r.Body.Close()
			said = string(text)
		}
	}
	if said != "from behind" {
		t.Errorf("http://%s/ says %q", at, said)
	}
	p.Must(t, "", "stop", "back")
	p.Must(t, "", "rm", "-f", "front", "back")
	p.Must(t, "", "volume", "rm", "things")
	p.Must(t, "", "network", "rm", "inner")
}
