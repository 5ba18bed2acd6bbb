package browser

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/test/dock"
)

// axe-core finds what people cannot use who do not see, hear or move as others do. It
// is pinned by its version and the digest of its package, as npm writes it.
const (
	axeVersion = "4.14.1"
	axeDigest  = "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
)

// Axe gives the source of axe-core, which is fetched once on this machine.
func Axe(t testing.TB) string {
	t.Helper()
	file := filepath.Join(dock.Root(t), ".cache", "packages", "axe-core-"+axeVersion+".tgz")
	pack, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		pack, err = fetch(t, file)
	}
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha512.Sum512(pack); "sha512-"+base64.StdEncoding.EncodeToString(sum[:]) != axeDigest {
		t.Fatalf("%s is not the package that is pinned here: remove it", file)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(pack))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if err != nil {
			t.Fatalf("axe.min.js in %s: %v", file, err)
		}
		if h.Name == "package/axe.min.js" {
			source, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			return string(source)
		}
	}
}

// fetch has npm bring the package.
func fetch(t testing.TB, file string) ([]byte, error) {
	t.Helper()
	if _, err := exec.LookPath("npm"); err != nil {
		dock.Missing(t, "npm")
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "npm", "pack", "--silent", "axe-core@"+axeVersion)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		dock.Missing(t, fmt.Sprintf("axe-core (npm pack: %v\n%s)", err, out))
	}
	pack, err := os.ReadFile(filepath.Join(dir, "axe-core-"+axeVersion+".tgz"))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	draft := file + ".draft"
	if err := os.WriteFile(draft, pack, 0o600); err != nil {
		return nil, err
	}
	return pack, os.Rename(draft, file)
}

// Fits fails the test when the page is wider than its screen.
func (p *Page) Fits(when string) {
	p.t.Helper()
	var wide []string
	p.Eval(`document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 8).map((e) => e.outerHTML.slice(0, 120))`, &wide)
	if len(wide) > 0 {
		p.t.Errorf("%s: the page is wider than the screen: %s", when, strings.Join(wide, "\n"))
	}
}

// Shot keeps a screenshot for people to look at, in the folder that WHERRY_TEST_SHOTS
// names; without one it does nothing.
func (p *Page) Shot(name string) {
	p.t.Helper()
	if dir := os.Getenv("WHERRY_TEST_SHOTS"); dir != "" {
		p.Screenshot(filepath.Join(dir, name+".png"))
	}
}

// Accessible fails the test for what axe, of which it is given the source, finds in the
// page as it stands.
func (p *Page) Accessible(source, when string) {
	t := p.t
	t.Helper()
	// DevTools evaluates it, which no policy of the page forbids.
	p.Eval(source+"; true", nil)
	var found []struct {
		ID, Impact, Help string
		Nodes            []struct {
			HTML           string
			FailureSummary string
		}
	}
	p.Eval(`axe.run(document, {resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then((r) => r.violations)`, &found)
	for _, v := range found {
		var where []string
		for _, n := range v.Nodes {
			where = append(where, fmt.Sprintf("%.200s\n    %s", n.HTML, n.FailureSummary))
		}
		t.Errorf("%s: axe finds %s (%s): %s\n  %s", when, v.ID, v.Impact, v.Help, strings.Join(where, "\n  "))
	}
}
