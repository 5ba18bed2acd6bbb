package models

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

const recordedModel = `import numpy as np
table = {n: n * n for n in range(1000)}
weights = np.linspace(0, 1, 1000)


def predict(n: int, word: str = "x") -> dict:
    """Squares and weights."""
    return {"square": table[n], "weight": float(weights.sum()), "word": word.upper()}
`

// derivedOf is the digest of an image's derived data, and what it has of snapshots.
func derivedOf(t *testing.T, wherry dock.Program, image string) (digest string, snapshots int) {
	t.Helper()
	var got []struct {
		Derived *struct {
			Digest    string
			Snapshots []any
		}
	}
	if err := json.Unmarshal([]byte(wherry.Must(t, "", "inspect", image)), &got); err != nil || len(got) != 1 || got[0].Derived == nil {
		t.Fatalf("inspect %s: %v, %+v", image, err, got)
	}
	return got[0].Derived.Digest, len(got[0].Derived.Snapshots)
}

// TestRecordedTwice checks that what is recorded of a program is the same when it is recorded again: of a model, and of
// the interpreter itself. Usual runs of both, and those that fail, need nothing that was not foreseen.
//
// WHERRY_TEST_RECORDED=long records the interpreter in an empty home as well, where nothing has been compiled.
func TestRecordedTwice(t *testing.T) {
	if os.Getenv("CI") != "true" && os.Getenv("WHERRY_TEST_PYTHON") == "" {
		t.Skip("NOT TESTED: recordings of models need the Python module of 99 MB: set WHERRY_TEST_PYTHON=1")
	}
	wherry := dock.Native(t, dock.Home(t))
	wherry.Limit = 30 * time.Minute
	m := newModel(t, wherry, "recorded", recordedModel)
	dir := t.TempDir()
	for file, text := range map[string]string{
		"predict.py": recordedModel,
		"Wasmfile":   "FROM python\nWORKDIR /app\nCOPY predict.py .\nENTRYPOINT [\"predict\", \"/app/predict.py\"]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first, n := derivedOf(t, wherry, m.image)
	wherry.Must(t, "", "build", "-q", "--no-cache", "-t", m.image, dir)
	if again, _ := derivedOf(t, wherry, m.image); again != first || n == 0 {
		t.Errorf("recorded once %s with %d snapshots, and again %s", first, n, again)
	}
	for _, args := range [][]string{{"12"}, {"12", "ahoy"}, {"5000"}, {"nonsense"}, {}, {"1", "2", "3", "4"}, {"--help"}} {
		foreseen(t, wherry, 0, append([]string{m.image}, args...)...)
	}
	foreseen(t, wherry, 0, "python", "-c", "print(1)")
	foreseen(t, wherry, 1, "python", "-c", "1 / 0")
	foreseen(t, wherry, 1, "python", "-c", "import json, re, sys; print(json.dumps(sys.argv), re.sub('a', 'b', 'banana'))", "x")
	if os.Getenv("WHERRY_TEST_RECORDED") != "long" {
		return
	}
	elsewhere := dock.Native(t, t.TempDir())
	elsewhere.Limit = 30 * time.Minute
	elsewhere.Must(t, "", "build", "-q", "-t", m.image, dir)
	if there, _ := derivedOf(t, elsewhere, m.image); there != first {
		t.Errorf("here %s, in an empty home %s", first, there)
	}
}

// foreseen runs an image and checks that it began in its snapshot and loaded no more groups than this.
func foreseen(t *testing.T, wherry dock.Program, most int, line ...string) {
	t.Helper()
	r := wherry.Run(t, "", append([]string{"run", "--stats"}, line...)...)
	for n := range most + 1 {
		if strings.Contains(r.Err, "\nrestored 1, groups loaded "+string(rune('0'+n))+"\n") {
			return
		}
	}
	t.Errorf("%q: more than %d groups, or not restored\n%s", line, most, r.Err)
}
