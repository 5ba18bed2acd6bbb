package model

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// tensorJSON is a tensor in a request or response of the protocol.
type tensorJSON struct {
	Name       string          `json:"name"`
	Shape      []int64         `json:"shape"`
	Type       DataType        `json:"datatype"`
	Parameters map[string]any  `json:"parameters,omitempty"`
	Data       json.RawMessage `json:"data"`
}

// Elements of BYTES that are no text are in JSON as base64; this parameter says so.
const (
	contentType = "content_type"
	inBase64    = "base64"
)

// MarshalJSON writes the tensor as the protocol has it in JSON, its data flat.
// FP16 and BF16 are numbers. What JSON has no number for is the string "NaN",
// "Infinity" or "-Infinity". Elements of BYTES are strings; when one of them is no
// text, all are base64, and the parameter content_type says so.
func (t Tensor) MarshalJSON() ([]byte, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	out := tensorJSON{Name: t.Name, Shape: t.Shape, Type: t.Type, Parameters: t.Parameters}
	if out.Shape == nil {
		out.Shape = []int64{}
	}
	w := writer{tensor: &t, base64: t.Parameters[contentType] == inBase64}
	if t.Type == Bytes && !w.base64 && !t.isText() {
		w.base64 = true
		out.Parameters = map[string]any{contentType: inBase64}
		for k, v := range t.Parameters {
			if k != contentType {
				out.Parameters[k] = v
			}
		}
	}
	n, _ := Elements(t.Shape)
	out.Data = w.list(nil, []int64{n})
	return json.Marshal(out)
}

// isText tells whether all elements of BYTES are UTF-8.
func (t *Tensor) isText() bool {
	for e := range t.elements() {
		if !utf8.Valid(e) {
			return false
		}
	}
	return true
}

// UnmarshalJSON reads a tensor as the protocol has it in JSON, its data flat or
// nested as its shape; see MarshalJSON. The error is an *InputError where the
// text is JSON.
func (t *Tensor) UnmarshalJSON(text []byte) error {
	var in tensorJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return &InputError{in.Name, "it is no tensor: " + err.Error()}
	}
	*t = Tensor{Name: in.Name, Type: in.Type, Shape: in.Shape, Parameters: in.Parameters}
	if t.Shape == nil {
		t.Shape = []int64{}
	}
	want, ok := Elements(t.Shape)
	switch {
	case !t.Type.Valid():
		return t.wrong("%q is no type of elements", string(t.Type))
	case !ok:
		return t.wrong("%v is no shape", t.Shape)
	case len(in.Data) == 0:
		return t.wrong("it has no data")
	}
	r := reader{kind: t.Type, base64: in.Parameters[contentType] == inBase64, checked: true}
	shape, data, err := r.read(in.Data)
	if err != nil {
		return &InputError{t.Name, err.Error()}
	}
	flat := len(shape) == 1 && shape[0] == want
	if !flat && !slices.Equal(shape, t.Shape) && !(want == 0 && countOf(shape) == 0) {
		return t.wrong("its data have the shape %s, it says %s", showShape(shape), showShape(t.Shape))
	}
	t.Data = data
	return t.Check()
}

func countOf(shape []int64) int64 {
	n, _ := Elements(shape)
	return n
}

// requestJSON is an infer request of the protocol.
type requestJSON struct {
	ID      string       `json:"id,omitempty"`
	Inputs  []Tensor     `json:"inputs"`
	Outputs []outputJSON `json:"outputs,omitempty"`
}

type outputJSON struct {
	Name string `json:"name"`
}

// MarshalJSON writes the request as the protocol has it in JSON.
func (r Request) MarshalJSON() ([]byte, error) {
	out := requestJSON{ID: r.ID, Inputs: r.Inputs}
	if out.Inputs == nil {
		out.Inputs = []Tensor{}
	}
	for _, name := range r.Outputs {
		out.Outputs = append(out.Outputs, outputJSON{name})
	}
	return json.Marshal(out)
}

// maxTensors bounds the inputs and outputs of a request in JSON.
const maxTensors = 4096

// UnmarshalJSON reads a request as the protocol has it in JSON.
func (r *Request) UnmarshalJSON(text []byte) error {
	var in requestJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	if len(in.Inputs) > maxTensors || len(in.Outputs) > maxTensors {
		return &InputError{"", fmt.Sprintf("the request has more than %d tensors", maxTensors)}
	}
	*r = Request{ID: in.ID, Inputs: in.Inputs}
	for _, o := range in.Outputs {
		r.Outputs = append(r.Outputs, o.Name)
	}
	return nil
}

// reader reads the elements of a tensor from JSON.
type reader struct {
	kind   DataType
	base64 bool // strings are
	// checked says that the text is known to be JSON.
	checked bool

	text  []byte // valid JSON
	at    int
	shape []int64 // of what was read, as far as it is known
	out   []byte
}

// read gives elements and the shape of the lists that they are nested in.
func (r *reader) read(text []byte) (shape []int64, data []byte, err error) {
	if !r.checked && !json.Valid(text) {
		return nil, nil, fmt.Errorf("it is no JSON")
	}
	if !utf8.Valid(text) {
		return nil, nil, fmt.Errorf("it is no text in UTF-8")
	}
	r.text, r.at, r.shape, r.out = text, 0, nil, []byte{}
	if size := r.kind.Size(); size > 0 { // a number and its comma are two bytes
		r.out = make([]byte, 0, min(len(text)/2+1, 1<<20)*size)
	}
	depth, err := r.deepest()
	if err != nil {
		return nil, nil, err
	}
	r.shape = make([]int64, depth)
	for i := range r.shape {
		r.shape[i] = -1
	}
	if err := r.value(0); err != nil {
		return nil, nil, err
	}
	return r.shape, r.out, nil
}

// deepest counts the lists at the beginning.
func (r *reader) deepest() (int, error) {
	n := 0
	for _, c := range r.text {
		switch c {
		case '[':
			if n++; n > MaxDims {
				return 0, fmt.Errorf("its lists are nested more than %d deep", MaxDims)
			}
		case ' ', '\t', '\r', '\n':
		default:
			return n, nil
		}
	}
	return n, nil
}

func (r *reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return
		}
	}
}

// value reads a list, or at the innermost depth an element.
func (r *reader) value(depth int) error {
	r.space()
	c := r.text[r.at]
	if c != '[' {
		if depth != len(r.shape) {
			return fmt.Errorf("its lists are not all of the same depth")
		}
		return r.element(c)
	}
	if depth == len(r.shape) {
		return fmt.Errorf("its lists are not all of the same depth")
	}
	r.at++
	n := int64(0)
	for r.space(); r.text[r.at] != ']'; r.space() {
		if r.text[r.at] == ',' {
			r.at++
		}
		if err := r.value(depth + 1); err != nil {
			return err
		}
		n++
	}
	r.at++
	if r.shape[depth] < 0 {
		r.shape[depth] = n
	}
	if r.shape[depth] != n {
		return fmt.Errorf("its lists are not all of the same length: %d and %d", r.shape[depth], n)
	}
	return nil
}

// element reads what is no list.
func (r *reader) element(c byte) error {
	begin := r.at
	switch {
	case c == '"':
		for r.at++; r.text[r.at] != '"'; r.at++ {
			if r.text[r.at] == '\\' {
				r.at++
			}
		}
		r.at++
		return r.string(r.text[begin:r.at])
	case c == '{':
		return r.object()
	}
	for r.at < len(r.text) && !endsWord(r.text[r.at]) {
		r.at++
	}
	word := r.text[begin:r.at]
	switch {
	case c == 'n':
		return fmt.Errorf("null is no %s", r.kind)
	case c == 't' || c == 'f':
		if r.kind != Bool {
			return fmt.Errorf("%s is no %s", word, r.kind)
		}
		r.out = append(r.out, b2i(c == 't'))
		return nil
	case r.kind == Bytes:
		return fmt.Errorf("%s is no string", word)
	}
	// Nobody keeps the word: it need not be copied.
	return r.number(unsafe.String(unsafe.SliceData(word), len(word)))
}

// endsWord tells whether a number, or a word, of JSON ends before c.
func endsWord(c byte) bool {
	switch c {
	case ',', ']', '}', ' ', '\t', '\r', '\n':
		return true
	}
	return false
}

func b2i(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// object reads {"base64": "..."}, the one object that is an element.
func (r *reader) object() error {
	d := json.NewDecoder(bytes.NewReader(r.text[r.at:]))
	d.DisallowUnknownFields()
	var v struct {
		Base64 *string `json:"base64"`
	}
	if r.kind != Bytes || d.Decode(&v) != nil || v.Base64 == nil {
		return fmt.Errorf("an object is no %s", r.kind)
	}
	r.at += int(d.InputOffset())
	return r.decode(*v.Base64)
}

func (r *reader) decode(text string) error {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return fmt.Errorf("%s is no base64", quote([]byte(text)))
	}
	r.bytes(b)
	return nil
}

func (r *reader) bytes(b []byte) {
	r.out = binary.LittleEndian.AppendUint32(r.out, uint32(len(b)))
	r.out = append(r.out, b...)
}

func (r *reader) string(quoted []byte) error {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') >= 0 {
		var s string
		if err := json.Unmarshal(quoted, &s); err != nil {
			return err
		}
		inner = []byte(s)
	}
	if r.kind == Bytes {
		if r.base64 {
			return r.decode(string(inner))
		}
		r.bytes(inner)
		return nil
	}
	switch s := string(inner); s {
	case "NaN", "Infinity", "-Infinity":
		if class, _ := r.kind.class(); class == floating {
			return r.number(s)
		}
	}
	return fmt.Errorf("%s is no %s", quote(inner), r.kind)
}

func (r *reader) number(word string) error {
	out, ok := appendWord(r.out, r.kind, word)
	if !ok {
		return fmt.Errorf("%.40s is no %s", word, r.kind)
	}
	r.out = out
	return nil
}

// appendWord appends a number that is written in text as an element.
func appendWord(b []byte, kind DataType, word string) ([]byte, bool) {
	switch class, _ := kind.class(); {
	case kind == Bool:
		if word == "0" || word == "1" {
			return append(b, word[0]-'0'), true
		}
		return b, false
	case class == floating:
		bits := 64
		if kind == FP32 {
			bits = 32 // rounded once
		}
		v, err := strconv.ParseFloat(word, bits)
		if err != nil {
			return b, false
		}
		return appendNumber(b, kind, scalar{float: v})
	}
	if v, err := strconv.ParseInt(word, 10, 64); err == nil {
		return appendNumber(b, kind, ofInt(v))
	}
	if v, err := strconv.ParseUint(word, 10, 64); err == nil {
		return appendNumber(b, kind, ofUint(v))
	}
	v, err := strconv.ParseFloat(word, 64)
	if err != nil || math.Abs(v) > 1<<53 { // such an integer is not what is meant
		return b, false
	}
	return appendNumber(b, kind, ofFloat(v))
}
