package native

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/wherry-run/wherry/model"
)

// What the two processes say to each other, over the standard input and output of
// wherry-native, are frames:
//
//	8 bytes   "wherryn" and the version, 1
//	4 bytes   the length of the JSON, little-endian
//	8 bytes   the length of the data
//	n bytes   JSON, a Message
//	m bytes   data: the bytes of the tensors that the Message speaks of, in a row
//
// Each message is answered by one.
const (
	frameHead = "wherryn\x01"
	frameRoom = len(frameHead) + 4 + 8

	maxText    = 4 << 20
	maxData    = 4 << 30
	maxTensors = 4096
	maxPath    = 32 << 10
)

// A Message is what a frame says: one of its fields.
type Message struct {
	Load   *Load   `json:"load,omitempty"`
	Ready  *Ready  `json:"ready,omitempty"`
	Run    *Run    `json:"run,omitempty"`
	Answer *Answer `json:"answer,omitempty"`
	Error  *Error  `json:"error,omitempty"`
}

// Load asks for a model. It is the first message, and the only one of its kind.
type Load struct {
	// Model is the path of the model's file.
	Model string `json:"model"`
	// Threads is how many threads one request may use; 0 is for the library to say.
	Threads int `json:"threads,omitempty"`
}

// Ready answers Load.
type Ready struct {
	// Version is that of ONNX Runtime.
	Version string `json:"version"`
}

// Run is a request.
type Run struct {
	Inputs  []Piece  `json:"inputs"`
	Outputs []string `json:"outputs"`
}

// Answer answers Run.
type Answer struct {
	Outputs []Piece `json:"outputs"`
}

// Error answers what could not be done.
type Error struct {
	// Type is the name of ONNX Runtime's status.
	Type    string `json:"type"`
	Message string `json:"message"`
	// Input is set when the request does not fit the model.
	Input bool `json:"input,omitempty"`
}

// Piece is a tensor whose elements are Size bytes of the data.
type Piece struct {
	Name  string         `json:"name"`
	Type  model.DataType `json:"type"`
	Shape []int64        `json:"shape"`
	Size  uint64         `json:"size"`
}

var errFrame = errors.New("a frame of another shape")

// pieces describes tensors.
func pieces(list []model.Tensor) ([]Piece, [][]byte) {
	out, data := make([]Piece, len(list)), make([][]byte, len(list))
	for i := range list {
		t := &list[i]
		shape := t.Shape
		if shape == nil {
			shape = []int64{}
		}
		out[i], data[i] = Piece{t.Name, t.Type, shape, uint64(len(t.Data))}, t.Data
	}
	return out, data
}

// tensors are those that pieces describe. What they say is checked.
func tensors(list []Piece, data []byte) ([]model.Tensor, error) {
	if len(list) > maxTensors {
		return nil, fmt.Errorf("%d tensors, more than %d", len(list), maxTensors)
	}
	out := make([]model.Tensor, len(list))
	for i, p := range list {
		if p.Size > uint64(len(data)) {
			return nil, errFrame
		}
		out[i] = model.Tensor{Name: p.Name, Type: p.Type, Shape: p.Shape, Data: data[:p.Size:p.Size]}
		if err := out[i].Check(); err != nil {
			return nil, err
		}
		data = data[p.Size:]
	}
	if len(data) > 0 {
		return nil, errFrame
	}
	return out, nil
}

// writeFrame sends a message and its data.
func writeFrame(w io.Writer, m Message, data [][]byte) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	size := uint64(0)
	for _, d := range data {
		size += uint64(len(d))
	}
	if len(text) > maxText || size > maxData {
		return fmt.Errorf("a message of %d bytes with %d bytes of tensors, more than %d or %d", len(text), size, maxText, uint64(maxData))
	}
	head := make([]byte, 0, frameRoom+len(text))
	head = append(head, frameHead...)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(text)))
	head = binary.LittleEndian.AppendUint64(head, size)
	if _, err := w.Write(append(head, text...)); err != nil {
		return err
	}
	for _, d := range data {
		if _, err := w.Write(d); err != nil {
			return err
		}
	}
	return nil
}

// readFrame takes the next message. The other process may say anything: memory is
// taken for what has come, not for what is said to come. The end, before a frame,
// is io.EOF.
func readFrame(r io.Reader) (m Message, data []byte, err error) {
	head := make([]byte, frameRoom)
	if _, err := io.ReadFull(r, head); err != nil {
		return m, nil, err
	}
	if !bytes.HasPrefix(head, []byte(frameHead)) {
		return m, nil, errFrame
	}
	text, size := binary.LittleEndian.Uint32(head[len(frameHead):]), binary.LittleEndian.Uint64(head[len(frameHead)+4:])
	if text > maxText || size > maxData {
		return m, nil, errFrame
	}
	all, err := readSome(r, uint64(text))
	if err != nil {
		return m, nil, err
	}
	d := json.NewDecoder(bytes.NewReader(all))
	if err := d.Decode(&m); err != nil || d.InputOffset() != int64(len(all)) || !m.one() {
		return Message{}, nil, errFrame
	}
	data, err = readSome(r, size)
	return m, data, err
}

// readSome reads n bytes.
func readSome(r io.Reader, n uint64) ([]byte, error) {
	const atOnce = 16 << 20
	if n <= atOnce {
		b := make([]byte, n)
		_, err := io.ReadFull(r, b)
		return b, cut(err)
	}
	var b bytes.Buffer
	b.Grow(atOnce)
	if _, err := io.CopyN(&b, r, int64(n)); err != nil {
		return nil, cut(err)
	}
	return b.Bytes(), nil
}

// cut is the error of a frame that is not whole.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// one tells whether a message says one thing.
func (m *Message) one() bool {
	n := 0
	for _, said := range []bool{m.Load != nil, m.Ready != nil, m.Run != nil, m.Answer != nil, m.Error != nil} {
		if said {
			n++
		}
	}
	return n == 1
}
