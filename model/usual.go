package model

import "bytes"

// maxUsual is the longest text that parseUsual looks at, in bytes.
const maxUsual = 4 << 10

// usual is a request and what it needs, in one piece.
type usual struct {
	request  Request
	requests [1]*Request
	inputs   [1]Tensor
}

// parseUsual makes a request of what most clients send to a model of numbers: an object
// by the names of its inputs, read in one go. ok is false for all others, which are not
// wrong for that, or are: ParseJSON says how.
func (s *Signature) parseUsual(text []byte) (requests []*Request, ok bool) {
	if len(text) > maxUsual || len(text) == 0 || text[0] != '{' {
		return nil, false
	}
	u := &usual{}
	r := &u.request
	u.requests[0], r.Inputs = r, u.inputs[:0]
	rest := space(text[1:])
	for {
		var f *Field
		if f, rest = s.usualKey(rest); f == nil || f.Type == Bytes || given(r.Inputs, f.Name) {
			return nil, false
		}
		in := reader{kind: f.Type, text: rest, expect: -1}
		if in.read() != nil {
			return nil, false
		}
		shape, err := f.suit(in.shape)
		if err != nil {
			return nil, false
		}
		r.Inputs = append(r.Inputs, Tensor{Name: f.Name, Type: f.Type, Shape: shape, Data: in.out})
		if rest = space(rest[in.at:]); len(rest) == 0 || rest[0] != ',' {
			break
		}
		rest = space(rest[1:])
	}
	if len(rest) == 0 || rest[0] != '}' || len(space(rest[1:])) > 0 {
		return nil, false
	}
	return u.requests[:], true
}

// usualKey reads a key without escapes, and its colon; nil where that is no input.
func (s *Signature) usualKey(text []byte) (f *Field, rest []byte) {
	if len(text) == 0 || text[0] != '"' {
		return nil, nil
	}
	text = text[1:]
	n := bytes.IndexByte(text, '"')
	if n < 0 {
		return nil, nil
	}
	for i := range s.Inputs {
		if s.Inputs[i].Name == string(text[:n]) {
			f = &s.Inputs[i]
		}
	}
	if rest = space(text[n+1:]); f == nil || len(rest) == 0 || rest[0] != ':' {
		return nil, nil
	}
	return f, space(rest[1:])
}

// given tells whether a tensor of a name is there.
func given(list []Tensor, name string) bool {
	for i := range list {
		if list[i].Name == name {
			return true
		}
	}
	return false
}
