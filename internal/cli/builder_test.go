package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/cli/ux"
)

// A build that cannot open what it needs says what it was.
func TestNoWorkshop(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	if err := os.WriteFile(home, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var o, e bytes.Buffer
	code := Main(t.Context(), []string{"build", t.TempDir()}, func(name string) string {
		if name == "WHERRY_HOME" {
			return home
		}
		return ""
	}, ux.Streams{In: strings.NewReader(""), Out: &o, Err: &e})
	if code == 0 || !strings.Contains(e.String(), "open store") {
		t.Errorf("%d: %s", code, e.String())
	}
}
