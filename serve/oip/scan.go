package oip

import (
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/inference"
)

// scanner reads JSON from its beginning, value by value.
type scanner struct {
	text []byte
	at   int
	// nested are the bytes of parameters that are lists or objects.
	nested int
}

// maxNested bounds the bytes of all parameters of a request that are lists or objects:
// each may become many times as large.
const maxNested = 64 << 10

func (s *scanner) wrong() error {
	if s.at >= len(s.text) {
		return &model.InputError{Reason: "the request is no JSON: it ends too early"}
	}
	return &model.InputError{Reason: fmt.Sprintf("the request is no JSON: a %q does not belong at byte %d", rune(s.text[s.at]), s.at)}
}

// peek is the next byte that is no space; 0 at the end.
func (s *scanner) peek() byte {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// take goes past c, which has to be next.
func (s *scanner) take(c byte) error {
	if s.peek() != c {
		return s.wrong()
	}
	s.at++
	return nil
}

// more goes to the next part of a list or an object, which ends with end; first
// tells that it is the first. It is false at the end, which it goes past.
func (s *scanner) more(end byte, first bool) (bool, error) {
	switch c := s.peek(); {
	case c == end:
		s.at++
		return false, nil
	case first && c != 0:
		return true, nil
	case c == ',':
		s.at++
		if s.peek() == end {
			return false, s.wrong()
		}
		return true, nil
	}
	return false, s.wrong()
}

// list reads a list: element reads each of its elements.
func (s *scanner) list(element func() error) error {
	if err := s.take('['); err != nil {
		return err
	}
	for first := true; ; first = false {
		ok, err := s.more(']', first)
		if err != nil || !ok {
			return err
		}
		if err := element(); err != nil {
			return err
		}
	}
}

// object reads an object: member reads the value of each of its names.
func (s *scanner) object(member func(name []byte) error) error {
	if err := s.take('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		ok, err := s.more('}', first)
		if err != nil || !ok {
			return err
		}
		name, err := s.string()
		if err != nil {
			return err
		}
		if err := s.take(':'); err != nil {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
	}
}

// string reads a string. It may be a part of the text: who keeps it copies it.
func (s *scanner) string() ([]byte, error) {
	if err := s.take('"'); err != nil {
		return nil, err
	}
	begin, escaped := s.at, false
	for {
		if s.at >= len(s.text) || s.text[s.at] < ' ' {
			return nil, s.wrong()
		}
		c := s.text[s.at]
		s.at++
		if c == '"' {
			break
		}
		if c == '\\' {
			escaped = true
			s.at++
		}
	}
	raw := s.text[begin : s.at-1]
	if !utf8.Valid(raw) {
		return nil, &model.InputError{Reason: "the request is no text in UTF-8"}
	}
	if !escaped {
		return raw, nil
	}
	var text string
	if err := json.Unmarshal(s.text[begin-1:s.at], &text); err != nil {
		return nil, &model.InputError{Reason: "the request is no JSON: " + err.Error()}
	}
	return []byte(text), nil
}

// integer reads an integer.
func (s *scanner) integer() (int64, error) {
	s.peek()
	begin := s.at
	for s.at < len(s.text) && (s.text[s.at] == '-' || s.text[s.at]-'0' <= 9) {
		s.at++
	}
	digits := s.text[begin:s.at]
	n, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil || !json.Valid(digits) {
		s.at = begin
		return 0, s.wrong()
	}
	return n, nil
}

// raw goes past a value, and gives its text. It is JSON.
func (s *scanner) raw() ([]byte, error) {
	text, err := s.extent()
	if err == nil && (!json.Valid(text) || !utf8.Valid(text)) {
		err = &model.InputError{Reason: fmt.Sprintf("the request is no JSON: what begins at byte %d is no value", s.at-len(text))}
	}
	return text, err
}

// extent goes past what is a value if it is JSON.
func (s *scanner) extent() ([]byte, error) {
	c := s.peek()
	begin := s.at
	switch c {
	case '{', '[':
		return s.enclosed()
	case '"':
		_, err := s.string()
		return s.text[begin:s.at], err
	}
	for s.at < len(s.text) && !delimits(s.text[s.at]) {
		s.at++
	}
	if s.at == begin {
		return nil, s.wrong()
	}
	return s.text[begin:s.at], nil
}

// enclosed goes past a list or an object.
func (s *scanner) enclosed() ([]byte, error) {
	begin, depth := s.at, 0
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				s.at++
				return s.text[begin:s.at], nil
			}
		case '"':
			for s.at++; s.at < len(s.text) && s.text[s.at] != '"'; s.at++ {
				if s.text[s.at] == '\\' {
					s.at++
				}
			}
		}
		s.at++
	}
	s.at = len(s.text)
	return nil, s.wrong()
}

// delimits tells whether a number or a word ends before c.
func delimits(c byte) bool {
	switch c {
	case ',', ']', '}', ':', ' ', '\t', '\r', '\n':
		return true
	}
	return false
}

// parameters reads the object of parameters: numbers, strings and truths.
func (s *scanner) parameters() (map[string]any, error) {
	if s.peek() == 'n' {
		text, err := s.raw()
		if err == nil && string(text) != "null" {
			err = s.wrong()
		}
		return nil, err
	}
	out := map[string]any{}
	err := s.object(func(key []byte) (err error) {
		name := string(key)
		if _, again := out[name]; !again && len(out) == inference.MaxParameters+1 { // of which one may be the transport's
			return wrong("there are more than %d parameters", inference.MaxParameters)
		}
		out[name], err = s.parameter()
		return err
	})
	return out, err
}

// parameter reads a value of a parameter.
func (s *scanner) parameter() (any, error) {
	switch s.peek() {
	case '"':
		text, err := s.string()
		return string(text), err
	case '{', '[':
		text, err := s.extent() // of no type that parameters have; the model may know it
		if err != nil {
			return nil, err
		}
		if s.nested += len(text); s.nested > maxNested {
			return nil, wrong("parameters that are lists or objects have more than %d bytes", maxNested)
		}
		var v any
		if err := json.Unmarshal(text, &v); err != nil || !utf8.Valid(text) {
			return nil, wrong("the request is no JSON: what begins at byte %d is no value", s.at-len(text))
		}
		return v, nil
	}
	text, err := s.raw()
	if err != nil {
		return nil, err
	}
	switch word := string(text); word {
	case "true", "false":
		return word == "true", nil
	case "null":
		return nil, nil
	default:
		if n, err := strconv.ParseInt(word, 10, 64); err == nil {
			return n, nil
		}
		if n, err := strconv.ParseUint(word, 10, 64); err == nil {
			return n, nil
		}
		f, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return nil, &model.InputError{Reason: fmt.Sprintf("the parameter %.40s is no number that fits", word)}
		}
		return f, nil
	}
}
