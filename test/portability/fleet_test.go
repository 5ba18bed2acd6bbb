//go:build portability

package portability

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/test/dock"
)

// verse is what wordcount counts.
const verse = "Row, row, row your boat\ngently down the stream:\nmerrily, merrily, merrily, merrily\n"

// plainContext lays out the build context that needs nothing of the host.
func plainContext(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "plain")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(dock.Root(t), "test/portability/testdata/plain"))); err != nil {
		t.Fatal(err)
	}
	dock.Guest(t, filepath.Join(dock.Root(t), "examples/wordcount"), filepath.Join(dir, "wordcount.wasm"))
	weights := make([]byte, 200_000)
	x := uint32(1)
	for i := range weights {
		x = x*1664525 + 1013904223
		weights[i] = byte(x >> 24)
	}
	if err := os.WriteFile(filepath.Join(dir, "weights.bin"), weights, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// indexDigest is the digest of the index that a name means.
func indexDigest(t *testing.T, p dock.Program, name string) string {
	t.Helper()
	lines := strings.Fields(p.Must(t, "", "images", "--no-trunc", "--format", "{{.Digest}}", name))
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "sha256:") {
		t.Fatalf("images %s: %q", name, lines)
	}
	return lines[0]
}

// same compares what two machines printed.
func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got\n%swant\n%s", what, got, want)
	}
}

// platform is what `version` says the binary is for.
func platform(t *testing.T, p dock.Program) string {
	t.Helper()
	var v struct{ OS, Arch string }
	out := p.Must(t, "", "version", "--format", "json")
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("version --format json: %v: %s", err, out)
	}
	return v.OS + "/" + v.Arch
}

// push builds an example here and pushes it.
func push(t *testing.T, p dock.Program, host, example string) (name string) {
	t.Helper()
	name = host + "/" + example + ":1"
	p.Must(t, "", "build", "-q", "-t", name, filepath.Join(dock.Root(t), "examples", example))
	p.Must(t, "", "push", "-q", name)
	return name
}
