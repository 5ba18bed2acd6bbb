package folders

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/packager/scaffold"
)

// TestZoo drafts what models of every kind need, and asks what was drafted about
// rows that people's data have. Their pickles are this test's own, so they are
// read by the host's Python: it is about what is found and written, not about where.
func TestZoo(t *testing.T) {
	if !long() {
		t.Skip("SKIPPED: models of every kind take a minute: set WHERRY_TEST_FOLDERS=long")
	}
	python := native(t, "sklearn.txt")
	for _, kv := range python.Env {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	dir := t.TempDir()
	out := strings.TrimSpace(python.Must(t, "", script(t, "zoo_folder.py"), dir))
	var made [][3]string
	if err := json.Unmarshal([]byte(out[strings.LastIndexByte(out, '\n')+1:]), &made); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, m := range made {
		t.Run(m[0], func(t *testing.T) {
			host, err := scaffold.NewHost()
			if err != nil {
				t.Fatal(err)
			}
			folder := filepath.Join(dir, m[0])
			d, err := scaffold.Pickle(t.Context(), scaffold.Options{Folder: folder, Model: m[1], Source: m[2], Sandbox: host})
			if err != nil {
				t.Fatal(err)
			}
			var script string
			for _, f := range d.Files {
				if f.Name == "predict.py" {
					script = string(f.Data)
				}
				if err := os.WriteFile(filepath.Join(folder, f.Name), f.Data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if !slices.ContainsFunc(d.Files, func(f scaffold.File) bool { return f.Name == "cases.json" }) {
				t.Errorf("no golden cases: %v\n%s", d.Notes, script)
				return
			}
			cases, err := os.ReadFile(filepath.Join(folder, "cases.json"))
			if err != nil {
				t.Fatal(err)
			}
			if text, err := os.ReadFile(filepath.Join(folder, "expected.json")); err == nil {
				answered(t, text, cases)
			}
			t.Logf("%s\n%s\n%s\n%s", d.Found, strings.Join(d.Notes, "\n"), script, cases)
		})
	}
}

// answered holds golden cases against what the model said where it was trained.
func answered(t *testing.T, text, cases []byte) {
	t.Helper()
	var want []any
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Cases []struct{ Outputs map[string]any }
	}
	if err := json.Unmarshal(cases, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Cases) != len(want) {
		t.Fatalf("%d golden cases, want %d", len(got.Cases), len(want))
	}
	for i, c := range got.Cases {
		said := c.Outputs["probabilities"]
		if said == nil {
			said = c.Outputs["prediction"]
		}
		if worst := apart(said, want[i]); worst > 1e-9 {
			t.Errorf("row %d: %v, and in training %v", i+1, said, want[i])
		}
	}
}
