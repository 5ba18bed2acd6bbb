package model

import (
	"encoding/json"
	"fmt"
	"slices"
)

// ParseRows makes requests of a table in JSON: its columns, which may have no names
// (nil, or "" for one), and the cells of its rows. A table is one request where the
// model takes tables, matrices, or columns of as many elements as there are rows. Else
// each row is a request; single says so. An empty cell is null: NaN where there is one,
// and what is left out where an input is optional.
func (s *Signature) ParseRows(columns []string, rows [][]json.RawMessage) (requests []*Request, single bool, err error) {
	width := len(columns)
	if columns == nil && len(rows) > 0 {
		width = len(rows[0])
		columns = make([]string, width)
	}
	for i, row := range rows {
		if len(row) != width {
			return nil, false, &InputError{Reason: fmt.Sprintf("row %d has %d cells, and there are %d columns", i+1, len(row), width)}
		}
	}
	if table := s.Table(); table != nil && !slices.ContainsFunc(columns, func(c string) bool { return s.Input(c) != nil }) {
		t, err := table.ofColumns(columns, rows)
		return []*Request{{Inputs: []Tensor{t}}}, false, err
	}
	if f := s.Sole(); f != nil && !f.one() && (f.Type != Bytes || !f.single()) {
		if t, err := f.ofMatrix(columns, rows); err == nil || len(columns) > len(s.Inputs) || width > 0 && s.Input(columns[0]) == nil {
			return []*Request{{Inputs: []Tensor{t}}}, false, err
		}
	}
	return s.byCells(columns, rows)
}

// one tells whether the field always has one element.
func (f *Field) one() bool {
	return f.Shape != nil && !slices.ContainsFunc(f.Shape, func(d int64) bool { return d != 1 })
}

// ofColumns is a table as an object of columns.
func (f *Field) ofColumns(columns []string, rows [][]json.RawMessage) (Tensor, error) {
	names := slices.Clone(columns)
	for i := range names {
		if known := f.Parameters.Columns; names[i] == "" && i < len(known) {
			names[i] = known[i].Name
		}
		if names[i] == "" || slices.Contains(names[:i], names[i]) {
			return Tensor{}, &InputError{f.Name, fmt.Sprintf("column %d has no name, or that of another", i+1)}
		}
	}
	b := []byte{'{'}
	for c, name := range names {
		if c > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, []byte(name)), ":["...)
		for r, row := range rows {
			if r > 0 {
				b = append(b, ',')
			}
			b = append(b, row[c]...)
		}
		b = append(b, ']')
	}
	return f.Parse(append(b, '}'))
}

// ofMatrix is a tensor of rows. Where the field's columns have names they are found by
// them.
func (f *Field) ofMatrix(columns []string, rows [][]json.RawMessage) (Tensor, error) {
	order := make([]int, len(columns))
	for i := range order {
		order[i] = i
	}
	if p := f.Parameters; p != nil && len(p.Columns) > 0 && len(columns) > 0 && columns[0] != "" {
		order = order[:0]
		for _, c := range p.Columns {
			i := slices.Index(columns, c.Name)
			if i < 0 {
				return Tensor{}, &InputError{f.Name, fmt.Sprintf("there is no column %q", c.Name)}
			}
			order = append(order, i)
		}
	}
	b := []byte{'['}
	for r, row := range rows {
		if r > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		for i, c := range order {
			if i > 0 {
				b = append(b, ',')
			}
			b = f.appendJSONCell(b, row[c])
		}
		b = append(b, ']')
	}
	return f.Parse(append(b, ']'))
}

// appendJSONCell appends a cell; what is missing is NaN where there is one.
func (f *Field) appendJSONCell(b []byte, cell json.RawMessage) []byte {
	if class, _ := f.Type.class(); class == floating && string(cell) == "null" {
		return append(b, `"NaN"`...)
	}
	return append(b, cell...)
}

// byCells makes requests of columns that are inputs.
func (s *Signature) byCells(columns []string, rows [][]json.RawMessage) ([]*Request, bool, error) {
	fields := make([]*Field, len(columns))
	single := true
	for i, name := range columns {
		switch {
		case name != "":
			fields[i] = s.Input(name)
		case i < len(s.Inputs):
			fields[i] = &s.Inputs[i]
		}
		if fields[i] == nil {
			return nil, false, s.unknown(name)
		}
		single = single && (fields[i].one() || fields[i].Type == Bytes && fields[i].single())
	}
	if !single {
		r := &Request{}
		for c, f := range fields {
			b := []byte{'['}
			for i, row := range rows {
				if i > 0 {
					b = append(b, ',')
				}
				b = f.appendJSONCell(b, row[c])
			}
			t, err := f.Parse(append(b, ']'))
			if err != nil {
				return nil, false, err
			}
			r.Inputs = append(r.Inputs, t)
		}
		return []*Request{r}, false, nil
	}
	if len(rows) > maxObjects {
		return nil, false, &InputError{Reason: fmt.Sprintf("there are %d rows, more than %d", len(rows), maxObjects)}
	}
	list := make([]*Request, len(rows))
	for i, row := range rows {
		list[i] = &Request{}
		for c, f := range fields {
			if f.Optional() && f.Kind() != KindJSON && string(row[c]) == "null" {
				continue
			}
			t, err := f.Parse(f.appendJSONCell(nil, row[c]))
			if err != nil {
				return nil, true, inRequest(i, err)
			}
			list[i].Inputs = append(list[i].Inputs, t)
		}
	}
	return list, true, nil
}
