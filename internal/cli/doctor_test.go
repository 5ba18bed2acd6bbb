package cli

import (
	"os"
	"strings"
	"testing"
)

// TestToolsAreAskedElsewhere: what lies in the current folder does not change
// which program wherry doctor runs.
func TestToolsAreAskedElsewhere(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOTOOLCHAIN", "auto")
	t.Setenv("GOFLAGS", "-nonsense")
	if err := os.WriteFile("go.mod", []byte("module example.com/m\n\ngo 1.999.9\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if f := checkTool(t.Context(), "go", "tests"); f.Status != "ok" || !strings.HasPrefix(f.Detail, "go version go1.") || strings.Contains(f.Detail, "999") {
		t.Errorf("doctor says %+v", f)
	}
}
