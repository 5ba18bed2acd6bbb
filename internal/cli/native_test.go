package cli

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
)

// TestHostPython has this machine's own Python answer golden cases.
func TestHostPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("python3 is missing, and CI must not skip")
		}
		t.Skip("NOT TESTED: python3 is missing")
	}
	program := filepath.Join(t.TempDir(), "predict.py")
	write := func(text string) {
		if err := os.WriteFile(program, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	golden := &model.Golden{Cases: []model.Case{
		{Name: "one", Inputs: map[string]json.RawMessage{"x": []byte("1.5")}},
		{Name: "two", Inputs: map[string]json.RawMessage{"x": []byte("[2]"), "n": []byte("3000000000")}},
		{Name: "bad", Inputs: map[string]json.RawMessage{"x": []byte("-1")}},
	}}
	write(`from typing import NamedTuple
from wherry import Range

class Out(NamedTuple):
    product: float
    whole: int
    words: list[str]
    any: dict

def predict(x: float, n: int = 2) -> Out:
    print("nobody sees this")
    if x < 0:
        raise ValueError("less than nothing")
    return Out(x * n, n * n, ["a", "b"], {"x": [x]})
`)
	own, err := hostPython{python, program}.ask(t.Context(), golden)
	if err != nil {
		t.Fatal(err)
	}
	if len(own.Cases) != 2 || !strings.HasPrefix(own.Made["by"].(string), "Python 3.") {
		t.Fatalf("%d cases of %v", len(own.Cases), own.Made)
	}
	got, err := json.Marshal(own.Cases[1].Outputs)
	if want := `{"any":{"x":[2]},"product":[6000000000],"whole":[9000000000000000000],"words":["a","b"]}`; err != nil || strings.ReplaceAll(string(got), ".0]", "]") != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	write("def predict(x: float):\n    yield x\n    yield x + 1\n")
	if own, err = (hostPython{python, program}).ask(t.Context(), &model.Golden{Cases: golden.Cases[:1]}); err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(own.Cases[0].Outputs); err != nil || !strings.HasSuffix(string(got), ":[1.5,2.5]}") {
		t.Errorf("parts: %s, %v", got, err)
	}
	write("raise ImportError('no such thing')\n")
	if _, err := (hostPython{python, program}).ask(t.Context(), golden); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("a program that fails: %v", err)
	}
	if _, err := (hostPython{python, program + "x"}).ask(t.Context(), golden); err == nil {
		t.Error("a program that is not there was asked")
	}
}

// TestParseNative reads what a Python says, which may be anything.
func TestParseNative(t *testing.T) {
	golden := &model.Golden{Cases: []model.Case{{Inputs: map[string]json.RawMessage{}}}}
	for text, want := range map[string]string{
		`{"answers":[{"outputs":{"y":1}}],"by":"Python"}`: "",
		`{"answers":[{"error":"ValueError: no"}]}`:        "ValueError: no",
		`{"answers":[]}`: "nothing that can be read",
		`{"answers":`:    "nothing that can be read",
		`[]`:             "nothing that can be read",
	} {
		_, err := parseNative([]byte(text), golden)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
