package reactor

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/wherry-run/wherry/model"
)

const (
	maxHead = 4 << 20 // bytes of the JSON of an answer
	align   = 16      // where the tensors of a request begin
)

// head is the JSON of a frame.
type head struct {
	ID      string              `json:"id,omitempty"`
	Inputs  []piece             `json:"inputs"`
	Outputs []map[string]string `json:"outputs,omitempty"`
}

// piece is a tensor whose elements are behind the JSON.
type piece struct {
	Name       string         `json:"name"`
	Type       model.DataType `json:"datatype"`
	Shape      []int64        `json:"shape"`
	Parameters map[string]any `json:"parameters"`
}

const binarySize = "binary_data_size"

// request is a frame: what comes before the tensors, and its length with them.
func request(r *model.Request) (front []byte, size uint64, err error) {
	h := head{ID: r.ID, Inputs: make([]piece, len(r.Inputs))}
	for i := range r.Inputs {
		t := &r.Inputs[i]
		p := piece{t.Name, t.Type, t.Shape, make(map[string]any, 1+len(t.Parameters))}
		if p.Shape == nil {
			p.Shape = []int64{}
		}
		for k, v := range t.Parameters {
			p.Parameters[k] = v
		}
		p.Parameters[binarySize] = len(t.Data)
		h.Inputs[i] = p
		size += uint64(len(t.Data))
	}
	for _, name := range r.Outputs {
		h.Outputs = append(h.Outputs, map[string]string{"name": name})
	}
	text, err := json.Marshal(h)
	if err != nil {
		return nil, 0, err
	}
	front = append(make([]byte, 4, 4+len(text)+align), text...)
	for len(front)%align != 0 {
		front = append(front, ' ')
	}
	binary.LittleEndian.PutUint32(front, uint32(len(front)-4))
	return front, size + uint64(len(front)), nil
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
	if len(wanted) == 0 {
		for i := range s.Outputs {
			wanted = append(wanted, s.Outputs[i].Name)
		}
	}
	have := make(map[string]*model.Tensor, len(outputs))
	for i := range outputs {
		if have[outputs[i].Name] != nil {
			return nil, fmt.Errorf("the output %q is there twice", outputs[i].Name)
		}
		have[outputs[i].Name] = &outputs[i]
	}
	found := make([]model.Tensor, len(wanted))
	for i, name := range wanted {
		t, f := have[name], s.Output(name)
		switch {
		case f == nil:
			return nil, &model.InputError{Tensor: name, Reason: "the model has no such output"}
		case t == nil:
			return nil, fmt.Errorf("the output %q is not there", name)
		}
		if err := f.Check(t); err != nil {
			return nil, err
		}
		found[i] = *t
	}
	return found, nil
}
