package native

import (
	"errors"
	"fmt"
	"io"

	"github.com/wherry-run/wherry/model"
)

// An Engine is ONNX Runtime as wherry-native has it.
type Engine interface {
	// Version is that of the library.
	Version() string
	// Load makes a session of a model's file.
	Load(file string, threads int) (Session, error)
}

// A Session is a model that is loaded. Its errors are *model.InputError and
// *model.ModelError.
type Session interface {
	// Run computes the outputs that are named.
	Run(inputs []model.Tensor, outputs []string) ([]model.Tensor, error)
}

// Serve is the whole of wherry-native: it loads one model and answers requests until
// its input ends.
func Serve(in io.Reader, out io.Writer, e Engine) error {
	m, data, err := readFrame(in)
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return fmt.Errorf("read what to load: %w", err)
	case m.Load == nil || len(data) > 0 || len(m.Load.Model) > maxPath || m.Load.Threads < 0:
		return errFrame
	}
	s, err := e.Load(m.Load.Model, m.Load.Threads)
	if err != nil {
		return writeFrame(out, Message{Error: tell(err)}, nil)
	}
	if err := writeFrame(out, Message{Ready: &Ready{e.Version()}}, nil); err != nil {
		return err
	}
	for {
		m, data, err := readFrame(in)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read request: %w", err)
		case m.Run == nil || len(m.Run.Outputs) > maxTensors:
			return errFrame
		}
		if err := answer(out, s, m.Run, data); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
	}
}

// answer answers one request.
func answer(out io.Writer, s Session, r *Run, data []byte) error {
	inputs, err := tensors(r.Inputs, data)
	if err != nil {
		return writeFrame(out, Message{Error: tell(err)}, nil)
	}
	outputs, err := s.Run(inputs, r.Outputs)
	if err != nil {
		return writeFrame(out, Message{Error: tell(err)}, nil)
	}
	list, all := pieces(outputs)
	return writeFrame(out, Message{Answer: &Answer{list}}, all)
}

// maxSaid bounds the text of an error, in bytes.
const maxSaid = 64 << 10

func tell(err error) *Error {
	var own *model.ModelError
	var input *model.InputError
	e := &Error{Type: "FAIL", Message: err.Error()}
	switch {
	case errors.As(err, &own):
		e.Type, e.Message = own.Type, own.Message
	case errors.As(err, &input):
		e.Type, e.Message, e.Input = "INVALID_ARGUMENT", input.Error(), true
	}
	e.Message = e.Message[:min(len(e.Message), maxSaid)]
	return e
}

// err is the error that was told.
func (e *Error) err() error {
	if e.Input {
		return &model.InputError{Reason: e.Message}
	}
	return &model.ModelError{Type: e.Type, Message: e.Message}
}
