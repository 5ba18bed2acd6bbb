package python

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/wherry-run/wherry/model"
)

// An Engine runs ONNX models for a program that imports onnxruntime.
type Engine interface {
	// Open loads a model: a file of the program's image, or data where that is not
	// nil. What is wrong with the model is a *model.ModelError.
	Open(ctx context.Context, file string, data []byte) (Session, error)
}

// A Session is a model that is loaded. It is used by one goroutine at a time.
type Session interface {
	Signature() *model.Signature
	Predict(ctx context.Context, r *model.Request) (*model.Response, error)
	Close(ctx context.Context) error
}

// A Door answers what the module onnxruntime of the Python base says: it is a
// container's Spec.Door. A message is
//
//	6 bytes   "\x00onnx" and the version, 1
//	4 bytes   the length of the JSON, little-endian
//	n bytes   JSON
//	the rest  the bytes of a model, or of tensors as in a request
//
// and the answer the same without its beginning. The JSON of a message is one of
//
//	{"open": "/app/model.onnx"}, or "" with the model's bytes
//	{"run": KEY, "inputs": [...], "outputs": [NAMES]}
//
// and of an answer {"key": KEY, "inputs": FIELDS, "outputs": FIELDS}, or
// {"outputs": [...]}, or {"error": {"type": "...", "message": "..."}}. A key says
// what was loaded: a program that goes on from a snapshot, or was put back to it,
// may have a key that its door never gave. The door then opens the file; of bytes
// it says {"unknown": true}, and is told them again.
type Door struct {
	engine Engine

	mu       sync.Mutex
	sessions map[string]Session
	closed   bool
}

// NewDoor is a door with nothing behind it yet but an engine.
func NewDoor(e Engine) *Door { return &Door{engine: e, sessions: map[string]Session{}} }

const (
	doorHead = "\x00onnx\x01"
	doorRoom = len(doorHead) + 4

	maxSessions = 64 // of one program
	maxDoorHead = 4 << 20
	maxModel    = 192 << 20 // bytes of a model that is no file of the image

	fileKey, dataKey = "file:", "sha256:"
)

// doorMessage is what a program says.
type doorMessage struct {
	Open    *string  `json:"open"`
	Run     string   `json:"run"`
	Inputs  []piece  `json:"inputs"`
	Outputs []string `json:"outputs"`
}

// doorAnswer is what it is told.
type doorAnswer struct {
	Key     string     `json:"key,omitempty"`
	Inputs  any        `json:"inputs,omitempty"`
	Outputs any        `json:"outputs,omitempty"`
	Unknown bool       `json:"unknown,omitempty"`
	Error   *doorError `json:"error,omitempty"`
}

type doorError struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// Answer answers one message; see runtime.Spec.
func (d *Door) Answer(ctx context.Context, message []byte) ([]byte, error) {
	m, data, err := parseDoor(message)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, model.ErrClosed
	}
	var answer doorAnswer
	var pieces [][]byte
	if m.Open != nil {
		answer, err = d.open(ctx, *m.Open, data)
	} else {
		answer, pieces, err = d.run(ctx, m, data)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		answer = doorAnswer{Error: say(err)}
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	return doorBytes(text, pieces), nil
}

// say tells a program what went wrong: that of the host is not for it.
func say(err error) *doorError {
	var own *model.ModelError
	var input *model.InputError
	switch {
	case errors.As(err, &own):
		return &doorError{own.Type, own.Message}
	case errors.As(err, &input):
		return &doorError{"INVALID_ARGUMENT", input.Error()}
	}
	return &doorError{"FAIL", "the model cannot be run: it met a limit, or its sandbox ended"}
}

// parseDoor takes a message apart.
func parseDoor(message []byte) (m doorMessage, data []byte, err error) {
	if !bytes.HasPrefix(message, []byte(doorHead)) || len(message) < doorRoom {
		return m, nil, errors.New("nobody answers")
	}
	n, rest := uint64(binary.LittleEndian.Uint32(message[len(doorHead):])), message[doorRoom:]
	if n > uint64(len(rest)) || n > maxDoorHead {
		return m, nil, errors.New("a message of another shape")
	}
	if err := json.Unmarshal(rest[:n], &m); err != nil || (m.Open != nil) == (m.Run != "") || len(m.Inputs) > maxOutputs || len(m.Outputs) > maxOutputs {
		return m, nil, errors.New("a message of another shape")
	}
	return m, rest[n:], nil
}

// doorBytes makes an answer; its pieces begin at multiples of 16 bytes.
func doorBytes(text []byte, pieces [][]byte) []byte {
	const to = 16
	pad := func(b []byte, with byte) []byte {
		return append(b, bytes.Repeat([]byte{with}, (to-len(b)%to)%to)...)
	}
	b := append(make([]byte, 4, 4+len(text)+to), text...)
	b = pad(b, ' ')
	binary.LittleEndian.PutUint32(b, uint32(len(b)-4))
	for _, p := range pieces {
		b = pad(append(b, p...), 0)
	}
	return b
}

// open loads a model and says what it takes and gives.
func (d *Door) open(ctx context.Context, file string, data []byte) (doorAnswer, error) {
	key := fileKey + file
	if file == "" {
		if len(data) > maxModel {
			return doorAnswer{}, &model.ModelError{Type: "FAIL", Message: fmt.Sprintf("a model of more than %d bytes has to be a file of the image", maxModel)}
		}
		sum := sha256.Sum256(data)
		key = dataKey + hex.EncodeToString(sum[:])
	} else {
		data = nil
	}
	s, err := d.session(ctx, key, file, data)
	if err != nil {
		return doorAnswer{}, err
	}
	return doorAnswer{Key: key, Inputs: s.Signature().Inputs, Outputs: s.Signature().Outputs}, nil
}

// session is that of a key, opened when it is not there yet.
func (d *Door) session(ctx context.Context, key, file string, data []byte) (Session, error) {
	if s := d.sessions[key]; s != nil {
		return s, nil
	}
	if len(d.sessions) >= maxSessions {
		return nil, &model.ModelError{Type: "FAIL", Message: fmt.Sprintf("there are %d models open, and no more may be", maxSessions)}
	}
	s, err := d.engine.Open(ctx, file, data)
	if err != nil {
		return nil, err
	}
	d.sessions[key] = s
	return s, nil
}

// run answers a request.
func (d *Door) run(ctx context.Context, m doorMessage, data []byte) (answer doorAnswer, pieces [][]byte, err error) {
	s := d.sessions[m.Run]
	if s == nil {
		if len(m.Run) <= len(fileKey) || m.Run[:len(fileKey)] != fileKey {
			return doorAnswer{Unknown: true}, nil, nil
		}
		if s, err = d.session(ctx, m.Run, m.Run[len(fileKey):], nil); err != nil {
			return answer, nil, err
		}
	}
	inputs, err := tensors(m.Inputs, data)
	if err != nil {
		return answer, nil, err
	}
	r, err := s.Predict(ctx, &model.Request{Inputs: inputs, Outputs: m.Outputs})
	if err != nil {
		var own *model.ModelError
		if !errors.As(err, &own) && !errors.As(err, new(*model.InputError)) { // it is broken
			delete(d.sessions, m.Run)
			s.Close(context.WithoutCancel(ctx))
		}
		return answer, nil, err
	}
	specs := make([]piece, len(r.Outputs))
	for i := range r.Outputs {
		o := &r.Outputs[i]
		specs[i] = piece{Name: o.Name, Type: o.Type, Shape: o.Shape, Size: len(o.Data)}
		pieces = append(pieces, o.Data)
	}
	return doorAnswer{Outputs: specs}, pieces, nil
}

// tensors are those that a program describes, over the bytes of its message.
func tensors(specs []piece, data []byte) ([]model.Tensor, error) {
	out := make([]model.Tensor, 0, len(specs))
	for _, p := range specs {
		if p.Size < 0 || p.Size > len(data) {
			return nil, &model.InputError{Tensor: p.Name, Reason: "it is cut off"}
		}
		t := model.Tensor{Name: p.Name, Type: p.Type, Shape: p.Shape, Data: data[:p.Size:p.Size]}
		if err := t.Check(); err != nil {
			return nil, err
		}
		data = data[p.Size:]
		out = append(out, t)
	}
	return out, nil
}

// Close ends every session.
func (d *Door) Close(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	var errs []error
	for key, s := range d.sessions {
		errs = append(errs, s.Close(ctx))
		delete(d.sessions, key)
	}
	return errors.Join(errs...)
}
