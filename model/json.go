package model

import (
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"
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
	shape, data, err := readElements(t.Type, in.Data, inBase64 == in.Parameters[contentType], want)
	if err != nil {
		return &InputError{t.Name, err.Error()}
	}
	return t.take(shape, data, want)
}

// take gives a tensor the elements that were read for it, of which it has want.
func (t *Tensor) take(shape []int64, data []byte, want int64) error {
	flat := len(shape) == 1 && shape[0] == want
	if !flat && !slices.Equal(shape, t.Shape) && !(want == 0 && countOf(shape) == 0) {
		return t.wrong("its data have the shape %s, it says %s", showShape(shape), showShape(t.Shape))
	}
	t.Data = data
	return t.Check()
}

// ReadData reads the elements of a tensor whose Type, Shape and Parameters are
// known from the beginning of text, which has them in JSON as the protocol does:
// flat or nested. It gives how many bytes of text they were; more may follow.
// Nothing of text is kept. The error is an *InputError.
func (t *Tensor) ReadData(text []byte) (n int, err error) {
	want, ok := Elements(t.Shape)
	switch {
	case !t.Type.Valid():
		return 0, t.wrong("%q is no type of elements", string(t.Type))
	case !ok:
		return 0, t.wrong("%v is no shape", t.Shape)
	}
	r := reader{kind: t.Type, base64: inBase64 == t.Parameters[contentType], text: text, expect: want}
	if err := r.read(); err != nil {
		return 0, &InputError{t.Name, err.Error()}
	}
	return r.at, t.take(r.shape, r.out, want)
}

// AppendData appends the elements of a sound tensor in JSON, flat. Those of Bytes
// are strings, or base64, when Parameters say so or, as plain tells, one of them is
// no text; whoever reads them has to be told by the parameter content_type.
func (t *Tensor) AppendData(b []byte) (text []byte, plain bool) {
	w := writer{tensor: t}
	if t.Type == Bytes {
		w.base64 = inBase64 == t.Parameters[contentType] || !t.isText()
	}
	n, _ := Elements(t.Shape)
	return w.list(b, []int64{n}), !w.base64
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
