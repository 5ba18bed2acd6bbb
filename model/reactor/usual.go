package reactor

import (
	"bytes"

	"github.com/wherry-run/wherry/model"
)

// parseUsual reads the JSON of an answer that is written as nearly all guests write it:
// every output with its name, type, shape and size in this order, without spaces. ok is
// false for any other, which is not wrong for that.
func parseUsual(text, rest []byte) (outputs []model.Tensor, ok bool) {
	u := usual{text}
	if !u.skip(`{"outputs":[`) {
		return nil, false
	}
	for {
		var t model.Tensor
		size := 0
		if t, size, ok = u.output(); !ok || size > len(rest) || len(outputs) == model.MaxFields {
			return nil, false
		}
		t.Data, rest = rest[:size:size], rest[size:]
		if t.Check() != nil {
			return nil, false
		}
		outputs = append(outputs, t)
		if !u.skip(",") {
			break
		}
	}
	return outputs, u.skip("]}") && len(u.left) == 0 && len(rest) == 0
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

func (u *usual) output() (t model.Tensor, size int, ok bool) {
	var kind string
	if !u.skip(`{"name":"`) || !u.word(&t.Name) || !u.skip(`,"datatype":"`) || !u.word(&kind) || !u.skip(`,"shape":[`) {
		return t, 0, false
	}
	t.Type, t.Shape = model.DataType(kind), make([]int64, 0, 4)
	for len(u.left) > 0 && u.left[0] != ']' {
		n := 0
		if len(t.Shape) == model.MaxDims || len(t.Shape) > 0 && !u.skip(",") || !u.number(&n) {
			return t, 0, false
		}
		t.Shape = append(t.Shape, int64(n))
	}
	ok = u.skip(`],"parameters":{"`+binarySize+`":`) && u.number(&size) && u.skip("}}")
	return t, size, ok
}

// word reads a string from behind its first quote that is nothing but plain letters.
func (u *usual) word(s *string) bool {
	n := bytes.IndexByte(u.left, '"')
	if n < 0 {
		return false
	}
	for _, c := range u.left[:n] {
		if c < ' ' || c == '\\' || c >= 0x7f {
			return false
		}
	}
	*s, u.left = string(u.left[:n]), u.left[n+1:]
	return true
}

// mostDigits are those of numbers that fit into 31 bits.
const mostDigits = 9

func (u *usual) number(v *int) bool {
	n := 0
	for ; n < len(u.left) && u.left[n]-'0' <= 9; n++ {
		if n == mostDigits || n == 1 && u.left[0] == '0' {
			return false
		}
		*v = *v*10 + int(u.left[n]-'0')
	}
	u.left = u.left[n:]
	return n > 0
}
