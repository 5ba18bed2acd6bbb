//go:build portability

package portability

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/test/dock"
)

// conformance runs the official suite, where there is a checkout of it, as a Windows program: with the files of a
// container everything has to pass, with those of the host all but what docs/conformance.md explains.
func conformance(t *testing.T, there dock.Program) {
	checkout := os.Getenv("WASI_TESTSUITE")
	if checkout == "" {
		t.Skip("SKIPPED: the official WASI suite: set WASI_TESTSUITE to a checkout of its branch with built modules")
	}
	out := filepath.Join(t.TempDir(), "conformance.exe")
	build := exec.CommandContext(t.Context(), dock.Find(t, "go"), "build", "-trimpath", "-o", out, "./test/conformance")
	build.Dir = dock.Root(t)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=windows", "GOARCH=amd64")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, text)
	}
	there.Command = []string{there.Command[0], out}
	report := there.Must(t, "", windowsPath(checkout))
	t.Log(report)
	if !strings.Contains(report, "\n72 passed, 0 failed\n") {
		t.Error("over the layers of an image not all 72 pass")
	}
}
