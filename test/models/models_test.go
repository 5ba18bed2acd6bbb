// Package models proves that a model is the same on both sides of the sandbox's
// wall: what native scikit-learn saved answers alike inside, and the other way
// round. It compiles the Python module once on a machine, so it runs with
// WHERRY_TEST_PYTHON=1 or in CI.
package models

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

// tolerance is how far two answers may lie apart, absolutely.
const tolerance = 1e-9

// rows is how many irises every model is asked about.
const rows = 150

// kinds is how many models the zoo has, the example's included.
const kinds = 15

// answers is model -> method -> what it said of each row.
type answers map[string]map[string]any

func TestModels(t *testing.T) {
	if os.Getenv("CI") != "true" && os.Getenv("WHERRY_TEST_PYTHON") == "" {
		t.Skip("NOT TESTED: models on both sides need the Python module of 99 MB: set WHERRY_TEST_PYTHON=1")
	}
	requirements, err := os.ReadFile(filepath.Join("testdata", "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	native, _ := dock.Packages(t, string(requirements))
	native.Env = append(native.Env, "PYTHONDONTWRITEBYTECODE=1")
	wherry := dock.Native(t, dock.Home(t))
	wherry.Limit = 30 * time.Minute // the first one on a machine compiles the module
	iris := filepath.Join(dock.Root(t), "examples", "iris")
	image := "localhost/test-models:iris"
	wherry.Must(t, "", "build", "-q", "-t", image, iris)

	// Importing scikit-learn takes seconds, so the sandbox's interpreter starts
	// once: it trains what is asked outside and answers what was trained there.
	work := t.TempDir()
	inside, outside := filepath.Join(work, "inside"), filepath.Join(work, "outside")
	zoo := filepath.Join(work, "zoo.py")
	layOut(t, map[string]string{zoo: filepath.Join("testdata", "zoo.py"), filepath.Join(work, "train.py"): filepath.Join(iris, "train.py")}, inside, outside)
	native.Must(t, "", zoo, "train", outside)
	said := wherry.Must(t, "", "run", "-v", work+":/work", "-e", "IRIS_MODEL=/app/iris.joblib", "--entrypoint", "python",
		image, "/work/zoo.py", "train", "/work/inside", "ask", "/work/outside")
	t.Run("trained outside, asked inside", func(t *testing.T) { compare(t, outside, said) })
	said = native.Must(t, "", zoo, "ask", inside)
	t.Run("trained inside, asked outside", func(t *testing.T) { compare(t, inside, said) })
	t.Run("ways to start", func(t *testing.T) { testWays(t, wherry, image, outside) })
}

// layOut copies the programs and makes the folders that models are saved in.
func layOut(t *testing.T, files map[string]string, folders ...string) {
	t.Helper()
	for to, from := range files {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range folders {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// compare holds what the other side said of the models in a folder against what
// the side that saved them said itself.
func compare(t *testing.T, folder, text string) {
	data, err := os.ReadFile(filepath.Join(folder, "answers.json"))
	if err != nil {
		t.Fatal(err)
	}
	want, got := parse(t, string(data)), parse(t, text)
	if len(want) != kinds {
		t.Fatalf("%d models were saved, want %d", len(want), kinds)
	}
	var table strings.Builder
	for _, name := range slices.Sorted(maps.Keys(want)) {
		worst, numbers, err := differ(want[name], got[name])
		switch {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case worst > tolerance:
			t.Errorf("%s: answers lie %.1e apart, at most %.0e may be", name, worst, tolerance)
		}
		fmt.Fprintf(&table, "\n%-24s %6d answers  largest difference %.1e", name, numbers, worst)
	}
	t.Log(table.String())
}

func parse(t *testing.T, text string) answers {
	t.Helper()
	var a answers
	d := json.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&a); err != nil {
		t.Fatalf("answers are no JSON: %v\n%.300s", err, text)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		t.Fatalf("something follows the answers: %v", err)
	}
	return a
}

// differ returns the largest difference between two models' answers and how many
// numbers and labels they hold. Labels must be equal.
func differ(want, got map[string]any) (worst float64, count int, err error) {
	if text, ok := got["error"]; ok {
		return 0, 0, fmt.Errorf("%v", text)
	}
	if got == nil {
		return 0, 0, errors.New("was not asked")
	}
	if !slices.Equal(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))) {
		return 0, 0, errors.New("has other methods on the other side")
	}
	for method, a := range want {
		if list, ok := a.([]any); !ok || len(list) != rows {
			return worst, count, fmt.Errorf("%s: no answer for each of the %d rows", method, rows)
		}
		d, n, err := distance(a, got[method])
		if err != nil {
			return worst, count, fmt.Errorf("%s: %w", method, err)
		}
		worst, count = max(worst, d), count+n
	}
	if count < rows {
		return worst, count, errors.New("said nothing")
	}
	return worst, count, nil
}

// distance compares two JSON values of the same shape.
func distance(a, b any) (worst float64, count int, err error) {
	switch a := a.(type) {
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return 0, 0, errors.New("answers have another shape")
		}
		for i := range a {
			d, n, err := distance(a[i], b[i])
			if err != nil {
				return worst, count, fmt.Errorf("row %d: %w", i, err)
			}
			worst, count = max(worst, d), count+n
		}
		return worst, count, nil
	case float64:
		b, ok := b.(float64)
		if !ok || math.IsNaN(a-b) {
			return 0, 0, errors.New("not a number")
		}
		return math.Abs(a - b), 1, nil
	default:
		if a != b {
			return 0, 0, fmt.Errorf("%v, want %v", b, a)
		}
		return 0, 1, nil
	}
}

// TestCompare proves that the comparison can fail.
func TestCompare(t *testing.T) {
	of := func(change func([]any)) map[string]any {
		list := make([]any, rows)
		for i := range list {
			list[i] = []any{float64(i), "setosa"}
		}
		change(list)
		return map[string]any{"predict": list}
	}
	same := func([]any) {}
	for name, c := range map[string]struct {
		got     map[string]any
		apart   bool
		refused bool
	}{
		"equal":          {of(same), false, false},
		"rounding":       {of(func(l []any) { l[9] = []any{9 + 1e-12, "setosa"} }), false, false},
		"another number": {of(func(l []any) { l[9] = []any{9 + 1e-8, "setosa"} }), true, false},
		"another label":  {of(func(l []any) { l[9] = []any{9.0, "virginica"} }), false, true},
		"another shape":  {of(func(l []any) { l[9] = []any{9.0} }), false, true},
		"an error":       {map[string]any{"error": "ValueError"}, false, true},
		"no answers":     {nil, false, true},
		"another method": {map[string]any{"transform": of(same)["predict"]}, false, true},
	} {
		worst, _, err := differ(of(same), c.got)
		if (err != nil) != c.refused || worst > tolerance != c.apart {
			t.Errorf("%s: difference %g, error %v", name, worst, err)
		}
	}
	short := map[string]any{"predict": []any{1.0}}
	if _, _, err := differ(short, short); err == nil {
		t.Error("one row of 150 was enough")
	}
}
