package model

import (
	"encoding/json"
	"slices"
	"strconv"
)

// Table is the one input of a model that is a table; nil when it has none, or several.
func (s *Signature) Table() *Field {
	var found *Field
	for i := range s.Inputs {
		if f := &s.Inputs[i]; f.Kind() == KindTable {
			if found != nil {
				return nil
			}
			found = f
		}
	}
	return found
}

// Column finds a column of a table by its name. Any name is one where the model does
// not say which there are.
func (f *Field) Column(name string) (Column, bool) {
	if f == nil || f.Kind() != KindTable {
		return Column{}, false
	}
	if len(f.Parameters.Columns) == 0 {
		return Column{Name: name}, true
	}
	i := slices.IndexFunc(f.Parameters.Columns, func(c Column) bool { return c.Name == name })
	if i < 0 {
		return Column{}, false
	}
	return f.Parameters.Columns[i], true
}

// A Record is a row of a model's table that comes column by column, in words, as
// command lines and forms have them.
type Record struct {
	// Table is the input; nil for a model that takes none.
	Table  *Field
	names  []string
	values []json.RawMessage
}

// Add takes the word of a column; false when the table has no such column. The error is
// an *InputError.
func (r *Record) Add(name, word string) (bool, error) {
	c, ok := r.Table.Column(name)
	if !ok {
		return false, nil
	}
	if slices.Contains(r.names, name) {
		return true, &InputError{r.Table.Name, "the column " + name + " is there twice"}
	}
	value, err := c.parse(word)
	if err != nil {
		return true, &InputError{r.Table.Name, "the column " + err.Error()}
	}
	r.names, r.values = append(r.names, name), append(r.values, value)
	return true, nil
}

// Empty tells whether nothing was added.
func (r *Record) Empty() bool { return len(r.names) == 0 }

// Tensor is the row as a table.
func (r *Record) Tensor() (Tensor, error) {
	b := []byte("[{")
	for i, name := range r.names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(appendString(b, []byte(name)), ':'), r.values[i]...)
	}
	return r.Table.Parse(append(b, "}]"...))
}

// parse is the value of a cell, by the type of its column, else what it looks like; ""
// is none.
func (c *Column) parse(word string) (json.RawMessage, error) {
	switch {
	case word == "" && c.Type != Bytes:
		return json.RawMessage("null"), nil
	case c.Type == "":
		if _, err := strconv.ParseFloat(word, 64); err == nil && json.Valid([]byte(word)) {
			return json.RawMessage(word), nil
		}
	case c.Type != Bytes:
		f := Field{Name: c.Name, Type: c.Type, Shape: []int64{}}
		t, err := f.ParseText(word)
		if err != nil {
			return nil, err
		}
		return t.AppendValue(nil, nil)
	}
	return appendString(nil, []byte(word)), nil
}
