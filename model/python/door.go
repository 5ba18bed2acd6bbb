package python

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/wherry-run/wherry/model"
)

// An Engine runs ONNX models for a program that imports onnxruntime.
type Engine interface {
	// Find looks at a model: a file that the program sees, or data where that is not
	// nil. What is wrong with the model is a *model.ModelError.
	Find(ctx context.Context, file string, data []byte) (Model, error)
}

// A Model is one that was looked at.
type Model interface {
	// Key names the content of the model and of the files that it names: models with
	// the same one are the same.
	Key() string
	// Open loads it. What is wrong with it is a *model.ModelError.
	Open(ctx context.Context) (Session, error)
	// Close forgets it. What was opened stays.
	Close()
}

// A Session is a model that is loaded. It is used by one goroutine at a time.
type Session interface {
	Signature() *model.Signature
	Predict(ctx context.Context, r *model.Request) (*model.Response, error)
	Close(ctx context.Context) error
}

// A Door answers what the module onnxruntime of the Python base says: it is a
// runtime.Door. A message is
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
// what was loaded, a file with its content: one that was written anew is another
// model. A program that goes on from a snapshot, or was put back to it, may have a key
// that its door never gave, or has forgotten: of many models those that were asked
// last stay. The door then opens the file, if it is still the same; of bytes, and of
// another file, it says {"unknown": true}, and is told again.
type Door struct {
	engine Engine

	turn     chan struct{} // held by whoever uses what follows
	sessions map[string]*opened
	asked    uint64 // how often
	closed   bool
}

// opened is a model in use.
type opened struct {
	Session
	asked uint64 // when
}

// NewDoor is a door with nothing behind it yet but an engine.
func NewDoor(e Engine) *Door {
	return &Door{engine: e, turn: make(chan struct{}, 1), sessions: map[string]*opened{}}
}

// enter waits for the door.
func (d *Door) enter(ctx context.Context) error {
	select {
	case d.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

const (
	doorHead = "\x00onnx\x01"
	doorRoom = len(doorHead) + 4

	maxSessions = 64 // of the programs of one call
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
	if err := d.enter(ctx); err != nil {
		return nil, err
	}
	defer func() { <-d.turn }()
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
	if file != "" {
		data = nil
	} else if data == nil {
		data = []byte{}
	}
	if len(data) > maxModel {
		return doorAnswer{}, &model.ModelError{Type: "FAIL", Message: fmt.Sprintf("a model of more than %d bytes has to be a file", maxModel)}
	}
	m, err := d.engine.Find(ctx, file, data)
	if err != nil {
		return doorAnswer{}, err
	}
	defer m.Close()
	key := keyOf(m, file)
	s, err := d.session(ctx, key, m)
	if err != nil {
		return doorAnswer{}, err
	}
	return doorAnswer{Key: key, Inputs: s.Signature().Inputs, Outputs: s.Signature().Outputs}, nil
}

// keyOf is what a program knows a model by.
func keyOf(m Model, file string) string {
	if file == "" {
		return dataKey + m.Key()
	}
	return fileKey + m.Key() + ":" + file
}

// fileOf is the file of a key; "" is none.
func fileOf(key string) string {
	rest, ok := strings.CutPrefix(key, fileKey)
	if !ok {
		return ""
	}
	if at := strings.Index(rest, ":/"); at >= 0 { // a path is absolute
		return rest[at+1:]
	}
	return ""
}

// session is that of a key, opened when it is not there yet.
func (d *Door) session(ctx context.Context, key string, m Model) (Session, error) {
	d.asked++
	s := d.sessions[key]
	if s == nil {
		d.makeRoom(ctx)
		made, err := m.Open(ctx)
		if err != nil {
			return nil, err
		}
		s = &opened{Session: made}
		d.sessions[key] = s
	}
	s.asked = d.asked
	return s, nil
}

// makeRoom ends the model that was not asked for longest, when there are too many.
func (d *Door) makeRoom(ctx context.Context) {
	if len(d.sessions) < maxSessions {
		return
	}
	oldest := ""
	for key, s := range d.sessions {
		if oldest == "" || s.asked < d.sessions[oldest].asked {
			oldest = key
		}
	}
	d.end(ctx, oldest)
}

func (d *Door) end(ctx context.Context, key string) {
	s := d.sessions[key]
	delete(d.sessions, key)
	_ = s.Close(context.WithoutCancel(ctx)) // nothing hangs on how it ends
}

// known is the session of a key; nil: the program has to say again what it is of.
func (d *Door) known(ctx context.Context, key string) (Session, error) {
	if s := d.sessions[key]; s != nil {
		d.asked++
		s.asked = d.asked
		return s, nil
	}
	file := fileOf(key)
	if file == "" {
		return nil, nil
	}
	m, err := d.engine.Find(ctx, file, nil)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if keyOf(m, file) != key {
		return nil, nil
	}
	return d.session(ctx, key, m)
}

// run answers a request.
func (d *Door) run(ctx context.Context, m doorMessage, data []byte) (answer doorAnswer, pieces [][]byte, err error) {
	s, err := d.known(ctx, m.Run)
	if err != nil {
		return answer, nil, err
	}
	if s == nil {
		return doorAnswer{Unknown: true}, nil, nil
	}
	inputs, err := tensors(m.Inputs, data)
	if err != nil {
		return answer, nil, err
	}
	r, err := s.Predict(ctx, &model.Request{Inputs: inputs, Outputs: m.Outputs})
	if err != nil {
		var own *model.ModelError
		if !errors.As(err, &own) && !errors.As(err, new(*model.InputError)) { // it is broken
			d.end(ctx, m.Run)
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
	if err := d.enter(ctx); err != nil {
		return err
	}
	defer func() { <-d.turn }()
	d.closed = true
	var errs []error
	for key, s := range d.sessions {
		errs = append(errs, s.Close(ctx))
		delete(d.sessions, key)
	}
	return errors.Join(errs...)
}
