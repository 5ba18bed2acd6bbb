//go:build portability

package portability

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

// TestArm64 runs the arm64 binary, whose compiler emits other code for other
// instructions, under qemu.
func TestArm64(t *testing.T) {
	qemu := dock.Find(t, "qemu-aarch64-static")
	here := dock.Native(t, filepath.Join(t.TempDir(), "home"))
	there := dock.Program{
		Command: []string{qemu, dock.Build(t, "linux", "arm64")},
		Env:     []string{"WHERRY_HOME=" + filepath.Join(t.TempDir(), "home")},
		Limit:   10 * time.Minute,
	}
	if got := platform(t, there); got != "linux/arm64" {
		t.Fatalf("the binary says that it is for %s", got)
	}
	host := dock.Registry(t)
	t.Run("wordcount", func(t *testing.T) {
		name := push(t, here, host, "wordcount")
		same(t, "wordcount", there.Must(t, verse, "run", "-i", name), here.Must(t, verse, "run", "-i", name))
	})
	t.Run("matmul", func(t *testing.T) {
		dock.Find(t, "clang")
		name := push(t, here, host, "matmul")
		archive := filepath.Join(t.TempDir(), "matmul.tar")
		here.Must(t, "", "save", "-o", archive, name)
		there.Must(t, "", "load", "-i", archive)
		for _, n := range []string{"64", "100"} {
			same(t, "matmul "+n, there.Must(t, "", "run", "--pull", "never", name, n), here.Must(t, "", "run", name, n))
		}
	})
	t.Run("iris", func(t *testing.T) {
		if os.Getenv("WHERRY_TEST_PYTHON") != "long" {
			t.Skip("SKIPPED: the snapshot of a model takes minutes here: set WHERRY_TEST_PYTHON=long")
		}
		name, done := pushIris(t, here, host)
		defer done()
		there.Must(t, "", "pull", "-q", name)
		iris(t, here, there, name)
	})
	t.Run("deterministic", func(t *testing.T) {
		deterministic(t, here, there, func(path string) string { return path })
	})
	t.Run("build", func(t *testing.T) {
		dir := plainContext(t)
		here.Must(t, "", "build", "-q", "-t", "plain:1", dir)
		there.Must(t, "", "build", "-q", "-t", "plain:1", dir)
		if got, want := indexDigest(t, there, "plain:1"), indexDigest(t, here, "plain:1"); got != want {
			t.Errorf("arm64 built %s, this machine %s: %s", got, want, difference(t, here, there))
		}
	})
}
