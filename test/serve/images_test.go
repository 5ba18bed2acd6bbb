package serve

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/wherry-run/wherry/test/dock"
)

// images are the models that the shared server has, by the names they are served
// under: one in Python with scalars, one in ONNX with labels, one that keeps a state,
// one of texts.
var images = map[string]string{
	"iris":      "localhost/test-serve:iris",
	"cancer":    "localhost/test-serve:cancer",
	"voice":     "localhost/test-serve:voice",
	"sentences": "localhost/test-serve:sentences",
}

// built are the images that were built by this process: the first time on a machine
// that takes minutes, then nothing.
var built struct {
	sync.Mutex
	tags map[string]bool
}

// need builds an image of images.
func need(t testing.TB, tag string) {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if built.tags[tag] {
		return
	}
	example := func(name string) string { return filepath.Join(dock.Root(t), "examples", name) }
	folder := ""
	switch tag {
	case images["iris"]:
		folder = example("iris")
	case images["cancer"]:
		folder = cancer(t, example("xgboost"))
	case images["voice"]:
		folder = example("silero")
	case images["sentences"]:
		folder = example("sentences")
	default:
		t.Fatalf("nobody knows how to build %s", tag)
	}
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "build", "-q", "-t", tag, folder)
	cmd.Env = append(os.Environ(), "WHERRY_HOME="+dock.Home(t))
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", folder, err, text)
	}
	if built.tags == nil {
		built.tags = map[string]bool{}
	}
	built.tags[tag] = true
}

// cancer is a folder with a classifier that the example's script trained, once on
// this machine.
func cancer(t testing.TB, example string) string {
	t.Helper()
	script, err := os.ReadFile(filepath.Join(example, "train.py"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(filepath.Join("..", "examples", "testdata", "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(append(script, list...))
	kept := filepath.Join(dock.Root(t), ".cache", "packages", "cancer-"+hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(kept); err == nil {
		return kept
	}
	python, _ := dock.Packages(t, string(list))
	if python.Dir, err = os.MkdirTemp(filepath.Dir(kept), "draft-"); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(python.Dir)
	python.Env = append(python.Env, "PYTHONDONTWRITEBYTECODE=1")
	python.Must(t, "", filepath.Join(example, "train.py"))
	if err := os.Rename(python.Dir, kept); err != nil && !errors.Is(err, os.ErrExist) && !strings.Contains(err.Error(), "not empty") {
		t.Fatal(err)
	}
	return kept
}
