package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/model"
)

// inferResponse is a response of the Open Inference Protocol.
type inferResponse struct {
	Model   string         `json:"model_name"`
	ID      string         `json:"id,omitempty"`
	Outputs []model.Tensor `json:"outputs"`
}

// printAnswers prints what a model answered.
func (a *app) printAnswers(s *model.Signature, requests []*model.Request, answers []*model.Response, format string) error {
	switch format {
	case "json":
		return a.printJSON(s, answers)
	case "v2":
		for i, r := range answers {
			if err := a.printLine(inferResponse{s.Name, requests[i].ID, r.Outputs}); err != nil {
				return err
			}
		}
		return nil
	case "npy", "npz":
		return a.printArrays(answers, format)
	}
	frames, err := model.Frames(s, answers)
	if err != nil {
		return err
	}
	for i, f := range frames {
		if i > 0 {
			fmt.Fprintln(a.Out)
		}
		if format == "csv" {
			err = f.CSV(a.Out)
		} else {
			err = frameTable(a.Out, f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *app) printLine(v any) error {
	enc := json.NewEncoder(a.Out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// printPart prints one part of an answer: JSON, and for people a text as it is.
func (a *app) printPart(s *model.Signature, part *model.Response, format string) error {
	a.compiling.hush()
	a.talk().Clear()
	s = s.OfParts()
	if f := s.Outputs[0]; format == "table" && len(part.Outputs) == 1 && len(s.Outputs) == 1 && f.IsText() {
		lines, err := part.Outputs[0].Strings()
		for _, line := range lines {
			if _, err := fmt.Fprintln(a.Out, line); err != nil {
				return err
			}
		}
		return err
	}
	return a.printJSON(s, []*model.Response{part})
}

// printJSON prints an object of each answer, one a line.
func (a *app) printJSON(s *model.Signature, answers []*model.Response) error {
	for _, r := range answers {
		line := []byte{'{'}
		for i := range r.Outputs {
			t := &r.Outputs[i]
			if i > 0 {
				line = append(line, ", "...)
			}
			name, err := json.Marshal(t.Name)
			if err != nil {
				return err
			}
			line = append(append(line, name...), ": "...)
			if line, err = t.AppendValue(line, s.Output(t.Name)); err != nil {
				return err
			}
		}
		if _, err := a.Out.Write(append(line, '}', '\n')); err != nil {
			return err
		}
	}
	return nil
}

// printArrays prints outputs as NumPy has them.
func (a *app) printArrays(answers []*model.Response, format string) error {
	if len(answers) != 1 {
		return &ux.UsageError{Text: fmt.Sprintf("--format %s is for one request; these are %d: take json or csv", format, len(answers))}
	}
	outputs := answers[0].Outputs
	if format == "npz" {
		return model.NPZ(a.Out, outputs)
	}
	if len(outputs) != 1 {
		return &hinted{&ux.UsageError{Text: fmt.Sprintf("a file of npy has one array; the model gives %d", len(outputs))},
			"take one with --output " + outputs[0].Name + ", or all with --format npz"}
	}
	b, err := outputs[0].NPY()
	if err != nil {
		return err
	}
	_, err = a.Out.Write(b)
	return err
}

// maxCell is how many characters of a cell a table shows.
const maxCell = 100

// frameTable prints a frame for people.
func frameTable(w io.Writer, f *model.Frame) error {
	rows := make([][]string, len(f.Rows))
	for i, row := range f.Rows {
		rows[i] = make([]string, len(row))
		for c, cell := range row {
			if v, err := strconv.ParseFloat(cell, 64); err == nil && f.Float[c] {
				cell = strconv.FormatFloat(v, 'g', 6, 64)
			}
			if r := []rune(cell); len(r) > maxCell {
				cell = string(r[:maxCell]) + "..."
			}
			rows[i][c] = cell
		}
	}
	head := make([]string, len(f.Head))
	for i, h := range f.Head {
		head[i] = strings.ToUpper(h)
	}
	return ux.Table(w, head, rows)
}
