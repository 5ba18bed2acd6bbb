package cli

import (
	"bytes"
	"encoding/csv"
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
	frames, err := framesOf(s, answers)
	if err != nil {
		return err
	}
	for i, f := range frames {
		if i > 0 {
			fmt.Fprintln(a.Out)
		}
		if format == "csv" {
			err = f.csv(a.Out)
		} else {
			err = f.table(a.Out)
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

// frame is a table of outputs with as many rows.
type frame struct {
	head   []string
	number []bool // the column's cells are floating-point numbers
	rows   [][]string
}

// framesOf puts outputs of as many rows side by side, of all answers one below the
// other. What has other rows in the first answer is a table of its own.
func framesOf(s *model.Signature, answers []*model.Response) ([]*frame, error) {
	var all []*frame
	for n, r := range answers {
		var now []*frame
		for i := range r.Outputs {
			f, err := frameOf(&r.Outputs[i], s.Output(r.Outputs[i].Name))
			if err != nil {
				return nil, err
			}
			if len(now) > 0 && len(now[len(now)-1].rows) == len(f.rows) {
				now[len(now)-1].beside(f)
			} else {
				now = append(now, f)
			}
		}
		for i, f := range now {
			switch {
			case n == 0:
				all = append(all, f)
			case i < len(all) && strings.Join(all[i].head, "\x00") == strings.Join(f.head, "\x00"):
				all[i].rows = append(all[i].rows, f.rows...)
			default:
				all = append(all, f)
			}
		}
	}
	return all, nil
}

func (f *frame) beside(other *frame) {
	f.head, f.number = append(f.head, other.head...), append(f.number, other.number...)
	for i := range f.rows {
		f.rows[i] = append(f.rows[i], other.rows[i]...)
	}
}

// maxAcross is how many columns an output may be without their names.
const maxAcross = 32

// frameOf is one output: a row for each of its first dimension, a column for each
// of its second; what has more dimensions is one cell of JSON.
func frameOf(t *model.Tensor, field *model.Field) (*frame, error) {
	if f := frameOfDocument(t, field); f != nil {
		return f, nil
	}
	var labels []string
	if field != nil && field.Parameters != nil {
		labels = field.Parameters.Labels
	}
	shape := t.Shape
	rows, across := int64(1), int64(1)
	if len(shape) > 0 {
		rows = shape[0]
	}
	if len(shape) > 1 {
		across = shape[1]
	}
	if len(shape) > 2 || across > maxAcross && int64(len(labels)) != across {
		text, err := t.AppendValue(nil, field)
		return &frame{[]string{t.Name}, []bool{false}, [][]string{{string(text)}}}, err
	}
	cells, err := t.Strings()
	if err != nil {
		return nil, err
	}
	if len(cells) == 0 {
		rows, across = 0, 1
	}
	f := &frame{}
	float := strings.HasPrefix(string(t.Type), "FP") || t.Type == model.BF16
	for c := range across {
		name := t.Name
		switch {
		case int64(len(labels)) == across && across > 1:
			name += "." + labels[c]
		case across > 1:
			name += fmt.Sprintf("[%d]", c)
		}
		f.head, f.number = append(f.head, name), append(f.number, float)
	}
	for r := range rows {
		row := append([]string{}, cells[r*across:(r+1)*across]...)
		if across == 1 && !float {
			row[0] = labelled(row[0], labels)
		}
		f.rows = append(f.rows, row)
	}
	return f, nil
}

// labelled is the name of a class that is given by its number.
func labelled(cell string, labels []string) string {
	if n, err := strconv.Atoi(cell); err == nil && n >= 0 && n < len(labels) {
		return labels[n]
	}
	return cell
}

// maxKeys bounds the columns of a document: each row has a cell for every one.
const maxKeys = 1000

// frameOfDocument is an output that is a JSON object, or a list of them: a column
// for each key. nil is another output, or one of too many keys.
func frameOfDocument(t *model.Tensor, field *model.Field) *frame {
	if field == nil || field.Parameters == nil || field.Parameters.Kind != model.KindJSON && field.Parameters.Kind != model.KindTable {
		return nil
	}
	text, err := t.AppendValue(nil, field)
	if err != nil {
		return nil
	}
	var list []json.RawMessage
	if json.Unmarshal(text, &list) != nil {
		list = []json.RawMessage{text}
	}
	f := &frame{}
	column := map[string]int{}
	for _, object := range list {
		keys, values, ok := members(object)
		if !ok {
			return nil
		}
		row := make([]string, len(f.head))
		for i, k := range keys {
			if _, there := column[k]; !there {
				column[k] = len(f.head)
				f.head, f.number = append(f.head, k), append(f.number, true)
				row = append(row, "")
			}
			row[column[k]] = values[i]
			var n json.Number
			if json.Unmarshal([]byte(values[i]), &n) != nil || !strings.ContainsAny(values[i], ".eE") {
				f.number[column[k]] = false
			}
		}
		if f.rows = append(f.rows, row); len(f.head) > maxKeys {
			return nil
		}
	}
	for i := range f.rows { // columns that came later
		f.rows[i] = append(f.rows[i], make([]string, len(f.head)-len(f.rows[i]))...)
	}
	return f
}

// members are the keys of a JSON object, in their order, and their values as text.
func members(object []byte) (keys, values []string, ok bool) {
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, nil, false
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, nil, false
		}
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return nil, nil, false
		}
		value := string(raw)
		var s string
		if json.Unmarshal(raw, &s) == nil && raw[0] == '"' {
			value = s
		}
		keys, values = append(keys, key.(string)), append(values, value)
	}
	return keys, values, true
}

func (f *frame) csv(w io.Writer) error {
	c := csv.NewWriter(w)
	if err := c.Write(f.head); err != nil {
		return err
	}
	return c.WriteAll(f.rows)
}

// maxCell is how many characters of a cell a table shows.
const maxCell = 100

func (f *frame) table(w io.Writer) error {
	rows := make([][]string, len(f.rows))
	for i, row := range f.rows {
		rows[i] = make([]string, len(row))
		for c, cell := range row {
			if v, err := strconv.ParseFloat(cell, 64); err == nil && f.number[c] {
				cell = strconv.FormatFloat(v, 'g', 6, 64)
			}
			if r := []rune(cell); len(r) > maxCell {
				cell = string(r[:maxCell]) + "..."
			}
			rows[i][c] = cell
		}
	}
	head := make([]string, len(f.head))
	for i, h := range f.head {
		head[i] = strings.ToUpper(h)
	}
	return ux.Table(w, head, rows)
}
