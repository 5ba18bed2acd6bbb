package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// ParseObject makes a request of a JSON object by the names of inputs:
// {"area": 31, "rooms": [1, 2]}. Where the model takes a table, the object may be a
// row of it. null is an optional input that is not given.
func (s *Signature) ParseObject(text []byte) (*Request, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, &InputError{Reason: "it is no JSON object: " + err.Error()}
	}
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	r := &Request{}
	if s.IsRecord(names) {
		if !listsIn(text) {
			text = slices.Concat([]byte("["), text, []byte("]"))
		}
		t, err := s.Table().Parse(text)
		r.Inputs = []Tensor{t}
		return r, err
	}
	for _, name := range names {
		f := s.Input(name)
		if f == nil {
			return nil, s.unknown(name)
		}
		if f.optional() && f.kind() != KindJSON && string(bytes.TrimSpace(object[name])) == "null" {
			continue
		}
		t, err := f.Parse(object[name])
		if err != nil {
			return nil, err
		}
		r.Inputs = append(r.Inputs, t)
	}
	return r, nil
}

func (s *Signature) unknown(name string) error {
	return &InputError{name, "the model has no such input; it takes " + names(s.Inputs)}
}

// ParseJSON makes requests of a JSON document: an object by the names of inputs, the
// value of the one input that the model needs, or a list of such objects, which are
// as many requests; many says so.
func (s *Signature) ParseJSON(text []byte) (requests []*Request, many bool, err error) {
	text = bytes.TrimSpace(text)
	if !json.Valid(text) {
		return nil, false, &InputError{Reason: "it is no JSON"}
	}
	sole := s.sole()
	switch {
	case text[0] == '{' && (sole == nil || !sole.document() || s.byName(text)):
		r, err := s.ParseObject(text)
		return []*Request{r}, false, err
	case text[0] == '[' && (sole == nil || !sole.document()) && listsObjects(text):
		requests, err = s.parseList(text)
		return requests, true, err
	case sole == nil:
		return nil, false, &InputError{Reason: "it must be an object by the names of the inputs: " + names(s.Inputs)}
	}
	if sole.kind() == KindTable && text[0] == '{' && !listsIn(text) { // one row
		text = slices.Concat([]byte("["), text, []byte("]"))
	}
	t, err := sole.Parse(text)
	return []*Request{{Inputs: []Tensor{t}}}, false, err
}

// maxObjects bounds the requests of a list.
const maxObjects = 10_000

func (s *Signature) parseList(text []byte) ([]*Request, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, &InputError{Reason: err.Error()}
	}
	if len(list) > maxObjects {
		return nil, &InputError{Reason: fmt.Sprintf("it is a list of %d requests, more than %d", len(list), maxObjects)}
	}
	requests := make([]*Request, len(list))
	for i, one := range list {
		r, err := s.ParseObject(one)
		if err != nil {
			return nil, inRequest(i, err)
		}
		requests[i] = r
	}
	return requests, nil
}

// inRequest says in which of several requests an error was.
func inRequest(i int, err error) error {
	if wrong, ok := err.(*InputError); ok {
		return &InputError{wrong.Tensor, fmt.Sprintf("%s (request %d)", wrong.Reason, i+1)}
	}
	return err
}

// listsObjects tells whether the first element of a list is an object that is no
// element of bytes.
func listsObjects(text []byte) bool {
	text = bytes.TrimSpace(text[1:])
	return len(text) > 0 && text[0] == '{' && !bytes.HasPrefix(bytes.TrimSpace(text[1:]), []byte(`"base64"`))
}

// byName tells whether some key of an object is an input.
func (s *Signature) byName(text []byte) bool {
	var object map[string]json.RawMessage
	if json.Unmarshal(text, &object) != nil {
		return false
	}
	for name := range object {
		if s.Input(name) != nil {
			return true
		}
	}
	return len(object) == 0 && s.sole() != nil && s.sole().kind() == KindTable
}

// listsIn tells whether some value of an object is a list: a table by columns.
func listsIn(text []byte) bool {
	var object map[string]json.RawMessage
	if json.Unmarshal(text, &object) != nil {
		return false
	}
	for _, v := range object {
		if v[0] == '[' {
			return true
		}
	}
	return false
}

// IsRecord tells whether names are columns of the one table that the model takes, and
// none an input.
func (s *Signature) IsRecord(names []string) bool {
	table := s.Table()
	return len(names) > 0 && !slices.ContainsFunc(names, func(name string) bool {
		_, ok := table.Column(name)
		return !ok || s.Input(name) != nil
	})
}

// AppendObject appends the response as a JSON object: the values of the outputs by
// their names, as AppendValue has them.
func (r *Response) AppendObject(b []byte, s *Signature) ([]byte, error) {
	b = append(b, '{')
	for i := range r.Outputs {
		t := &r.Outputs[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, []byte(t.Name)), ':')
		var err error
		if b, err = t.AppendValue(b, s.Output(t.Name)); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}
