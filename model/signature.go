package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// A Signature says what a model takes and gives: the metadata document of the
// Open Inference Protocol ("Model Metadata"), which is its JSON.
type Signature struct {
	Name     string   `json:"name"`
	Versions []string `json:"versions,omitempty"`
	// Platform names what answers: one of the constants Platform....
	Platform string  `json:"platform"`
	Inputs   []Field `json:"inputs"`
	Outputs  []Field `json:"outputs"`
	// Streams: it gives its answer in parts; see Streamer. Outputs are then those of the
	// parts one after the other, along their first dimension. It is ours.
	Streams bool `json:"streams,omitempty"`
}

// The platforms.
const (
	PlatformONNX   = "onnxruntime_onnx"
	PlatformPython = "python"
	// PlatformReactor is a module of WebAssembly that answers by its exports.
	PlatformReactor = "wasm"
	// PlatformPipeline is several models, one after the other.
	PlatformPipeline = "ensemble"
)

// A Field is one input or output.
type Field struct {
	Name string   `json:"name"`
	Type DataType `json:"datatype"`
	// Shape has -1 for a dimension of any length. A nil Shape is of any rank.
	Shape []int64 `json:"shape"`
	// Parameters say more about it than the protocol does. They are ours.
	Parameters *FieldParameters `json:"parameters,omitempty"`
}

// FieldParameters are what forms, command lines and documents of an interface
// want to know about a field, as far as the model says it.
type FieldParameters struct {
	// Kind is what the elements are to a person; see the constants Kind....
	Kind string `json:"kind,omitempty"`
	// Description is the author's sentence about it.
	Description string `json:"description,omitempty"`
	// Optional inputs may be left out. Default is then the value that is taken, as
	// JSON would have it; without one the model decides.
	Optional bool `json:"optional,omitempty"`
	Default  any  `json:"default,omitempty"`
	// Minimum and Maximum bound numbers, inclusively.
	Minimum *float64 `json:"minimum,omitempty"`
	Maximum *float64 `json:"maximum,omitempty"`
	// Choices are the only values there are.
	Choices []any `json:"choices,omitempty"`
	// Labels name the classes that the last dimension of a tensor of
	// probabilities, or an integer, stands for.
	Labels []string `json:"labels,omitempty"`
	// Columns are those of a table, in their order.
	Columns []Column `json:"columns,omitempty"`
	// Part is the shape that an output has in one part of an answer, where that is
	// another than in all of them together; see Signature.AsStream.
	Part []int64 `json:"part,omitempty"`
}

// A Column is one of a table.
type Column struct {
	Name string   `json:"name"`
	Type DataType `json:"datatype"`
}

// Kinds of fields. A field of another kind, or of none, is a tensor.
const (
	KindTable = "table" // Bytes [1]: JSON records, or CSV with a head line; Columns may say which
	KindJSON  = "json"  // Bytes [1]: a JSON document
	KindFile  = "file"  // Bytes [1]: the content of a file
	KindImage = "image" // Bytes [1]: the content of an image file
	KindText  = "text"  // Bytes: strings
)

// Optional tells whether the field, an input, may be left out.
func (f *Field) Optional() bool { return f.Parameters != nil && f.Parameters.Optional }

// Kind is what the elements are to a person, one of the constants Kind...; "" where
// the model does not say.
func (f *Field) Kind() string {
	if f.Parameters == nil {
		return ""
	}
	return f.Parameters.Kind
}

// IsKind tells whether the elements are Bytes of one of these kinds.
func (f *Field) IsKind(kinds ...string) bool {
	return f.Type == Bytes && slices.Contains(kinds, f.Kind())
}

// IsText tells whether the elements are texts: Bytes that are of no other kind.
func (f *Field) IsText() bool { return f.IsKind(KindText, "") }

// Sole is the one input that the model needs, whatever else it takes; nil when it
// needs several, or none.
func (s *Signature) Sole() *Field {
	var found *Field
	for i := range s.Inputs {
		if s.Inputs[i].Optional() {
			continue
		}
		if found != nil {
			return nil
		}
		found = &s.Inputs[i]
	}
	return found
}

// Input finds an input by its name; nil when there is none.
func (s *Signature) Input(name string) *Field { return find(s.Inputs, name) }

// Output finds an output by its name; nil when there is none.
func (s *Signature) Output(name string) *Field { return find(s.Outputs, name) }

func find(list []Field, name string) *Field {
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

// MaxFields bounds the inputs, and the outputs, of a signature.
const MaxFields = 4096

// ParseSignature reads a signature in JSON and checks it.
func ParseSignature(text []byte) (*Signature, error) {
	var s Signature
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("read signature: %w", err)
	}
	err := s.Validate()
	if err == nil && s.Streams {
		err = s.AsStream()
	}
	if err != nil {
		return nil, fmt.Errorf("read signature: %w", err)
	}
	return &s, nil
}

// Validate tells in which way a signature is none: fields without a name or with
// that of another, of no type or shape, or no outputs.
func (s *Signature) Validate() error {
	if len(s.Outputs) == 0 {
		return errors.New("it has no output")
	}
	for _, list := range [][]Field{s.Inputs, s.Outputs} {
		if len(list) > MaxFields {
			return fmt.Errorf("it has more than %d inputs or outputs", MaxFields)
		}
		seen := make(map[string]bool, len(list))
		for i := range list {
			f := &list[i]
			switch {
			case f.Name == "":
				return errors.New("a field has no name")
			case seen[f.Name]:
				return fmt.Errorf("%q is there twice", f.Name)
			case !f.Type.Valid():
				return fmt.Errorf("%q: %q is no type of elements", f.Name, string(f.Type))
			case len(f.Shape) > MaxDims || len(f.Part()) > MaxDims:
				return fmt.Errorf("%q has more than %d dimensions", f.Name, MaxDims)
			}
			seen[f.Name] = true
		}
	}
	return nil
}
