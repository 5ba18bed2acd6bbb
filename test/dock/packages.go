package dock

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Packages is the host's Python with packages that its pip installs once on
// this machine, and the folder they are in, which is named by what was asked and
// by which Python. The requirements name every package that comes, and its version. It needs no venv, which not every distribution's Python can
// make.
func Packages(t testing.TB, requirements string) (python Program, dir string) {
	t.Helper()
	return packages(t, requirements, requirements)
}

// packages installs by arguments of pip what a name stands for.
func packages(t testing.TB, requirements, args string) (python Program, dir string) {
	t.Helper()
	path := Find(t, "python3")
	// What PATH names may be a script that looks for the interpreter at each start.
	out, err := exec.CommandContext(t.Context(), path, "-c", "import sys; print(sys.executable); print(sys.version)").Output()
	if err != nil {
		t.Fatalf("python3: %v", err)
	}
	path, version, _ := strings.Cut(string(out), "\n")
	path = strings.TrimSpace(path)
	sum := sha256.Sum256([]byte(requirements + "\n" + version + runtime.GOOS + runtime.GOARCH))
	dir = filepath.Join(Root(t), ".cache", "packages", hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(dir); err != nil {
		if exec.CommandContext(t.Context(), path, "-m", "pip", "--version").Run() != nil {
			Missing(t, "python3 with pip")
		}
		install(t, path, args, dir)
	}
	return Program{Command: []string{path}, Env: []string{"PYTHONPATH=" + dir, "PYTHONNOUSERSITE=1"}}, dir
}

// install makes the folder beside its place and renames it, so that a test that
// is interrupted, or another test at the same time, leaves no half of one.
func install(t testing.TB, python, requirements, dir string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	draft, err := os.MkdirTemp(filepath.Dir(dir), "draft-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(draft)
	args := []string{"-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:", "--target", draft}
	cmd := exec.CommandContext(t.Context(), python, append(args, strings.Fields(requirements)...)...)
	started := time.Now()
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("pip install %s: %v\n%s", requirements, err, text)
	}
	t.Logf("pip install %s (%s)", requirements, time.Since(started).Round(time.Second))
	if more := unpinned(t, draft, requirements); len(more) > 0 {
		if _, ok := t.(*testing.T); ok { // a benchmark measures what there is today
			t.Fatalf("tests install the same packages always: name %s too", strings.Join(more, " "))
		}
	}
	if err := os.Rename(draft, dir); err != nil {
		if _, exists := os.Stat(dir); exists != nil {
			t.Fatal(err)
		}
	}
}

// unpinned are packages that others brought along, at whatever version there is.
func unpinned(t testing.TB, dir, requirements string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.dist-info"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(requirements, "--no-deps") {
		return nil
	}
	named := map[string]bool{}
	for _, word := range strings.Fields(requirements) {
		if name, _, ok := strings.Cut(word, "=="); ok {
			name, _, _ = strings.Cut(name, "[")
			named[normal(name)] = true
		}
	}
	var more []string
	for _, folder := range found {
		name, version, _ := strings.Cut(strings.TrimSuffix(filepath.Base(folder), ".dist-info"), "-")
		if !named[normal(name)] {
			more = append(more, normal(name)+"=="+version)
		}
	}
	return more
}

// normal is a package's name as all its spellings are compared.
func normal(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(name))
}

// Pinned is Packages with a list that names every package and its version, those
// that others need among them: file is where pip reads it.
func Pinned(t testing.TB, list, file string) (python Program, dir string) {
	t.Helper()
	return packages(t, list, "--no-deps -r "+file)
}
