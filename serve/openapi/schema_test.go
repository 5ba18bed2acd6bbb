package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
)

func ptr[T any](v T) *T { return &v }

// fields are of every kind that a form or a document tells apart.
var fields = []model.Field{
	{Name: "real", Type: model.FP64, Shape: []int64{1}, Parameters: &model.FieldParameters{Minimum: ptr(0.0), Maximum: ptr(20.0), Description: "in centimetres"}},
	{Name: "scalar", Type: model.FP32, Shape: []int64{}},
	{Name: "half", Type: model.FP16, Shape: []int64{2, 1}},
	{Name: "rows", Type: model.FP32, Shape: []int64{-1, 4}},
	{Name: "any", Type: model.FP32},
	{Name: "whole", Type: model.Int64, Shape: []int64{1}, Parameters: &model.FieldParameters{Minimum: ptr(1.0), Maximum: ptr(10.0), Optional: true, Default: 3}},
	{Name: "byte", Type: model.Uint8, Shape: []int64{3}},
	{Name: "short", Type: model.Int16, Shape: []int64{-1}},
	{Name: "long", Type: model.Uint64, Shape: []int64{1}},
	{Name: "truth", Type: model.Bool, Shape: []int64{1}},
	{Name: "level", Type: model.Int64, Shape: []int64{1}, Parameters: &model.FieldParameters{Choices: []any{1.0, 2.0}}},
	{Name: "colour", Type: model.Bytes, Shape: []int64{1}, Parameters: &model.FieldParameters{Kind: model.KindText, Choices: []any{"r", "b"}}},
	{Name: "texts", Type: model.Bytes, Shape: []int64{-1}, Parameters: &model.FieldParameters{Kind: model.KindText}},
	{Name: "bytes", Type: model.Bytes, Shape: []int64{-1}},
	{Name: "document", Type: model.Bytes, Shape: []int64{1}, Parameters: &model.FieldParameters{Kind: model.KindJSON}},
	{Name: "picture", Type: model.Bytes, Shape: []int64{1}, Parameters: &model.FieldParameters{Kind: model.KindImage}},
	{Name: "file", Type: model.Bytes, Shape: []int64{1}, Parameters: &model.FieldParameters{Kind: model.KindFile}},
	{Name: "table", Type: model.Bytes, Shape: []int64{1}, Parameters: &model.FieldParameters{Kind: model.KindTable, Columns: []model.Column{{Name: "age", Type: model.FP64}, {Name: "city", Type: model.Bytes}}}},
	{Name: "classes", Type: model.FP32, Shape: []int64{-1, 3}, Parameters: &model.FieldParameters{Labels: []string{"setosa", "versicolor", "virginica"}}},
}

// What an example is, the schema of the input allows, the field reads, and what is
// then written the schema of an output with these parameters allows.
func TestSchemas(t *testing.T) {
	for _, f := range fields {
		example, ok := exampleOf(&f)
		if !ok {
			t.Errorf("%s: no example", f.Name)
			continue
		}
		if err := valid(SchemaOf(&f), example); err != nil {
			t.Errorf("%s: the example %s does not fit its schema: %v", f.Name, example, err)
		}
		tensor, err := f.Parse(example)
		if err == nil {
			err = f.Check(&tensor)
		}
		if err != nil {
			t.Errorf("%s: the example %s is not taken: %v", f.Name, example, err)
			continue
		}
		written, err := tensor.AppendValue(nil, &f)
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		if err := valid(AnswerOf(&f), written); err != nil {
			t.Errorf("%s: the answer %.200s does not fit its schema: %v", f.Name, written, err)
		}
	}
}

// What the schema does not allow, the field does not take.
func TestSchemasRefuse(t *testing.T) {
	for _, c := range []struct{ field, value string }{
		{"real", `21`}, {"real", `-1`}, {"real", `"five"`}, {"rows", `[[1,2,3]]`}, {"rows", `"x"`},
		{"whole", `11`}, {"whole", `1.5`}, {"byte", `[1,2,256]`}, {"byte", `[1,2,3,4]`}, {"byte", `[-1,2,3]`}, {"short", `[40000]`},
		{"long", `-1`}, {"truth", `"yes"`}, {"level", `3`}, {"colour", `"green"`}, {"texts", `[1]`}, {"bytes", `[{"base64":1}]`},
	} {
		f := &fields[slices.IndexFunc(fields, func(f model.Field) bool { return f.Name == c.field })]
		if valid(SchemaOf(f), []byte(c.value)) == nil {
			t.Errorf("%s: the schema allows %s", c.field, c.value)
		}
		tensor, err := f.Parse([]byte(c.value))
		if err == nil && f.Check(&tensor) == nil {
			t.Errorf("%s: %s is taken", c.field, c.value)
		}
	}
}

func TestSignature(t *testing.T) {
	sig := &model.Signature{Name: "m", Inputs: fields, Outputs: fields}
	request, response := RequestOf(sig), ResponseOf(sig)
	if len(request.Properties) != len(fields) || len(request.Required) != len(fields)-1 || slices.Contains(request.Required, "whole") {
		t.Errorf("the request requires %v", request.Required)
	}
	if order := request.Properties["rows"].Order; order == nil || *order != 3 {
		t.Error("the inputs have lost their order")
	}
	example, err := json.Marshal(ExampleOf(sig))
	if err != nil {
		t.Fatal(err)
	}
	if err := valid(request, example); err != nil {
		t.Errorf("the example %s: %v", example, err)
	}
	if len(response.Required) != len(fields) {
		t.Errorf("the response requires %v", response.Required)
	}
	big := &model.Signature{Inputs: []model.Field{{Name: "x", Type: model.FP32, Shape: []int64{1, 3, 224, 224}}}}
	if v := ExampleOf(big); v != nil {
		t.Error("there is an example of a picture as numbers")
	}
}

func TestExampleFrom(t *testing.T) {
	large := json.RawMessage(`"` + strings.Repeat("x", maxExample) + `"`)
	small := map[string]json.RawMessage{"x": json.RawMessage("1")}
	if v := ExampleFrom([]model.Case{{Inputs: map[string]json.RawMessage{"x": large}}}); v != nil {
		t.Error("a large case is an example")
	}
	got, ok := ExampleFrom([]model.Case{{Inputs: map[string]json.RawMessage{"x": large}}, {Inputs: small}}).(map[string]json.RawMessage)
	if !ok || string(got["x"]) != "1" {
		t.Errorf("the example is %v", got)
	}
}

// FuzzSchemas: whatever a signature of a hostile image says, its schemas are written,
// and samples of it fit them.
func FuzzSchemas(f *testing.F) {
	seed, err := json.Marshal(model.Signature{Name: "m", Platform: "python", Inputs: fields, Outputs: fields})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`{"inputs":[{"name":"x","datatype":"INT8","shape":[2,-1],"parameters":{"choices":[null,{"a":1}],"default":[1]}}],"outputs":[{"name":"y","datatype":"BYTES","shape":null}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		sig, err := model.ParseSignature(text)
		if err != nil {
			return
		}
		first, err := json.Marshal(RequestOf(sig))
		if err != nil {
			t.Fatal(err)
		}
		second, err := json.Marshal(RequestOf(sig))
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("two documents of one signature: %v", err)
		}
		if _, err := json.Marshal(ResponseOf(sig)); err != nil {
			t.Fatal(err)
		}
		for i := range sig.Inputs {
			f := &sig.Inputs[i]
			alone := model.Signature{Inputs: []model.Field{*f}}
			r, err := alone.Sample(rand.New(rand.NewPCG(1, 2)))
			if err != nil || len(r.Inputs) == 0 || len(r.Inputs[0].Data) > 1<<16 {
				continue
			}
			value, err := r.Inputs[0].AppendValue(nil, f)
			if err != nil {
				continue
			}
			if err := valid(AnswerOf(f), value); err != nil {
				t.Errorf("%s: %.200s: %v", f.Name, value, err)
			}
		}
	})
}

// valid holds a value against a schema of the words that this package writes.
func valid(s *Schema, value []byte) error {
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return err
	}
	return check(s, v)
}

func check(s *Schema, v any) error {
	if len(s.AnyOf) > 0 && !slices.ContainsFunc(s.AnyOf, func(one *Schema) bool { return check(one, v) == nil }) {
		return fmt.Errorf("%v is none of any", v)
	}
	if len(s.Enum) > 0 && !slices.ContainsFunc(s.Enum, func(e any) bool { return fmt.Sprint(e) == fmt.Sprint(v) }) {
		return fmt.Errorf("%v is none of %v", v, s.Enum)
	}
	switch s.Type {
	case "null":
		if v != nil {
			return fmt.Errorf("%v is not null", v)
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			return fmt.Errorf("%v is no truth", v)
		}
	case "string":
		text, ok := v.(string)
		if !ok || s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(text) {
			return fmt.Errorf("%v is no string of %q", v, s.Pattern)
		}
	case "number", "integer":
		return checkNumber(s, v)
	case "array":
		return checkList(s, v)
	case "object":
		return checkObject(s, v)
	}
	return nil
}

func checkNumber(s *Schema, v any) error {
	n, ok := v.(json.Number)
	if !ok {
		return fmt.Errorf("%v is no number", v)
	}
	x, err := n.Float64()
	if err != nil || s.Minimum != nil && x < *s.Minimum || s.Maximum != nil && x > *s.Maximum {
		return fmt.Errorf("%v is out of bounds", v)
	}
	if s.Type == "integer" && !regexp.MustCompile(`^-?[0-9]+$`).MatchString(n.String()) {
		return fmt.Errorf("%v is no integer", v)
	}
	return nil
}

func checkList(s *Schema, v any) error {
	list, ok := v.([]any)
	if !ok || s.MinItems != nil && int64(len(list)) < *s.MinItems || s.MaxItems != nil && int64(len(list)) > *s.MaxItems {
		return fmt.Errorf("%v is no list of that length", v)
	}
	for _, item := range list {
		if err := check(s.Items, item); err != nil {
			return err
		}
	}
	return nil
}

func checkObject(s *Schema, v any) error {
	o, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("%v is no object", v)
	}
	for _, name := range s.Required {
		if _, ok := o[name]; !ok {
			return fmt.Errorf("there is no %s", name)
		}
	}
	for name, item := range o {
		property := s.Properties[name]
		if property == nil && s.AdditionalProperties == false {
			return fmt.Errorf("%s is too much", name)
		}
		if property != nil {
			if err := check(property, item); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}
