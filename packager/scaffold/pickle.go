package scaffold

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Options say what to look at and with what.
type Options struct {
	// Folder is the folder that the model lies in, and that files are written for.
	Folder string
	// Model is the file's or folder's name in it, with slashes.
	Model string
	// Source is the name of a notebook or script in it, "" for none.
	Source string
	// Sandbox runs what reads the model.
	Sandbox Sandbox
	// Native, when given, answers golden cases with the Python of this machine.
	// That is for models that their user trusts: it runs what is in a pickle.
	Native Sandbox
	// Engine answers with ONNX models; nil leaves golden cases of them out.
	Engine Engine
}

// Pickle looks at a pickled model and drafts what its image needs.
func Pickle(ctx context.Context, o Options) (*Draft, error) {
	s, err := start(ctx, o.Sandbox, o.Folder)
	if err != nil {
		return nil, err
	}
	defer s.close()
	r, err := readPickle(s, o)
	if err != nil {
		return nil, err
	}
	return pickled(ctx, s, r, o)
}

// pickled drafts what a pickle needs of which there is a report.
func pickled(ctx context.Context, ses *session, r *report, o Options) (*Draft, error) {
	if err := refuse(r, o); err != nil {
		return nil, err
	}
	d := &Draft{Found: r.said()}
	text, inputs := newScript(r, o).write()
	d.Files = append(d.Files, File{"predict.py", []byte(text)})
	d.tellVersions(r, o)
	d.tellSource(r)
	cases, err := golden(ctx, ses, o, text, r.cases(inputs), d)
	if err != nil {
		return nil, err
	}
	if r.RowsFrom == guessed && cases != nil {
		d.Notes = append(d.Notes, madeUp)
	}
	if cases != nil {
		d.Files = append(d.Files, *cases)
	}
	modules, err := ownModules(o.Folder, text)
	if err != nil {
		return nil, err
	}
	d.Files = append(d.Files, File{"Wasmfile", []byte(pythonRecipe(recipeOf{
		models: append([]string{o.Model}, r.loaded()...), modules: modules, golden: cases != nil,
	}))})
	d.Edits = marked(d.Files)
	return d, nil
}

func readPickle(s *session, o Options) (*report, error) {
	job := map[string]any{"model": Work + "/" + o.Model}
	if o.Source != "" {
		job["source"] = Work + "/" + o.Source
	}
	r := &report{}
	if err := s.ask("report", job, r); err != nil {
		return nil, fmt.Errorf("read %s in the sandbox: %w", o.Model, err)
	}
	return r, r.check()
}

// refuse says why a pickle cannot be an image, when it cannot.
func refuse(r *report, o Options) error {
	p := r.Problem
	if p == nil {
		switch {
		case r.Kind == "other":
			return &RefusedError{
				Reason: fmt.Sprintf("%s holds a %s, which has no predict and no transform", o.Model, comment(r.Class)),
				Advice: "write a predict.py with a function predict that uses it, then: wherry init " + shellWord(o.Folder),
			}
		case r.Input != "text" && len(r.Columns) == 0:
			return &RefusedError{Reason: fmt.Sprintf("%s is a %s that was not trained: it knows no features", o.Model, r.said())}
		}
		return nil
	}
	convert := "wherry convert " + shellWord(filepath.Join(o.Folder, filepath.FromSlash(o.Model)))
	version := r.Versions["scikit-learn"]
	switch {
	case p.Kind == "module" && slices.Contains([]string{"xgboost", "lightgbm", "catboost"}, root(p.Module)):
		with := ""
		if version != "" {
			with = " --with scikit-learn==" + version
		}
		return &RefusedError{
			Reason: fmt.Sprintf("%s was saved with %s, which is native code without a WebAssembly build", o.Model, root(p.Module)),
			Advice: convert + with + " --with " + root(p.Module),
		}
	case p.Kind == "module" && slices.Contains([]string{"torch", "tensorflow", "keras"}, root(p.Module)):
		return &RefusedError{
			Reason: fmt.Sprintf("%s was saved with %s, which is native code without a WebAssembly build", o.Model, root(p.Module)),
			Advice: "export it to ONNX where you train, then: wherry init model.onnx",
		}
	case p.Kind == "module":
		return &RefusedError{
			Reason: fmt.Sprintf("%s was saved with the module %s, which is neither in the base python nor beside it", o.Model, comment(p.Module)),
			Advice: "put " + comment(root(p.Module)) + ".py beside the model, or give the script that defines it: wherry init " + shellWord(o.Model) + " train.py",
		}
	case p.Kind == "main":
		return &RefusedError{
			Reason: fmt.Sprintf("%s was saved with %s, which was defined in the notebook or script itself", o.Model, comment(p.Module)),
			Advice: "name that too: wherry init " + shellWord(o.Model) + " notebook.ipynb",
		}
	case p.Kind == "format":
		return &RefusedError{Reason: fmt.Sprintf("%s is no pickle that can be read: %s", o.Model, comment(p.Text))}
	case p.Kind == "memory":
		return &RefusedError{Reason: fmt.Sprintf("%s needs more memory than the sandbox has", o.Model)}
	}
	reason := fmt.Sprintf("%s cannot be read by scikit-learn %s of the base python: %s: %s", o.Model, r.Base["scikit-learn"], comment(p.Type), comment(p.Text))
	if version == "" {
		return &RefusedError{Reason: reason, Advice: "find the version that saved it, then: " + convert + " --with scikit-learn==VERSION"}
	}
	return &RefusedError{Reason: fmt.Sprintf("%s was saved by scikit-learn %s, and the base python has %s, which cannot read it (%s)", o.Model, comment(version), r.Base["scikit-learn"], comment(p.Type)),
		Advice: convert + " --with scikit-learn==" + comment(version)}
}

func root(module string) string {
	name, _, _ := strings.Cut(module, ".")
	return name
}

// tellVersions warns of a model of another scikit-learn, which was read.
func (d *Draft) tellVersions(r *report, o Options) {
	saved, here := r.Versions["scikit-learn"], r.Base["scikit-learn"]
	if saved == "" || here == "" || saved == here {
		return
	}
	d.Notes = append(d.Notes, fmt.Sprintf(
		"%s was saved by scikit-learn %s and is read by %s here; scikit-learn does not promise that it answers alike. To be sure, compare, or make ONNX of it: wherry convert %s --with scikit-learn==%s",
		o.Model, comment(saved), here, shellWord(filepath.Join(o.Folder, filepath.FromSlash(o.Model))), comment(saved)))
}

// tellSource says what was taken from the notebook, and what was not.
func (d *Draft) tellSource(r *report) {
	if r.Prepare != nil {
		for _, n := range r.Prepare.Notes {
			d.Notes = append(d.Notes, comment(n))
		}
	}
	if r.Source == nil {
		return
	}
	if r.Source.Table != "" && r.RowsFrom != r.Source.Name {
		d.Notes = append(d.Notes, fmt.Sprintf("%s reads %s, which is not beside it or does not fit: example rows are not from it", comment(r.Source.Name), comment(r.Source.Table)))
	}
	for _, s := range r.Source.Skipped {
		d.Notes = append(d.Notes, "not understood: "+comment(s))
	}
}

// loaded are the other files that predict.py reads.
func (r *report) loaded() []string {
	if r.Prepare == nil {
		return nil
	}
	var list []string
	for _, name := range r.Prepare.Loads {
		if base := filepath.Base(filepath.FromSlash(name)); !slices.Contains(list, base) {
			list = append(list, base)
		}
	}
	slices.Sort(list)
	return list
}

// ownModules are Python files of the folder that a program imports.
func ownModules(folder, text string) ([]string, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var list []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "import" && fields[0] != "from" {
			continue
		}
		name, _, _ := strings.Cut(strings.Trim(fields[1], ","), ".")
		if !identifier.MatchString(name) || slices.Contains(list, name+".py") {
			continue
		}
		if info, err := root.Stat(name + ".py"); err == nil && info.Mode().IsRegular() {
			list = append(list, name+".py")
		}
	}
	return list, nil
}

// cases are golden cases without their outputs.
func (r *report) cases(inputs []map[string]any) []goldenCase {
	list := make([]goldenCase, len(inputs))
	for i, in := range inputs {
		list[i] = goldenCase{Name: rowName(r.RowsFrom, i), Inputs: in}
	}
	return list
}

// guessed is where rows are from that are from nowhere.
const guessed = "guess"

// rowName is the name of a golden case, marked when its row is made up.
func rowName(from string, i int) string {
	if from == guessed {
		return fmt.Sprintf("EDIT: made-up row %d", i+1)
	}
	return fmt.Sprintf("%s, row %d", comment(from), i+1)
}

// madeUp is said of golden cases that prove only that the answers stay the same.
const madeUp = "the inputs of cases.json are made up; put real ones in their place: wherry predict FOLDER VALUE... --record cases.json"

// goldenCase is one of cases.json.
type goldenCase struct {
	Name    string         `json:"name"`
	Inputs  map[string]any `json:"inputs"`
	Outputs any            `json:"outputs"`
}

// golden asks predict.py for the outputs of the cases: in a session of the
// sandbox, or in the host's Python when that is wanted.
func golden(ctx context.Context, s *session, o Options, text string, cases []goldenCase, d *Draft) (*File, error) {
	if len(cases) == 0 {
		return nil, nil
	}
	where := "in the sandbox"
	if o.Native != nil {
		var err error
		if s, err = start(ctx, o.Native, o.Folder); err != nil {
			return nil, err
		}
		defer s.close()
		where = "native"
	}
	var said struct {
		Outputs []any    `json:"outputs"`
		Made    string   `json:"made"`
		Problem *problem `json:"problem"`
	}
	if err := s.ask("golden", goldenJob(text, cases), &said); err != nil {
		return nil, fmt.Errorf("ask the model: %w", err)
	}
	if said.Problem != nil {
		d.Notes = append(d.Notes, fmt.Sprintf("no golden cases: the model refused the example row: %s: %s", comment(said.Problem.Type), comment(said.Problem.Text)))
		return nil, nil
	}
	if len(said.Outputs) != len(cases) {
		return nil, fmt.Errorf("the model gave %d answers to %d questions", len(said.Outputs), len(cases))
	}
	for i := range cases {
		cases[i].Outputs = said.Outputs[i]
	}
	return writeCases(cases, comment(said.Made)+", "+where)
}

func goldenJob(text string, cases []goldenCase) map[string]any {
	var inputs []map[string]any
	for _, c := range cases {
		inputs = append(inputs, c.Inputs)
	}
	return map[string]any{"text": text, "path": Work + "/predict.py", "inputs": inputs}
}

// writeCases is cases.json. A tolerance is a piece of it, as toleranceFP32.
func writeCases(cases []goldenCase, by string, tolerance ...string) (*File, error) {
	var b bytes.Buffer
	b.WriteString("{\"cases\": [\n")
	for i, c := range cases {
		name, err := compact(c.Name)
		if err != nil {
			return nil, err
		}
		in, err := compact(c.Inputs)
		if err != nil {
			return nil, err
		}
		out, err := compact(c.Outputs)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "  {\"name\": %s,\n   \"inputs\": %s,\n   \"outputs\": %s}", name, in, out)
		if i < len(cases)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	made, err := compact(by)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&b, "],%s \"made\": {\"by\": %s}}\n", strings.Join(tolerance, ""), made)
	return &File{"cases.json", b.Bytes()}, nil
}

// toleranceFP32 is for answers in numbers of 64 bits to a model of 32.
const toleranceFP32 = ` "rtol": 1e-5, "atol": 1e-6,`

func compact(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// shellWord is a word of a command line that people can copy.
func shellWord(word string) string {
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return !(r == '/' || r == '.' || r == '-' || r == '_' || r == '\\' || r == ':' || r == '=' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z')
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
