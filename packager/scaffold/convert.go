package scaffold

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/wherry-run/wherry/internal/pattern"
)

// ConvertOptions say what to make ONNX of.
type ConvertOptions struct {
	// Folder holds the pickle Model, and perhaps the notebook or script Source.
	Folder, Model, Source string
	// Output is the name of the ONNX file, in the same folder.
	Output string
	// Host is an environment with the packages that Packages names: what is in the
	// pickle runs there.
	Host Sandbox
}

// Packages are what an environment needs to make ONNX of a model, with those that
// the user named, as scikit-learn==1.5.1.
func Packages(with []string) []string {
	list := append([]string{}, with...)
	named := func(name string) bool {
		for _, w := range with {
			if root(strings.ToLower(packageName.FindString(w))) == name {
				return true
			}
		}
		return false
	}
	for _, w := range with {
		m := scikit.FindStringSubmatch(w)
		if m == nil {
			continue
		}
		minor, _ := strconv.Atoi(m[1])
		// Builds of old know the layout of the numpy and scipy of their day alone.
		if minor < 5 && !named("numpy") {
			list = append(list, "numpy<2")
		}
		if minor < 3 && !named("scipy") {
			list = append(list, "scipy<1.12")
		} else if minor < 6 && !named("scipy") {
			list = append(list, "scipy<1.16")
		}
	}
	for _, name := range []string{"scikit-learn", "skl2onnx", "onnx", "pandas"} {
		if !named(name) {
			list = append(list, name)
		}
	}
	if named("xgboost") || named("lightgbm") {
		list = append(list, "onnxmltools", "packaging") // it needs that, and does not say so
	}
	return list
}

var (
	packageName = pattern.New(`^[A-Za-z0-9][\w-]*`)
	scikit      = pattern.New(`^(?i:scikit-learn)\s*==\s*1\.(\d+)`)
)

// Convert makes ONNX of a pickle, in an environment of the host. The files of the
// draft are golden cases that the pickle itself has answered.
func Convert(ctx context.Context, o ConvertOptions) (*Draft, error) {
	draft, err := os.CreateTemp(o.Folder, ".convert-*.onnx")
	if err != nil {
		return nil, err
	}
	draft.Close()
	defer os.Remove(draft.Name())
	job := map[string]any{"model": Work + "/" + o.Model, "output": Work + "/" + filepath.Base(draft.Name())}
	if o.Source != "" {
		job["source"] = Work + "/" + o.Source
	}
	s, err := start(ctx, o.Host, o.Folder)
	if err != nil {
		return nil, err
	}
	defer s.close()
	var said struct {
		Problem *problem `json:"problem"`
		By      string   `json:"by"`
		From    string   `json:"rows_from"`
		Cases   []struct {
			Inputs  map[string]any `json:"inputs"`
			Outputs map[string]any `json:"outputs"`
		} `json:"cases"`
	}
	if err := s.ask("convert", job, &said); err != nil {
		return nil, fmt.Errorf("convert %s: %w", o.Model, err)
	}
	if said.Problem != nil {
		return nil, &RefusedError{Reason: fmt.Sprintf("%s cannot be made ONNX of: %s: %s", o.Model, comment(said.Problem.Type), comment(said.Problem.Text))}
	}
	_, lowered, err := readONNX(o.Folder, filepath.Base(draft.Name()))
	if err != nil {
		return nil, err
	}
	made := &Draft{Found: fmt.Sprintf("%s by %s: %s", o.Output, comment(said.By), shownFields(lowered.Signature))}
	if len(said.Cases) > 0 {
		var cases []goldenCase
		for i, c := range said.Cases {
			cases = append(cases, goldenCase{Name: rowName(said.From, i), Inputs: c.Inputs, Outputs: c.Outputs})
		}
		if said.From == guessed {
			made.Notes = append(made.Notes, "the inputs of cases.json are made up; the answers are the model's own")
		}
		f, err := writeCases(cases, comment(said.By)+", native", toleranceFP32)
		if err != nil {
			return nil, err
		}
		made.Files = append(made.Files, *f)
	}
	made.Edits = marked(made.Files)
	content, err := os.ReadFile(draft.Name())
	if err != nil {
		return nil, err
	}
	made.Files = append(made.Files, File{o.Output, content})
	return made, nil
}
