// Package folders takes folders as data scientists have them the way a new user
// would: init, build, test. They are made by native libraries when the test runs.
//
// By itself it makes and reads them, and holds the base's tokenizers against the
// native library: half a minute. WHERRY_TEST_FOLDERS=long goes all the way, with
// each of the five: some minutes.
package folders

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

func long() bool { return os.Getenv("WHERRY_TEST_FOLDERS") == "long" }

// native is the host's Python with packages that a file of testdata pins.
func native(t *testing.T, pins string) dock.Program {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", pins))
	if err != nil {
		t.Fatal(err)
	}
	p, _ := dock.Packages(t, string(text))
	p.Env = append(p.Env, "PYTHONDONTWRITEBYTECODE=1", "MLFLOW_DISABLE_TELEMETRY=true")
	p.Limit = 10 * time.Minute
	return p
}

func script(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTokenizers holds the base's tokenizers against the native library.
func TestTokenizers(t *testing.T) {
	count := "400"
	if long() {
		count = "4000"
	}
	ours := filepath.Join(dock.Root(t), "packager", "bases", "python", "launcher", "modules")
	python := native(t, "onnx.txt")
	t.Log("\n" + python.Must(t, "", script(t, "tokens.py"), "compare", ours, count))
	if !long() {
		return
	}
	// The same questions inside: another Python, with another Unicode.
	asked := filepath.Join(t.TempDir(), "asked.json")
	python.Must(t, "", script(t, "tokens.py"), "ask", asked, "1000")
	wherry := program(t)
	t.Log("\n" + wherry.Must(t, "", "run", "-v", asked+":/asked.json:ro", "-v", script(t, "tokens.py")+":/tokens.py:ro",
		"python", "python", "/tokens.py", "answer", "/asked.json"))
}

func program(t *testing.T) dock.Program {
	t.Helper()
	if os.Getenv("CI") != "true" && os.Getenv("WHERRY_TEST_PYTHON") == "" {
		t.Skip("NOT TESTED: folders of models need the Python module of 99 MB: set WHERRY_TEST_PYTHON=1")
	}
	wherry := dock.Native(t, dock.Home(t))
	wherry.Limit = 30 * time.Minute
	return wherry
}

// a folder, and what is done with it.
type folder struct {
	name string
	// make makes it, and files with native answers, by image; "" is the first.
	make func(t *testing.T, dir string)
	// steps are what the user types, in the folder. Those after the first are for
	// the long form.
	steps []step
	// cases are files of golden cases that native libraries have answered.
	cases string
}

type step struct {
	line string
	// says is what the program must say, on stdout or stderr; code is its exit code.
	says string
	code int
}

func folders(t *testing.T) []folder {
	return []folder{
		{
			name: "churn",
			make: func(t *testing.T, dir string) {
				native(t, "sklearn.txt").Must(t, "", script(t, "notebook_folder.py"), dir)
			},
			steps: []step{
				{line: "init model.pkl churn.ipynb", says: "next: wherry build -t churn . && wherry test churn"},
				{line: "build -q -t churn ."},
				{line: "test churn", says: "3 of 3 cases passed"},
			},
		},
		{
			name: "diabetes",
			make: func(t *testing.T, dir string) {
				native(t, "mlflow.txt").Must(t, "", script(t, "mlflow_folder.py"), dir)
			},
			steps: []step{
				{line: "init model", says: "MLflow model: Pipeline"},
				{line: "build -q -t diabetes model"},
				{line: "test diabetes", says: "2 of 2 cases passed"},
			},
		},
		{
			name: "sentence",
			make: texts,
			steps: []step{
				{line: "init .", says: "text to an embedding"},
				{line: "build -q -t sentence ."},
				{line: "test sentence", says: "2 of 2 cases passed"},
			},
			cases: "sentence-native.json",
		},
		{
			name: "optimum",
			make: texts,
			steps: []step{
				{line: "init .", says: "text to one of 3 labels"},
				{line: "build -q -t optimum ."},
				{line: "test optimum", says: "2 of 2 cases passed"},
			},
			cases: "optimum-native.json",
		},
		{
			name: "older",
			make: func(t *testing.T, dir string) {
				native(t, "older.txt").Must(t, "", script(t, "older_folder.py"), filepath.Join(dir, "older"), filepath.Join(filepath.Dir(dir), "older-native.json"))
			},
			steps: []step{
				{line: "init older/wine.joblib", says: "wherry convert older/wine.joblib --with scikit-learn==1.2.2", code: 1},
				{line: "convert older/wine.joblib --with scikit-learn==1.2.2", says: "--yes", code: 1},
				{line: "convert older/wine.joblib --with scikit-learn==1.2.2 --yes", says: "next: wherry init older/model.onnx"},
				{line: "init older/model.onnx", says: "the golden cases of cases.json stay"},
				{line: "build -q -t older older"},
				{line: "test older", says: "1 of 1 cases passed"},
			},
			cases: "older-native.json",
		},
	}
}

// texts makes both folders of text models; the test's own is one of them.
func texts(t *testing.T, dir string) {
	made := t.TempDir()
	native(t, "onnx.txt").Must(t, "", script(t, "text_folders.py"), made)
	name := filepath.Base(dir)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{name: dir, name + "-native.json": filepath.Join(filepath.Dir(dir), name+"-native.json")} {
		if err := os.Rename(filepath.Join(made, from), to); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFolders(t *testing.T) {
	wherry := program(t)
	for _, f := range folders(t) {
		t.Run(f.name, func(t *testing.T) {
			if f.name != "churn" && f.name != "sentence" && !long() {
				t.Skip("SKIPPED: it takes minutes, or installs many packages: set WHERRY_TEST_FOLDERS=long")
			}
			parent := t.TempDir()
			dir := filepath.Join(parent, f.name)
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			f.make(t, dir)
			wherry := wherry
			wherry.Dir = dir
			var typed strings.Builder
			for i, s := range f.steps {
				if i > 0 && !long() {
					break
				}
				r := wherry.Run(t, "", strings.Fields(s.line)...)
				fmt.Fprintf(&typed, "\n$ wherry %s   (%.1f s)\n%s%s", s.line, r.Took.Seconds(), quiet(r.Err), r.Out)
				if r.Code != s.code || !strings.Contains(r.Out+r.Err, s.says) {
					t.Fatalf("exit code %d, want %d and %q%s", r.Code, s.code, s.says, typed.String())
				}
			}
			t.Log(typed.String())
			checkCases(t, dir, f)
			if f.cases != "" && long() {
				t.Log(wherry.Must(t, "", "test", "--cases", filepath.Join(parent, f.cases), f.name))
			}
		})
	}
}

// TestHarm has init look at a pickle that does what it can when it is read.
func TestHarm(t *testing.T) {
	wherry := program(t)
	dir := t.TempDir()
	code, err := os.ReadFile(filepath.Join("testdata", "harm.py"))
	if err != nil {
		t.Fatal(err)
	}
	// Pickles of old are text: this one calls exec.
	text := "HOST = " + strconv.Quote(dir) + "\n" + string(code)
	pickle := "cbuiltins\nexec\n(V" + strings.NewReplacer(`\`, `\u005c`, "\n", `\u000a`).Replace(text) + "\ntR."
	if err := os.WriteFile(filepath.Join(dir, "model.pkl"), []byte(pickle), 0o600); err != nil {
		t.Fatal(err)
	}
	wherry.Dir = dir
	wherry.Env = append(wherry.Env, "MY_SECRET=1")
	r := wherry.Run(t, "", "init", "model.pkl")
	if r.Code != 1 || !strings.Contains(r.Err, "the module done=,") {
		t.Errorf("exit code %d: the pickle was not run, or could do something\n%s", r.Code, quiet(r.Err))
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("it left %v, %v", left, err)
	}
}

// quiet is what the program said, without its progress.
func quiet(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "compiling ") && !strings.HasPrefix(line, "recording") && !strings.HasPrefix(line, "[") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// checkCases looks at the golden cases that were written, and has the host's own
// libraries answer them, too.
func checkCases(t *testing.T, dir string, f folder) {
	t.Helper()
	where := dir
	if f.name == "diabetes" {
		where = filepath.Join(dir, "model")
	}
	if f.name == "older" {
		return // what is there was answered natively
	}
	data, err := os.ReadFile(filepath.Join(where, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var inside struct {
		Cases []struct {
			Name            string
			Inputs, Outputs map[string]any
		}
		Made map[string]string
	}
	if err := json.Unmarshal(data, &inside); err != nil {
		t.Fatal(err)
	}
	if len(inside.Cases) < 2 || !strings.Contains(inside.Made["by"], "in the sandbox") {
		t.Fatalf("golden cases:\n%s", data)
	}
	script, err := os.ReadFile(filepath.Join(where, "predict.py"))
	if err != nil {
		t.Fatal(err)
	}
	edits := bytes.Count(script, []byte("# EDIT"))
	t.Logf("%s: %d golden cases by %s, %d marks in predict.py", f.name, len(inside.Cases), inside.Made["by"], edits)
	pins := map[string]string{"churn": "sklearn.txt", "diabetes": "mlflow.txt", "sentence": "onnx.txt", "optimum": "onnx.txt"}[f.name]
	answers := native(t, pins).Must(t, string(data), "-c", ask, where)
	var outside []map[string]any
	if err := json.Unmarshal([]byte(answers), &outside); err != nil {
		t.Fatalf("native answers: %v\n%s", err, answers)
	}
	tolerance := 1e-9 // Python's own numbers
	if pins == "onnx.txt" {
		tolerance = 2e-5 // of 32 bits
	}
	for i, c := range inside.Cases {
		if worst := apart(c.Outputs, outside[i]); worst > tolerance {
			t.Errorf("%s: inside and native answers lie %.1e apart", c.Name, worst)
		}
	}
}

// ask is predict.py in the host's Python, asked about golden cases.
const ask = `
import json, os, sys
sys.path.insert(0, sys.argv[1])
os.chdir(sys.argv[1])
import predict
print(json.dumps([{k: v for k, v in predict.predict(**c["inputs"]).items()} for c in json.load(sys.stdin)["cases"]]))
`

// apart is the largest difference of two answers; a large one when they are of
// different kinds.
func apart(a, b any) float64 {
	switch a := a.(type) {
	case map[string]any:
		other, ok := b.(map[string]any)
		if !ok || len(other) != len(a) {
			return 1e9
		}
		worst := 0.0
		for k, v := range a {
			worst = max(worst, apart(v, other[k]))
		}
		return worst
	case []any:
		other, ok := b.([]any)
		if !ok || len(other) != len(a) {
			return 1e9
		}
		worst := 0.0
		for i, v := range a {
			worst = max(worst, apart(v, other[i]))
		}
		return worst
	case float64:
		if other, ok := b.(float64); ok {
			return max(a-other, other-a)
		}
	default:
		if a == b {
			return 0
		}
	}
	return 1e9
}
