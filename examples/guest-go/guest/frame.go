package guest

import (
	"encoding/binary"
	"encoding/json"
	"strconv"
)

// The JSON of frames is nearly always written the same way. That way is read and written
// here without encoding/json, which takes a guest ten times as long; anything else is
// encoding/json's.

// frame is what the host reads of outputs.
func frame(outputs []Tensor) []byte {
	out := append(model.answer[:0], 0, 0, 0, 0)
	out = append(out, `{"outputs":[`...)
	for i := range outputs {
		t := &outputs[i]
		if i > 0 {
			out = append(out, ',')
		}
		out = appendText(append(out, `{"name":`...), t.Name)
		out = appendText(append(out, `,"datatype":`...), t.Type)
		out = append(out, `,"shape":[`...)
		for d, n := range t.Shape {
			if d > 0 {
				out = append(out, ',')
			}
			out = strconv.AppendInt(out, int64(n), 10)
		}
		out = append(out, `],"parameters":{"`+binarySize+`":`...)
		out = append(strconv.AppendInt(out, int64(len(t.Data)), 10), '}', '}')
	}
	out = append(out, ']', '}')
	binary.LittleEndian.PutUint32(out, uint32(len(out)-4))
	for _, t := range outputs {
		out = append(out, t.Data...)
	}
	return out
}

// appendText writes a string of JSON.
func appendText(out []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			text, _ := json.Marshal(s) // of a string: it cannot fail
			return append(out, text...)
		}
	}
	return append(append(append(out, '"'), s...), '"')
}

// parseUsual reads the JSON of a request that is written as usual. ok is false for any
// other, which is not wrong for that.
func parseUsual(text, rest []byte) (r *Request, ok bool) {
	u := usual{text}
	r = &Request{Inputs: make(map[string]*Tensor)}
	if !u.skip("{") || u.skip(`"id":"`) && !(u.word(&r.ID) && u.skip(",")) || !u.skip(`"inputs":[`) {
		return nil, false
	}
	for more := !u.skip("]"); more; more = u.skip(",") {
		t, size := new(Tensor), 0
		if !u.input(t, &size) || size > len(rest) {
			return nil, false
		}
		t.Data, rest = rest[:size:size], rest[size:]
		r.Inputs[t.Name] = t
	}
	if len(r.Inputs) > 0 && !u.skip("]") {
		return nil, false
	}
	if u.skip(`,"outputs":[`) {
		for more := true; more; more = u.skip(",") {
			name := ""
			if !u.skip(`{"name":"`) || !u.word(&name) || !u.skip("}") {
				return nil, false
			}
			r.Outputs = append(r.Outputs, name)
		}
		if !u.skip("]") {
			return nil, false
		}
	}
	if !u.skip("}") {
		return nil, false
	}
	for u.skip(" ") {
	}
	return r, len(u.left) == 0
}

// usual is what is left of such a JSON.
type usual struct{ left []byte }

func (u *usual) skip(word string) bool {
	if len(u.left) < len(word) || string(u.left[:len(word)]) != word {
		return false
	}
	u.left = u.left[len(word):]
	return true
}

func (u *usual) input(t *Tensor, size *int) bool {
	if !u.skip(`{"name":"`) || !u.word(&t.Name) || !u.skip(`,"datatype":"`) || !u.word(&t.Type) || !u.skip(`,"shape":[`) {
		return false
	}
	for more := !u.skip("]"); more; more = !u.skip("]") {
		n := 0
		if len(t.Shape) > 0 && !u.skip(",") || !u.number(&n) {
			return false
		}
		t.Shape = append(t.Shape, n)
	}
	return u.skip(`,"parameters":{"`+binarySize+`":`) && u.number(size) && u.skip("}}")
}

// word reads a string from behind its first quote that is nothing but plain letters.
func (u *usual) word(s *string) bool {
	for n, c := range u.left {
		switch {
		case c == '"':
			*s, u.left = string(u.left[:n]), u.left[n+1:]
			return true
		case c < ' ' || c == '\\' || c >= 0x7f:
			return false
		}
	}
	return false
}

// number reads one of up to nine digits.
func (u *usual) number(v *int) bool {
	n := 0
	for ; n < len(u.left) && u.left[n]-'0' <= 9; n++ {
		if n == 9 {
			return false
		}
		*v = *v*10 + int(u.left[n]-'0')
	}
	u.left = u.left[n:]
	return n > 0
}
