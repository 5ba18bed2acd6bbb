package oip

import (
	"fmt"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/inference"
)

// maxTensors bounds the inputs, and the outputs, of a request.
const maxTensors = model.MaxFields

// request is an infer request as it came.
type request struct {
	model.Request
	parameters map[string]any
	wants      []inference.Want
	binary     bool            // outputs are wanted in binary
	each       map[string]bool // the same of single outputs, where they say so
}

// readRequest reads a request in JSON, which may be followed by tensors in binary:
// json is the length of what is JSON. Tensors in JSON are copied, those in binary
// are parts of body.
func readRequest(body []byte, json int) (*request, error) {
	q := &request{}
	s := &scanner{text: body[:json]}
	rest := body[json:]
	err := s.object(func(name []byte) (err error) {
		switch string(name) {
		case "id":
			err = q.readID(s)
		case "parameters":
			q.parameters, err = s.parameters()
		case "inputs":
			rest, err = q.readInputs(s, rest)
		case "outputs":
			err = q.readOutputs(s)
		default:
			_, err = s.raw()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if s.peek() != 0 || s.at < len(s.text) {
		return nil, s.wrong()
	}
	if len(rest) > 0 {
		return nil, wrong("%d bytes follow the tensors that the request names: see the parameter binary_data_size of its inputs", len(rest))
	}
	if q.Inputs == nil {
		return nil, wrong("the request has no inputs")
	}
	q.binary, _ = q.parameters["binary_data_output"].(bool)
	q.Outputs = inference.Names(q.wants)
	return q, nil
}

func wrong(format string, args ...any) error {
	return &model.InputError{Reason: fmt.Sprintf(format, args...)}
}

func (q *request) readID(s *scanner) error {
	if s.peek() == '"' {
		id, err := s.string()
		q.ID = string(id)
		return err
	}
	text, err := s.raw() // a number, or null
	if err == nil && string(text) != "null" {
		q.ID = string(text)
	}
	return err
}

func (q *request) readInputs(s *scanner, rest []byte) ([]byte, error) {
	q.Inputs = make([]model.Tensor, 0, 4)
	err := s.list(func() (err error) {
		if len(q.Inputs) == maxTensors {
			return wrong("the request has more than %d inputs", maxTensors)
		}
		q.Inputs = append(q.Inputs, model.Tensor{})
		rest, err = readInput(s, &q.Inputs[len(q.Inputs)-1], rest)
		return err
	})
	return rest, err
}

// readInput reads an input, and takes its elements from rest when they are there.
func readInput(s *scanner, t *model.Tensor, rest []byte) ([]byte, error) {
	var data []byte // what was put off
	done := false
	err := s.object(func(name []byte) (err error) {
		switch string(name) {
		case "name":
			name, err = s.string()
			t.Name = string(name)
		case "datatype":
			name, err = s.string()
			t.Type = dataType(name)
		case "shape":
			t.Shape, err = readShape(s)
		case "parameters":
			t.Parameters, err = s.parameters()
		case "data":
			s.peek()
			if done || data != nil {
				err = wrong("%s: it has data twice", t.Name)
			} else if t.Shape == nil || t.Type == model.Bytes || !t.Type.Valid() {
				// What these bytes are is said by what may follow.
				data, err = s.extent()
			} else {
				var n int
				n, err = t.ReadData(s.text[s.at:])
				s.at += n
				done = true
			}
		default:
			_, err = s.raw()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return finish(t, data, done, rest)
}

// finish gives an input the elements that it does not have yet.
func finish(t *model.Tensor, data []byte, done bool, rest []byte) ([]byte, error) {
	if len(t.Parameters) > inference.MaxParameters {
		return nil, &model.InputError{Tensor: t.Name, Reason: fmt.Sprintf("it has more than %d parameters", inference.MaxParameters)}
	}
	if err := inference.Shared(t.Name, t.Parameters); err != nil {
		return nil, err
	}
	if t.Shape == nil {
		return nil, &model.InputError{Tensor: t.Name, Reason: "it has no shape"}
	}
	size, binary := t.Parameters[binarySize]
	switch {
	case binary && (done || data != nil):
		return nil, &model.InputError{Tensor: t.Name, Reason: "it has data, and the parameter binary_data_size"}
	case binary:
		n, ok := inference.Integer(size)
		if !ok || n > uint64(len(rest)) {
			return nil, &model.InputError{Tensor: t.Name, Reason: fmt.Sprintf("binary_data_size is %v, and %d bytes follow: they come after the JSON, whose length the header %s tells", size, len(rest), headerLength)}
		}
		delete(t.Parameters, binarySize)
		t.Data, rest = rest[:n:n], rest[n:]
	case data != nil:
		n, err := t.ReadData(data)
		if err != nil {
			return nil, err
		}
		if n != len(data) {
			return nil, &model.InputError{Tensor: t.Name, Reason: "its data are no JSON"}
		}
	case !done:
		return nil, &model.InputError{Tensor: t.Name, Reason: "it has no data"}
	}
	return rest, nil
}

// dataType is the type of a name, which is not kept.
func dataType(name []byte) model.DataType {
	switch string(name) {
	case "FP32":
		return model.FP32
	case "INT64":
		return model.Int64
	case "BYTES":
		return model.Bytes
	case "FP64":
		return model.FP64
	}
	return model.DataType(name)
}

func readShape(s *scanner) ([]int64, error) {
	shape := make([]int64, 0, 4)
	err := s.list(func() error {
		if len(shape) == model.MaxDims {
			return wrong("a tensor has at most %d dimensions", model.MaxDims)
		}
		n, err := s.integer()
		shape = append(shape, n)
		return err
	})
	return shape, err
}

func (q *request) readOutputs(s *scanner) error {
	if s.peek() == 'n' {
		_, err := s.raw()
		return err
	}
	return s.list(func() error {
		if len(q.wants) == maxTensors {
			return wrong("the request asks for more than %d outputs", maxTensors)
		}
		return q.readOutput(s)
	})
}

func (q *request) readOutput(s *scanner) error {
	var name string
	var parameters map[string]any
	err := s.object(func(key []byte) (err error) {
		switch string(key) {
		case "name":
			key, err = s.string()
			name = string(key)
		case "parameters":
			parameters, err = s.parameters()
		default:
			_, err = s.raw()
		}
		return err
	})
	if err != nil {
		return err
	}
	want, err := inference.WantOf(name, parameters)
	if err != nil {
		return err
	}
	q.wants = append(q.wants, want)
	if value, ok := parameters["binary_data"]; ok {
		binary, ok := value.(bool)
		if !ok {
			return &model.InputError{Tensor: name, Reason: "the parameter binary_data is true or false"}
		}
		if q.each == nil {
			q.each = map[string]bool{}
		}
		q.each[name] = binary
	}
	return nil
}
