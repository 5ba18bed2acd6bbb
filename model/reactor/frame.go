package reactor

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/wherry-run/wherry/model"
)

const (
	maxHead = 4 << 20 // bytes of the JSON of an answer
	align   = 16      // where the tensors of a request begin
)

// piece is a tensor whose elements are behind the JSON.
type piece struct {
	Name       string         `json:"name"`
	Type       model.DataType `json:"datatype"`
	Shape      []int64        `json:"shape"`
	Parameters map[string]any `json:"parameters"`
}

const binarySize = "binary_data_size"

// request is a frame: what comes before the tensors, and its length with them. It is
// written into room.
func request(room []byte, r *model.Request) (front []byte, size uint64, err error) {
	b := append(room[:0], 0, 0, 0, 0, '{')
	if r.ID != "" {
		b = append(appendText(append(b, `"id":`...), r.ID), ',')
	}
	b = append(b, `"inputs":[`...)
	for i := range r.Inputs {
		t := &r.Inputs[i]
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendInput(b, t); err != nil {
			return nil, 0, err
		}
		size += uint64(len(t.Data))
	}
	b = append(b, ']')
	for i, name := range r.Outputs {
		b = append(b, [2]string{`,"outputs":[{"name":`, `,{"name":`}[min(i, 1)]...)
		b = append(appendText(b, name), '}')
	}
	if len(r.Outputs) > 0 {
		b = append(b, ']')
	}
	b = append(b, '}')
	for len(b)%align != 0 {
		b = append(b, ' ')
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)-4))
	return b, size + uint64(len(b)), nil
}

// appendInput writes what is said of a tensor.
func appendInput(b []byte, t *model.Tensor) ([]byte, error) {
	b = appendText(append(b, `{"name":`...), t.Name)
	b = appendText(append(b, `,"datatype":`...), string(t.Type))
	b = append(b, `,"shape":[`...)
	for i, n := range t.Shape {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	b = append(b, `],"parameters":{`...)
	for name, v := range t.Parameters {
		if name == binarySize {
			continue
		}
		text, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("parameter %s of %s: %w", name, t.Name, err)
		}
		b = append(append(append(appendText(b, name), ':'), text...), ',')
	}
	b = append(b, `"`+binarySize+`":`...)
	return append(strconv.AppendInt(b, int64(len(t.Data)), 10), '}', '}'), nil
}

// appendText writes a string of JSON.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			text, _ := json.Marshal(s) // of a string: it cannot fail
			return append(b, text...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// answer is the JSON of what a guest answers. An output has its elements behind the JSON,
// or in it.
type answer struct {
	Outputs []json.RawMessage `json:"outputs"`
	// Error says that the guest refuses the request, and why; Input, that the fault is
	// this input's, or "" for the request's.
	Error *string `json:"error"`
	Type  string  `json:"type"`
	Input *string `json:"input"`
}

// parseAnswer reads what a guest answers. The tensors lie in frame. The error is an
// *model.InputError or *model.ModelError when the guest refuses the request.
func parseAnswer(frame []byte) ([]model.Tensor, error) {
	if len(frame) < 4 {
		return nil, errors.New("it has no head")
	}
	n := uint64(binary.LittleEndian.Uint32(frame))
	text, rest := frame[4:], []byte(nil)
	if n > uint64(len(text)) || n > maxHead {
		return nil, fmt.Errorf("its JSON has %d bytes, and there are %d: %d are the most", n, len(text), maxHead)
	}
	text, rest = text[:n], text[n:]
	if outputs, ok := parseUsual(text, rest); ok {
		return outputs, nil
	}
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		return nil, fmt.Errorf("its JSON: %w", err)
	}
	switch {
	case a.Error != nil && a.Input != nil:
		return nil, &model.InputError{Tensor: *a.Input, Reason: *a.Error}
	case a.Error != nil:
		return nil, &model.ModelError{Type: a.Type, Message: *a.Error}
	case len(a.Outputs) > model.MaxFields:
		return nil, fmt.Errorf("more than %d tensors", model.MaxFields)
	}
	outputs := make([]model.Tensor, len(a.Outputs))
	for i, text := range a.Outputs {
		var err error
		if rest, err = parseOutput(text, rest, &outputs[i]); err != nil {
			return nil, fmt.Errorf("output %d: %s", i+1, err) // whatever its type: it is no fault of an input
		}
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%d bytes are of no tensor", len(rest))
	}
	return outputs, nil
}

// parseOutput reads one tensor, and gives what is left of rest.
func parseOutput(text, rest []byte, t *model.Tensor) ([]byte, error) {
	var p struct {
		piece
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, err
	}
	if p.Data != nil {
		return rest, t.UnmarshalJSON(text)
	}
	size, ok := p.Parameters[binarySize].(float64)
	if !ok || size < 0 || size > float64(len(rest)) || size != float64(uint64(size)) {
		return nil, fmt.Errorf("%q: %s is %v, and %d bytes are left", p.Name, binarySize, p.Parameters[binarySize], len(rest))
	}
	delete(p.Parameters, binarySize)
	if len(p.Parameters) == 0 {
		p.Parameters = nil
	}
	if p.Shape == nil {
		p.Shape = []int64{}
	}
	n := uint64(size)
	*t = model.Tensor{Name: p.Name, Type: p.Type, Shape: p.Shape, Data: rest[:n:n], Parameters: p.Parameters}
	return rest[n:], t.Check()
}

// order puts outputs in the order that was asked for, else in the signature's. Each is as
// the signature says.
func order(s *model.Signature, outputs []model.Tensor, wanted []string) ([]model.Tensor, error) {
	if len(wanted) == 0 && ordered(s, outputs) {
		return outputs, nil
	}
	if err := unique(outputs); err != nil {
		return nil, err
	}
	if len(wanted) == 0 {
		wanted = make([]string, 0, len(s.Outputs))
		for i := range s.Outputs {
			wanted = append(wanted, s.Outputs[i].Name)
		}
	}
	found := make([]model.Tensor, len(wanted))
	for i, name := range wanted {
		f := s.Output(name)
		if f == nil {
			return nil, &model.InputError{Tensor: name, Reason: "the model has no such output"}
		}
		at := slices.IndexFunc(outputs, func(t model.Tensor) bool { return t.Name == name })
		if at < 0 {
			return nil, fmt.Errorf("the output %q is not there", name)
		}
		if err := f.Check(&outputs[at]); err != nil {
			return nil, err
		}
		found[i] = outputs[at]
	}
	return found, nil
}

// ordered tells whether outputs are those of the signature, and in its order.
func ordered(s *model.Signature, outputs []model.Tensor) bool {
	if len(outputs) != len(s.Outputs) {
		return false
	}
	for i := range outputs {
		if f := &s.Outputs[i]; f.Name != outputs[i].Name || f.Check(&outputs[i]) != nil {
			return false
		}
	}
	return true
}

// unique tells of an output that is there twice.
func unique(outputs []model.Tensor) error {
	if len(outputs) < 2 {
		return nil
	}
	have := make(map[string]bool, len(outputs))
	for i := range outputs {
		if have[outputs[i].Name] {
			return fmt.Errorf("the output %q is there twice", outputs[i].Name)
		}
		have[outputs[i].Name] = true
	}
	return nil
}
