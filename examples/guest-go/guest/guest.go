// Package guest has a Go program answer requests of Wherry. Copy it into a module of your
// own: it needs nothing but the standard library. A program calls Serve from an init
// function, has an empty main, and is built as a reactor:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared
package guest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"unsafe"
)

// A Signature says what a model takes and gives.
type Signature struct {
	Name    string  `json:"name"`
	Inputs  []Field `json:"inputs"`
	Outputs []Field `json:"outputs"`
	// Streams is set by ServeStream.
	Streams bool `json:"streams,omitempty"`
}

// A Field is one input or output. Shape has -1 for a dimension of any length.
type Field struct {
	Name       string         `json:"name"`
	Type       string         `json:"datatype"`
	Shape      []int          `json:"shape"`
	Parameters map[string]any `json:"parameters,omitempty"`
}

// A Tensor has its elements row by row and little-endian; an element of BYTES is its
// length in 4 bytes, and then itself.
type Tensor struct {
	Name  string
	Type  string
	Shape []int
	Data  []byte
}

// A Request has the inputs that were given, by their names, and the names of the outputs
// that are wanted: none are all. It is valid until Predict returns.
type Request struct {
	ID      string
	Inputs  map[string]*Tensor
	Outputs []string
}

// InputError refuses a request: the fault is the input's, or with "" the request's.
type InputError struct{ Input, Reason string }

func (e *InputError) Error() string { return e.Reason }

// Predict answers a request. An error, or a panic, is the answer to this request; the
// model goes on with the next.
type Predict func(*Request) ([]Tensor, error)

var model struct {
	signature []byte
	predict   Predict
	reader    reader
	writer    writer
	request   []byte // is written to by the host
	answer    []byte // is read by the host until the next call
}

// Serve says what the program answers, and how. It is called from init.
func Serve(s Signature, p Predict) {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	model.signature, model.predict = text, p
}

// place is where bytes are, as the host wants to know it.
func place(b []byte) int64 {
	at := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
	return int64(at<<32 | uint64(len(b)))
}

//go:wasmexport wherry_signature
func signature() int64 { return place(model.signature) }

//go:wasmexport wherry_alloc
func alloc(size int32) int32 {
	if n := int(uint32(size)); n > cap(model.request) {
		model.request = make([]byte, n)
	}
	return int32(uintptr(unsafe.Pointer(unsafe.SliceData(model.request))))
}

//go:wasmexport wherry_predict
func predict(_, size int32) int64 {
	model.answer = answer(model.request[:uint32(size)])
	return place(model.answer)
}

type tensorJSON struct {
	Name       string         `json:"name"`
	Type       string         `json:"datatype"`
	Shape      []int          `json:"shape"`
	Parameters map[string]any `json:"parameters"`
}

const binarySize = "binary_data_size"

// answer makes a frame of a frame.
func answer(asked []byte) (out []byte) {
	defer func() {
		if p := recover(); p != nil {
			out = refusal(fmt.Errorf("panic: %v", p))
		}
	}()
	request, err := parse(asked)
	if err != nil {
		return refusal(err)
	}
	outputs, err := model.predict(request)
	if err != nil {
		return refusal(err)
	}
	return model.writer.frame(outputs)
}

// head begins a frame after which size bytes follow.
func head(v any, size int) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	out := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(text)+size), uint32(len(text)))
	return append(out, text...)
}

func refusal(err error) []byte {
	if e, ok := err.(*InputError); ok {
		return head(map[string]any{"error": e.Reason, "input": e.Input}, 0)
	}
	return head(map[string]any{"error": err.Error()}, 0)
}

func parse(frame []byte) (*Request, error) {
	n := binary.LittleEndian.Uint32(frame)
	text, rest := frame[4:4+n], frame[4+n:]
	if r, ok := model.reader.read(text, rest); ok {
		return r, nil
	}
	var in struct {
		ID      string       `json:"id"`
		Inputs  []tensorJSON `json:"inputs"`
		Outputs []struct {
			Name string `json:"name"`
		} `json:"outputs"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, err
	}
	r := &Request{ID: in.ID, Inputs: make(map[string]*Tensor, len(in.Inputs))}
	for _, t := range in.Inputs {
		size, _ := t.Parameters[binarySize].(float64)
		if size < 0 || size > float64(len(rest)) {
			return nil, fmt.Errorf("the tensor %s has not so many bytes as it says", t.Name)
		}
		r.Inputs[t.Name] = &Tensor{t.Name, t.Type, t.Shape, rest[:int(size)]}
		rest = rest[int(size):]
	}
	for _, o := range in.Outputs {
		r.Outputs = append(r.Outputs, o.Name)
	}
	return r, nil
}

// Floats are the elements of a tensor of FP32.
func (t *Tensor) Floats() []float32 {
	out := make([]float32, len(t.Data)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
	}
	return out
}

// Strings are the elements of a tensor of BYTES.
func (t *Tensor) Strings() []string {
	var out []string
	for b := t.Data; len(b) >= 4; {
		n := int(binary.LittleEndian.Uint32(b))
		out = append(out, string(b[4:4+n]))
		b = b[4+n:]
	}
	return out
}

// OfFloats makes a tensor of FP32; without a shape it has one dimension.
func OfFloats(name string, values []float32, shape ...int) Tensor {
	t := Tensor{Name: name, Type: "FP32", Shape: shape}
	if len(shape) == 0 {
		t.Shape = []int{len(values)}
	}
	t.Data = make([]byte, 4*len(values))
	for i, v := range values {
		binary.LittleEndian.PutUint32(t.Data[4*i:], math.Float32bits(v))
	}
	return t
}

// OfStrings makes a tensor of BYTES with one dimension.
func OfStrings(name string, values ...string) Tensor {
	t := Tensor{Name: name, Type: "BYTES", Shape: []int{len(values)}}
	for _, v := range values {
		t.Data = append(binary.LittleEndian.AppendUint32(t.Data, uint32(len(v))), v...)
	}
	return t
}
