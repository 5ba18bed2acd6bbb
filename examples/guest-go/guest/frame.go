package guest

import (
	"encoding/binary"
	"encoding/json"
	"strconv"
)

// The JSON of frames is nearly always written the same way. That way is read and written
// here without encoding/json, which takes a guest ten times as long; anything else is
// encoding/json's.

// described is what is said of a tensor.
type described struct {
	name, kind string
	shape      []int
	size       int // of its data
}

// is tells whether the same would be said of another.
func (d *described) is(t *Tensor) bool {
	if len(t.Data) != d.size || len(t.Shape) != len(d.shape) || t.Name != d.name || t.Type != d.kind {
		return false
	}
	for i, n := range t.Shape {
		if n != d.shape[i] {
			return false
		}
	}
	return true
}

// writer makes frames of outputs, in the memory of the frame before. What that said of its
// outputs stays where these are named and shaped as those were.
type writer struct {
	said []described
	out  []byte
	head int // of out: what comes before the data
}

// frame is what the host reads of outputs.
func (w *writer) frame(outputs []Tensor) []byte {
	if w.head == 0 || !w.alike(outputs) {
		w.describe(outputs)
	}
	w.out = w.out[:w.head]
	for i := range outputs {
		w.out = append(w.out, outputs[i].Data...)
	}
	return w.out
}

// alike tells whether outputs are described as those before.
func (w *writer) alike(outputs []Tensor) bool {
	if len(outputs) != len(w.said) {
		return false
	}
	for i := range outputs {
		if !w.said[i].is(&outputs[i]) {
			return false
		}
	}
	return true
}

// describe writes what comes before the data.
func (w *writer) describe(outputs []Tensor) {
	w.head, w.said = 0, w.said[:0]
	out := append(w.out[:0], 0, 0, 0, 0)
	out = append(out, `{"outputs":[`...)
	for i := range outputs {
		t := &outputs[i]
		w.said = append(w.said, described{t.Name, t.Type, append([]int(nil), t.Shape...), len(t.Data)})
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
	w.out, w.head = out, len(out)
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

// reader makes requests of frames, in the memory of the request before: nearly every
// request has the same names and shapes, and memory is dear in a guest.
type reader struct {
	request Request
	tensors []*Tensor
	last    []byte      // the JSON of the request before; none: it was not read here
	said    []described // in it
}

// read reads the JSON of a request. ok is false when it is not written as usual, which is
// not wrong for that.
func (in *reader) read(text, rest []byte) (r *Request, ok bool) {
	if len(in.last) > 0 && string(text) == string(in.last) {
		return in.again(rest)
	}
	in.last = in.last[:0]
	n, ok := in.parse(text, rest)
	if r = &in.request; !ok || r.ID != "" || r.Outputs != nil || len(text) > maxLast {
		return r, ok
	}
	in.said = in.said[:0]
	for _, t := range in.tensors[:n] {
		in.said = append(in.said, described{t.Name, t.Type, append([]int(nil), t.Shape...), len(t.Data)})
	}
	in.last = append(in.last, text...)
	return r, ok
}

// maxLast is how long a JSON may be that is kept.
const maxLast = 4 << 10

// again is the request of the same JSON as before: whoever had that may have changed it.
func (in *reader) again(rest []byte) (r *Request, ok bool) {
	for i := range in.said {
		s, t := &in.said[i], in.tensors[i]
		if s.size > len(rest) {
			return nil, false
		}
		t.Name, t.Type, t.Shape = s.name, s.kind, append(t.Shape[:0], s.shape...)
		t.Data, rest = rest[:s.size:s.size], rest[s.size:]
	}
	in.request.ID, in.request.Outputs = "", nil
	in.name(len(in.said))
	return &in.request, true
}

// parse is read for a request that is another than the one before. n are its tensors.
func (in *reader) parse(text, rest []byte) (n int, ok bool) {
	u, r := usual{text}, &in.request
	r.Outputs = nil
	if !u.skip("{") || !in.id(&u) || !u.skip(`"inputs":[`) {
		return 0, false
	}
	for more := !u.skip("]"); more; more = u.skip(",") {
		if n == len(in.tensors) {
			in.tensors = append(in.tensors, &Tensor{})
		}
		t, size := in.tensors[n], 0
		if !u.input(t, &size) || size > len(rest) {
			return 0, false
		}
		t.Data, rest = rest[:size:size], rest[size:]
		n++
	}
	if n > 0 && !u.skip("]") || !u.outputs(r) || !u.skip("}") {
		return 0, false
	}
	for u.skip(" ") {
	}
	in.name(n)
	return n, len(u.left) == 0
}

// id reads the name of a request, if it has one.
func (in *reader) id(u *usual) bool {
	if u.skip(`"id":"`) {
		return u.word(&in.request.ID) && u.skip(",")
	}
	in.request.ID = ""
	return true
}

// name has the first tensors found by their names.
func (in *reader) name(n int) {
	r, same := &in.request, len(in.request.Inputs) == n
	for i := 0; i < n && same; i++ {
		same = r.Inputs[in.tensors[i].Name] == in.tensors[i]
	}
	if same {
		return
	}
	r.Inputs = make(map[string]*Tensor, n)
	for _, t := range in.tensors[:n] {
		r.Inputs[t.Name] = t
	}
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
	t.Shape = t.Shape[:0]
	for more := !u.skip("]"); more; more = !u.skip("]") {
		n := 0
		if len(t.Shape) > 0 && !u.skip(",") || !u.number(&n) {
			return false
		}
		t.Shape = append(t.Shape, n)
	}
	return u.skip(`,"parameters":{"`+binarySize+`":`) && u.number(size) && u.skip("}}")
}

// outputs reads the names of those that are wanted, if the request has any.
func (u *usual) outputs(r *Request) bool {
	if !u.skip(`,"outputs":[`) {
		return true
	}
	for more := true; more; more = u.skip(",") {
		name := ""
		if !u.skip(`{"name":"`) || !u.word(&name) || !u.skip("}") {
			return false
		}
		r.Outputs = append(r.Outputs, name)
	}
	return u.skip("]")
}

// word reads a string from behind its first quote that is nothing but plain letters.
// One that is there already stays.
func (u *usual) word(s *string) bool {
	for n, c := range u.left {
		switch {
		case c == '"':
			if *s != string(u.left[:n]) {
				*s = string(u.left[:n])
			}
			u.left = u.left[n+1:]
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
