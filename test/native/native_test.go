// Package native holds the answers of native ONNX Runtime, which wherry-native runs
// outside the sandbox, to those of the sandbox.
package native

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/test/dock"
)

// build compiles both programs beside each other, as they are installed.
func build(t *testing.T) dock.Program {
	t.Helper()
	p, dir := dock.Native(t, dock.Home(t)), t.TempDir()
	program, err := os.ReadFile(p.Command[0])
	if err != nil {
		t.Fatal(err)
	}
	p.Command = []string{filepath.Join(dir, filepath.Base(p.Command[0]))}
	if err := os.WriteFile(p.Command[0], program, 0o700); err != nil {
		t.Fatal(err)
	}
	companion := filepath.Join(dir, "wherry-native")
	if runtime.GOOS == "windows" {
		companion += ".exe"
	}
	cmd := exec.CommandContext(t.Context(), dock.Find(t, "go"), "build", "-trimpath", "-o", companion, "./cmd/wherry-native")
	cmd.Dir = dock.Root(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return p
}

// tolerance is how far two numbers may lie apart, relative to them, or to one where
// they are smaller.
const tolerance = 1e-5

func TestSameAnswers(t *testing.T) {
	wherry := build(t)
	requirements, err := os.ReadFile(filepath.Join("..", "examples", "testdata", "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	python, packages := dock.Packages(t, string(requirements))
	library := filepath.Join(packages, "onnxruntime", "capi")
	for _, name := range []string{"xgboost", "lightgbm", "silero"} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(dock.Root(t), "examples", name)
			if name != "silero" {
				folder = trained(t, python, folder)
			}
			image := "test-native-" + name
			wherry.Must(t, "", "build", "-q", "-t", image, folder)
			r := wherry.Run(t, "", "test", "--backend", "native", "--ort-library", library, image)
			if r.Code != 0 || strings.Count(r.Err, "OUTSIDE the sandbox") != 1 {
				t.Errorf("golden cases: %d\n%s%s", r.Code, r.Out, r.Err)
			}
			if out := wherry.Must(t, "", "test", image); !strings.Contains(out, "cases passed") {
				t.Errorf("in the sandbox: %s", out)
			}
			compare(t, wherry, image, folder, library)
		})
	}
}

// trained has the example's own script make its model, in a folder of its own.
func trained(t *testing.T, python dock.Program, folder string) string {
	t.Helper()
	script, err := os.ReadFile(filepath.Join(folder, "train.py"))
	if err != nil {
		t.Fatal(err)
	}
	python.Dir = t.TempDir()
	python.Must(t, string(script), "-")
	return python.Dir
}

// compare asks both for the inputs of the golden cases, and compares all outputs.
func compare(t *testing.T, wherry dock.Program, image, folder, library string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Cases []struct {
			Inputs map[string]json.RawMessage `json:"inputs"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	var list []map[string]json.RawMessage
	for _, c := range golden.Cases {
		list = append(list, c.Inputs)
	}
	asked, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	own := wherry.Must(t, string(asked), "predict", "--format", "json", "--json", "-", image)
	native := wherry.Must(t, string(asked), "predict", "--format", "json", "--json", "-", "--backend", "native", "--ort-library", library, image)
	numbers := 0
	near(t, "", values(t, own), values(t, native), &numbers)
	if numbers < len(list) {
		t.Errorf("only %d numbers were compared", numbers)
	}
}

// values reads one JSON value after the other.
func values(t *testing.T, text string) (list []any) {
	t.Helper()
	for d := json.NewDecoder(strings.NewReader(text)); ; {
		var v any
		switch err := d.Decode(&v); {
		case errors.Is(err, io.EOF):
			return list
		case err != nil:
			t.Fatalf("%v: %.200s", err, text)
		}
		list = append(list, v)
	}
}

// near compares two JSON values.
func near(t *testing.T, at string, x, y any, numbers *int) {
	t.Helper()
	switch x := x.(type) {
	case float64:
		y, ok := y.(float64)
		*numbers++
		if !ok || math.Abs(x-y) > tolerance*max(1, math.Abs(x)) {
			t.Errorf("%s: %v, natively %v", at, x, y)
		}
	case []any:
		y, ok := y.([]any)
		if !ok || len(x) != len(y) {
			t.Errorf("%s: %d elements, natively %v", at, len(x), y)
			return
		}
		for i := range x {
			near(t, at, x[i], y[i], numbers)
		}
	case map[string]any:
		y, ok := y.(map[string]any)
		if !ok || len(x) != len(y) {
			t.Errorf("%s: %v, natively %v", at, x, y)
			return
		}
		for k := range x {
			near(t, at+"."+k, x[k], y[k], numbers)
		}
	default:
		if x != y {
			t.Errorf("%s: %v, natively %v", at, x, y)
		}
	}
}

// TestRefused has what is asked for wrongly.
func TestRefused(t *testing.T) {
	wherry := build(t)
	none := filepath.Join(t.TempDir(), "libonnxruntime.so")
	if err := os.WriteFile(none, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(dock.Root(t), "examples", "xgboost")
	for _, c := range []struct {
		says string
		args []string
	}{
		{"wherry-native: load ", []string{"test", "--backend", "native", "--ort-library", none, image}},
		{"no such file", []string{"test", "--backend", "native", "--ort-library", none + ".1", image}},
		{"write sandbox or native", []string{"test", "--backend", "fast", image}},
		{"--ort-library is for --backend native", []string{"test", "--ort-library", none, image}},
	} {
		r := wherry.Run(t, "", c.args...)
		if r.Code == 0 || !strings.Contains(r.Err+r.Out, c.says) {
			t.Errorf("%v: %d\n%s%s", c.args, r.Code, r.Out, r.Err)
		}
	}
}
