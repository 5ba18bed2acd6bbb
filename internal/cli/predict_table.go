package cli

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/wherry-run/wherry/model"
)

// record is a row of a model's table that is typed column by column.
type record struct {
	table  *model.Field
	names  []string
	values []json.RawMessage
}

// tableOf is the one table of a model; nil when it has none, or several.
func tableOf(s *model.Signature) *model.Field {
	var found *model.Field
	for i := range s.Inputs {
		f := &s.Inputs[i]
		if f.Parameters == nil || f.Parameters.Kind != model.KindTable {
			continue
		}
		if found != nil {
			return nil
		}
		found = f
	}
	return found
}

// column finds a column of a table; any name is one where the model does not say
// which there are.
func column(f *model.Field, name string) (model.Column, bool) {
	if f == nil {
		return model.Column{}, false
	}
	columns := f.Parameters.Columns
	if len(columns) == 0 {
		return model.Column{Name: name}, true
	}
	i := slices.IndexFunc(columns, func(c model.Column) bool { return c.Name == name })
	if i < 0 {
		return model.Column{}, false
	}
	return columns[i], true
}

// add takes NAME=VALUE as a column's value; false when the model has no such column.
func (r *record) add(s *model.Signature, name, value string) (bool, error) {
	table := tableOf(s)
	c, ok := column(table, name)
	if !ok {
		return false, nil
	}
	if slices.Contains(r.names, name) {
		return true, &model.InputError{Tensor: table.Name, Reason: "the column " + name + " is there twice"}
	}
	text, err := cellJSON(c, value)
	if err != nil {
		return true, &model.InputError{Tensor: table.Name, Reason: "the column " + err.Error()}
	}
	r.table, r.names, r.values = table, append(r.names, name), append(r.values, text)
	return true, nil
}

// cellJSON is the value of a cell, by the type of its column; "" is none.
func cellJSON(c model.Column, value string) (json.RawMessage, error) {
	switch {
	case value == "" && c.Type != model.Bytes:
		return json.RawMessage("null"), nil
	case c.Type == "": // what it looks like
		if _, err := strconv.ParseFloat(value, 64); err == nil && json.Valid([]byte(value)) {
			return json.RawMessage(value), nil
		}
	case c.Type != model.Bytes:
		f := model.Field{Name: c.Name, Type: c.Type, Shape: []int64{}}
		t, err := f.ParseText(value)
		if err != nil {
			return nil, err
		}
		return t.AppendValue(nil, nil)
	}
	return json.Marshal(value)
}

// tensor is the row as a table.
func (r *record) tensor() (model.Tensor, error) {
	var b strings.Builder
	b.WriteString("[{")
	for i, name := range r.names {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(name)
		if err != nil {
			return model.Tensor{}, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(r.values[i])
	}
	b.WriteString("}]")
	return r.table.Parse([]byte(b.String()))
}

// isRecord tells whether the keys of an object are columns of the one table that
// the model takes, and none an input.
func isRecord(s *model.Signature, keys []string) bool {
	table := tableOf(s)
	return table != nil && len(keys) > 0 && !slices.ContainsFunc(keys, func(k string) bool {
		_, ok := column(table, k)
		return !ok || s.Input(k) != nil
	})
}
