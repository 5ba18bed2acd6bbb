package openapi

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/model"
)

// SchemaOf says which JSON values POST /predict takes for an input: those that
// model.Field.Parse reads, in the one form that is best to write. Parse takes more,
// as a number where a list of one is meant.
func SchemaOf(f *model.Field) *Schema {
	s := inputSchema(f)
	p := parameters(f)
	s.Title, s.Description = f.Name, describe(f)
	if p.Optional && p.Default != nil {
		s.Default = p.Default
	}
	return s
}

func inputSchema(f *model.Field) *Schema {
	p := parameters(f)
	switch p.Kind {
	case model.KindJSON:
		return &Schema{}
	case model.KindTable:
		return tableSchema(p.Columns)
	case model.KindFile, model.KindImage:
		return contentSchema(p.Kind)
	}
	if f.Shape == nil {
		return &Schema{} // of any depth, which no schema can say in short
	}
	return nest(elementSchema(f), f.Shape)
}

// AnswerOf says which JSON values POST /predict gives for an output: those that
// model.Tensor.AppendValue writes.
func AnswerOf(f *model.Field) *Schema {
	s := &Schema{}
	switch p := parameters(f); {
	case p.Kind == model.KindJSON, p.Kind == model.KindTable, f.Shape == nil:
	case p.Kind == model.KindFile, p.Kind == model.KindImage:
		s = textOrBytes()
		if f.Part() != nil { // of several parts
			s = &Schema{Type: "array", Items: s}
		}
	default:
		s = nest(answeredElement(f.Type), f.Shape)
	}
	s.Title, s.Description = f.Name, describe(f)
	return s
}

// RequestOf is the schema of an object with a model's inputs by name.
func RequestOf(sig *model.Signature) *Schema {
	s := object()
	s.AdditionalProperties = false
	for i := range sig.Inputs {
		f := &sig.Inputs[i]
		property := SchemaOf(f)
		property.Order = new(int)
		*property.Order = i
		s.Properties[f.Name] = property
		if !parameters(f).Optional {
			s.Required = append(s.Required, f.Name)
		}
	}
	return s
}

// ResponseOf is the schema of an object with a model's outputs by name.
func ResponseOf(sig *model.Signature) *Schema {
	s := object()
	for i := range sig.Outputs {
		f := &sig.Outputs[i]
		s.Properties[f.Name] = AnswerOf(f)
		s.Required = append(s.Required, f.Name)
	}
	return s
}

func object() *Schema { return &Schema{Type: "object", Properties: map[string]*Schema{}} }

func parameters(f *model.Field) model.FieldParameters {
	if f.Parameters == nil {
		return model.FieldParameters{}
	}
	return *f.Parameters
}

// nest puts lists of a shape around the schema of their elements. A tensor of one
// element in one dimension is the element.
func nest(element *Schema, shape []int64) *Schema {
	if slices.Equal(shape, []int64{1}) {
		return element
	}
	for _, d := range slices.Backward(shape) {
		list := &Schema{Type: "array", Items: element}
		if d >= 0 {
			list.MinItems, list.MaxItems = &d, &d
		}
		element = list
	}
	return element
}

// elementSchema is that of one element of an input.
func elementSchema(f *model.Field) *Schema {
	p := parameters(f)
	s := numberSchema(f.Type)
	switch {
	case len(p.Choices) > 0:
		s.Enum = p.Choices
		s.Minimum, s.Maximum, s.Format = nil, nil, ""
		return s
	case f.Type == model.Bytes && p.Kind == model.KindText:
		return &Schema{Type: "string"}
	case f.Type == model.Bytes:
		return textOrBytes()
	}
	if p.Minimum != nil && (s.Minimum == nil || *p.Minimum > *s.Minimum) {
		s.Minimum = p.Minimum
	}
	if p.Maximum != nil && (s.Maximum == nil || *p.Maximum < *s.Maximum) {
		s.Maximum = p.Maximum
	}
	return s
}

// numberSchema is that of an element of a type, bounded by what the type holds. Of
// integers with 64 bits only the format tells it: their bounds are no float64.
func numberSchema(t model.DataType) *Schema {
	switch t {
	case model.Bool:
		return &Schema{Type: "boolean"}
	case model.Bytes:
		return &Schema{Type: "string"}
	case model.FP32, model.FP16, model.BF16:
		return &Schema{Type: "number", Format: "float"}
	case model.FP64:
		return &Schema{Type: "number", Format: "double"}
	}
	s := &Schema{Type: "integer"}
	bits, signed := 8*t.Size(), strings.HasPrefix(string(t), "INT")
	switch {
	case bits == 64 && signed:
		s.Format = "int64"
	case bits == 64:
		s.Minimum = new(float64)
	case signed:
		low, high := -math.Ldexp(1, bits-1), math.Ldexp(1, bits-1)-1
		s.Minimum, s.Maximum = &low, &high
	default:
		high := math.Ldexp(1, bits) - 1
		s.Minimum, s.Maximum = new(float64), &high
	}
	return s
}

// answeredElement is the schema of one element of an output: what JSON has no
// number for is a string.
func answeredElement(t model.DataType) *Schema {
	switch t {
	case model.Bytes:
		return textOrBytes()
	case model.FP16, model.BF16, model.FP32, model.FP64:
		return &Schema{AnyOf: []*Schema{numberSchema(t), {Enum: []any{"NaN", "Infinity", "-Infinity"}}}}
	}
	return numberSchema(t)
}

// textOrBytes is an element of BYTES.
func textOrBytes() *Schema {
	return &Schema{AnyOf: []*Schema{{Type: "string"}, inBase64()}}
}

func inBase64() *Schema {
	return &Schema{
		Type:                 "object",
		Properties:           map[string]*Schema{"base64": {Type: "string", Format: "byte", ContentEncoding: "base64"}},
		Required:             []string{"base64"},
		AdditionalProperties: false,
	}
}

// contentSchema is that of a file: a data URL, or an object with base64.
func contentSchema(kind string) *Schema {
	media := "application/octet-stream"
	if kind == model.KindImage {
		media = "image/*"
	}
	url := &Schema{Type: "string", Format: "uri", Pattern: "^data:[^,]*;base64,[A-Za-z0-9+/]*={0,2}$"}
	bytes := inBase64()
	bytes.Properties["base64"].ContentMediaType = media
	return &Schema{AnyOf: []*Schema{url, bytes}}
}

// tableSchema is that of a table: records, columns, or CSV in a string.
func tableSchema(columns []model.Column) *Schema {
	record, lists := object(), object()
	for _, c := range columns {
		record.Properties[c.Name] = cellSchema(c.Type)
		record.Required = append(record.Required, c.Name)
		lists.Properties[c.Name] = &Schema{Type: "array", Items: cellSchema(c.Type)}
		lists.Required = append(lists.Required, c.Name)
	}
	return &Schema{AnyOf: []*Schema{
		{Type: "array", Items: record, Description: "a list of records"},
		described(lists, "an object of columns"),
		{Type: "string", Description: "comma-separated values with a head line"},
	}}
}

func described(s *Schema, text string) *Schema {
	s.Description = text
	return s
}

// cellSchema is that of a cell, which may be missing.
func cellSchema(t model.DataType) *Schema {
	s := numberSchema(t)
	s.Minimum, s.Maximum = nil, nil
	return &Schema{AnyOf: []*Schema{s, {Type: "null"}}}
}

// maxLabels bounds the labels that a description lists.
const maxLabels = 20

// describe is a field in words: the author's, and what the schema does not say.
func describe(f *model.Field) string {
	p := parameters(f)
	var parts []string
	if p.Description != "" {
		parts = append(parts, p.Description)
	}
	if p.Kind == "" || p.Kind == model.KindText {
		shape := "of any shape"
		if f.Shape != nil {
			shape = fmt.Sprint(f.Shape)
		}
		parts = append(parts, string(f.Type)+" "+shape)
	} else {
		parts = append(parts, p.Kind)
	}
	switch n := len(p.Labels); {
	case n > maxLabels:
		parts = append(parts, fmt.Sprintf("classes: %s and %d more", strings.Join(p.Labels[:maxLabels], ", "), n-maxLabels))
	case n > 0:
		parts = append(parts, "classes: "+strings.Join(p.Labels, ", "))
	}
	return strings.Join(parts, "; ")
}
