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
	text = bytes.TrimSpace(text)
	if !json.Valid(text) || text[0] != '{' {
		return nil, &InputError{Reason: "it is no JSON object"}
	}
	return s.parseObject(text)
}

// parseObject is ParseObject of what is one.
func (s *Signature) parseObject(text []byte) (*Request, error) {
	r := &Request{}
	if s.isRow(text) {
		if !listsIn(text) {
			text = slices.Concat([]byte("["), text, []byte("]"))
		}
		t, err := s.Table().Parse(text)
		r.Inputs = []Tensor{t}
		return r, err
	}
	for name, value := range Members(text) {
		f := s.Input(name)
		switch {
		case f == nil:
			return nil, s.unknown(name)
		case given(r.Inputs, name):
			return nil, &InputError{name, "it is there twice"}
		case f.Optional() && f.Kind() != KindJSON && string(value) == "null":
			continue
		}
		t, err := f.parse(value)
		if err != nil {
			return nil, err
		}
		r.Inputs = append(r.Inputs, t)
	}
	return r, nil
}

// isRow tells whether the keys of an object are columns of the one table that the model
// takes, and none an input.
func (s *Signature) isRow(text []byte) bool {
	table, some := s.Table(), false
	for name := range Members(text) {
		if _, ok := table.Column(name); !ok || s.Input(name) != nil {
			return false
		}
		some = true
	}
	return some
}

func (s *Signature) unknown(name string) error {
	return &InputError{name, "the model has no such input; it takes " + names(s.Inputs)}
}

// ParseJSON makes requests of a JSON document: an object by the names of inputs, the
// value of the one input that the model needs, or a list of such objects, which are
// as many requests; many says so.
func (s *Signature) ParseJSON(text []byte) (requests []*Request, many bool, err error) {
	text = bytes.TrimSpace(text)
	if requests, ok := s.parseUsual(text); ok {
		return requests, false, nil
	}
	return s.parseDocument(text)
}

// parseDocument is ParseJSON of any text without spaces around it.
func (s *Signature) parseDocument(text []byte) (requests []*Request, many bool, err error) {
	if !json.Valid(text) {
		return nil, false, &InputError{Reason: "it is no JSON"}
	}
	sole := s.Sole()
	switch {
	case text[0] == '{' && (sole == nil || !sole.document() || s.byName(text)):
		r, err := s.parseObject(text)
		return []*Request{r}, false, err
	case text[0] == '[' && (sole == nil || !sole.document()) && listsObjects(text):
		requests, err = s.parseList(text)
		return requests, true, err
	case sole == nil:
		return nil, false, &InputError{Reason: "it must be an object by the names of the inputs: " + names(s.Inputs)}
	}
	if sole.Kind() == KindTable && text[0] == '{' && !listsIn(text) { // one row
		text = slices.Concat([]byte("["), text, []byte("]"))
	}
	t, err := sole.parse(text)
	return []*Request{{Inputs: []Tensor{t}}}, false, err
}

// maxObjects bounds the requests of a list.
const maxObjects = 10_000

func (s *Signature) parseList(text []byte) ([]*Request, error) {
	var requests []*Request
	for one := range elements(text) {
		i := len(requests)
		if i == maxObjects {
			return nil, &InputError{Reason: fmt.Sprintf("it is a list of more than %d requests", maxObjects)}
		}
		if one[0] != '{' {
			return nil, inRequest(i, &InputError{Reason: "it is no JSON object"})
		}
		r, err := s.parseObject(one)
		if err != nil {
			return nil, inRequest(i, err)
		}
		requests = append(requests, r)
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

// byName tells whether some key of an object is an input. An empty one has none of a
// table.
func (s *Signature) byName(text []byte) bool {
	empty := true
	for name := range Members(text) {
		if s.Input(name) != nil {
			return true
		}
		empty = false
	}
	return empty && s.Sole() != nil && s.Sole().Kind() == KindTable
}

// listsIn tells whether some value of an object is a list: a table by columns.
func listsIn(text []byte) bool {
	for _, v := range Members(text) {
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
