package python

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/wherry-run/wherry/model"
)

// piece describes one tensor of a message.
type piece struct {
	Name  string         `json:"name"`
	Type  model.DataType `json:"datatype"`
	Shape []int64        `json:"shape"`
	Size  int            `json:"size"`
	// Column is the tensor's place in the table Name.
	Column string `json:"column,omitempty"`
}

// head is the JSON of a request.
type head struct {
	Inputs  []piece  `json:"inputs"`
	Outputs []string `json:"outputs,omitempty"`
	// Like says what the one output is, to a function that does not.
	Like json.RawMessage `json:"like,omitempty"`
	// Stream: the function gives one value after the other, and each is a part.
	Stream bool `json:"stream,omitempty"`
}

// likeOf is what a request says of the output of a function without a hint: what
// it was when the image was made.
func likeOf(s *model.Signature) ([]byte, error) {
	if len(s.Outputs) != 1 {
		return nil, nil
	}
	f := s.OfParts().Outputs[0]
	like := struct {
		Type  model.DataType `json:"datatype"`
		Kind  string         `json:"kind,omitempty"`
		Shape []int64        `json:"shape"`
	}{Type: f.Type, Kind: f.Kind(), Shape: f.Shape}
	return json.Marshal(like)
}

// request makes the message of a request.
func (i *Instance) request(inputs []input, outputs []string) ([]byte, [][]byte, error) {
	h := head{Inputs: make([]piece, len(inputs)), Outputs: outputs, Like: i.like, Stream: i.signature.Streams}
	pieces := make([][]byte, len(inputs))
	for n, in := range inputs {
		shape := in.tensor.Shape
		if shape == nil {
			shape = []int64{}
		}
		h.Inputs[n] = piece{in.name, in.tensor.Type, shape, len(in.tensor.Data), in.column}
		pieces[n] = in.tensor.Data
	}
	text, err := json.Marshal(h)
	return text, pieces, err
}

// maxOutputs bounds the tensors of an answer.
const maxOutputs = 4096

// parseAnswer reads the guest's answer: JSON, and the tensors' bytes one after the
// other. They stay where they are.
func parseAnswer(text, data []byte) ([]model.Tensor, error) {
	var told struct {
		Outputs []piece `json:"outputs"`
	}
	if err := json.Unmarshal(text, &told); err != nil {
		return nil, errors.New("its head is not what is expected")
	}
	if len(told.Outputs) > maxOutputs {
		return nil, fmt.Errorf("more than %d tensors", maxOutputs)
	}
	outputs := make([]model.Tensor, 0, len(told.Outputs))
	for _, p := range told.Outputs {
		if p.Size < 0 || p.Size > len(data) {
			return nil, errors.New("a tensor is cut off")
		}
		shape := p.Shape
		if shape == nil {
			shape = []int64{}
		}
		t := model.Tensor{Name: p.Name, Type: p.Type, Shape: shape, Data: data[:p.Size:p.Size]}
		if err := t.Check(); err != nil {
			return nil, err
		}
		data = data[p.Size:]
		outputs = append(outputs, t)
	}
	if len(data) > 0 {
		return nil, errors.New("there are bytes of no tensor")
	}
	return outputs, nil
}

// order puts the outputs in the order that was asked for, else in the signature's.
func (i *Instance) order(outputs []model.Tensor, wanted []string) ([]model.Tensor, error) {
	if len(wanted) == 0 {
		for _, f := range i.signature.Outputs {
			wanted = append(wanted, f.Name)
		}
	}
	if len(outputs) != len(wanted) {
		return nil, fmt.Errorf("%d tensors, where %d are expected", len(outputs), len(wanted))
	}
	found := make([]model.Tensor, len(wanted))
	for n, name := range wanted {
		at := -1
		for k := range outputs {
			if outputs[k].Name == name {
				at = k
			}
		}
		if at < 0 {
			return nil, fmt.Errorf("the output %q is not there", name)
		}
		found[n] = outputs[at]
	}
	return found, nil
}

// MaxSignature bounds the JSON of a signature, in bytes.
const MaxSignature = 64 << 10

// ParseSignature reads a signature of an image's label or of a guest: what is not
// whole is refused.
func ParseSignature(text []byte) (*model.Signature, error) {
	if len(text) > MaxSignature {
		return nil, fmt.Errorf("the signature has more than %d bytes", MaxSignature)
	}
	s, err := model.ParseSignature(text)
	if err == nil && s.Platform != model.PlatformPython {
		err = fmt.Errorf("the signature is of %q, no Python model", s.Platform)
	}
	return s, err
}
