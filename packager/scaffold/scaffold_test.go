package scaffold

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// told is a sandbox that answers as it was told, by program.
type told map[string]string

func (a told) Python(_ context.Context, _ Program, stdin io.Reader, stdout io.Writer) error {
	jobs := json.NewDecoder(stdin)
	for {
		var job struct{ Do string }
		if err := jobs.Decode(&job); err != nil {
			return nil
		}
		text, ok := a[job.Do]
		if !ok {
			return errors.New("killed")
		}
		if _, err := io.WriteString(stdout, text+"\n"); err != nil {
			return nil
		}
	}
}

// nasty is a text that must not get out of the quotes it is put in.
const nasty = "a\"\"\"b'\\\nimport os #é\u2028\u007f\x00{}%s"

func reported(t testing.TB, change func(*report)) string {
	t.Helper()
	r := &report{
		Format: "joblib", Class: "sklearn.pipeline.Pipeline", Kind: "classifier", Input: "table", Outputs: 1,
		Features: []string{"sepal length (cm)", "class"}, Count: 2, Classes: []any{"no", "yes"},
		Steps: [][2]string{{"scale", "sklearn.preprocessing._data.StandardScaler"}}, Methods: []string{"predict", "predict_proba"},
		Versions: map[string]string{"scikit-learn": "1.9.1"}, Base: map[string]string{"scikit-learn": "1.9.1"},
		Columns: []column{{Name: "sepal length (cm)", Type: "float", Example: 1.5}, {Name: "class", Type: "str", Choices: []any{"x", "y"}, Example: "x"}},
		Rows:    [][]any{{1.5, "x"}}, RowsFrom: "guess",
	}
	if change != nil {
		change(r)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func file(d *Draft, name string) string {
	for _, f := range d.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func TestPickle(t *testing.T) {
	const said = `{"outputs": [{"prediction": "no", "probabilities": [0.75, 0.25]}], "made": "scikit-learn 1.9.1"}`
	d, err := Pickle(t.Context(), Options{Folder: t.TempDir(), Model: "model.joblib", Sandbox: told{"report": reported(t, nil), "golden": said}})
	if err != nil {
		t.Fatal(err)
	}
	text := file(d, "predict.py")
	for _, want := range []string{
		"    sepal_length_cm: float,  # EDIT the type, if it is another\n",
		`    class_: Literal["x", "y"],` + "\n",
		`        "sepal length (cm)": sepal_length_cm,`,
		`    prediction: Literal["no", "yes"]`,
		`joblib.load(os.path.join(HERE, "model.joblib"))`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("predict.py lacks %q:\n%s", want, text)
		}
	}
	var cases struct {
		Cases []struct{ Inputs, Outputs map[string]any }
		Made  map[string]string
	}
	if err := json.Unmarshal([]byte(file(d, "cases.json")), &cases); err != nil || len(cases.Cases) != 1 || cases.Made["by"] != "scikit-learn 1.9.1, in the sandbox" {
		t.Errorf("cases.json: %v\n%s", err, file(d, "cases.json"))
	}
	if cases.Cases[0].Inputs["class_"] != "x" {
		t.Errorf("inputs are %v", cases.Cases[0].Inputs)
	}
	if got := file(d, "Wasmfile"); !strings.Contains(got, "FROM python\nWORKDIR /app\nMODEL --golden=cases.json model.joblib .\nCOPY predict.py ./\n") {
		t.Errorf("Wasmfile:\n%s", got)
	}
	if d.Edits != 2 { // a type, and the row
		t.Errorf("%d lines are said to be marked", d.Edits)
	}
}

// TestRefused holds the advice for pickles that cannot be read.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		kind, module, version, want string
	}{
		{"version", "", "1.2.2", "--with scikit-learn==1.2.2"},
		{"version", "", "", "--with scikit-learn==VERSION"},
		{"module", "xgboost.sklearn", "1.5.1", "--with scikit-learn==1.5.1 --with xgboost"},
		{"module", "torch", "", "export it to ONNX"},
		{"module", "mine.parts", "", "mine.py"},
		{"main", "Ratio", "", "notebook.ipynb"},
	} {
		text := reported(t, func(r *report) {
			r.Problem = &problem{Type: "E", Text: nasty, Kind: c.kind, Module: c.module}
			r.Versions = map[string]string{"scikit-learn": c.version}
		})
		_, err := Pickle(t.Context(), Options{Folder: "f", Model: "m.pkl", Sandbox: told{"report": text}})
		var refused *RefusedError
		if !errors.As(err, &refused) || !strings.Contains(refused.Advice, c.want) {
			t.Errorf("%+v: %v, advice %q", c, err, refused)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: an error of several lines: %q", c, err)
		}
	}
}

// TestLies gives reports that a hostile pickle could make.
func TestLies(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":      "",
		"no JSON":      "{",
		"a list":       "[]",
		"more columns": reported(t, func(r *report) { r.Columns = r.Columns[:1] }),
		"another type": reported(t, func(r *report) { r.Columns[0].Type = "float = os.system('x')" }),
		"frame":        reported(t, func(r *report) { r.Prepare = &prepare{Frame: "df):\n  x("} }),
		"a file":       reported(t, func(r *report) { r.Prepare = &prepare{Frame: "df", Loads: map[string]string{"a b": "x"}} }),
	} {
		if _, err := Pickle(t.Context(), Options{Folder: t.TempDir(), Model: "m.pkl", Sandbox: told{"report": text}}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestCommands looks for what a hostile pickle says of versions in commands that
// people copy.
func TestCommands(t *testing.T) {
	for _, version := range []string{"1.5; sh evil", "1.5$(sh evil)", "1.5`sh evil`", "\x1b]0;evil", "--evil"} {
		for _, p := range []*problem{nil, {Kind: "version"}, {Kind: "module", Module: "xgboost"}} {
			text := reported(t, func(r *report) {
				r.Versions["scikit-learn"], r.Base["scikit-learn"], r.Problem = version, version+"!", p
			})
			d, err := Pickle(t.Context(), Options{Folder: t.TempDir(), Model: "m.pkl", Sandbox: told{"report": text, "golden": `{"problem":{}}`}})
			said := ""
			var refused *RefusedError
			if errors.As(err, &refused) {
				said = refused.Reason + refused.Advice
			} else if err != nil {
				t.Fatal(err)
			}
			if d != nil {
				said = d.Found + strings.Join(d.Notes, "")
			}
			if strings.Contains(said, "evil") {
				t.Errorf("%q, %+v: %s", version, p, said)
			}
		}
	}
}

// TestNasty has Python read what is written with texts that try to get out of
// their quotes.
func TestNasty(t *testing.T) {
	texts := map[string]string{}
	for name, change := range map[string]func(*report){
		"plain":    nil,
		"features": func(r *report) { r.Features, r.Columns[0].Name = []string{nasty, "class"}, nasty },
		"classes":  func(r *report) { r.Classes = []any{nasty, "b"} },
		"numbers":  func(r *report) { r.Classes = []any{0, 1} },
		"choices":  func(r *report) { r.Columns[1].Choices = []any{nasty, "x"} },
		"steps":    func(r *report) { r.Steps, r.Class = [][2]string{{nasty, nasty}}, nasty },
		"versions": func(r *report) { r.Versions["scikit-learn"] = nasty },
		"part":     func(r *report) { r.Part = &part{Key: nasty, Others: [][2]any{{nasty, nasty + "Scaler"}}} },
		"array":    func(r *report) { r.Input = "array" },
		"text":     func(r *report) { r.Input, r.Rows = "text", [][]any{{nasty}} },
		"regressor": func(r *report) {
			r.Kind, r.Classes, r.Outputs = "regressor", nil, 3
		},
		"transformer": func(r *report) { r.Kind, r.Methods = "transformer", []string{"transform"} },
		"clusterer":   func(r *report) { r.Kind, r.Methods = "clusterer", []string{"predict"} },
		"prepare": func(r *report) {
			r.Prepare = &prepare{Frame: "df", Top: [][2]string{{"import math", "cell 1"}}, Lines: [][2]string{{"df = df.drop(columns=['a'])", nasty}, {"return df[FEATURES]", ""}},
				Notes: []string{nasty}, Loads: map[string]string{"scaler": nasty}}
		},
		"wide": func(r *report) {
			r.Columns, r.Rows = nil, [][]any{{}}
			for range wide + 1 {
				r.Columns, r.Rows[0] = append(r.Columns, column{Name: nasty, Type: "float"}), append(r.Rows[0], 1)
			}
		},
	} {
		r, err := parseReport([]byte(reported(t, change)))
		if err != nil {
			t.Fatal(err)
		}
		text, inputs := newScript(r, Options{Model: "m\"'.pkl", Source: nasty}).write()
		texts[name] = text
		if len(inputs) != 1 {
			t.Errorf("%s: %d example rows", name, len(inputs))
		}
	}
	for name, problem := range understood(t, texts) {
		t.Errorf("%s: %s\n%s", name, problem, texts[name])
	}
}

// understood has Python read programs, and says of those that it cannot read, or
// that import os another time than they should, why that is so.
func understood(t *testing.T, texts map[string]string) map[string]string {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("python3 is missing")
		}
		t.Skip("NOT TESTED: there is no python3 to read what is generated")
	}
	in, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", `import ast, json, sys
bad = {}
for name, text in json.load(sys.stdin).items():
    try:
        n = sum(isinstance(s, ast.Import) and ast.unparse(s) == "import os" for s in ast.walk(ast.parse(text)))
        if n != 1:
            bad[name] = "imports os %d times" % n
    except Exception as e:
        bad[name] = repr(e)
print(json.dumps(bad))`)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var bad map[string]string
	if err := json.Unmarshal(out, &bad); err != nil {
		t.Fatal(err)
	}
	return bad
}

// parseReport is what a session does with a report.
func parseReport(data []byte) (*report, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	r := &report{}
	if err := d.Decode(r); err != nil {
		return nil, fmt.Errorf("read the report of the sandbox: %w", err)
	}
	return r, r.check()
}

func FuzzReport(f *testing.F) {
	f.Add([]byte(reported(f, nil)))
	f.Add([]byte(`{"kind":"regressor","columns":[{"name":"x","type":"int"}],"rows":[[1]],"prepare":{"frame":"df","lines":[]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseReport(data)
		if err != nil || r.Problem != nil {
			return
		}
		if len(r.Columns) > 200 {
			return
		}
		s := newScript(r, Options{Model: "m.pkl"})
		s.write()
		seen := map[string]bool{}
		for _, p := range s.params {
			if !parameter.MatchString(p) || seen[p] {
				t.Fatalf("%q is no parameter, or there twice: %q", p, s.params)
			}
			seen[p] = true
		}
	})
}

var parameter = regexp.MustCompile(`^[\pL_][\pL\d_]*$`)

func TestPackages(t *testing.T) {
	for _, c := range []struct{ with, want string }{
		{"scikit-learn==1.2.2", "scikit-learn==1.2.2 numpy<2 scipy<1.12 skl2onnx onnx pandas"},
		{"scikit-learn==1.5.1", "scikit-learn==1.5.1 scipy<1.16 skl2onnx onnx pandas"},
		{"scikit-learn==1.4.0 numpy==1.26.4", "scikit-learn==1.4.0 numpy==1.26.4 scipy<1.16 skl2onnx onnx pandas"},
		{"xgboost", "xgboost scikit-learn skl2onnx onnx pandas onnxmltools packaging"},
		{"", "scikit-learn skl2onnx onnx pandas"},
	} {
		if got := strings.Join(Packages(strings.Fields(c.with)), " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.with, got, c.want)
		}
	}
}
