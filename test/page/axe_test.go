package page

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

	"github.com/wherry-run/wherry/test/browser"
	"github.com/wherry-run/wherry/test/dock"
)

// axe-core finds what people cannot use who do not see, hear or move as others do. It
// is pinned by its version and the digest of its package, as npm writes it.
const (
	axeVersion = "4.14.1"
	axeDigest  = "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
)

// axe gives the source of axe-core, which is fetched once on this machine.
func axe(t *testing.T) string {
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
func fetch(t *testing.T, file string) ([]byte, error) {
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

// accessible fails the test for what axe finds in the page as it stands.
func accessible(t *testing.T, p *browser.Page, source, when string) {
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
