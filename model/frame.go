package model

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A Frame is a table of outputs with as many rows.
type Frame struct {
	// Head are the names of the columns.
	Head []string
	// Float says which columns hold floating-point numbers.
	Float []bool
	Rows  [][]string
}

// Frames puts outputs of as many rows side by side, of all answers one below the
// other. What has other rows in the first answer is a table of its own.
func Frames(s *Signature, answers []*Response) ([]*Frame, error) {
	var all []*Frame
	for n, r := range answers {
		var now []*Frame
		for i := range r.Outputs {
			f, err := frameOf(&r.Outputs[i], s.Output(r.Outputs[i].Name))
			if err != nil {
				return nil, err
			}
			if len(now) > 0 && len(now[len(now)-1].Rows) == len(f.Rows) {
				now[len(now)-1].beside(f)
			} else {
				now = append(now, f)
			}
		}
		for i, f := range now {
			switch {
			case n == 0:
				all = append(all, f)
			case i < len(all) && strings.Join(all[i].Head, "\x00") == strings.Join(f.Head, "\x00"):
				all[i].Rows = append(all[i].Rows, f.Rows...)
			default:
				all = append(all, f)
			}
		}
	}
	return all, nil
}

func (f *Frame) beside(other *Frame) {
	f.Head, f.Float = append(f.Head, other.Head...), append(f.Float, other.Float...)
	for i := range f.Rows {
		f.Rows[i] = append(f.Rows[i], other.Rows[i]...)
	}
}

// maxAcross is how many columns an output may be without their names.
const maxAcross = 32

// frameOf is one output: a row for each of its first dimension, a column for each
// of its second; what has more dimensions is one cell of JSON.
func frameOf(t *Tensor, field *Field) (*Frame, error) {
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
		return &Frame{[]string{t.Name}, []bool{false}, [][]string{{string(text)}}}, err
	}
	cells, err := t.Strings()
	if err != nil {
		return nil, err
	}
	if len(cells) == 0 {
		rows, across = 0, 1
	}
	f := &Frame{}
	float := strings.HasPrefix(string(t.Type), "FP") || t.Type == BF16
	for c := range across {
		name := t.Name
		switch {
		case int64(len(labels)) == across && across > 1:
			name += "." + labels[c]
		case across > 1:
			name += fmt.Sprintf("[%d]", c)
		}
		f.Head, f.Float = append(f.Head, name), append(f.Float, float)
	}
	for r := range rows {
		row := append([]string{}, cells[r*across:(r+1)*across]...)
		if across == 1 && !float {
			row[0] = labelled(row[0], labels)
		}
		f.Rows = append(f.Rows, row)
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
func frameOfDocument(t *Tensor, field *Field) *Frame {
	if field == nil || field.Kind() != KindJSON && field.Kind() != KindTable {
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
	f := &Frame{}
	column := map[string]int{}
	for _, object := range list {
		keys, values, ok := objectMembers(object)
		if !ok {
			return nil
		}
		row := make([]string, len(f.Head))
		for i, k := range keys {
			if _, there := column[k]; !there {
				column[k] = len(f.Head)
				f.Head, f.Float = append(f.Head, k), append(f.Float, true)
				row = append(row, "")
			}
			row[column[k]] = values[i]
			var n json.Number
			if json.Unmarshal([]byte(values[i]), &n) != nil || !strings.ContainsAny(values[i], ".eE") {
				f.Float[column[k]] = false
			}
		}
		if f.Rows = append(f.Rows, row); len(f.Head) > maxKeys {
			return nil
		}
	}
	for i := range f.Rows { // columns that came later
		f.Rows[i] = append(f.Rows[i], make([]string, len(f.Head)-len(f.Rows[i]))...)
	}
	return f
}

// objectMembers are the keys of a JSON object, in their order, and their values as text.
func objectMembers(object []byte) (keys, values []string, ok bool) {
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

// CSV writes the frame with a head line.
func (f *Frame) CSV(w io.Writer) error {
	c := csv.NewWriter(w)
	if err := c.Write(f.Head); err != nil {
		return err
	}
	if len(f.Head) != 1 {
		return c.WriteAll(f.Rows)
	}
	for _, row := range f.Rows { // a line with nothing on it is no row to many who read it
		if len(row) != 1 || row[0] != "" {
			if err := c.Write(row); err != nil {
				return err
			}
			continue
		}
		if c.Flush(); c.Error() != nil {
			return c.Error()
		}
		if _, err := io.WriteString(w, "\"\"\n"); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}
